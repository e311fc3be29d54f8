//! Programs as version 1 of the format has them, and what they are now.
//!
//! Nothing here changes any more: the types are decoded by the order of their fields and variants.

use serde::Deserialize;

use crate::{
    leaf::MAX_TYPE_DEPTH,
    op::{Binary, Float, Op, Reduce, Reduction, Scalar, Unary},
    program::{self, ElemType, FunctionId, ModuleId, SymbolId, ValueId, WeightId, WeightRole},
    size::{Size, Term},
};

/// What is wrong with a program that decodes.
type Problem = &'static str;

/// Number of a variant of an enum that has no fields.
type Variant = u32;

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

const UNARY: [Unary; 21] = [
    Unary::Neg,
    Unary::Abs,
    Unary::Sign,
    Unary::Exp,
    Unary::Log,
    Unary::Log1p,
    Unary::Sqrt,
    Unary::Recip,
    Unary::Erf,
    Unary::Sin,
    Unary::Cos,
    Unary::Tan,
    Unary::Tanh,
    Unary::Sigmoid,
    Unary::LogSigmoid,
    Unary::Relu,
    Unary::Gelu,
    Unary::Floor,
    Unary::Ceil,
    Unary::Round,
    Unary::Not,
];

const BINARY: [Binary; 15] = [
    Binary::Add,
    Binary::Sub,
    Binary::Mul,
    Binary::Div,
    Binary::Rem,
    Binary::Pow,
    Binary::Equal,
    Binary::NotEqual,
    Binary::Greater,
    Binary::GreaterEqual,
    Binary::Lower,
    Binary::LowerEqual,
    Binary::And,
    Binary::Or,
    Binary::Xor,
];

const REDUCTIONS: [Reduction; 7] = [
    Reduction::Sum,
    Reduction::Mean,
    Reduction::Max,
    Reduction::Min,
    Reduction::Prod,
    Reduction::Any,
    Reduction::All,
];

const REDUCES: [Reduce; 5] = [
    Reduce::Sum,
    Reduce::Mean,
    Reduce::Max,
    Reduce::Min,
    Reduce::Mul,
];

fn variant<T: Copy>(table: &[T], variant: Variant) -> Result<T, Problem> {
    let position = usize::try_from(variant).unwrap_or(usize::MAX);
    let found = table.get(position).copied();
    found.ok_or("a variant that version 1 does not have")
}

fn elem(elem: Variant) -> Result<ElemType, Problem> {
    variant(&ELEMS, elem)
}

fn reduce(reduce: Variant) -> Result<Reduce, Problem> {
    variant(&REDUCES, reduce)
}

#[derive(Deserialize)]
struct Size1(Vec<(Vec<SymbolId>, i64)>);

impl From<Size1> for Size {
    fn from(size: Size1) -> Self {
        let term = |(symbols, coefficient): (Vec<SymbolId>, i64)| Term::new(symbols, coefficient);
        Self::as_read(size.0.into_iter().map(term).collect())
    }
}

fn sizes(sizes: Vec<Size1>) -> Vec<Size> {
    sizes.into_iter().map(Size::from).collect()
}

#[derive(Deserialize)]
enum Scalar1 {
    Float(Float),
    Int(Size1),
    Bool(bool),
}

impl From<Scalar1> for Scalar {
    fn from(scalar: Scalar1) -> Self {
        match scalar {
            Scalar1::Float(value) => Self::Float(value),
            Scalar1::Int(size) => Self::Int(size.into()),
            Scalar1::Bool(value) => Self::Bool(value),
        }
    }
}

#[derive(Deserialize)]
struct TensorType1 {
    elem: Variant,
    dims: Vec<Size1>,
}

impl TryFrom<TensorType1> for program::TensorType {
    type Error = Problem;

    fn try_from(ty: TensorType1) -> Result<Self, Problem> {
        Ok(Self {
            elem: elem(ty.elem)?,
            dims: sizes(ty.dims),
        })
    }
}

/// A part of a type in preorder.
#[derive(Deserialize)]
enum Part {
    Tensor(TensorType1),
    Adjacency([TensorType1; 3]),
    Optional,
    Tuple(u32),
    Size([SymbolId; 2]),
    Flag,
}

#[derive(Deserialize)]
struct Type1(Vec<Part>);

impl TryFrom<Type1> for program::Type {
    type Error = Problem;

