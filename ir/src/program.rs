//! The program: modules, methods, functions, values. See `docs/ir.md` for the whole picture.
//!
//! - A [`Program`] is an arena. Ids are typed, print as in the text form (`%3`,
//!   `@conv1.lin.weight`, `$N`) and refer backward only: a [`Node`] reads values defined before it.
//! - A [`Module`] keeps the layer structure of what was recorded. It has parameters, children and
//!   [`Method`]s.
//! - A [`Method`] is what a user calls: named parameters with structured types (optional, pair,
//!   edge index, adjacency). It has one [`Case`] for each combination of optional inputs that are
//!   present. A case runs one function.
//! - A [`Function`] is a straight line of [`Node`]s over flat tensors. Its sizes are expressions
//!   ([`Size`](crate::Size)) in the symbols of the method it was recorded for; functions reached by
//!   calls share those symbols.

use std::borrow::Cow;

use crate::op::{Op, attribute::words};
pub use crate::{
    id::{FunctionId, ModuleId, SymbolId, ValueId, WeightId},
    types::{ElemType, Literal, TensorType, Type, ValueType},
};

/// Whether a weight is trained or only saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightRole {
    /// A trainable parameter (`nn.Parameter`).
    Parameter,
    /// A persistent buffer (`register_buffer`), such as running statistics.
    Buffer,
    /// A constant tensor that the recording met; not part of the `state_dict`.
    Constant,
}

words!(WeightRole {
    Parameter "parameter", Buffer "buffer", Constant "constant",
});

/// A weight: its name and type. The values live beside the program, in [`Weights`](crate::Weights).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// `state_dict` key, such as `conv1.lin.weight`; layout as PyTorch has it (`[out, in]`).
    pub name: String,
    /// What it is.
    pub role: WeightRole,
    /// Element type.
    pub elem: ElemType,
    /// Sizes of the axes.
    pub shape: Vec<u64>,
    /// The weight whose tensor this is, under a second name; one that stands before. Training
    /// changes both, and only the first has values of its own.
    pub tied: Option<WeightId>,
}

/// A symbolic size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Name, such as `N`; sizes that depend on data are named `K0`, `K1`, ...
    pub name: String,
}

/// A named parameter of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name.
    pub name: String,
    /// Type.
    pub ty: Type,
}

/// One combination of present optional leaves, and the function that serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// For each optional tensor leaf of the method's parameters, in order, whether it is present.
    pub present: Vec<bool>,
    /// For each optional tensor leaf of the method's result, in order, whether it is present; empty
    /// where all are.
    pub results: Vec<bool>,
    /// The function. Its inputs are the present tensor leaves in order, followed by the integer
    /// inputs (symbols that no leaf's dimensions show by themselves).
    pub function: FunctionId,
}

/// What a user calls: `forward`, or `forward__0`, `forward__1`, ... for an overloaded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Name.
    pub name: String,
    /// Parameters.
    pub params: Vec<Param>,
    /// Structure of the result; its leaves that are present in a case are the outputs of the case's
    /// function.
    pub result: Type,
    /// One entry for each combination of optional leaves.
    pub cases: Vec<Case>,
    /// Pairs `(a, b)`: when nothing shows the value of symbol `a`, it equals `b` (PyG: a pair
    /// without target features and without `size` has as many targets as sources).
    pub defaults: Vec<(SymbolId, SymbolId)>,
}

impl Method {
    /// Whether this is a variant of an overloaded method: `forward__0` of `forward`, with any
    /// number.
    pub fn is_variant_of(&self, name: &str) -> bool {
        self.variant().is_some_and(|(base, _)| base == name)
    }

    /// Name of the overloaded method that this is a variant of, and the number of the variant.
    pub fn variant(&self) -> Option<(&str, u32)> {
        let (base, number) = self.name.rsplit_once("__")?;
        let is_number = number.bytes().all(|digit| digit.is_ascii_digit());
        let number = is_number.then(|| number.parse().ok()).flatten()?;
        (!base.is_empty()).then_some((base, number))
    }
}

/// A module: a layer, or the whole model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Path from the root, such as `convs.0`; the root's is empty.
    pub path: String,
    /// Class name, such as `GCNConv`; the Rust type's name for modules that are not layers.
    pub kind: String,
    /// Child modules, in order; the last component of their paths is their attribute name.
    pub children: Vec<ModuleId>,
    /// Parameters and buffers that are direct attributes, in `state_dict` order.
    pub weights: Vec<WeightId>,
    /// Methods a user can call. Empty for modules that hold only weights.
    pub methods: Vec<Method>,
}

/// How a function takes its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// One by one.
    Plain,
    /// As a record of the given type name (a `NamedTuple` in TorchScript): the arguments of
    /// `propagate`.
    Record(String),
}

/// A straight-line function over flat values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Name, unique within its module: `forward`, `forward_1`, `propagate`, ...
    pub name: String,
    /// The module it belongs to.
    pub module: ModuleId,
    /// How the arguments are passed.
    pub arguments: Arguments,
    /// Names of the inputs, for printing; as many as `inputs`.
    pub input_names: Vec<String>,
    /// Inputs; they are values `%0`, `%1`, ... in order.
    pub inputs: Vec<ValueId>,
    /// Types of all values, inputs first, in order of definition.
    pub values: Vec<ValueType>,
    /// Operations, in order.
    pub nodes: Vec<Node>,
    /// Results.
    pub outputs: Vec<ValueId>,
}

impl Function {
    /// The weight that a value is, if one of this function's nodes reads it.
    pub fn weight_of(&self, value: ValueId) -> Option<WeightId> {
        self.nodes.iter().find_map(|node| match node.op {
            Op::Weight(weight) if node.outputs.contains(&value) => Some(weight),
            _ => None,
        })
    }
}

/// One operation of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it does, with its attributes.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// What it defines.
    pub outputs: Vec<ValueId>,
}

/// A recorded model: modules, functions and the types of its weights.
///
/// Everything here is plain data that may be wrong; [`validate`](crate::validate()) turns it into a
/// [`Valid`](crate::Valid) program, which executor and writers demand.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Program {
    /// Symbolic sizes.
    pub symbols: Vec<Symbol>,
    /// Weights.
    pub weights: Vec<Weight>,
    /// Modules; the first is the root.
    pub modules: Vec<Module>,
    /// Functions; one calls only functions that stand before it.
    pub functions: Vec<Function>,
}

impl Program {
    /// The root module.
    pub fn root(&self) -> Option<&Module> {
        self.modules.first()
    }

    /// The root's method of the given name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.root()?
            .methods
            .iter()
            .find(|method| method.name == name)
    }

    /// The weight that has the values of another: that one, or what it is tied to.
    pub fn stored(&self, id: WeightId) -> WeightId {
        let tied = self.weights.get(id.index()).and_then(|weight| weight.tied);
        tied.unwrap_or(id)
    }

    /// Name of a symbol, or its number where there is none.
    pub fn symbol_name(&self, id: SymbolId) -> Cow<'_, str> {
        match self.symbols.get(id.index()) {
            Some(symbol) => Cow::Borrowed(&symbol.name),
            None => Cow::Owned(id.0.to_string()),
        }
    }
}
