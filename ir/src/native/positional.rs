//! Programs as versions 1 and 2 of the format have them: by the order of fields and by numbers of
//! variants.
//!
//! Nothing here changes any more, whatever becomes of the types of the crate.

use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, SeqAccess, Visitor},
};

use crate::{
    leaf::MAX_TYPE_DEPTH,
    op::{
        Float, NamedError, Op, Scalar,
        attribute::{Kind, Value},
    },
    program::{self, ElemType, FunctionId, ModuleId, SymbolId, ValueId, WeightId, WeightRole},
    size::{Factor, MAX_NESTING, Size, Term},
};

/// What is wrong with a program that decodes.
type Problem = &'static str;

/// Number of a variant of an enum that has no fields.
type Variant = u32;

/// Name of an operation, where `*` stands for the word of the first attribute, and its attributes.
type Operation = (&'static str, &'static [(&'static str, Kind)]);

const ELEMS: [ElemType; 6] = [
    ElemType::F32,
    ElemType::F64,
    ElemType::F16,
    ElemType::BF16,
    ElemType::I64,
    ElemType::Bool,
];

const ROLES: [WeightRole; 3] = [
    WeightRole::Parameter,
    WeightRole::Buffer,
    WeightRole::Constant,
];

const ELEM: Kind = Kind::Word(&["f32", "f64", "f16", "bf16", "i64", "bool"]);

const UNARY: Kind = Kind::Word(&[
    "neg",
    "abs",
    "sign",
    "exp",
    "log",
    "log1p",
    "sqrt",
    "recip",
    "erf",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sigmoid",
    "log_sigmoid",
    "relu",
    "gelu",
    "floor",
    "ceil",
    "round",
    "not",
]);

const BINARY: Kind = Kind::Word(&[
    "add",
    "sub",
    "mul",
    "div",
    "rem",
    "pow",
    "equal",
    "not_equal",
    "greater",
    "greater_equal",
    "lower",
    "lower_equal",
    "and",
    "or",
    "xor",
]);

const REDUCTION: Kind = Kind::Word(&["sum", "mean", "max", "min", "prod", "any", "all"]);

const REDUCE: Kind = Kind::Word(&["sum", "mean", "max", "min", "mul"]);

/// The operations of version 2 by their numbers, behind `weight`, `call` and `symbol`.
const OPERATIONS: &[Operation] = &[
    (
        "full",
        &[
            ("value", Kind::Scalar),
            ("elem", ELEM),
            ("dims", Kind::Sizes),
        ],
    ),
    ("arange", &[("start", Kind::Size), ("end", Kind::Size)]),
    ("*", &[("function", UNARY)]),
    ("*", &[("function", BINARY)]),
    ("*_scalar", &[("function", BINARY), ("rhs", Kind::Scalar)]),
    ("leaky_relu", &[("slope", Kind::Float)]),
    (
        "clamp",
        &[("min", Kind::OptionalScalar), ("max", Kind::OptionalScalar)],
    ),
    ("cast", &[("elem", ELEM)]),
    ("mask_where", &[]),
    ("mask_fill", &[("value", Kind::Scalar)]),
    ("dropout", &[("prob", Kind::Float)]),
    ("reshape", &[("dims", Kind::Sizes)]),
    ("permute", &[("axes", Kind::Integers)]),
    ("expand", &[("dims", Kind::Sizes)]),
    ("slice", &[("ranges", Kind::Ranges)]),
    ("cat", &[("dim", Kind::Integer)]),
    (
        "repeat_dim",
        &[("dim", Kind::Integer), ("times", Kind::Size)],
    ),
    ("select", &[("dim", Kind::Integer)]),
    ("gather_elements", &[("dim", Kind::Integer)]),
    (
        "reduce_*",
        &[("reduction", REDUCTION), ("axes", Kind::Integers)],
    ),
    ("arg_max", &[("dim", Kind::Integer)]),
    ("softmax", &[("dim", Kind::Integer)]),
    ("log_softmax", &[("dim", Kind::Integer)]),
    ("matmul", &[]),
    ("linear", &[]),
    ("layer_norm", &[("epsilon", Kind::Float)]),
    (
        BATCH_NORM,
        &[("epsilon", Kind::Float), ("momentum", Kind::OptionalFloat)],
    ),
    ("gather", &[]),
    ("scatter", &[("reduce", REDUCE), ("size", Kind::Size)]),
    ("segment_reduce", &[("reduce", REDUCE)]),
    ("segment_softmax", &[("size", Kind::Size)]),
    ("spmm", &[("reduce", REDUCE), ("size", Kind::Size)]),
    ("spmm_csr", &[("reduce", REDUCE)]),
    ("degree", &[("size", Kind::Size), ("elem", ELEM)]),
    ("ptr_to_index", &[("entries", Kind::Size)]),
    ("coo_to_csr", &[("size", Kind::Size)]),
    ("nonzero", &[]),
    ("self_loop_position", &[("size", Kind::Size)]),
    (
        "edge_attention",
        &[
            ("slope", Kind::Float),
            ("self_loops", Kind::Bool),
            ("dropout", Kind::Float),
            ("size", Kind::Size),
        ],
    ),
    ("spmm_normalized", &[("self_loop", Kind::OptionalFloat)]),
    (
        "inverse_sqrt_degree",
        &[
            ("self_loop", Kind::OptionalFloat),
            ("size", Kind::Size),
            ("elem", ELEM),
        ],
    ),
    ("spmm_with_loops", &[]),
];

/// Without `momentum` in version 1.
const BATCH_NORM: &str = "batch_norm";

/// How many of the operations are in version 1.
const OPERATIONS_OF_1: usize = 41;

/// What differs between the versions.
pub(super) trait Version {
    /// How a size is written.
    type Size: DeserializeOwned + Into<Size>;

    /// The operation of a number.
    fn operation(number: usize) -> Option<Operation>;
}

/// Version 1.
pub(super) enum V1 {}

/// Version 2.
pub(super) enum V2 {}

impl Version for V1 {
    type Size = Polynomial;

    fn operation(number: usize) -> Option<Operation> {
        let (name, attributes) = *OPERATIONS.get(..OPERATIONS_OF_1)?.get(number)?;
        let kept = match name {
            BATCH_NORM => attributes.get(..1)?,
            _ => attributes,
        };
        Some((name, kept))
    }
}

impl Version for V2 {
    type Size = Nested;

    fn operation(number: usize) -> Option<Operation> {
        OPERATIONS.get(number).copied()
    }
}

fn variant<T: Copy>(table: &[T], variant: Variant) -> Result<T, Problem> {
    let position = usize::try_from(variant).unwrap_or(usize::MAX);
    let found = table.get(position).copied();
    found.ok_or("a variant that the version does not have")
}

fn elem(elem: Variant) -> Result<ElemType, Problem> {
    variant(&ELEMS, elem)
}

/// A size of version 1: terms of symbols and a coefficient.
#[derive(Deserialize)]
pub(super) struct Polynomial(Vec<(Vec<SymbolId>, i64)>);

impl From<Polynomial> for Size {
    fn from(size: Polynomial) -> Self {
        let term = |(symbols, coefficient): (Vec<SymbolId>, i64)| Term::new(symbols, coefficient);
        Self::as_read(size.0.into_iter().map(term).collect())
    }
}

/// A size of version 2: the list of its parts in preorder.
#[derive(Deserialize)]
#[serde(try_from = "Vec<SizePart>")]
pub(super) struct Nested(Size);

#[derive(Deserialize)]
enum SizePart {
    /// A size begins: its number of terms.
    Size(u32),
    /// A term begins: its coefficient and number of factors.
    Term(i64, u32),
    Symbol(SymbolId),
    /// Two sizes follow.
    Min,
    /// Two sizes follow.
    FloorDiv,
}

impl From<Nested> for Size {
    fn from(size: Nested) -> Self {
        size.0
    }
}

impl TryFrom<Vec<SizePart>> for Nested {
    type Error = Problem;

    fn try_from(parts: Vec<SizePart>) -> Result<Self, Problem> {
        let mut parts = parts.into_iter();
        let size = size(&mut parts, MAX_NESTING)?;
        match parts.next() {
            Some(_) => Err("a size has parts after its end"),
            None => Ok(Self(size)),
        }
    }
}

const SHORT: &str = "a size ends early";

fn size(parts: &mut impl Iterator<Item = SizePart>, nesting: usize) -> Result<Size, Problem> {
    let Some(SizePart::Size(terms)) = parts.next() else {
        return Err(SHORT);
    };
    let terms = (0..terms).map(|_| {
        let Some(SizePart::Term(coefficient, factors)) = parts.next() else {
            return Err(SHORT);
        };
        let factors = (0..factors).map(|_| factor(parts, nesting));
        Ok(Term {
            factors: factors.collect::<Result<_, _>>()?,
            coefficient,
        })
    });
    let terms = terms.collect::<Result<_, _>>()?;
    Ok(Size::as_read(terms))
}

fn factor(parts: &mut impl Iterator<Item = SizePart>, nesting: usize) -> Result<Factor, Problem> {
    let make: fn(Box<[Size; 2]>) -> Factor = match parts.next() {
        Some(SizePart::Symbol(symbol)) => return Ok(Factor::Symbol(symbol)),
        Some(SizePart::Min) => Factor::Min,
        Some(SizePart::FloorDiv) => Factor::FloorDiv,
        Some(SizePart::Size(_) | SizePart::Term(..)) | None => return Err(SHORT),
    };
    let below = nesting.checked_sub(1).ok_or("a size nests too deep")?;
    Ok(make(Box::new([size(parts, below)?, size(parts, below)?])))
}
fn sizes<S: Into<Size>>(sizes: Vec<S>) -> Vec<Size> {
    sizes.into_iter().map(Into::into).collect()
}

#[derive(Deserialize)]
enum Number<S> {
    Float(Float),
    Int(S),
    Bool(bool),
}

impl<S: Into<Size>> From<Number<S>> for Scalar {
    fn from(scalar: Number<S>) -> Self {
        match scalar {
            Number::Float(value) => Self::Float(value),
            Number::Int(size) => Self::Int(size.into()),
            Number::Bool(value) => Self::Bool(value),
        }
    }
}

#[derive(Deserialize)]
struct TensorType<S> {
    elem: Variant,
    dims: Vec<S>,
}

impl<S: Into<Size>> TryFrom<TensorType<S>> for program::TensorType {
    type Error = Problem;

    fn try_from(ty: TensorType<S>) -> Result<Self, Problem> {
        Ok(Self {
            elem: elem(ty.elem)?,
            dims: sizes(ty.dims),
        })
    }
}

/// A part of a type in preorder.
#[derive(Deserialize)]
enum Part<S> {
    Tensor(TensorType<S>),
    Adjacency([TensorType<S>; 3]),
    Optional,
    Tuple(u32),
    Size([SymbolId; 2]),
    Flag,
}

#[derive(Deserialize)]
struct Type<S>(Vec<Part<S>>);

impl<S: Into<Size>> TryFrom<Type<S>> for program::Type {
    type Error = Problem;

    fn try_from(ty: Type<S>) -> Result<Self, Problem> {
        fn take<S: Into<Size>>(
            parts: &mut impl Iterator<Item = Part<S>>,
            depth: usize,
        ) -> Result<program::Type, Problem> {
            let below = depth.checked_sub(1).ok_or("a type nests too deep")?;
            Ok(match parts.next().ok_or("a type ends early")? {
                Part::Tensor(ty) => program::Type::Tensor(ty.try_into()?),
                Part::Adjacency([rowptr, col, value]) => program::Type::Adjacency(Box::new([
                    rowptr.try_into()?,
                    col.try_into()?,
                    value.try_into()?,
                ])),
                Part::Optional => program::Type::Optional(Box::new(take(parts, below)?)),
                Part::Tuple(count) => {
                    let items = (0..count).map(|_| take(parts, below));
                    program::Type::Tuple(items.collect::<Result<_, _>>()?)
                }
                Part::Size(symbols) => program::Type::Size(symbols),
                Part::Flag => program::Type::Flag,
            })
        }
        let mut parts = ty.0.into_iter();
        let ty = take(&mut parts, MAX_TYPE_DEPTH)?;
        match parts.next() {
            Some(_) => Err("a type has parts after its end"),
            None => Ok(ty),
        }
    }
}

#[derive(Deserialize)]
enum ValueType<S> {
    Tensor(TensorType<S>),
    Int(SymbolId),
}

impl<S: Into<Size>> TryFrom<ValueType<S>> for program::ValueType {
    type Error = Problem;

    fn try_from(ty: ValueType<S>) -> Result<Self, Problem> {
        Ok(match ty {
            ValueType::Tensor(ty) => Self::Tensor(ty.try_into()?),
            ValueType::Int(symbol) => Self::Int(symbol),
        })
    }
}

/// An operation with its attributes.
struct Operator<V>(Op, PhantomData<V>);

impl<'de, V: Version> Deserialize<'de> for Operator<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // More fields than any operation has; those that are not there are not asked for.
        const FIELDS: usize = 16;
        deserializer.deserialize_tuple(FIELDS, Fields(PhantomData))
    }
}

/// Reads the fields of an operation: its number, then its attributes.
struct Fields<V>(PhantomData<V>);

impl<'de, V: Version> Visitor<'de> for Fields<V> {
    type Value = Operator<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an operation")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Operator<V>, A::Error> {
        let fields = &mut fields;
        let number = next::<Variant, A>(fields)?;
        let op = match number {
            0 => Op::Weight(next(fields)?),
            1 => Op::Call(next(fields)?),
            2 => Op::Symbol(next(fields)?),
            _ => {
                let position = usize::try_from(number).unwrap_or(usize::MAX);
                let found = position.checked_sub(3).and_then(V::operation);
                let (name, attributes) = found.ok_or_else(|| {
                    A::Error::custom(format_args!("the version has no operation {number}"))
                })?;
                let mut values = Vec::with_capacity(attributes.len());
                for (attribute, kind) in attributes {
                    values.push((*attribute, value::<V, A>(*kind, fields)?));
                }
                let word = match values.first() {
                    Some((_, Value::Word(word))) if name.contains('*') => *word,
                    _ => "",
                };
                if !word.is_empty() {
                    values.remove(0);
                }
                let name = name.replace('*', word);
                Op::named(&name, values, |value, _| Ok::<_, NamedError>(Some(value)))
                    .map_err(A::Error::custom)?
            }
        };
        Ok(Operator(op, PhantomData))
    }
}

