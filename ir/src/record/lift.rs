//! From Burn's captured operations to operations of the IR, with the sizes of one recording.
//!
//! This file, those of its folder and `capture.rs` are the only ones of the crate that know Burn's
//! recording format. An operation that has no counterpart here is an error that names it.

mod order;

use std::collections::HashMap;

use burn::{
    backend::ir::{
        ActivationOperationIr as Activation, BaseOperationIr as Base, BinaryOpIr,
        BoolOperationIr as BoolOp, FloatOperationIr as FloatOp, IntOperationIr as IntOp,
        ModuleOperationIr as ModuleOp, NumericOperationIr as Numeric, OperationIr, ReduceDimOpIr,
        ReduceOpIr, ScalarIr, ScalarOpIr, TensorId, TensorIr, UnaryOpIr,
    },
    tensor::DType,
};
use kiln_core::size_to_i64;
use kiln_ops::wire::GraphOp as WireOp;

use crate::{
    op::{
        Binary, DenseOp, ElementwiseOp, Float, GraphOp, Op, ReduceOp, Reduction, Scalar, ShapeOp,
        Unary,
    },
    program::ElemType,
    size::Size,
};

/// An operation of a recording: sizes are the numbers of that recording, tensors are numbered in
/// order of definition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Raw {
    pub(super) op: Op,
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<RawTensor>,
}

/// A tensor that an operation defines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RawTensor {
    pub(super) number: usize,
    pub(super) elem: ElemType,
    pub(super) dims: Vec<i64>,
}

/// Numbers tensors in order of definition, so that recordings can be compared.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    numbers: HashMap<TensorId, usize>,
    next: usize,
}

impl Numbering {
    /// Gives a tensor the next number.
    pub(super) fn define(&mut self, id: TensorId) -> usize {
        let number = self.temporary();
        self.numbers.insert(id, number);
        number
    }

    /// A number for a tensor that only the lifted form has.
    fn temporary(&mut self) -> usize {
        let number = self.next;
        self.next += 1;
        number
    }

    /// Number of a tensor, defining it if it is new.
    pub(super) fn get(&mut self, id: TensorId) -> usize {
        self.existing(id).unwrap_or_else(|| self.define(id))
    }

    /// Number of a tensor that was defined.
    pub(super) fn existing(&self, id: TensorId) -> Option<usize> {
        self.numbers.get(&id).copied()
    }
}

/// Element type of a captured tensor.
pub(super) fn elem(dtype: DType) -> Option<ElemType> {
    Some(match dtype {
        DType::F64 => ElemType::F64,
        DType::F32 | DType::Flex32 => ElemType::F32,
        DType::F16 => ElemType::F16,
        DType::BF16 => ElemType::BF16,
        DType::I64 => ElemType::I64,
        DType::I32 => ElemType::I32,
        DType::U8 => ElemType::U8,
        DType::Bool(_) => ElemType::Bool,
        _ => return None,
    })
}

/// Element type of parameters and constants. Integers of 32 bits are what Burn has by default where
/// PyTorch has 64.
pub(super) fn data_elem(dtype: DType) -> Option<ElemType> {
    match elem(dtype) {
        Some(ElemType::I32) => Some(ElemType::I64),
        elem => elem,
    }
}

/// The operation's name as Burn prints it, without its tensors.
fn name(operation: &OperationIr) -> String {
    if let OperationIr::Custom(desc) = operation {
        return desc.id.clone();
    }
    let text = format!("{operation:?}");
    let words: Vec<&str> = text
        .split(['(', '{', ' ', ','])
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .take(4)
        .filter(|word| word.chars().next().is_some_and(char::is_alphabetic))
        .filter(|word| !word.ends_with("OpIr") && !word.ends_with("Ir"))
        .filter(|word| !matches!(*word, "F32" | "F64" | "I64" | "I32" | "BF16" | "F16"))
        .take(2)
        .collect();
    words.join("::")
}

/// Turns the operations of one recording into those of the IR.
#[derive(Debug, Default)]
pub(super) struct Lifter {
    pub(super) numbering: Numbering,
    raws: Vec<Raw>,
}

