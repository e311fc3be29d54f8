//! Tensors of safetensors files: what a graph file holds, and results.
//!
//! Where a method takes floats, any float type is accepted and converted to the method's; where it
//! takes integers, any integer type; where it takes booleans, booleans and bytes 0 and 1. Nothing
//! else is converted: integer features are a mistake more often than a wish.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, anyhow, bail};
use kiln::{
    burn::tensor::{Bool, DType, Device, Tensor, TensorData, bf16, f16},
    core::{AnyTensor, Kind, int_tensor},
    ir::{ElemType, Leaf, Program},
};
use safetensors::{
    Dtype, SafeTensors,
    tensor::{TensorView, serialize_to_file},
};

use crate::{failure::WithHint as _, words};

/// Highest rank of a tensor that can be passed.
const MAX_RANK: usize = 8;

/// Makes `$body` for the rank in `$rank`, as the constant `D`.
macro_rules! for_rank {
    ($rank:expr, $D:ident => $body:expr) => {
        match $rank {
            1 => {
                const $D: usize = 1;
                Some($body)
            }
            2 => {
                const $D: usize = 2;
                Some($body)
            }
            3 => {
                const $D: usize = 3;
                Some($body)
            }
            4 => {
                const $D: usize = 4;
                Some($body)
            }
            5 => {
                const $D: usize = 5;
                Some($body)
            }
            6 => {
                const $D: usize = 6;
                Some($body)
            }
            7 => {
                const $D: usize = 7;
                Some($body)
            }
            8 => {
                const $D: usize = 8;
                Some($body)
            }
            _ => None,
        }
    };
}

/// A tensor in the memory of the host, checked against the input that it is for.
#[derive(Clone, Debug)]
pub(crate) struct HostTensor {
    /// Sizes of the axes.
    pub(crate) shape: Vec<usize>,
    /// The values.
    pub(crate) values: Values,
}

/// Values of a [`HostTensor`], in row-major order.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// Floats that become `f32`.
    F32(Vec<f32>),
    /// Floats of any other type, and the type that they become.
    Float(Vec<f64>, DType),
    /// Integers.
    Int(Vec<i64>),
    /// Booleans.
    Bool(Vec<bool>),
}

impl HostTensor {
    /// Copies the tensor to a device.
    pub(crate) fn upload(self, device: &Device) -> anyhow::Result<AnyTensor> {
        let Self { shape, values } = self;
        let rank = shape.len();
        let tensor = match values {
            Values::F32(values) => {
                let data = TensorData::new(values, shape);
                for_rank!(rank, D => Tensor::<D>::from_data(data, (device, DType::F32)).into())
            }
            Values::Float(values, dtype) => {
                let data = TensorData::new(values, shape).convert_dtype(dtype);
                for_rank!(rank, D => Tensor::<D>::from_data(data, (device, dtype)).into())
            }
            Values::Int(values) => {
                let data = TensorData::new(values, shape);
                for_rank!(rank, D => int_tensor::<D>(data, device)?.into())
            }
            Values::Bool(values) => {
                let data = TensorData::new(values, shape);
                for_rank!(rank, D => Tensor::<D, Bool>::from_data(data, device).into())
            }
        };
        tensor.ok_or_else(|| anyhow!("expected 1 to {MAX_RANK} axes, got {rank}"))
    }
}

/// The tensors of a safetensors file.
#[derive(Debug)]
pub(crate) struct GraphFile<'a> {
    tensors: SafeTensors<'a>,
}

