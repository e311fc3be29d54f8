//! Parts of a program as text: names, sizes, types, places. Works for any program, valid or not.

use std::borrow::Cow;

use kiln_core::{entry_name, quoted};

use crate::{
    leaf::MAX_TYPE_DEPTH,
    op::{Float, Scalar},
    program::{
        Function, FunctionId, Method, ModuleId, Program, SymbolId, TensorType, Type, ValueType,
        WeightId,
    },
    size::Size,
    validate::Place,
};

/// Version of the text form; the first line of a text is `kiln` and this number.
pub const TEXT_VERSION: u64 = 1;

/// The text form of parts of a program.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(pub(crate) &'a Program);

impl Words<'_> {
    pub(crate) fn symbol(self, symbol: SymbolId) -> String {
        match self.0.symbols.get(symbol.index()) {
            Some(symbol) => format!("${}", symbol.name),
            None => format!("$?{}", symbol.0),
        }
    }

    /// `2*$N + $N*$E - 1`
    pub(crate) fn size(self, size: &Size) -> String {
        size.text(&|symbol| self.symbol(symbol))
    }

    /// `$N, 16`
    pub(crate) fn sizes(self, sizes: &[Size]) -> String {
        list(sizes, |size| self.size(size))
    }

    /// `f32[$N, 16]`
    pub(crate) fn tensor_type(self, ty: &TensorType) -> String {
        format!("{}[{}]", ty.elem, self.sizes(&ty.dims))
    }

    /// A tensor type, or `int $N`.
    pub(crate) fn value_type(self, ty: &ValueType) -> String {
        match ty {
            ValueType::Tensor(ty) => self.tensor_type(ty),
            ValueType::Int(symbol) => format!("int {}", self.symbol(*symbol)),
        }
    }

    /// The type of a parameter or a result.
    pub(crate) fn ty(self, ty: &Type) -> String {
        self.nested(ty, MAX_TYPE_DEPTH)
    }

    fn nested(self, ty: &Type, depth: usize) -> String {
        let Some(below) = depth.checked_sub(1) else {
            return "...".to_owned();
        };
        match ty {
            Type::Tensor(ty) => self.tensor_type(ty),
            Type::Adjacency(parts) => {
                format!("csr({})", list(&**parts, |part| self.tensor_type(part)))
            }
            Type::Optional(inner) => format!("{}?", self.nested(inner, below)),
            Type::Tuple(items) => match items.as_slice() {
                [only] => format!("({},)", self.nested(only, below)),
                _ => format!("({})", list(items, |item| self.nested(item, below))),
            },
            Type::List(items) => format!("[{}]", list(items, |item| self.nested(item, below))),
            Type::Size([a, b]) => format!("size({}, {})", self.symbol(*a), self.symbol(*b)),
            Type::Dict(entries) => {
                let entry = |(key, ty): &(String, Type)| {
                    format!("{}: {}", entry_name("", key), self.nested(ty, below))
                };
                format!("{{{}}}", list(entries, entry))
            }
            Type::Flag => "flag".to_owned(),
            Type::Int(symbol) => format!("int {}", self.symbol(*symbol)),
            Type::Float(ty) => format!("float {}", ty.elem),
            Type::Literal(literal) => literal.to_string(),
        }
    }

    /// `0.5`, `$N + 1`, `true`
    pub(crate) fn scalar(self, scalar: &Scalar) -> String {
        match scalar {
            Scalar::Float(value) => float(*value),
            Scalar::Int(size) => self.size(size),
            Scalar::Bool(value) => value.to_string(),
        }
    }

    /// `forward(x: f32[$N, 4], edge_index: i64[2, $E])`
    pub(crate) fn signature(self, method: &Method) -> String {
        let params = list(&method.params, |one| {
            format!("{}: {}", one.name, self.ty(&one.ty))
        });
        format!("{}({params})", method.name)
    }

    pub(crate) fn weight(self, id: WeightId) -> String {
        match self.0.weights.get(id.index()) {
            Some(weight) => at(&weight.name),
            None => format!("@?{}", id.0),
        }
    }

    pub(crate) fn module(self, id: ModuleId) -> String {
        match self.0.modules.get(id.index()) {
            Some(module) => at(&module.path),
            None => format!("@?{}", id.0),
        }
    }

    /// Qualified name of a function without the `@`: `conv1.forward`.
    pub(crate) fn name(self, function: &Function) -> String {
        match self.0.modules.get(function.module.index()) {
            Some(module) if module.path.is_empty() => function.name.clone(),
            Some(module) => format!("{}.{}", module.path, function.name),
            None => format!("?{}.{}", function.module.0, function.name),
        }
    }

    /// The same by id.
    pub(crate) fn function(self, id: FunctionId) -> String {
        self.0
            .functions
            .get(id.index())
            .map_or_else(|| format!("?{}", id.0), |one| self.name(one))
    }

    pub(crate) fn place(self, place: Place) -> String {
        match place {
            Place::Program => "program".to_owned(),
            Place::Symbol(id) => format!("symbol {}", self.symbol(id)),
            Place::Weight(id) => format!("weight {}", self.weight(id)),
            Place::Module(id) => format!("module {}", self.module(id)),
            Place::Method(module, method) => self.method(module, method),
            Place::Case(module, method, case) => {
                format!("{}, case {case}", self.method(module, method))
            }
            Place::Function(id) => format!("@{}", self.function(id)),
            Place::Node(function, node) => format!("@{}, node {node}", self.function(function)),
            Place::Value(function, value) => format!("@{}, %{}", self.function(function), value.0),
        }
    }

    fn method(self, module: ModuleId, position: usize) -> String {
        let found = self.0.modules.get(module.index());
        let name = found.and_then(|module| module.methods.get(position));
        let name = name.map_or_else(|| format!("?{position}"), |method| method.name.clone());
        format!("module {}, method {name}", self.module(module))
    }
}

/// Items with commas between them.
pub(super) fn list<T>(items: &[T], text: impl FnMut(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// `@conv1.lin.weight`, or `@"a name with spaces"`.
pub(super) fn at(name: &str) -> String {
    if name.chars().all(is_path_char) {
        format!("@{name}")
    } else {
        format!("@{}", quoted(name))
    }
}

/// A name as it is, where it reads as a word, and in quotes elsewhere.
pub(super) fn word(name: &str) -> Cow<'_, str> {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if starts && name.chars().all(is_path_char) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(quoted(name))
    }
}

/// Characters of words and of names after `@`.
pub(super) fn is_path_char(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_' || next == '.'
}

/// The shortest decimal that gives the float back; other NaNs than the usual one by their bits.
pub(super) fn float(value: Float) -> String {
    let Float(value) = value;
    if value.to_bits() == f64::NAN.to_bits() {
        "nan".to_owned()
    } else if value.is_nan() {
        format!("nan({})", value.to_bits())
    } else {
        format!("{value:?}")
    }
}