impl Lifter {
    /// Lifts one operation; the error is its name.
    pub(super) fn lift(&mut self, operation: &OperationIr) -> Result<Vec<Raw>, String> {
        match self.operation(operation) {
            Some(()) => Ok(core::mem::take(&mut self.raws)),
            None => Err(name(operation)),
        }
    }

    fn operation(&mut self, operation: &OperationIr) -> Option<()> {
        match operation {
            OperationIr::BaseFloat(op) | OperationIr::BaseInt(op) | OperationIr::BaseBool(op) => {
                self.base(op)
            }
            OperationIr::NumericFloat(_, op) | OperationIr::NumericInt(_, op) => self.numeric(op),
            OperationIr::Float(_, op) => self.float(op),
            OperationIr::Int(op) => self.int(op),
            OperationIr::Bool(op) => self.bool(op),
            OperationIr::Module(op) => self.module(op),
            OperationIr::Activation(op) => self.activation(op),
            OperationIr::Custom(desc) => self.graph(desc),
            OperationIr::Init(_) | OperationIr::Drop(_) | OperationIr::Distributed(_) => None,
        }
    }

    fn base(&mut self, op: &Base) -> Option<()> {
        match op {
            Base::Reshape(d) => self.push(
                ShapeOp::Reshape {
                    dims: sizes(&d.out),
                },
                &[&d.input],
                &d.out,
            ),
            Base::Expand(d) => self.push(
                ShapeOp::Expand {
                    dims: sizes(&d.out),
                },
                &[&d.input],
                &d.out,
            ),
            Base::SwapDims(d) => {
                let mut axes: Vec<u32> = (0..axis(d.input.shape.num_dims())?).collect();
                axes.swap(d.dim1, d.dim2);
                self.push(ShapeOp::Permute { axes }, &[&d.input], &d.out)
            }
            Base::Permute(d) => {
                let axes = d.axes.iter().map(|&a| axis(a)).collect::<Option<_>>()?;
                self.push(ShapeOp::Permute { axes }, &[&d.input], &d.out)
            }
            Base::Slice(d) => {
                let mut ranges = Vec::new();
                for (position, &length) in d.tensor.shape.iter().enumerate() {
                    ranges.push(match d.ranges.get(position) {
                        Some(slice) if slice.step != 1 => return None,
                        Some(slice) => {
                            let range = slice.to_range(length);
                            (number(range.start), number(range.end))
                        }
                        None => (number(0), number(length)),
                    });
                }
                self.push(ShapeOp::Slice { ranges }, &[&d.tensor], &d.out)
            }
            Base::Select(d) => self.push(
                ShapeOp::Select { dim: axis(d.dim)? },
                &[&d.tensor, &d.indices],
                &d.out,
            ),
            Base::Gather(d) => self.push(
                ShapeOp::GatherElements { dim: axis(d.dim)? },
                &[&d.tensor, &d.indices],
                &d.out,
            ),
            Base::MaskWhere(d) => self.push(
                ElementwiseOp::MaskWhere,
                &[&d.tensor, &d.mask, &d.value],
                &d.out,
            ),
            Base::MaskFill(d) => self.push(
                ElementwiseOp::MaskFill {
                    value: scalar(d.value),
                },
                &[&d.tensor, &d.mask],
                &d.out,
            ),
            Base::Cat(d) => {
                let inputs: Vec<&TensorIr> = d.tensors.iter().collect();
                self.push(ShapeOp::Cat { dim: axis(d.dim)? }, &inputs, &d.out)
            }
            Base::RepeatDim(d) => self.push(
                ShapeOp::RepeatDim {
                    dim: axis(d.dim)?,
                    times: number(d.times),
                },
                &[&d.tensor],
                &d.out,
            ),
            Base::Equal(d) => self.binary(Binary::Equal, d),
            Base::NotEqual(d) => self.binary(Binary::NotEqual, d),
            Base::EqualElem(d) => self.with_scalar(Binary::Equal, d),
            Base::NotEqualElem(d) => self.with_scalar(Binary::NotEqual, d),
            Base::Cast(d) => self.push(
                ElementwiseOp::Cast {
                    elem: elem(d.out.dtype)?,
                },
                &[&d.input],
                &d.out,
            ),
            Base::Zeros(d) => self.full(&d.out, 0.0),
            Base::Ones(d) => self.full(&d.out, 1.0),
            Base::All(d) => self.reduce_all(Reduction::All, d),
            Base::Any(d) => self.reduce_all(Reduction::Any, d),
            Base::AllDim(d) => self.reduce_dim(Reduction::All, d),
            Base::AnyDim(d) => self.reduce_dim(Reduction::Any, d),
            Base::Flip(_)
            | Base::Unfold(_)
            | Base::SliceAssign(_)
            | Base::SelectAssign(_)
            | Base::Scatter(_)
            | Base::ScatterNd(_)
            | Base::GatherNd(_)
            | Base::Empty(_) => None,
        }
    }