impl<'a> GraphFile<'a> {
    /// Reads the header.
    pub(crate) fn new(path: &Path, bytes: &'a [u8]) -> anyhow::Result<Self> {
        let tensors = SafeTensors::deserialize(bytes)
            .with_context(|| format!("{} is not a safetensors file", path.display()))
            .hint(
                "in Python: safetensors.torch.save_file(\
                 {\"x\": x, \"edge_index\": edge_index}, path)",
            )?;
        Ok(Self { tensors })
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// What is there: `x F32[34, 4], edge_index I64[2, 156]`.
    pub(crate) fn contents(&self) -> String {
        let mut names = self.tensors.names();
        names.sort_unstable();
        let tensors: Vec<String> = names
            .into_iter()
            .filter_map(|name| Some((name, self.tensors.tensor(name).ok()?)))
            .map(|(name, view)| format!("{name} {}", describe(&view)))
            .collect();
        words::or_none(&tensors)
    }

    /// The tensor for an input, if there is one and it has the input's kind and rank.
    pub(crate) fn tensor(
        &self,
        program: &Program,
        leaf: &Leaf<'_>,
    ) -> anyhow::Result<Option<HostTensor>> {
        let Ok(view) = self.tensors.tensor(&leaf.name) else {
            return Ok(None);
        };
        let expected = || words::tensor(program, leaf.ty);
        let mismatch = || {
            anyhow!(
                "tensor `{}`: expected {}, got {}",
                leaf.name,
                expected(),
                describe(&view)
            )
        };
        let fits = |(dim, size): (&kiln::ir::Size, &usize)| {
            dim.as_fixed()
                .is_none_or(|fixed| usize::try_from(fixed) == Ok(*size))
        };
        let shape = view.shape();
        if shape.len() != leaf.ty.dims.len() || !leaf.ty.dims.iter().zip(shape).all(fits) {
            return Err(mismatch());
        }
        let values = match leaf.ty.elem {
            ElemType::F32 => floats(&view).map(Values::F32),
            ElemType::F64 => doubles(&view).map(|values| Values::Float(values, DType::F64)),
            ElemType::F16 => doubles(&view).map(|values| Values::Float(values, DType::F16)),
            ElemType::BF16 => doubles(&view).map(|values| Values::Float(values, DType::BF16)),
            ElemType::I64 | ElemType::I32 | ElemType::U8 => integers(&view)?.map(Values::Int),
            ElemType::Bool => booleans(&view)?.map(Values::Bool),
        };
        let values = values.ok_or_else(mismatch)?;
        Ok(Some(HostTensor {
            shape: shape.to_vec(),
            values,
        }))
    }

    /// So many integers that are sizes, such as the numbers of source and target nodes.
    pub(crate) fn size(&self, name: &str, count: usize) -> anyhow::Result<Option<HostTensor>> {
        let Ok(view) = self.tensors.tensor(name) else {
            return Ok(None);
        };
        let values = if view.shape() == [count] {
            integers(&view)?
        } else {
            None
        };
        match values {
            Some(values) => Ok(Some(HostTensor {
                shape: vec![count],
                values: Values::Int(values),
            })),
            None => bail!(
                "tensor `{name}`: expected i64[{count}], got {}",
                describe(&view)
            ),
        }
    }
}

/// Type and shape of a stored tensor: `f32[34, 4]`.
fn describe(view: &TensorView<'_>) -> String {
    format!(
        "{}{}",
        format!("{:?}", view.dtype()).to_lowercase(),
        words::shape(view.shape())
    )
}

/// The elements of `N` bytes each, read by `read`.
fn elements<const N: usize, T>(view: &TensorView<'_>, read: fn([u8; N]) -> T) -> Vec<T> {
    view.data()
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&bytes| read(bytes))
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the method computes in 32 bits"
)]
fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    match view.dtype() {
        Dtype::F32 => Some(elements(view, f32::from_le_bytes)),
        _ => Some(
            doubles(view)?
                .into_iter()
                .map(|value| value as f32)
                .collect(),
        ),
    }
}

fn doubles(view: &TensorView<'_>) -> Option<Vec<f64>> {
    Some(match view.dtype() {
        Dtype::F64 => elements(view, f64::from_le_bytes),
        Dtype::F32 => elements(view, |bytes| f64::from(f32::from_le_bytes(bytes))),
        Dtype::F16 => elements(view, |bytes| f16::from_le_bytes(bytes).to_f64()),
        Dtype::BF16 => elements(view, |bytes| bf16::from_le_bytes(bytes).to_f64()),
        _ => return None,
    })
}

fn integers(view: &TensorView<'_>) -> anyhow::Result<Option<Vec<i64>>> {
    Ok(Some(match view.dtype() {
        Dtype::I64 => elements(view, i64::from_le_bytes),
        Dtype::I32 => elements(view, |bytes| i32::from_le_bytes(bytes).into()),
        Dtype::I16 => elements(view, |bytes| i16::from_le_bytes(bytes).into()),
        Dtype::I8 => elements(view, |bytes| i8::from_le_bytes(bytes).into()),
        Dtype::U32 => elements(view, |bytes| u32::from_le_bytes(bytes).into()),
        Dtype::U16 => elements(view, |bytes| u16::from_le_bytes(bytes).into()),
        Dtype::U8 => elements(view, |bytes| u8::from_le_bytes(bytes).into()),
        Dtype::U64 => elements(view, u64::from_le_bytes)
            .into_iter()
            .map(|value| i64::try_from(value).with_context(|| format!("{value} is too large")))
            .collect::<anyhow::Result<_>>()?,
        _ => return Ok(None),
    }))
}

