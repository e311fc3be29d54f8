//! Features in a file that is mapped into memory: only the rows that are asked for are read.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
};

use burn::tensor::{bf16, f16};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use super::{
    FeatureError, FeatureStore,
    features::{check, gather_rows},
};
use crate::read::{Place, ReadError, ReadErrorKind};

/// One tensor `[N, F]` or `[N]` of a safetensors file, read row by row as batches ask for it.
///
/// The file may be larger than memory: the operating system keeps the rows it has room for. Values
/// are `f16`, `bf16`, `f32` or `f64` and become `f32`.
///
/// The file must not change while it is mapped. If another process shortens it, reading what is
/// gone ends this process by a signal, as with every mapped file.
#[derive(Debug)]
pub struct MmapFeatures {
    path: PathBuf,
    tensor: String,
    map: Map,
    /// Where the tensor's bytes are in the file; [`MmapFeatures::open`] has checked that they are
    /// there.
    start: usize,
    dtype: Float,
    num_rows: usize,
    num_features: usize,
}

/// A map whose `Debug` does not print the file.
struct Map(Mmap);

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[derive(Clone, Copy, Debug)]
enum Float {
    F16,
    Bf16,
    F32,
    F64,
}

impl Float {
    fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Converts the bytes of a row.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "features are f32; wider ones lose digits"
    )]
    fn decode(self, bytes: &[u8], out: &mut [f32]) {
        /// Reads numbers of `N` bytes.
        fn each<const N: usize>(bytes: &[u8], out: &mut [f32], read: impl Fn([u8; N]) -> f32) {
            let (numbers, _) = bytes.as_chunks::<N>();
            for (out, &number) in out.iter_mut().zip(numbers) {
                *out = read(number);
            }
        }
        match self {
            Self::F16 => each(bytes, out, |number| f16::from_le_bytes(number).to_f32()),
            Self::Bf16 => each(bytes, out, |number| bf16::from_le_bytes(number).to_f32()),
            Self::F32 => each(bytes, out, f32::from_le_bytes),
            Self::F64 => each(bytes, out, |number| f64::from_le_bytes(number) as f32),
        }
    }
}

impl MmapFeatures {
    /// Maps a tensor of a safetensors file. Reads the file's header, no values.
    ///
    /// # Errors
    /// If the file cannot be read, is no safetensors file, or has no tensor of that name with one
    /// or two axes and a float type.
    pub fn open(path: impl AsRef<Path>, tensor: &str) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let whole = |kind| ReadError::new(path, Place::File, kind);
        let here = |kind| ReadError::new(path, Place::Tensor(tensor.to_owned()), kind);
        let mismatch = |expected: &str, got: String| {
            here(ReadErrorKind::Mismatch {
                expected: expected.to_owned(),
                got,
            })
        };
        let map = map(path).map_err(|error| whole(ReadErrorKind::Io(error)))?;
        if map.is_empty() {
            return Err(whole(ReadErrorKind::Empty));
        }
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|error| whole(ReadErrorKind::Safetensors(error)))?;
        let Some(info) = metadata.info(tensor) else {
            let mut names: Vec<String> = metadata.tensors().into_keys().collect();
            names.sort_unstable();
            let found = quote_all(&names.iter().map(String::as_str).collect::<Vec<_>>());
            return Err(here(ReadErrorKind::MissingTensor { found }));
        };
        let (num_rows, num_features) = match *info.shape.as_slice() {
            [rows] => (rows, 1),
            [rows, features] if features > 0 => (rows, features),
            _ => {
                let got = format!("shape {:?}", info.shape);
                return Err(mismatch("shape [N, F] or [N]", got));
            }
        };
        let dtype = match info.dtype {
            Dtype::F16 => Float::F16,
            Dtype::BF16 => Float::Bf16,
            Dtype::F32 => Float::F32,
            Dtype::F64 => Float::F64,
            other => return Err(mismatch("a float type", format!("type {other:?}"))),
        };
        // The file begins with the length of its header, 8 bytes; offsets count from the header's
        // end.
        let (from, to) = info.data_offsets;
        let place = header.checked_add(8).and_then(|data| {
            let end = data.checked_add(to)?;
            let start = data.checked_add(from)?;
            let length = num_rows
                .checked_mul(num_features)?
                .checked_mul(dtype.bytes())?;
            (end <= map.len() && start.checked_add(length)? == end).then_some(start)
        });
        let Some(start) = place else {
            return Err(mismatch(
                "as many bytes as its shape has",
                format!("those from {from} to {to}"),
            ));
        };
        #[cfg(unix)]
        {
            // A hint: rows are read here and there. Without it, more is read than is needed.
            let _ = map.advise(memmap2::Advice::Random);
        }
        Ok(Self {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            map: Map(map),
            start,
            dtype,
            num_rows,
            num_features,
        })
    }
}

#[expect(
    unsafe_code,
    reason = "a file can only be mapped so; the alternative is to read it whole"
)]
fn map(path: &Path) -> std::io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the map is only read, and never handed out. Should another process shorten or change
    // the file meanwhile, reads see other bytes or the process gets a signal, as documented at
    // `MmapFeatures`; every bit pattern is a valid float.
    unsafe { Mmap::map(&file) }
}