    fn numeric(&mut self, op: &Numeric) -> Option<()> {
        match op {
            Numeric::Add(d) => self.binary(Binary::Add, d),
            Numeric::Sub(d) => self.binary(Binary::Sub, d),
            Numeric::Mul(d) => self.binary(Binary::Mul, d),
            Numeric::Div(d) => self.binary(Binary::Div, d),
            Numeric::Rem(d) => self.binary(Binary::Rem, d),
            Numeric::Powi(d) => self.binary(Binary::Pow, d),
            Numeric::Greater(d) => self.binary(Binary::Greater, d),
            Numeric::GreaterEqual(d) => self.binary(Binary::GreaterEqual, d),
            Numeric::Lower(d) => self.binary(Binary::Lower, d),
            Numeric::LowerEqual(d) => self.binary(Binary::LowerEqual, d),
            Numeric::AddScalar(d) => self.with_scalar(Binary::Add, d),
            Numeric::SubScalar(d) => self.with_scalar(Binary::Sub, d),
            Numeric::MulScalar(d) => self.with_scalar(Binary::Mul, d),
            Numeric::DivScalar(d) => self.with_scalar(Binary::Div, d),
            Numeric::RemScalar(d) => self.with_scalar(Binary::Rem, d),
            Numeric::PowiScalar(d) => self.with_scalar(Binary::Pow, d),
            Numeric::GreaterElem(d) => self.with_scalar(Binary::Greater, d),
            Numeric::GreaterEqualElem(d) => self.with_scalar(Binary::GreaterEqual, d),
            Numeric::LowerElem(d) => self.with_scalar(Binary::Lower, d),
            Numeric::LowerEqualElem(d) => self.with_scalar(Binary::LowerEqual, d),
            Numeric::Abs(d) => self.unary(Unary::Abs, d),
            Numeric::Neg(d) => self.unary(Unary::Neg, d),
            Numeric::Sign(d) => self.unary(Unary::Sign, d),
            Numeric::Full(d) => {
                let op = ElementwiseOp::Full {
                    value: scalar(d.value),
                    elem: elem(d.out.dtype)?,
                    dims: sizes(&d.out),
                };
                self.push(op, &[], &d.out)
            }
            Numeric::Sum(d) => self.reduce_all(Reduction::Sum, d),
            Numeric::Mean(d) => self.reduce_all(Reduction::Mean, d),
            Numeric::Prod(d) => self.reduce_all(Reduction::Prod, d),
            Numeric::Max(d) => self.reduce_all(Reduction::Max, d),
            Numeric::Min(d) => self.reduce_all(Reduction::Min, d),
            Numeric::SumDim(d) => self.reduce_dim(Reduction::Sum, d),
            Numeric::MeanDim(d) => self.reduce_dim(Reduction::Mean, d),
            Numeric::ProdDim(d) => self.reduce_dim(Reduction::Prod, d),
            Numeric::MaxDim(d) => self.reduce_dim(Reduction::Max, d),
            Numeric::MinDim(d) => self.reduce_dim(Reduction::Min, d),
            Numeric::SumDims(d) => {
                let axes = d.axes.iter().map(|&a| axis(a)).collect::<Option<_>>()?;
                self.push(
                    ReduceOp::Reduce {
                        reduction: Reduction::Sum,
                        axes,
                    },
                    &[&d.input],
                    &d.out,
                )
            }
            Numeric::ArgMax(d) => {
                self.push(ReduceOp::ArgMax { dim: axis(d.axis)? }, &[&d.input], &d.out)
            }
            Numeric::Clamp(d) => {
                let op = ElementwiseOp::Clamp {
                    min: Some(scalar(d.min)),
                    max: Some(scalar(d.max)),
                };
                self.push(op, &[&d.tensor], &d.out)
            }
            Numeric::ClampMin(d) => self.push(
                ElementwiseOp::Clamp {
                    min: Some(scalar(d.rhs)),
                    max: None,
                },
                &[&d.lhs],
                &d.out,
            ),
            Numeric::ClampMax(d) => self.push(
                ElementwiseOp::Clamp {
                    min: None,
                    max: Some(scalar(d.rhs)),
                },
                &[&d.lhs],
                &d.out,
            ),
            Numeric::CumSum(_)
            | Numeric::Sort(_)
            | Numeric::SortWithIndices(_)
            | Numeric::ArgSort(_)
            | Numeric::TopK(_)
            | Numeric::TopKWithIndices(_)
            | Numeric::ArgTopK(_) => self.order(op),
            Numeric::ArgMin(_)
            | Numeric::MaxDimWithIndices(_)
            | Numeric::MinDimWithIndices(_)
            | Numeric::MaxAbs(_)
            | Numeric::MaxAbsDim(_)
            | Numeric::IntRandom(_)
            | Numeric::CumProd(_)
            | Numeric::CumMin(_)
            | Numeric::CumMax(_)
            | Numeric::Pad(_) => None,
        }
    }