/// The next field.
fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(fields: &mut A) -> Result<T, A::Error> {
    let next = fields.next_element()?;
    next.ok_or_else(|| A::Error::custom("an operation ends early"))
}

/// The next field, as an attribute of a kind.
fn value<'de, V: Version, A: SeqAccess<'de>>(
    kind: Kind,
    fields: &mut A,
) -> Result<Value, A::Error> {
    Ok(match kind {
        Kind::Word(words) => {
            let word = variant(words, next(fields)?);
            Value::Word(word.map_err(A::Error::custom)?)
        }
        Kind::Bool => Value::Bool(next(fields)?),
        Kind::Integer => Value::Integer(next(fields)?),
        Kind::Integers => Value::Integers(next(fields)?),
        Kind::Float => Value::Float(next(fields)?),
        Kind::OptionalFloat => Value::OptionalFloat(next(fields)?),
        Kind::Scalar => Value::Scalar(next::<Number<V::Size>, A>(fields)?.into()),
        Kind::OptionalScalar => {
            let scalar: Option<Number<V::Size>> = next(fields)?;
            Value::OptionalScalar(scalar.map(Into::into))
        }
        Kind::Size => Value::Size(next::<V::Size, A>(fields)?.into()),
        Kind::Sizes => Value::Sizes(sizes::<V::Size>(next(fields)?)),
        Kind::Ranges => {
            let ranges: Vec<(V::Size, V::Size)> = next(fields)?;
            let range = |(start, end): (V::Size, V::Size)| (start.into(), end.into());
            Value::Ranges(ranges.into_iter().map(range).collect())
        }
    })
}

