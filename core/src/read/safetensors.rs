//! One graph in one safetensors file.
//!
//! | tensor | shape | types | |
//! |---|---|---|---|
//! | `x` | `[N, F]` | float or integer, becomes `f32` | required |
//! | `edge_index` | `[2, E]` | integer, values in `0..N` | required |
//! | `edge_weight` | `[E]` | float or integer, becomes `f32` | |
//! | `edge_attr` | `[E, D]`, or `[E]` for `[E, 1]` | float or integer, becomes `f32` | |
//! | `y` | `[N]` or `[1]` | integer that fits 32 bits | |
//! | `train_mask`, `val_mask`, `test_mask` | `[N]` | bool, or `u8` of 0 and 1 | |
//!
//! Floats are `f16`, `bf16`, `f32` or `f64`, integers signed or unsigned with 8 to 64 bits. Tensors
//! of other names are ignored. In Python, such a file is
//! `safetensors.torch.save_file({"x": data.x, "edge_index": data.edge_index, ..}, path)`.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use burn::tensor::{Bool, Device, Tensor, TensorData, bf16, f16};
use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use super::error::{Place, ReadError, ReadErrorKind, WriteError};
use crate::{EdgeIndex, Graph, GraphError};

/// Reads a graph from a safetensors file; see [`write_safetensors`] for what is in it.
///
/// The tensors are `x` `[N, F]` and `edge_index` `[2, E]`, and, where present, `edge_weight` `[E]`,
/// `edge_attr` `[E, D]` or `[E]`, `y` `[N]` or `[1]` and the masks `[N]`. Numbers of any width are
/// accepted and converted; tensors of other names are ignored.
///
/// # Errors
/// If the file cannot be read, is no safetensors file, lacks `x` or `edge_index`, or holds a tensor
/// of a shape, type or value that does not fit.
pub fn read_safetensors(path: impl AsRef<Path>, device: &Device) -> Result<Graph, ReadError> {
    let path = path.as_ref();
    let fail = |kind| ReadError::new(path, Place::File, kind);
    let bytes = fs::read(path).map_err(|error| fail(ReadErrorKind::Io(error)))?;
    if bytes.is_empty() {
        return Err(fail(ReadErrorKind::Empty));
    }
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| fail(ReadErrorKind::Safetensors(error)))?;
    let file = File { path, tensors };

    let entry = file.required("x")?;
    let [nodes, features] = entry.rank2("[N, F]")?;
    if features == 0 && nodes > 0 {
        return Err(entry.mismatch("at least one feature", format!("shape {:?}", [nodes, 0])));
    }
    let x = Tensor::<2>::from_data(TensorData::new(entry.floats()?, [nodes, features]), device);

    let entry = file.required("edge_index")?;
    let [rows, columns] = entry.rank2("[2, E]")?;
    if rows != 2 {
        return Err(entry.mismatch("shape [2, E]", format!("shape {:?}", [rows, columns])));
    }
    let indices = entry.ints()?;
    let (src, dst) = indices.split_at(columns);
    let edges = EdgeIndex::from_arrays(src, dst, nodes, nodes, device)
        .map_err(|error| entry.graph(error))?;
    let mut graph = Graph::new(x, edges).map_err(|error| entry.graph(error))?;

    if let Some(entry) = file.optional("edge_weight") {
        let length = entry.rank1("[E]")?;
        let weight = Tensor::from_data(TensorData::new(entry.floats()?, [length]), device);
        graph = graph
            .with_edge_weight(weight)
            .map_err(|error| entry.graph(error))?;
    }
    if let Some(entry) = file.optional("edge_attr") {
        let shape = match *entry.view.shape() {
            [rows] => [rows, 1],
            _ => entry.rank2("[E, D] or [E]")?,
        };
        let attr = Tensor::from_data(TensorData::new(entry.floats()?, shape), device);
        graph = graph
            .with_edge_attr(attr)
            .map_err(|error| entry.graph(error))?;
    }
    if let Some(entry) = file.optional("y") {
        let length = entry.rank1("[N] or [1]")?;
        let labels = entry.ints()?;
        // Devices may hold integers in 32 bits; a wider label would silently become another.
        if let Some(label) = labels.iter().find(|&&label| i32::try_from(label).is_err()) {
            return Err(entry.mismatch("labels that fit 32 bits", label.to_string()));
        }
        let y = Tensor::from_data(TensorData::new(labels, [length]), device);
        graph = graph.with_y(y).map_err(|error| entry.graph(error))?;
    }
    let masks: [(&str, AddMask); 3] = [
        ("train_mask", Graph::with_train_mask),
        ("val_mask", Graph::with_val_mask),
        ("test_mask", Graph::with_test_mask),
    ];
    for (name, add) in masks {
        if let Some(entry) = file.optional(name) {
            let length = entry.rank1("[N]")?;
            let mask = Tensor::from_data(TensorData::new(entry.bools()?, [length]), device);
            graph = add(graph, mask).map_err(|error| entry.graph(error))?;
        }
    }
    Ok(graph)
}