    fn float(&mut self, op: &FloatOp) -> Option<()> {
        match op {
            FloatOp::Exp(d) => self.unary(Unary::Exp, d),
            FloatOp::Log(d) => self.unary(Unary::Log, d),
            FloatOp::Log1p(d) => self.unary(Unary::Log1p, d),
            FloatOp::Erf(d) => self.unary(Unary::Erf, d),
            FloatOp::Sqrt(d) => self.unary(Unary::Sqrt, d),
            FloatOp::Cos(d) => self.unary(Unary::Cos, d),
            FloatOp::Sin(d) => self.unary(Unary::Sin, d),
            FloatOp::Tan(d) => self.unary(Unary::Tan, d),
            FloatOp::Tanh(d) => self.unary(Unary::Tanh, d),
            FloatOp::Round(d) => self.unary(Unary::Round, d),
            FloatOp::Floor(d) => self.unary(Unary::Floor, d),
            FloatOp::Ceil(d) => self.unary(Unary::Ceil, d),
            FloatOp::Recip(d) => self.unary(Unary::Recip, d),
            FloatOp::PowfScalar(d) => self.with_scalar(Binary::Pow, d),
            FloatOp::Powf(d) => self.binary(Binary::Pow, d),
            // NaN alone is not itself.
            FloatOp::IsNan(d) => {
                let function = Binary::NotEqual;
                self.push(
                    ElementwiseOp::Binary { function },
                    &[&d.input, &d.input],
                    &d.out,
                )
            }
            FloatOp::IntoInt(d) => self.push(
                ElementwiseOp::Cast {
                    elem: elem(d.out.dtype)?,
                },
                &[&d.input],
                &d.out,
            ),
            FloatOp::Matmul(d) => self.push(DenseOp::Matmul, &[&d.lhs, &d.rhs], &d.out),
            FloatOp::Cosh(_)
            | FloatOp::Sinh(_)
            | FloatOp::ArcCos(_)
            | FloatOp::ArcCosh(_)
            | FloatOp::ArcSin(_)
            | FloatOp::ArcSinh(_)
            | FloatOp::ArcTan(_)
            | FloatOp::ArcTanh(_)
            | FloatOp::ArcTan2(_)
            | FloatOp::Trunc(_)
            | FloatOp::Cross(_)
            | FloatOp::Random(_)
            | FloatOp::IsInf(_)
            | FloatOp::Quantize(_)
            | FloatOp::Dequantize(_)
            | FloatOp::GridSample2d(_)
            | FloatOp::Hypot(_) => None,
        }
    }

