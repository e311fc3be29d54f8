//! Each operation of a program as a TorchScript expression.
//!
//! Only forms that PyTorch 1.13 and 2.x read with the same meaning are used. The match is
//! exhaustive: an operation that is added to the IR must be given its form here.

use kiln_ir::{Binary, ElemType, Op, Reduction, Scalar, Size, TensorType, Unary};

use super::{super::error::Error, library::Library, scope::Scope, types};

/// What an operation reads: the names and types of its tensors.
pub(super) struct Operands<'a> {
    /// Name and type of each input.
    pub(super) inputs: Vec<(String, &'a TensorType)>,
    /// Whether the module whose buffers it changes is trained.
    pub(super) training: Option<String>,
}

impl<'a> Operands<'a> {
    fn name(&self, position: usize) -> &str {
        self.inputs.get(position).map_or("", |(name, _)| name)
    }

    fn elem(&self) -> Option<ElemType> {
        self.inputs.first().map(|(_, ty)| ty.elem)
    }

    fn dims(&self) -> &'a [Size] {
        self.inputs.first().map_or(&[], |(_, ty)| &ty.dims)
    }
}

/// The expression of an operation; `Weight`, `Call` and `Symbol` are the caller's.
pub(super) fn expression(
    scope: &mut Scope<'_>,
    library: &mut Library,
    op: &Op,
    operands: &Operands<'_>,
) -> Result<String, Error> {
    let x = operands.name(0);
    let y = operands.name(1);
    let unsupported = |scope: &Scope<'_>, what: String| Error::Unsupported {
        place: scope.place.clone(),
        what,
    };
    Ok(match op {
        Op::Weight(_) | Op::Call(_) | Op::Symbol(_) => {
            return Err(unsupported(scope, format!("{op:?} as an expression")));
        }
        Op::Full { value, elem, dims } => {
            let dims = scope.sizes(dims)?;
            let dtype = scope.dtype(*elem);
            let device = scope.device();
            let options = format!("dtype={dtype}, layout=None, device={device}");
            match value {
                Scalar::Bool(true) => format!("torch.ones({dims}, {options})"),
                Scalar::Bool(false) => format!("torch.zeros({dims}, {options})"),
                Scalar::Float(_) | Scalar::Int(_) => {
                    let value = scalar_of(scope, library, value, &dtype)?;
                    format!("torch.full({dims}, {value}, {options})")
                }
            }
        }
        Op::Arange { start, end } => {
            let (start, end) = (scope.size(start)?, scope.size(end)?);
            let device = scope.device();
            format!("torch.arange({start}, {end}, dtype=4, layout=None, device={device})")
        }

        Op::Unary(unary) => format!("torch.{}({x})", unary_name(*unary)),
        Op::Binary(binary) => match (binary, operands.elem()) {
            (Binary::Div, Some(ElemType::I64)) => {
                format!("torch.div({x}, {y}, rounding_mode=\"trunc\")")
            }
            _ => format!("torch.{}({x}, {y})", binary_name(*binary)),
        },
        Op::BinaryScalar(binary, Scalar::Bool(value)) => logical(*binary, x, *value)
            .ok_or_else(|| unsupported(scope, format!("{binary:?} with a boolean")))?,
        Op::BinaryScalar(binary, value) => {
            let value = scalar(scope, value)?;
            match (binary, operands.elem()) {
                (Binary::And | Binary::Or | Binary::Xor, _) => {
                    return Err(unsupported(scope, format!("{binary:?} with a number")));
                }
                (Binary::Div, Some(ElemType::I64)) => {
                    format!("torch.div({x}, {value}, rounding_mode=\"trunc\")")
                }
                _ => format!("torch.{}({x}, {value})", binary_name(*binary)),
            }
        }
        Op::LeakyRelu(slope) => format!("torch.leaky_relu({x}, {})", types::float(slope.0)),
        Op::Clamp { min, max } => {
            let mut bound = |bound: &Option<Scalar>| match bound {
                None => Ok("None".to_owned()),
                Some(bound) => scalar_of(scope, library, bound, &dtype_of(x)),
            };
            let (min, max) = (bound(min)?, bound(max)?);
            if (min.as_str(), max.as_str()) == ("None", "None") {
                x.to_owned()
            } else {
                format!("torch.clamp({x}, min={min}, max={max})")
            }
        }
        Op::Cast(elem) => cast(scope, x, operands.elem(), *elem),
        Op::MaskWhere => format!("torch.where({y}, {}, {x})", operands.name(2)),
        Op::MaskFill(Scalar::Bool(true)) => format!("torch.logical_or({x}, {y})"),
        Op::MaskFill(Scalar::Bool(false)) => {
            format!("torch.logical_and({x}, torch.logical_not({y}))")
        }
        Op::MaskFill(value) => {
            let value = scalar_of(scope, library, value, &dtype_of(x))?;
            format!("torch.masked_fill({x}, {y}, {value})")
        }
        Op::Dropout(prob) => format!(
            "torch.dropout({x}, {}, self.training)",
            types::float(prob.0)
        ),

        Op::Reshape(dims) => format!("torch.reshape({x}, {})", scope.sizes(dims)?),
        Op::Permute(axes) => format!("torch.permute({x}, {axes:?})"),
        Op::Expand(dims) => format!("torch.expand({x}, {})", scope.sizes(dims)?),
        Op::Slice(ranges) => slice(scope, x, operands.dims(), ranges)?,
        Op::Cat(axis) => {
            let names: Vec<&String> = operands.inputs.iter().map(|(name, _)| name).collect();
            format!("torch.cat({}, {axis})", types::list(&names))
        }
        Op::RepeatDim { dim, times } => {
            let times = scope.size(times)?;
            let repeats: Vec<&str> = (0_u32..)
                .zip(operands.dims())
                .map(|(axis, _)| if axis == *dim { times.as_str() } else { "1" })
                .collect();
            format!("torch.repeat({x}, {})", types::list(&repeats))
        }
        Op::Select(axis) => format!("torch.index_select({x}, {axis}, {y})"),
        Op::GatherElements(axis) => format!("torch.gather({x}, {axis}, {y})"),

        Op::Reduce(reduction, axes) => reduce(*reduction, x, axes),
        Op::ArgMax(axis) => format!("torch.argmax({x}, {axis}, True)"),
        Op::Softmax(axis) => format!("torch.softmax({x}, {axis})"),
        Op::LogSoftmax(axis) => format!("torch.log_softmax({x}, {axis})"),
        Op::Matmul => format!("torch.matmul({x}, {y})"),
        Op::Linear => {
            let bias = operands.inputs.get(2).map_or("None", |(name, _)| name);
            format!("torch.linear({x}, {y}, {bias})")
        }
        Op::LayerNorm { epsilon } => {
            let bias = operands.inputs.get(2).map_or("None", |(name, _)| name);
            let width = scope.sizes(operands.dims().last_chunk::<1>().map_or(&[], |last| last))?;
            format!(
                "torch.layer_norm({x}, {width}, {y}, {bias}, {})",
                types::float(epsilon.0)
            )
        }
        Op::BatchNorm { epsilon, momentum } => {
            let (training, momentum) = match (momentum, &operands.training) {
                (None, _) => ("False", 0.1),
                (Some(momentum), Some(training)) => (training.as_str(), momentum.0),
                (Some(_), None) => {
                    let what = "batch normalisation whose statistics are no buffers".to_owned();
                    return Err(unsupported(scope, what));
                }
            };
            format!(
                "torch.batch_norm({x}, {y}, {}, {}, {}, {training}, {}, {}, True)",
                operands.name(2),
                operands.name(3),
                operands.name(4),
                types::float(momentum),
                types::float(epsilon.0)
            )
        }

        Op::Gather => format!("torch.index_select({x}, 0, {y})"),
        Op::Scatter { reduce, size } => {
            let size = scope.size(size)?;
            format!(
                "{}({x}, {y}, {size})",
                library.function(&format!("scatter_{}", reduce.name()))
            )
        }
        Op::SegmentReduce(reduce) => {
            format!(
                "{}({x}, {y})",
                library.function(&format!("segment_{}", reduce.name()))
            )
        }
        Op::SegmentSoftmax { size } => {
            let size = scope.size(size)?;
            format!("{}({x}, {y}, {size})", library.function("segment_softmax"))
        }
        Op::Spmm { reduce, size } => {
            let size = scope.size(size)?;
            let weight = operands.inputs.get(3).map_or("None", |(name, _)| name);
            let function = library.function(&format!("spmm_{}", reduce.name()));
            format!(
                "{function}({x}, {y}, {}, {weight}, {size})",
                operands.name(2)
            )
        }
        Op::SpmmCsr { reduce } => {
            let value = operands.inputs.get(3).map_or("None", |(name, _)| name);
            let function = library.function(&format!("spmm_csr_{}", reduce.name()));
            format!("{function}({x}, {y}, {}, {value})", operands.name(2))
        }
        Op::Degree { size, elem } => {
            let size = scope.size(size)?;
            let dtype = scope.dtype(*elem);
            format!("{}({x}, {size}, {dtype})", library.function("degree"))
        }
        Op::PtrToIndex { entries } => {
            let entries = scope.size(entries)?;
            format!("{}({x}, {entries})", library.function("ptr_to_index"))
        }
        Op::CooToCsr { size } => {
            let size = scope.size(size)?;
            format!("{}({x}, {size})", library.function("coo_to_csr"))
        }
        Op::Nonzero => format!("torch.squeeze(torch.nonzero({x}), 1)"),
        Op::SelfLoopPosition { size } => {
            let size = scope.size(size)?;
            format!(
                "{}({x}, {y}, {size})",
                library.function("self_loop_position")
            )
        }
        Op::InverseSqrtDegree {
            self_loop,
            size,
            elem,
        } => {
            let size = scope.size(size)?;
            let weight = self_loop.map_or("None".to_owned(), |weight| types::float(weight.0));
            let dtype = scope.dtype(*elem);
            let function = library.function("inverse_sqrt_degree");
            format!("{function}({x}, {y}, {size}, {weight}, {dtype})")
        }
        Op::EdgeAttention { .. } | Op::SpmmNormalized { .. } | Op::SpmmWithLoops => {
            return Err(unsupported(
                scope,
                format!("{op:?}, which stands for several operations"),
            ));
        }
    })
}