type AddMask = fn(Graph, Tensor<1, Bool>) -> Result<Graph, GraphError>;

struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl<'a> File<'a> {
    fn optional(&self, name: &'static str) -> Option<Entry<'a>> {
        let view = self.tensors.tensor(name).ok()?;
        Some(Entry {
            path: self.path,
            name,
            view,
        })
    }

    fn required(&self, name: &'static str) -> Result<Entry<'a>, ReadError> {
        self.optional(name).ok_or_else(|| {
            let mut found = self.tensors.names();
            found.sort_unstable();
            let kind = ReadErrorKind::MissingTensor {
                found: super::error::quote_all(&found),
            };
            ReadError::new(self.path, Place::Tensor(name.to_owned()), kind)
        })
    }
}

struct Entry<'a> {
    path: &'a Path,
    name: &'static str,
    view: TensorView<'a>,
}

/// The little-endian numbers of a byte string, each converted by a function.
macro_rules! decode {
    ($bytes:expr, $ty:ty, $convert:expr) => {
        $bytes
            .as_chunks::<{ size_of::<$ty>() }>()
            .0
            .iter()
            .map(|bytes| $convert(<$ty>::from_le_bytes(*bytes)))
            .collect()
    };
}

impl Entry<'_> {
    fn fail(&self, kind: ReadErrorKind) -> ReadError {
        ReadError::new(self.path, Place::Tensor(self.name.to_owned()), kind)
    }

    fn graph(&self, error: GraphError) -> ReadError {
        self.fail(ReadErrorKind::Graph(error))
    }

    fn mismatch(&self, expected: &str, got: String) -> ReadError {
        self.fail(ReadErrorKind::Mismatch {
            expected: expected.to_owned(),
            got,
        })
    }

    fn wrong_shape(&self, expected: &str) -> ReadError {
        self.mismatch(
            &format!("shape {expected}"),
            format!("shape {:?}", self.view.shape()),
        )
    }

    fn wrong_type(&self, expected: &str) -> ReadError {
        self.mismatch(expected, format!("type {:?}", self.view.dtype()))
    }

    fn rank1(&self, expected: &str) -> Result<usize, ReadError> {
        match *self.view.shape() {
            [length] => Ok(length),
            _ => Err(self.wrong_shape(expected)),
        }
    }

    fn rank2(&self, expected: &str) -> Result<[usize; 2], ReadError> {
        match *self.view.shape() {
            [rows, columns] => Ok([rows, columns]),
            _ => Err(self.wrong_shape(expected)),
        }
    }

    fn floats(&self) -> Result<Vec<f32>, ReadError> {
        let bytes = self.view.data();
        Ok(match self.view.dtype() {
            Dtype::F32 => decode!(bytes, f32, core::convert::identity),
            Dtype::F64 => decode!(bytes, f64, nearest),
            Dtype::F16 => decode!(bytes, f16, f16::to_f32),
            Dtype::BF16 => decode!(bytes, bf16, bf16::to_f32),
            Dtype::U64 => decode!(bytes, u64, nearest_unsigned),
            _ => match self.signed() {
                Some(values) => values.into_iter().map(nearest_int).collect(),
                None => return Err(self.wrong_type("a float or integer type")),
            },
        })
    }

    fn ints(&self) -> Result<Vec<i64>, ReadError> {
        if let Some(values) = self.signed() {
            return Ok(values);
        }
        if self.view.dtype() != Dtype::U64 {
            return Err(self.wrong_type("an integer type"));
        }
        let values: Vec<u64> = decode!(self.view.data(), u64, core::convert::identity);
        let narrow = |value| i64::try_from(value).map_err(|_| value);
        values
            .into_iter()
            .map(narrow)
            .collect::<Result<_, u64>>()
            .map_err(|value| self.mismatch("integers that fit 63 bits", value.to_string()))
    }

    /// The values of an integer type all of whose values fit 64 bits with a sign.
    fn signed(&self) -> Option<Vec<i64>> {
        let bytes = self.view.data();
        Some(match self.view.dtype() {
            Dtype::I64 => decode!(bytes, i64, core::convert::identity),
            Dtype::I32 => decode!(bytes, i32, i64::from),
            Dtype::I16 => decode!(bytes, i16, i64::from),
            Dtype::I8 => decode!(bytes, i8, i64::from),
            Dtype::U32 => decode!(bytes, u32, i64::from),
            Dtype::U16 => decode!(bytes, u16, i64::from),
            Dtype::U8 => decode!(bytes, u8, i64::from),
            _ => return None,
        })
    }

    fn bools(&self) -> Result<Vec<bool>, ReadError> {
        if !matches!(self.view.dtype(), Dtype::BOOL | Dtype::U8) {
            return Err(self.wrong_type("type BOOL or U8"));
        }
        let bit = |byte: &u8| match byte {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.mismatch("0 or 1", other.to_string())),
        };
        self.view.data().iter().map(bit).collect()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "features are f32; rounding is the point"
)]
fn nearest(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_precision_loss,
    reason = "features are f32; rounding is the point"
)]
fn nearest_int(value: i64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_precision_loss,
    reason = "features are f32; rounding is the point"
)]
fn nearest_unsigned(value: u64) -> f32 {
    value as f32
}