    fn int(&mut self, op: &IntOp) -> Option<()> {
        match op {
            IntOp::IntoFloat(d) => self.push(
                ElementwiseOp::Cast {
                    elem: elem(d.out.dtype)?,
                },
                &[&d.input],
                &d.out,
            ),
            IntOp::Matmul(d) => self.push(DenseOp::Matmul, &[&d.lhs, &d.rhs], &d.out),
            _ => None,
        }
    }

    fn bool(&mut self, op: &BoolOp) -> Option<()> {
        match op {
            BoolOp::IntoFloat(d) | BoolOp::IntoInt(d) => self.push(
                ElementwiseOp::Cast {
                    elem: elem(d.out.dtype)?,
                },
                &[&d.input],
                &d.out,
            ),
            BoolOp::Not(d) => self.unary(Unary::Not, d),
            BoolOp::And(d) => self.binary(Binary::And, d),
            BoolOp::Or(d) => self.binary(Binary::Or, d),
            BoolOp::Xor(d) => self.binary(Binary::Xor, d),
        }
    }

    fn module(&mut self, op: &ModuleOp) -> Option<()> {
        match op {
            ModuleOp::Linear(d) => {
                // Burn multiplies by a weight `[in, out]`; the IR, like PyTorch, has `[out, in]`.
                let weight = RawTensor {
                    number: self.numbering.temporary(),
                    elem: elem(d.weight.dtype)?,
                    dims: d
                        .weight
                        .shape
                        .iter()
                        .rev()
                        .map(|&n| size_to_i64(n))
                        .collect(),
                };
                let transposed = weight.number;
                let source = self.numbering.get(d.weight.id);
                self.raws.push(Raw {
                    op: ShapeOp::Permute { axes: vec![1, 0] }.into(),
                    inputs: vec![source],
                    outputs: vec![weight],
                });
                let mut inputs = vec![self.numbering.get(d.x.id), transposed];
                if let Some(bias) = &d.bias {
                    inputs.push(self.numbering.get(bias.id));
                }
                let outputs = vec![self.output(&d.out)?];
                self.raws.push(Raw {
                    op: DenseOp::Linear.into(),
                    inputs,
                    outputs,
                });
                Some(())
            }
            ModuleOp::LayerNorm(d) => {
                let mut inputs = vec![&d.input, &d.gamma];
                inputs.extend(&d.beta);
                let epsilon = Float(d.epsilon.elem::<f64>());
                self.push(DenseOp::LayerNorm { epsilon }, &inputs, &d.out)
            }
            ModuleOp::BatchNorm(d) => {
                let epsilon = Float(d.epsilon.elem::<f64>());
                let inputs = [&d.x, &d.gamma, &d.beta, &d.mean, &d.variance];
                let op = DenseOp::BatchNorm {
                    epsilon,
                    momentum: None,
                };
                self.push(op, &inputs, &d.out)
            }
            ModuleOp::Embedding(d) => {
                let rows: i64 = d.indices.shape.iter().map(|&n| size_to_i64(n)).product();
                let width = size_to_i64(*d.weights.shape.last()?);
                let flat = RawTensor {
                    number: self.numbering.temporary(),
                    elem: ElemType::I64,
                    dims: vec![rows],
                };
                let chosen = RawTensor {
                    number: self.numbering.temporary(),
                    elem: elem(d.weights.dtype)?,
                    dims: vec![rows, width],
                };
                let (indices, weights) = (
                    self.numbering.get(d.indices.id),
                    self.numbering.get(d.weights.id),
                );
                let (flat_number, chosen_number) = (flat.number, chosen.number);
                self.raws.push(Raw {
                    op: ShapeOp::Reshape {
                        dims: vec![Size::fixed(rows)],
                    }
                    .into(),
                    inputs: vec![indices],
                    outputs: vec![flat],
                });
                self.raws.push(Raw {
                    op: ShapeOp::Select { dim: 0 }.into(),
                    inputs: vec![weights, flat_number],
                    outputs: vec![chosen],
                });
                let outputs = vec![self.output(&d.out)?];
                self.raws.push(Raw {
                    op: ShapeOp::Reshape {
                        dims: sizes(&d.out),
                    }
                    .into(),
                    inputs: vec![chosen_number],
                    outputs,
                });
                Some(())
            }
            _ => None,
        }
    }