/// The expression for the number of a tensor's element type.
fn dtype_of(x: &str) -> String {
    format!("ops.prim.dtype({x})")
}

/// A scalar that becomes an element of the type with the number `dtype`. PyTorch refuses numbers that do not
/// fit, which depends on the type that the model is converted to: they become the largest that do.
fn scalar_of(
    scope: &mut Scope<'_>,
    library: &mut Library,
    value: &Scalar,
    dtype: &str,
) -> Result<String, Error> {
    /// The largest number of the smallest type, `float16`.
    const FITS: f64 = 65504.0;
    let text = scalar(scope, value)?;
    match value {
        Scalar::Float(value) if value.0.is_finite() && value.0.abs() > FITS => {
            Ok(format!("{}({text}, {dtype})", library.function("within")))
        }
        _ => Ok(text),
    }
}

/// A scalar that is not a boolean.
fn scalar(scope: &mut Scope<'_>, value: &Scalar) -> Result<String, Error> {
    match value {
        Scalar::Float(value) => Ok(types::float(value.0)),
        Scalar::Int(value) => scope.size(value),
        Scalar::Bool(_) => Err(Error::Unsupported {
            place: scope.place.clone(),
            what: "a boolean where a number belongs".to_owned(),
        }),
    }
}

/// An operation with a boolean, which TorchScript does not take as a scalar.
fn logical(binary: Binary, x: &str, value: bool) -> Option<String> {
    match (binary, value) {
        (Binary::And | Binary::Equal, true)
        | (Binary::Or | Binary::Xor | Binary::NotEqual, false) => Some(x.to_owned()),
        (Binary::Equal, false) | (Binary::Xor | Binary::NotEqual, true) => {
            Some(format!("torch.logical_not({x})"))
        }
        (Binary::And, false) => Some(format!("torch.zeros_like({x})")),
        (Binary::Or, true) => Some(format!("torch.ones_like({x})")),
        (
            Binary::Add
            | Binary::Sub
            | Binary::Mul
            | Binary::Div
            | Binary::Rem
            | Binary::Pow
            | Binary::Greater
            | Binary::GreaterEqual
            | Binary::Lower
            | Binary::LowerEqual,
            _,
        ) => None,
    }
}