#[derive(Deserialize)]
struct Weight {
    name: String,
    role: Variant,
    elem: Variant,
    shape: Vec<u64>,
}

#[derive(Deserialize)]
struct Method<S> {
    name: String,
    params: Vec<(String, Type<S>)>,
    result: Type<S>,
    cases: Vec<(Vec<bool>, FunctionId)>,
    defaults: Vec<(SymbolId, SymbolId)>,
}

impl<S: Into<Size>> TryFrom<Method<S>> for program::Method {
    type Error = Problem;

    fn try_from(method: Method<S>) -> Result<Self, Problem> {
        let param = |(name, ty): (String, Type<S>)| {
            Ok::<_, Problem>(program::Param {
                name,
                ty: ty.try_into()?,
            })
        };
        let case = |(present, function)| program::Case {
            present,
            results: Vec::new(),
            function,
        };
        Ok(Self {
            name: method.name,
            params: each(method.params, param)?,
            result: method.result.try_into()?,
            cases: method.cases.into_iter().map(case).collect(),
            defaults: method.defaults,
        })
    }
}

#[derive(Deserialize)]
struct Module<S> {
    path: String,
    kind: String,
    children: Vec<ModuleId>,
    weights: Vec<WeightId>,
    methods: Vec<Method<S>>,
}