fn booleans(view: &TensorView<'_>) -> anyhow::Result<Option<Vec<bool>>> {
    match view.dtype() {
        Dtype::BOOL | Dtype::U8 => {}
        _ => return Ok(None),
    }
    let value = |&byte: &u8| match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(anyhow!("expected 0 or 1 as a boolean, got {other}")),
    };
    view.data()
        .iter()
        .map(value)
        .collect::<anyhow::Result<_>>()
        .map(Some)
}

/// A result on the host.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
    first: Vec<String>,
}

/// How many values of each result a summary shows.
const SHOWN: usize = 4;

impl Output {
    /// Copies a result of an element type from its device.
    pub(crate) fn read(name: String, elem: ElemType, tensor: AnyTensor) -> anyhow::Result<Self> {
        let shape = tensor.shape().to_vec();
        let rank = shape.len();
        let kind = tensor.kind();
        let data = match kind {
            Kind::Float => for_rank!(rank, D => tensor.float::<D>().try_into_data()),
            Kind::Int => for_rank!(rank, D => tensor.int::<D>().try_into_data()),
            Kind::Bool => for_rank!(rank, D => tensor.bool::<D>().try_into_data()),
        };
        let data = data
            .ok_or_else(|| anyhow!("`{name}` has {rank} axes"))?
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| format!("cannot read `{name}` from the device"))?;
        let (dtype, bytes, first) = match kind {
            Kind::Float => {
                let first = data
                    .iter::<f32>()
                    .take(SHOWN)
                    .map(|value| format!("{value:.4}"));
                let first = first.collect();
                let dtype = match data.dtype() {
                    DType::F64 => Dtype::F64,
                    DType::F16 => Dtype::F16,
                    DType::BF16 => Dtype::BF16,
                    _ => Dtype::F32,
                };
                (dtype, data.as_bytes().to_vec(), first)
            }
            Kind::Int => {
                let first = data.iter::<i64>().take(SHOWN);
                let first = first.map(|value| value.to_string()).collect();
                match elem {
                    ElemType::I32 => {
                        let bytes = data.iter::<i32>().flat_map(i32::to_le_bytes);
                        (Dtype::I32, bytes.collect(), first)
                    }
                    ElemType::U8 => (Dtype::U8, data.iter::<u8>().collect(), first),
                    _ => {
                        let bytes = data.iter::<i64>().flat_map(i64::to_le_bytes);
                        (Dtype::I64, bytes.collect(), first)
                    }
                }
            }
            Kind::Bool => {
                let values: Vec<bool> = data.iter::<bool>().collect();
                let first = values.iter().take(SHOWN).map(bool::to_string).collect();
                (
                    Dtype::BOOL,
                    values.into_iter().map(u8::from).collect(),
                    first,
                )
            }
        };
        Ok(Self {
            name,
            dtype,
            shape,
            bytes,
            first,
        })
    }

    /// A line of the summary: name, type and first values.
    pub(crate) fn row(&self) -> Vec<String> {
        let mut first = self.first.join(", ");
        if self.shape.iter().product::<usize>() > SHOWN {
            first.push_str(", ..");
        }
        let dtype = format!("{:?}", self.dtype).to_lowercase();
        vec![
            self.name.clone(),
            format!("{dtype}{}", words::shape(&self.shape)),
            first,
        ]
    }
}

/// Writes results as a safetensors file.
pub(crate) fn write(path: &Path, outputs: &[Output]) -> anyhow::Result<()> {
    let mut views = BTreeMap::new();
    for Output {
        name,
        dtype,
        shape,
        bytes,
        first: _,
    } in outputs
    {
        views.insert(
            name.as_str(),
            TensorView::new(*dtype, shape.clone(), bytes)?,
        );
    }
    serialize_to_file(views, None, path).context("cannot write the results")
}

/// Reads a file into memory.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