    fn try_from(ty: Type1) -> Result<Self, Problem> {
        fn take(
            parts: &mut impl Iterator<Item = Part>,
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
enum ValueType1 {
    Tensor(TensorType1),
    Int(SymbolId),
}

impl TryFrom<ValueType1> for program::ValueType {
    type Error = Problem;

    fn try_from(ty: ValueType1) -> Result<Self, Problem> {
        Ok(match ty {
            ValueType1::Tensor(ty) => Self::Tensor(ty.try_into()?),
            ValueType1::Int(symbol) => Self::Int(symbol),
        })
    }
}

#[derive(Deserialize)]
enum Op1 {
    Weight(WeightId),
    Call(FunctionId),
    Symbol(SymbolId),
    Full {
        value: Scalar1,
        elem: Variant,
        dims: Vec<Size1>,
    },
    Arange {
        start: Size1,
        end: Size1,
    },
    Unary(Variant),
    Binary(Variant),
    BinaryScalar(Variant, Scalar1),
    LeakyRelu(Float),
    Clamp {
        min: Option<Scalar1>,
        max: Option<Scalar1>,
    },
    Cast(Variant),
    MaskWhere,
    MaskFill(Scalar1),
    Dropout(Float),
    Reshape(Vec<Size1>),
    Permute(Vec<u32>),
    Expand(Vec<Size1>),
    Slice(Vec<(Size1, Size1)>),
    Cat(u32),
    RepeatDim {
        dim: u32,
        times: Size1,
    },
    Select(u32),
    GatherElements(u32),
    Reduce(Variant, Vec<u32>),
    ArgMax(u32),
    Softmax(u32),
    LogSoftmax(u32),
    Matmul,
    Linear,
    LayerNorm {
        epsilon: Float,
    },
    BatchNorm {
        epsilon: Float,
    },
    Gather,
    Scatter {
        reduce: Variant,
        size: Size1,
    },
    SegmentReduce(Variant),
    SegmentSoftmax {
        size: Size1,
    },
    Spmm {
        reduce: Variant,
        size: Size1,
    },
    SpmmCsr {
        reduce: Variant,
    },
    Degree {
        size: Size1,
        elem: Variant,
    },
    PtrToIndex {
        entries: Size1,
    },
    CooToCsr {
        size: Size1,
    },
    Nonzero,
    SelfLoopPosition {
        size: Size1,
    },
    EdgeAttention {
        slope: Float,
        self_loops: bool,
        dropout: Float,
        size: Size1,
    },
    SpmmNormalized {
        self_loop: Option<Float>,
    },
    InverseSqrtDegree {
        self_loop: Option<Float>,
        size: Size1,
        elem: Variant,
    },
}

impl TryFrom<Op1> for Op {
    type Error = Problem;

    fn try_from(op: Op1) -> Result<Self, Problem> {
        Ok(match op {
            Op1::Weight(id) => Self::Weight(id),
            Op1::Call(id) => Self::Call(id),
            Op1::Symbol(id) => Self::Symbol(id),
            Op1::Full {
                value,
                elem: of,
                dims,
            } => Self::Full {
                value: value.into(),
                elem: elem(of)?,
                dims: sizes(dims),
            },
            Op1::Arange { start, end } => Self::Arange {
                start: start.into(),
                end: end.into(),
            },
            Op1::Unary(op) => Self::Unary(variant(&UNARY, op)?),
            Op1::Binary(op) => Self::Binary(variant(&BINARY, op)?),
            Op1::BinaryScalar(op, rhs) => Self::BinaryScalar(variant(&BINARY, op)?, rhs.into()),
            Op1::LeakyRelu(slope) => Self::LeakyRelu(slope),
            Op1::Clamp { min, max } => Self::Clamp {
                min: min.map(Scalar::from),
                max: max.map(Scalar::from),
            },
            Op1::Cast(to) => Self::Cast(elem(to)?),
            Op1::MaskWhere => Self::MaskWhere,
            Op1::MaskFill(value) => Self::MaskFill(value.into()),
            Op1::Dropout(prob) => Self::Dropout(prob),
            Op1::Reshape(dims) => Self::Reshape(sizes(dims)),
            Op1::Permute(axes) => Self::Permute(axes),
            Op1::Expand(dims) => Self::Expand(sizes(dims)),
            Op1::Slice(ranges) => {
                let range = |(start, end): (Size1, Size1)| (start.into(), end.into());
                Self::Slice(ranges.into_iter().map(range).collect())
            }
            Op1::Cat(dim) => Self::Cat(dim),
            Op1::RepeatDim { dim, times } => Self::RepeatDim {
                dim,
                times: times.into(),
            },
            Op1::Select(dim) => Self::Select(dim),
            Op1::GatherElements(dim) => Self::GatherElements(dim),
            Op1::Reduce(op, axes) => Self::Reduce(variant(&REDUCTIONS, op)?, axes),
            Op1::ArgMax(dim) => Self::ArgMax(dim),
            Op1::Softmax(dim) => Self::Softmax(dim),
            Op1::LogSoftmax(dim) => Self::LogSoftmax(dim),
            Op1::Matmul => Self::Matmul,
            Op1::Linear => Self::Linear,
            Op1::LayerNorm { epsilon } => Self::LayerNorm { epsilon },
            Op1::BatchNorm { epsilon } => Self::BatchNorm {
                epsilon,
                momentum: None,
            },
            Op1::Gather => Self::Gather,
            Op1::Scatter { reduce: how, size } => Self::Scatter {
                reduce: reduce(how)?,
                size: size.into(),
            },
            Op1::SegmentReduce(how) => Self::SegmentReduce(reduce(how)?),
            Op1::SegmentSoftmax { size } => Self::SegmentSoftmax { size: size.into() },
            Op1::Spmm { reduce: how, size } => Self::Spmm {
                reduce: reduce(how)?,
                size: size.into(),
            },
            Op1::SpmmCsr { reduce: how } => Self::SpmmCsr {
                reduce: reduce(how)?,
            },
            Op1::Degree { size, elem: of } => Self::Degree {
                size: size.into(),
                elem: elem(of)?,
            },
            Op1::PtrToIndex { entries } => Self::PtrToIndex {
                entries: entries.into(),
            },
            Op1::CooToCsr { size } => Self::CooToCsr { size: size.into() },
            Op1::Nonzero => Self::Nonzero,
            Op1::SelfLoopPosition { size } => Self::SelfLoopPosition { size: size.into() },
            Op1::EdgeAttention {
                slope,
                self_loops,
                dropout,
                size,
            } => Self::EdgeAttention {
                slope,
                self_loops,
                dropout,
                size: size.into(),
            },
            Op1::SpmmNormalized { self_loop } => Self::SpmmNormalized { self_loop },
            Op1::InverseSqrtDegree {
                self_loop,
                size,
                elem: of,
            } => Self::InverseSqrtDegree {
                self_loop,
                size: size.into(),
                elem: elem(of)?,
            },
        })
    }
}

#[derive(Deserialize)]
struct Weight1 {
    name: String,
    role: Variant,
    elem: Variant,
    shape: Vec<u64>,
}

#[derive(Deserialize)]
struct Method1 {
    name: String,
    params: Vec<(String, Type1)>,
    result: Type1,
    cases: Vec<(Vec<bool>, FunctionId)>,
    defaults: Vec<(SymbolId, SymbolId)>,
}

impl TryFrom<Method1> for program::Method {
    type Error = Problem;

    fn try_from(method: Method1) -> Result<Self, Problem> {
        let param = |(name, ty): (String, Type1)| {
            Ok::<_, Problem>(program::Param {
                name,
                ty: ty.try_into()?,
            })
        };
        let case = |(present, function)| program::Case { present, function };
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
struct Module1 {
    path: String,
    kind: String,
    children: Vec<ModuleId>,
    weights: Vec<WeightId>,
    methods: Vec<Method1>,
}

#[derive(Deserialize)]
enum Arguments1 {
    Plain,
    Record(String),
}

#[derive(Deserialize)]
struct Function1 {
    name: String,
    module: ModuleId,
    arguments: Arguments1,
    input_names: Vec<String>,
    inputs: Vec<ValueId>,
    values: Vec<ValueType1>,
    nodes: Vec<(Op1, Vec<ValueId>, Vec<ValueId>)>,
    outputs: Vec<ValueId>,
}

impl TryFrom<Function1> for program::Function {
    type Error = Problem;

    fn try_from(function: Function1) -> Result<Self, Problem> {
        let node = |(op, inputs, outputs): (Op1, _, _)| {
            Ok::<_, Problem>(program::Node {
                op: op.try_into()?,
                inputs,
                outputs,
            })
        };
        Ok(Self {
            name: function.name,
            module: function.module,
            arguments: match function.arguments {
                Arguments1::Plain => program::Arguments::Plain,
                Arguments1::Record(name) => program::Arguments::Record(name),
            },
            input_names: function.input_names,
            inputs: function.inputs,
            values: each(function.values, TryInto::try_into)?,
            nodes: each(function.nodes, node)?,
            outputs: function.outputs,
        })
    }
}

/// A program of version 1.
#[derive(Deserialize)]
pub(super) struct Program {
    symbols: Vec<(String,)>,
    weights: Vec<Weight1>,
    modules: Vec<Module1>,
    functions: Vec<Function1>,
}

impl TryFrom<Program> for program::Program {
    type Error = Problem;

    fn try_from(program: Program) -> Result<Self, Problem> {
        let weight = |weight: Weight1| {
            Ok::<_, Problem>(program::Weight {
                name: weight.name,
                role: variant(&ROLES, weight.role)?,
                elem: elem(weight.elem)?,
                shape: weight.shape,
            })
        };
        let module = |module: Module1| {
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