#[derive(Deserialize)]
enum Arguments {
    Plain,
    Record(String),
}

#[derive(Deserialize)]
#[serde(bound = "")]
struct Function<V: Version> {
    name: String,
    module: ModuleId,
    arguments: Arguments,
    input_names: Vec<String>,
    inputs: Vec<ValueId>,
    values: Vec<ValueType<V::Size>>,
    nodes: Vec<(Operator<V>, Vec<ValueId>, Vec<ValueId>)>,
    outputs: Vec<ValueId>,
}

impl<V: Version> TryFrom<Function<V>> for program::Function {
    type Error = Problem;

    fn try_from(function: Function<V>) -> Result<Self, Problem> {
        let node = |(Operator(op, _), inputs, outputs): (Operator<V>, _, _)| program::Node {
            op,
            inputs,
            outputs,
        };
        Ok(Self {
            name: function.name,
            module: function.module,
            arguments: match function.arguments {
                Arguments::Plain => program::Arguments::Plain,
                Arguments::Record(name) => program::Arguments::Record(name),
            },
            input_names: function.input_names,
            inputs: function.inputs,
            values: each(function.values, TryInto::try_into)?,
            nodes: function.nodes.into_iter().map(node).collect(),
            outputs: function.outputs,
        })
    }
}

/// A program of a version.
#[derive(Deserialize)]
#[serde(bound = "")]
pub(super) struct Program<V: Version> {
    symbols: Vec<(String,)>,
    weights: Vec<Weight>,
    modules: Vec<Module<V::Size>>,
    functions: Vec<Function<V>>,
}

impl<V: Version> TryFrom<Program<V>> for program::Program {
    type Error = Problem;

    fn try_from(program: Program<V>) -> Result<Self, Problem> {
        let weight = |weight: Weight| {
            Ok::<_, Problem>(program::Weight {
                name: weight.name,
                role: variant(&ROLES, weight.role)?,
                elem: elem(weight.elem)?,
                shape: weight.shape,
                tied: None,
            })
        };
        let module = |module: Module<V::Size>| {
            Ok::<_, Problem>(program::Module {
                path: module.path,
                kind: module.kind,
                children: module.children,
                weights: module.weights,
                methods: each(module.methods, TryInto::try_into)?,
            })
        };
        let symbol = |(name,)| program::Symbol { name };
        Ok(Self {
            symbols: program.symbols.into_iter().map(symbol).collect(),
            weights: each(program.weights, weight)?,
            modules: each(program.modules, module)?,
            functions: each(program.functions, TryInto::try_into)?,
        })
    }
}

fn each<A, B>(
    items: Vec<A>,
    convert: impl FnMut(A) -> Result<B, Problem>,
) -> Result<Vec<B>, Problem> {
    items.into_iter().map(convert).collect()
}