/// A conversion. Integers and booleans become floats of the kind that the model has now.
fn cast(scope: &mut Scope<'_>, x: &str, from: Option<ElemType>, to: ElemType) -> String {
    if from == Some(to) {
        return x.to_owned();
    }
    let dtype = if from.is_some_and(ElemType::is_float) {
        types::dtype(to).to_owned()
    } else {
        scope.dtype(to)
    };
    format!("torch.to({x}, {dtype})")
}

/// The axes that a slice shortens, one `torch.slice` each.
fn slice(
    scope: &mut Scope<'_>,
    x: &str,
    dims: &[Size],
    ranges: &[(Size, Size)],
) -> Result<String, Error> {
    let mut text = x.to_owned();
    for (axis, (start, end)) in ranges.iter().enumerate() {
        if start.as_fixed() != Some(0) || dims.get(axis) != Some(end) {
            let (start, end) = (scope.size(start)?, scope.size(end)?);
            text = format!("torch.slice({text}, {axis}, {start}, {end})");
        }
    }
    Ok(text)
}

/// A reduction that keeps the axes.
fn reduce(reduction: Reduction, x: &str, axes: &[u32]) -> String {
    let at_once = |function: &str| format!("torch.{function}({x}, {axes:?}, True)");
    let one_by_one = |function: &str| {
        axes.iter().fold(x.to_owned(), |x, axis| {
            format!("torch.{function}({x}, {axis}, True)")
        })
    };
    if axes.is_empty() {
        return x.to_owned();
    }
    match reduction {
        Reduction::Sum => at_once("sum"),
        Reduction::Mean => at_once("mean"),
        Reduction::Max => at_once("amax"),
        Reduction::Min => at_once("amin"),
        Reduction::Prod => one_by_one("prod"),
        Reduction::Any => one_by_one("any"),
        Reduction::All => one_by_one("all"),
    }
}