    fn activation(&mut self, op: &Activation) -> Option<()> {
        match op {
            Activation::Relu(d) => self.unary(Unary::Relu, d),
            Activation::Gelu(d) => self.unary(Unary::Gelu, d),
            Activation::Sigmoid(d) => self.unary(Unary::Sigmoid, d),
            Activation::LogSigmoid(d) => self.unary(Unary::LogSigmoid, d),
            Activation::LeakyRelu(d) => self.push(
                ElementwiseOp::LeakyRelu {
                    slope: Float(d.rhs.elem::<f64>()),
                },
                &[&d.lhs],
                &d.out,
            ),
            Activation::Softmax(d) => self.push(
                ReduceOp::Softmax { dim: axis(d.axis)? },
                &[&d.input],
                &d.out,
            ),
            Activation::LogSoftmax(d) => self.push(
                ReduceOp::LogSoftmax { dim: axis(d.axis)? },
                &[&d.input],
                &d.out,
            ),
            Activation::PRelu(_)
            | Activation::HardSigmoid(_)
            | Activation::Softmin(_)
            | Activation::ReluBackward(_)
            | Activation::GeluBackward(_)
            | Activation::SigmoidBackward(_)
            | Activation::LogSigmoidBackward(_) => None,
        }
    }

    fn graph(&mut self, desc: &burn::backend::ir::CustomOpIr) -> Option<()> {
        let out = desc.outputs.first()?;
        let op: Op = match WireOp::decode(desc).ok()? {
            WireOp::Gather => GraphOp::Gather.into(),
            WireOp::Scatter { size, reduce } => GraphOp::Scatter {
                reduce,
                size: number(size),
            }
            .into(),
            WireOp::SegmentReduce { reduce } => GraphOp::SegmentReduce { reduce }.into(),
            WireOp::SegmentSoftmax { size } => {
                GraphOp::SegmentSoftmax { size: number(size) }.into()
            }
            WireOp::Spmm { size, reduce } => GraphOp::Spmm {
                reduce,
                size: number(size),
            }
            .into(),
            WireOp::SpmmCsr { reduce } => GraphOp::SpmmCsr { reduce }.into(),
            WireOp::Degree { size } => GraphOp::Degree {
                size: number(size),
                elem: elem(out.dtype)?,
            }
            .into(),
            WireOp::CooToCsr { size } => GraphOp::CooToCsr { size: number(size) }.into(),
            WireOp::PtrToIndex { entries } => GraphOp::PtrToIndex {
                entries: number(entries),
            }
            .into(),
            WireOp::Nonzero { .. } => GraphOp::Nonzero.into(),
            WireOp::SizeOf { .. } => GraphOp::SizeOf.into(),
            WireOp::SelfLoopPosition { size } => {
                GraphOp::SelfLoopPosition { size: number(size) }.into()
            }
            WireOp::Arange { start, end } => ElementwiseOp::Arange {
                start: number(start),
                end: number(end),
            }
            .into(),
            WireOp::Dropout { prob } => ElementwiseOp::Dropout { prob: Float(prob) }.into(),
            WireOp::Detach => ElementwiseOp::Detach.into(),
            WireOp::RunningStatistic { momentum, counts } => DenseOp::RunningStatistic {
                momentum: Float(momentum),
                counts,
            }
            .into(),
            WireOp::SpmmNormalized { self_loop } => GraphOp::SpmmNormalized {
                self_loop: self_loop.map(Float),
            }
            .into(),
            WireOp::SpmmWithLoops => GraphOp::SpmmWithLoops.into(),
            WireOp::InverseSqrtDegree { size, self_loop } => GraphOp::InverseSqrtDegree {
                self_loop: self_loop.map(Float),
                size: number(size),
                elem: elem(out.dtype)?,
            }
            .into(),
            WireOp::EdgeAttention {
                size,
                self_loops,
                negative_slope,
                dropout,
            } => GraphOp::EdgeAttention {
                slope: Float(negative_slope),
                self_loops,
                dropout: Float(dropout),
                size: number(size),
            }
            .into(),
        };
        let inputs = desc
            .inputs
            .iter()
            .map(|t| self.numbering.get(t.id))
            .collect();
        let outputs = desc
            .outputs
            .iter()
            .map(|t| self.output(t))
            .collect::<Option<_>>()?;
        self.raws.push(Raw {
            op,
            inputs,
            outputs,
        });
        Some(())
    }