impl FeatureStore for MmapFeatures {
    fn num_rows(&self) -> usize {
        self.num_rows
    }

    fn num_features(&self) -> usize {
        self.num_features
    }

    #[expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "`open` has checked that all rows are in the file, `check` that these are rows"
    )]
    fn gather(&self, rows: &[u32], out: &mut [f32]) -> Result<(), FeatureError> {
        check(rows, out, self, || {
            format!("{}, tensor `{}`,", self.path.display(), self.tensor)
        })?;
        let length = self.num_features * self.dtype.bytes();
        gather_rows(rows, out, self.num_features, |row, out| {
            let at = self.start + row * length;
            self.dtype.decode(&self.map.0[at..at + length], out);
        });
        Ok(())
    }
}

/// The first names of a file, quoted and shortened, so that a hostile file cannot flood a terminal.
fn quote_all(names: &[&str]) -> String {
    const MOST: usize = 20;
    let short = |name: &&str| format!("{:?}", name.chars().take(40).collect::<String>());
    let mut list: Vec<String> = names.iter().take(MOST).map(short).collect();
    if names.len() > MOST {
        list.push("and more".to_owned());
    }
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use safetensors::tensor::TensorView;
    use tempfile::TempDir;

    use super::super::MemoryFeatures;
    use super::*;

    fn file(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("x.safetensors");
        let other = TensorView::new(Dtype::U8, vec![3], &[1, 2, 3]).unwrap();
        let x = TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        let parts = [("other", other), ("x", x)];
        fs::write(&path, safetensors::serialize(parts, None).unwrap()).unwrap();
        (folder, path)
    }

    fn read(store: &dyn FeatureStore, rows: &[u32]) -> Vec<f32> {
        let mut out = vec![f32::NAN; rows.len().saturating_mul(store.num_features())];
        store.gather(rows, &mut out).unwrap();
        out
    }

    #[test]
    fn a_mapped_file_equals_memory() {
        let values: Vec<f32> = (0..500_u16).map(|value| f32::from(value) / 8.0).collect();
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let (_folder, path) = file(Dtype::F32, &[100, 5], &bytes);
        let mapped = MmapFeatures::open(&path, "x").unwrap();
        let memory = MemoryFeatures::new(values, 5).unwrap();
        assert_eq!((mapped.num_rows(), mapped.num_features()), (100, 5));
        for rows in [vec![], vec![7], (0..100).rev().collect(), vec![99; 70_000]] {
            assert_eq!(read(&mapped, &rows), read(&memory, &rows));
        }
    }

    #[test]
    fn every_float_type_is_converted() {
        let values = [0.5, -2.0, 1024.0];
        let f16s = values.iter().flat_map(|&v| f16::from_f64(v).to_le_bytes());
        let bf16s = values.iter().flat_map(|&v| bf16::from_f64(v).to_le_bytes());
        let f64s = values.iter().flat_map(|&v| v.to_le_bytes());
        let types: [(Dtype, Vec<u8>); 3] = [
            (Dtype::F16, f16s.collect()),
            (Dtype::BF16, bf16s.collect()),
            (Dtype::F64, f64s.collect()),
        ];
        for (dtype, bytes) in types {
            let (_folder, path) = file(dtype, &[3], &bytes);
            let mapped = MmapFeatures::open(&path, "x").unwrap();
            assert_eq!(read(&mapped, &[2, 0, 1]), [1024.0, 0.5, -2.0], "{dtype:?}");
        }
    }

    #[test]
    fn errors_name_file_and_tensor() {
        let text = |path: &Path, tensor| {
            let text = MmapFeatures::open(path, tensor).unwrap_err().to_string();
            text.split_once("x.safetensors").unwrap().1.to_owned()
        };
        let (_folder, path) = file(Dtype::F32, &[2, 2, 1], &[0; 16]);
        assert_eq!(
            text(&path, "x"),
            ", tensor `x`: expected shape [N, F] or [N], got shape [2, 2, 1]"
        );
        assert_eq!(
            text(&path, "other"),
            ", tensor `other`: expected a float type, got type U8"
        );
        assert_eq!(
            text(&path, "y"),
            ", tensor `y`: no such tensor; the file has \"other\", \"x\""
        );
        fs::write(&path, b"no").unwrap();
        assert_eq!(text(&path, "x"), ": not a valid safetensors file");
        fs::write(&path, b"").unwrap();
        assert_eq!(text(&path, "x"), ": the file is empty");
        fs::remove_file(&path).unwrap();
        assert_eq!(text(&path, "x"), ": cannot read it");

        let (_folder, path) = file(Dtype::F32, &[2], &[0; 8]);
        let mapped = MmapFeatures::open(&path, "x").unwrap();
        let error = mapped.gather(&[2], &mut [0.0]).unwrap_err().to_string();
        assert!(
            error.ends_with("x.safetensors, tensor `x`, has 2 rows, none with number 2"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_cut_short_is_refused() {
        let (_folder, path) = file(Dtype::F32, &[2, 3], &[0; 24]);
        let bytes = fs::read(&path).unwrap();
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            assert!(MmapFeatures::open(&path, "x").is_err(), "{length}");
        }
    }
}