fn unary_name(unary: Unary) -> &'static str {
    match unary {
        Unary::Neg => "neg",
        Unary::Abs => "abs",
        Unary::Sign => "sign",
        Unary::Exp => "exp",
        Unary::Log => "log",
        Unary::Log1p => "log1p",
        Unary::Sqrt => "sqrt",
        Unary::Recip => "reciprocal",
        Unary::Erf => "erf",
        Unary::Sin => "sin",
        Unary::Cos => "cos",
        Unary::Tan => "tan",
        Unary::Tanh => "tanh",
        Unary::Sigmoid => "sigmoid",
        Unary::LogSigmoid => "log_sigmoid",
        Unary::Relu => "relu",
        Unary::Gelu => "gelu",
        Unary::Floor => "floor",
        Unary::Ceil => "ceil",
        Unary::Round => "round",
        Unary::Not => "logical_not",
    }
}

fn binary_name(binary: Binary) -> &'static str {
    match binary {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Rem => "remainder",
        Binary::Pow => "pow",
        Binary::Equal => "eq",
        Binary::NotEqual => "ne",
        Binary::Greater => "gt",
        Binary::GreaterEqual => "ge",
        Binary::Lower => "lt",
        Binary::LowerEqual => "le",
        Binary::And => "logical_and",
        Binary::Or => "logical_or",
        Binary::Xor => "logical_xor",
    }
}

/// A readable name for an output of an operation. `first` is the name and type of its first input.
pub(super) fn output_name(
    op: &Op,
    position: usize,
    first: Option<&(String, &TensorType)>,
) -> String {
    let line = first.map_or("x", |(name, _)| stem(name));
    match op {
        Op::Slice(ranges) => match (first.map(|(_, ty)| *ty), ranges.first()) {
            (Some(ty), Some((start, _))) if is_edge_index(ty) && start.as_fixed() == Some(0) => {
                "src"
            }
            (Some(ty), Some((start, _))) if is_edge_index(ty) && start.as_fixed() == Some(1) => {
                "dst"
            }
            _ => line,
        },
        Op::Full { .. } => "full",
        Op::Arange { .. } => "arange",
        Op::Call(_)
        | Op::Scatter { .. }
        | Op::SegmentReduce(_)
        | Op::Spmm { .. }
        | Op::SpmmCsr { .. }
        | Op::EdgeAttention { .. }
        | Op::SpmmNormalized { .. }
        | Op::SpmmWithLoops => "out",
        Op::SegmentSoftmax { .. } => "alpha",
        Op::Degree { .. } => "degree",
        Op::InverseSqrtDegree { .. } => "scale",
        Op::PtrToIndex { .. } => "index",
        Op::CooToCsr { .. } => ["rowptr", "perm"].get(position).copied().unwrap_or("out"),
        Op::Nonzero => "position",
        Op::SelfLoopPosition { .. } => "self_loop",
        Op::ArgMax(_) => "argmax",
        Op::Gather => {
            return if line.ends_with("_j") {
                line.to_owned()
            } else {
                format!("{line}_j")
            };
        }
        Op::Unary(_)
        | Op::LeakyRelu(_)
        | Op::Clamp { .. }
        | Op::Cast(_)
        | Op::MaskWhere
        | Op::MaskFill(_)
        | Op::Dropout(_)
        | Op::Reshape(_)
        | Op::Permute(_)
        | Op::Expand(_)
        | Op::Cat(_)
        | Op::RepeatDim { .. }
        | Op::Select(_)
        | Op::GatherElements(_)
        | Op::Reduce(..)
        | Op::Softmax(_)
        | Op::LogSoftmax(_)
        | Op::Matmul
        | Op::Linear
        | Op::LayerNorm { .. }
        | Op::BatchNorm { .. }
        | Op::Weight(_)
        | Op::Symbol(_) => line,
        Op::Binary(binary) | Op::BinaryScalar(binary, _) => match binary {
            Binary::Equal
            | Binary::NotEqual
            | Binary::Greater
            | Binary::GreaterEqual
            | Binary::Lower
            | Binary::LowerEqual
            | Binary::And
            | Binary::Or
            | Binary::Xor => "mask",
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Rem | Binary::Pow => {
                line
            }
        },
    }
    .to_owned()
}

/// Whether a tensor looks like edges in COO form, sources first.
fn is_edge_index(ty: &TensorType) -> bool {
    match (ty.elem, ty.dims.as_slice()) {
        (ElemType::I64, [rows, _]) => rows.as_fixed() == Some(2),
        _ => false,
    }
}

/// A name without the number at its end.
fn stem(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((stem, number)) if !stem.is_empty() && number.parse::<u64>().is_ok() => stem,
        _ => name,
    }
}