    fn unary(&mut self, op: Unary, d: &UnaryOpIr) -> Option<()> {
        self.push(op, &[&d.input], &d.out)
    }

    fn binary(&mut self, op: Binary, d: &BinaryOpIr) -> Option<()> {
        self.push(op, &[&d.lhs, &d.rhs], &d.out)
    }

    fn with_scalar(&mut self, op: Binary, d: &ScalarOpIr) -> Option<()> {
        self.push(
            ElementwiseOp::BinaryScalar {
                function: op,
                rhs: scalar(d.rhs),
            },
            &[&d.lhs],
            &d.out,
        )
    }

    fn reduce_dim(&mut self, op: Reduction, d: &ReduceDimOpIr) -> Option<()> {
        self.push(
            ReduceOp::Reduce {
                reduction: op,
                axes: vec![axis(d.axis)?],
            },
            &[&d.input],
            &d.out,
        )
    }

    /// Burn reduces everything to shape `[1]`; the IR keeps the axes, so a reshape follows.
    fn reduce_all(&mut self, op: Reduction, d: &ReduceOpIr) -> Option<()> {
        let rank = d.input.shape.num_dims();
        let kept = RawTensor {
            number: self.numbering.temporary(),
            elem: elem(d.out.dtype)?,
            dims: vec![1; rank],
        };
        let kept_number = kept.number;
        let axes = (0..axis(rank)?).collect();
        let input = self.numbering.get(d.input.id);
        self.raws.push(Raw {
            op: ReduceOp::Reduce {
                reduction: op,
                axes,
            }
            .into(),
            inputs: vec![input],
            outputs: vec![kept],
        });
        let outputs = vec![self.output(&d.out)?];
        self.raws.push(Raw {
            op: ShapeOp::Reshape {
                dims: sizes(&d.out),
            }
            .into(),
            inputs: vec![kept_number],
            outputs,
        });
        Some(())
    }

    fn full(&mut self, out: &TensorIr, value: f64) -> Option<()> {
        let elem = elem(out.dtype)?;
        let value = match elem {
            ElemType::Bool => Scalar::Bool(value != 0.0),
            elem if elem.is_int() => Scalar::Int(Size::fixed(i64::from(value != 0.0))),
            _ => Scalar::Float(Float(value)),
        };
        self.push(
            ElementwiseOp::Full {
                value,
                elem,
                dims: sizes(out),
            },
            &[],
            out,
        )
    }

    fn push(&mut self, op: impl Into<Op>, inputs: &[&TensorIr], out: &TensorIr) -> Option<()> {
        let inputs = inputs
            .iter()
            .map(|tensor| self.numbering.get(tensor.id))
            .collect();
        let outputs = vec![self.output(out)?];
        self.raws.push(Raw {
            op: op.into(),
            inputs,
            outputs,
        });
        Some(())
    }

    fn output(&mut self, out: &TensorIr) -> Option<RawTensor> {
        Some(RawTensor {
            elem: elem(out.dtype)?,
            dims: sizes_of(out),
            number: self.numbering.define(out.id),
        })
    }
}

/// The sizes of one recording.
fn sizes_of(tensor: &TensorIr) -> Vec<i64> {
    tensor.shape.iter().map(|&n| size_to_i64(n)).collect()
}

fn sizes(tensor: &TensorIr) -> Vec<Size> {
    tensor.shape.iter().map(|&n| number(n)).collect()
}

fn number(n: usize) -> Size {
    Size::fixed(size_to_i64(n))
}

fn axis(n: usize) -> Option<u32> {
    u32::try_from(n).ok()
}

fn scalar(value: ScalarIr) -> Scalar {
    match value {
        ScalarIr::Float(x) => Scalar::Float(Float(x)),
        ScalarIr::Int(x) => Scalar::Int(Size::fixed(x)),
        ScalarIr::UInt(x) => Scalar::Int(Size::fixed(size_to_i64(x))),
        ScalarIr::Bool(x) => Scalar::Bool(x),
    }
}