/// Writes a graph to a safetensors file that [`read_safetensors`] reads.
///
/// Floats are written as `f32`, integers as `i64`, masks as `bool`. The bytes depend on the graph
/// alone. The file appears whole or not at all: it is written under another name first.
///
/// # Errors
/// If the file cannot be written.
pub fn write_safetensors(graph: &Graph, path: impl AsRef<Path>) -> Result<(), WriteError> {
    let path = path.as_ref();
    let fail = |source| WriteError {
        path: path.to_owned(),
        source,
    };

    let mut tensors: Vec<(&str, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut floats = |name, data: TensorData| {
        let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
        tensors.push((name, Dtype::F32, data.shape().to_vec(), bytes));
    };
    floats("x", graph.x().into_data());
    if let Some(weight) = graph.edge_weight() {
        floats("edge_weight", weight.into_data());
    }
    if let Some(attr) = graph.edge_attr() {
        floats("edge_attr", attr.into_data());
    }
    let mut ints = |name, data: TensorData| {
        let bytes = data.iter::<i64>().flat_map(i64::to_le_bytes).collect();
        tensors.push((name, Dtype::I64, data.shape().to_vec(), bytes));
    };
    ints("edge_index", graph.edges().tensor().into_data());
    if let Some(y) = graph.y() {
        ints("y", y.into_data());
    }
    let masks = [
        ("train_mask", graph.train_mask()),
        ("val_mask", graph.val_mask()),
        ("test_mask", graph.test_mask()),
    ];
    for (name, mask) in masks {
        if let Some(mask) = mask {
            let data = mask.into_data();
            let bytes = data.iter::<bool>().map(u8::from).collect();
            tensors.push((name, Dtype::BOOL, data.shape().to_vec(), bytes));
        }
    }

    let views: Vec<(&str, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((*name, TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<Result<_, SafeTensorError>>()
        .map_err(fail)?;
    let bytes = safetensors::serialize(views, None).map_err(fail)?;
    replace(path, &bytes).map_err(|error| fail(SafeTensorError::IoError(error)))
}

/// Writes a file beside `path` and renames it, so that it is never seen half written.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary: PathBuf = path.with_file_name(name);
    let write = || {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().inspect_err(|_| {
        // The error that is reported is why the file is missing, not why its leftovers stay.
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    type Parts<'a> = &'a [(&'a str, Dtype, &'a [usize], &'a [u8])];

    fn bytes(parts: Parts<'_>) -> Vec<u8> {
        let view = |&(name, dtype, shape, bytes): &(_, _, &[usize], _)| {
            (name, TensorView::new(dtype, shape.to_vec(), bytes).unwrap())
        };
        safetensors::serialize(parts.iter().map(view), None).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<Graph, ReadError> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("graph.safetensors");
        fs::write(&path, bytes).unwrap();
        read_safetensors(path, &Device::flex())
    }

    /// The message without the folder.
    fn message(result: Result<Graph, ReadError>) -> String {
        let text = result.unwrap_err().to_string();
        text.split_once("graph.safetensors").unwrap().1.to_owned()
    }

    const X: (&str, Dtype, &[usize], &[u8]) = ("x", Dtype::U8, &[3, 2], &[1, 2, 3, 4, 5, 6]);
    const EDGES: (&str, Dtype, &[usize], &[u8]) = ("edge_index", Dtype::U8, &[2, 2], &[0, 1, 1, 2]);

    #[test]
    fn narrow_numbers_are_widened() {
        let mask = [1, 0, 1];
        let graph = read(&bytes(&[X, EDGES, ("val_mask", Dtype::U8, &[3], &mask)])).unwrap();
        assert_eq!(
            (graph.num_nodes(), graph.num_edges(), graph.num_features()),
            (3, 2, 2)
        );
        let x: Vec<f32> = graph.x().into_data().iter::<f32>().collect();
        assert_eq!(x, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let mask = graph.val_mask().unwrap().into_data();
        assert_eq!(mask.iter::<bool>().collect::<Vec<_>>(), [true, false, true]);
        assert!(graph.train_mask().is_none() && graph.y().is_none());
    }

    #[test]
    fn every_float_type_is_converted() {
        let f16s: Vec<u8> = [0.5, -2.0]
            .into_iter()
            .flat_map(|v| f16::from_f32(v).to_le_bytes())
            .collect();
        let bf16s: Vec<u8> = [0.5, -2.0]
            .into_iter()
            .flat_map(|v| bf16::from_f32(v).to_le_bytes())
            .collect();
        let f32s: Vec<u8> = [0.5, -2.0_f32]
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect();
        let f64s: Vec<u8> = [0.5, -2.0_f64]
            .into_iter()
            .flat_map(f64::to_le_bytes)
            .collect();
        let types = [
            (Dtype::F16, f16s),
            (Dtype::BF16, bf16s),
            (Dtype::F32, f32s),
            (Dtype::F64, f64s),
        ];
        for (dtype, values) in types {
            let parts = bytes(&[X, EDGES, ("edge_attr", dtype, &[2], &values)]);
            let attr = read(&parts).unwrap().edge_attr().unwrap();
            assert_eq!(attr.dims(), [2, 1]);
            assert_eq!(
                attr.into_data().iter::<f32>().collect::<Vec<_>>(),
                [0.5, -2.0],
                "{dtype:?}"
            );
        }
    }

    #[test]
    fn every_integer_type_is_an_index() {
        let types = [
            (
                Dtype::I8,
                [0, 1, 1, 2]
                    .iter()
                    .flat_map(|v: &i8| v.to_le_bytes())
                    .collect(),
            ),
            (
                Dtype::I16,
                [0, 1, 1, 2]
                    .iter()
                    .flat_map(|v: &i16| v.to_le_bytes())
                    .collect(),
            ),
            (
                Dtype::I32,
                [0, 1, 1, 2]
                    .iter()
                    .flat_map(|v: &i32| v.to_le_bytes())
                    .collect(),
            ),
            (
                Dtype::I64,
                [0, 1, 1, 2]
                    .iter()
                    .flat_map(|v: &i64| v.to_le_bytes())
                    .collect(),
            ),
            (
                Dtype::U16,
                [0, 1, 1, 2]
                    .iter()
                    .flat_map(|v: &u16| v.to_le_bytes())
                    .collect(),
            ),
            (
                Dtype::U32,
                [0, 1, 1, 2]
                    .iter()
                    .flat_map(|v: &u32| v.to_le_bytes())
                    .collect(),
            ),
            (
                Dtype::U64,
                [0, 1, 1, 2]
                    .iter()
                    .flat_map(|v: &u64| v.to_le_bytes())
                    .collect(),
            ),
        ];
        for (dtype, values) in types {
            let values: Vec<u8> = values;
            let graph = read(&bytes(&[X, ("edge_index", dtype, &[2, 2], &values)])).unwrap();
            let indices: Vec<i64> = graph.edges().tensor().into_data().iter::<i64>().collect();
            assert_eq!(indices, [0, 1, 1, 2], "{dtype:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let device = Device::flex();
        let club = crate::read::karate_club(&device);
        let club = club
            .with_edge_weight(Tensor::full([156], 0.25, &device))
            .and_then(|club| club.with_edge_attr(Tensor::full([156, 2], -1.5, &device)))
            .unwrap();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("club.safetensors");
        write_safetensors(&club, &path).unwrap();
        write_safetensors(&club, &path).unwrap();
        let back = read_safetensors(&path, &device).unwrap();
        assert_eq!(back.x().into_data(), club.x().into_data());
        assert_eq!(
            back.edges().tensor().into_data(),
            club.edges().tensor().into_data()
        );
        assert_eq!(back.y().unwrap().into_data(), club.y().unwrap().into_data());
        let mask = |graph: &Graph| graph.train_mask().unwrap().into_data();
        assert_eq!(mask(&back), mask(&club));
        let weight = |graph: &Graph| graph.edge_weight().unwrap().into_data();
        assert_eq!(weight(&back), weight(&club));
        let attr = |graph: &Graph| graph.edge_attr().unwrap().into_data();
        assert_eq!(attr(&back), attr(&club));
        assert!(back.val_mask().is_none());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file stays"
        );
    }

    #[test]
    fn a_folder_that_is_missing_cannot_be_written_to() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("no").join("club.safetensors");
        let error =
            write_safetensors(&crate::read::karate_club(&Device::flex()), &path).unwrap_err();
        assert_eq!(error.path, path);
        assert!(matches!(error.source, SafeTensorError::IoError(_)));
    }

    #[test]
    fn files_that_are_no_safetensors_are_rejected() {
        let good = bytes(&[X, EDGES]);
        assert_eq!(message(read(&[])), ": the file is empty");
        for length in 1..good.len() {
            let error = read(&good[..length]).unwrap_err();
            assert!(
                matches!(error.kind(), ReadErrorKind::Safetensors(_)),
                "{length}: {error}"
            );
        }
        assert_eq!(
            message(read(b"PK\x03\x04 something")),
            ": not a valid safetensors file"
        );
    }

    #[test]
    fn a_missing_file_is_reported() {
        let error = read_safetensors("/no/graph.safetensors", &Device::flex()).unwrap_err();
        assert_eq!(error.to_string(), "/no/graph.safetensors: cannot read it");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(error.path(), Path::new("/no/graph.safetensors"));
        assert_eq!(*error.place(), Place::File);
    }

    #[test]
    fn missing_tensors_are_named() {
        assert_eq!(
            message(read(&bytes(&[X]))),
            ", tensor `edge_index`: no such tensor; the file has \"x\""
        );
        assert_eq!(
            message(read(&bytes(&[]))),
            ", tensor `x`: no such tensor; the file has none"
        );
    }

    #[test]
    fn shapes_are_checked() {
        let cases: [(Parts<'_>, &str); 8] = [
            (
                &[("x", Dtype::U8, &[3], &[0; 3])],
                "`x`: expected shape [N, F], got shape [3]",
            ),
            (
                &[("x", Dtype::U8, &[3, 0], &[])],
                "`x`: expected at least one feature, got shape [3, 0]",
            ),
            (
                &[X, ("edge_index", Dtype::U8, &[4], &[0; 4])],
                "`edge_index`: expected shape [2, E], got shape [4]",
            ),
            (
                &[X, ("edge_index", Dtype::U8, &[3, 1], &[0; 3])],
                "`edge_index`: expected shape [2, E], got shape [3, 1]",
            ),
            (
                &[X, EDGES, ("edge_weight", Dtype::U8, &[3], &[0; 3])],
                "`edge_weight`: `edge_weight` has shape [3], expected [2]",
            ),
            (
                &[X, EDGES, ("edge_attr", Dtype::U8, &[1, 1, 2], &[0; 2])],
                "`edge_attr`: expected shape [E, D] or [E], got shape [1, 1, 2]",
            ),
            (
                &[X, EDGES, ("y", Dtype::U8, &[3, 1], &[0; 3])],
                "`y`: expected shape [N] or [1], got shape [3, 1]",
            ),
            (
                &[X, EDGES, ("test_mask", Dtype::U8, &[2], &[0; 2])],
                "`test_mask`: `test_mask` has shape [2], expected [3]",
            ),
        ];
        for (parts, expected) in cases {
            assert_eq!(message(read(&bytes(parts))), format!(", tensor {expected}"));
        }
    }

    #[test]
    fn types_are_checked() {
        let cases: [(Parts<'_>, &str); 4] = [
            (
                &[("x", Dtype::BOOL, &[1, 1], &[0])],
                "`x`: expected a float or integer type, got type BOOL",
            ),
            (
                &[X, ("edge_index", Dtype::F32, &[2, 1], &[0; 8])],
                "`edge_index`: expected an integer type, got type F32",
            ),
            (
                &[X, EDGES, ("y", Dtype::F32, &[1], &[0; 4])],
                "`y`: expected an integer type, got type F32",
            ),
            (
                &[X, EDGES, ("train_mask", Dtype::I8, &[3], &[0; 3])],
                "`train_mask`: expected type BOOL or U8, got type I8",
            ),
        ];
        for (parts, expected) in cases {
            assert_eq!(message(read(&bytes(parts))), format!(", tensor {expected}"));
        }
    }

    #[test]
    fn values_are_checked() {
        let wide = u64::MAX.to_le_bytes().repeat(2);
        let label = (1_i64 << 32).to_le_bytes();
        let cases: [(Parts<'_>, &str); 5] = [
            (
                &[X, ("edge_index", Dtype::U8, &[2, 2], &[0, 3, 1, 2])],
                "`edge_index`: edge 1 has source 3, but there are 3 source nodes",
            ),
            (
                &[X, ("edge_index", Dtype::I8, &[2, 2], &[0, 1, 1, 255])],
                "`edge_index`: edge 1 has target -1, but there are 3 target nodes",
            ),
            (
                &[X, ("edge_index", Dtype::U64, &[2, 1], &wide)],
                "`edge_index`: expected integers that fit 63 bits, got 18446744073709551615",
            ),
            (
                &[X, EDGES, ("y", Dtype::I64, &[1], &label)],
                "`y`: expected labels that fit 32 bits, got 4294967296",
            ),
            (
                &[X, EDGES, ("val_mask", Dtype::U8, &[3], &[0, 1, 2])],
                "`val_mask`: expected 0 or 1, got 2",
            ),
        ];
        for (parts, expected) in cases {
            assert_eq!(message(read(&bytes(parts))), format!(", tensor {expected}"));
        }
    }
}
