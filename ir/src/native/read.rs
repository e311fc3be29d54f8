//! The reader. Whatever the bytes, it gives a model that fits together or an error.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    path::Path,
    sync::Arc,
};

use bincode::{config::standard, error::DecodeError};
use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor,
};

use super::{
    FORMAT, FORMAT_KEY, MAX_PROGRAM_BYTES, NativeError, PROGRAM, VERSION, VERSION_KEY, checksum,
    checksum_key, decode, elem,
    positional::{self, V1, V2, Version},
    schema,
};
use crate::{model::Model, program::Program, validate::validate, weights::Weights};

impl Model {
    /// Reads a `.kiln` file. The file is mapped: weights are read when they are first used, so the
    /// file must not change while the model lives. [`save`](Self::save) replaces files and does not
    /// change them.
    ///
    /// # Errors
    /// If the file cannot be read, is not of this format or version, or its program is damaged or
    /// invalid, or does not fit the weights. Values of weights are not looked at; see
    /// [`check`](Self::check).
    pub fn load(path: impl AsRef<Path>) -> Result<Self, NativeError> {
        let map = map(path.as_ref())?;
        let contents = Contents::new(&map)?;
        let program = contents.program()?;
        let mut weights = Weights::new();
        for (name, tensor) in contents.weights() {
            let (elem, shape) = weight_type(name, &tensor)?;
            let start = tensor
                .data()
                .as_ptr()
                .addr()
                .checked_sub(map.as_ptr().addr());
            // The tensor is a part of the map; an empty one may lie anywhere.
            let start = start.unwrap_or_default();
            let range = start..start.saturating_add(tensor.data().len());
            weights.insert_mapped(name, elem, shape, Arc::clone(&map), range)?;
        }
        Ok(Self::new(validate(program)?, weights)?)
    }

    /// Reads a `.kiln` file with all weights and verifies every checksum.
    ///
    /// # Errors
    /// As [`load`](Self::load), and if the values of a weight are damaged.
    pub fn check(path: impl AsRef<Path>) -> Result<(), NativeError> {
        Self::from_bytes(&map(path.as_ref())?).map(drop)
    }

    /// The model in the bytes of a `.kiln` file; all checksums are verified.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NativeError> {
        let contents = Contents::new(bytes)?;
        let program = validate(contents.program()?)?;
        let mut weights = Weights::new();
        for (name, tensor) in contents.weights() {
            contents.verify(name, &tensor)?;
            let (elem, shape) = weight_type(name, &tensor)?;
            weights.insert(name, elem, shape, tensor.data())?;
        }
        Ok(Self::new(program, weights)?)
    }
}

#[expect(
    unsafe_code,
    reason = "a file can only be mapped so; the alternative is to copy it"
)]
fn map(path: &Path) -> Result<Arc<Mmap>, NativeError> {
    let io = |action| move |source| NativeError::Io { action, source };
    let file = File::open(path).map_err(io("open"))?;
    // SAFETY: the map is only read. Should another process shorten or change the file meanwhile,
    // reads see other bytes or the process gets a signal, as documented at `Model::load`; Kiln
    // itself never changes a file in place.
    let map = unsafe { Mmap::map(&file) }.map_err(io("map"))?;
    Ok(Arc::new(map))
}

/// A safetensors file that says it is Kiln's.
struct Contents<'a> {
    tensors: SafeTensors<'a>,
    metadata: HashMap<String, String>,
    version: u32,
}

impl<'a> Contents<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, NativeError> {
        let (length, header) = SafeTensors::read_metadata(bytes)?;
        let end = length.saturating_add(8);
        unique_names(bytes.get(8..end).unwrap_or_default())?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let format = metadata.get(FORMAT_KEY);
        if format.is_none_or(|format| format != FORMAT) {
            return Err(NativeError::NotKiln {
                got: format.cloned(),
            });
        }
        let version = metadata.get(VERSION_KEY);
        let version = match version.and_then(|version| version.parse::<u32>().ok()) {
            Some(got) if got > VERSION => {
                return Err(NativeError::Newer {
                    got,
                    known: VERSION,
                });
            }
            Some(version) if version > 0 => version,
            Some(_) | None => {
                let key = VERSION_KEY.to_owned();
                let expected = "a version";
                return Err(NativeError::Metadata {
                    key,
                    expected,
                    got: version.cloned(),
                });
            }
        };
        Ok(Self {
            tensors: SafeTensors::deserialize(bytes)?,
            metadata,
            version,
        })
    }

    fn program(&self) -> Result<Program, NativeError> {
        let tensor = self
            .tensors
            .tensor(PROGRAM)
            .map_err(|_| NativeError::NoProgram)?;
        if tensor.dtype() != Dtype::U8 || tensor.shape().len() != 1 {
            let got = format!("{:?}{:?}", tensor.dtype(), tensor.shape());
            return Err(NativeError::ProgramType { got });
        }
        let bytes = tensor.data();
        if bytes.len() > MAX_PROGRAM_BYTES {
            return Err(NativeError::ProgramSize {
                bytes: bytes.len(),
                limit: MAX_PROGRAM_BYTES,
            });
        }
        self.verify(PROGRAM, &tensor)?;
        program(bytes, self.version)
    }

    fn weights(&self) -> impl Iterator<Item = (&str, TensorView<'a>)> {
        self.tensors.iter().filter(|(name, _)| *name != PROGRAM)
    }

    fn verify(&self, name: &str, tensor: &TensorView<'_>) -> Result<(), NativeError> {
        let key = checksum_key(name);
        let Some(expected) = self.metadata.get(&key) else {
            let expected = "a checksum";
            return Err(NativeError::Metadata {
                key,
                expected,
                got: None,
            });
        };
        let got = checksum(tensor.data());
        if *expected == got {
            return Ok(());
        }
        let (tensor, expected) = (name.to_owned(), expected.clone());
        Err(NativeError::Checksum {
            tensor,
            expected,
            got,
        })
    }
}

/// The program in bytes that must begin with the version.
pub(super) fn program(bytes: &[u8], expected: u32) -> Result<Program, NativeError> {
    let (version, rest) = decode::<u32>(bytes)?;
    if version != expected {
        return Err(NativeError::Metadata {
            key: VERSION_KEY.to_owned(),
            expected: "the version that the program begins with",
            got: Some(expected.to_string()),
        });
    }
    let (program, rest) = match version {
        1 => positional::<V1>(rest)?,
        2 => positional::<V2>(rest)?,
        _ => named(rest, bytes.len())?,
    };
    match rest.len() {
        0 => Ok(program),
        bytes => Err(NativeError::Trailing { bytes }),
    }
}

/// The program that the bytes begin with, and those behind it.
fn positional<V: Version>(bytes: &[u8]) -> Result<(Program, &[u8]), DecodeError> {
    let (program, rest) = decode::<positional::Program<V>>(bytes)?;
    Ok((program.try_into().map_err(DecodeError::Other)?, rest))
}

/// As [`positional`]. `length` is that of the whole program.
fn named(bytes: &[u8], length: usize) -> Result<(Program, &[u8]), NativeError> {
    let (requirements, rest) = decode::<schema::Requirements>(bytes)?;
    let needs = |feature: &str| requirements.iter().any(|name| name == feature);
    let (is_tied, has_results) = (needs(schema::TIED), needs(schema::OPTIONAL_RESULTS));
    let names = decode::unknown(requirements);
    if !names.is_empty() {
        return Err(NativeError::Requirements { names });
    }
    let (program, rest) = decode::<schema::Program>(rest)?;
    let mut program = decode::program(program, length)?;
    let mut rest = rest;
    if is_tied {
        let (ties, behind) = decode::<schema::Ties>(rest)?;
        decode::tie(&mut program, ties)?;
        rest = behind;
    }
    if has_results {
        let (results, behind) = decode::<schema::Results>(rest)?;
        decode::results(&mut program, results)?;
        rest = behind;
    }
    Ok((program, rest))
}

/// What the bytes begin with, and those behind it. Memory is limited in proportion to the length.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    const SMALL: usize = 1 << 16;
    const MEDIUM: usize = 1 << 20;
    const FACTOR: usize = 16;
    let (value, used) = if bytes.len() <= SMALL {
        decode_within::<T, { SMALL * FACTOR }>(bytes)
    } else if bytes.len() <= MEDIUM {
        decode_within::<T, { MEDIUM * FACTOR }>(bytes)
    } else {
        decode_within::<T, { MAX_PROGRAM_BYTES * FACTOR }>(bytes)
    }?;
    Ok((value, bytes.get(used..).unwrap_or_default()))
}

fn decode_within<T: DeserializeOwned, const LIMIT: usize>(
    bytes: &[u8],
) -> Result<(T, usize), DecodeError> {
    bincode::serde::decode_from_slice(bytes, standard().with_limit::<LIMIT>())
}

fn weight_type(
    name: &str,
    tensor: &TensorView<'_>,
) -> Result<(crate::program::ElemType, Vec<u64>), NativeError> {
    let found = elem(tensor.dtype()).ok_or_else(|| NativeError::WeightType {
        tensor: name.to_owned(),
        got: format!("{:?}", tensor.dtype()),
    })?;
    let shape = tensor
        .shape()
        .iter()
        .map(|&dim| u64::try_from(dim).unwrap_or(u64::MAX))
        .collect();
    Ok((found, shape))
}

/// Refuses headers in which a name stands twice, of which the library keeps one at random.
fn unique_names(header: &[u8]) -> Result<(), NativeError> {
    let mut duplicate = None;
    let mut deserializer = serde_json::Deserializer::from_slice(header);
    let outcome = Names {
        duplicate: &mut duplicate,
        depth: 0,
    }
    .deserialize(&mut deserializer);
    match (duplicate, outcome) {
        (Some(name), _) => Err(NativeError::DuplicateName { name }),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => {
            Err(safetensors::SafeTensorError::InvalidHeaderDeserialization(error).into())
        }
    }
}

/// Looks for duplicates among the keys of a JSON object and of the objects right inside.
struct Names<'d> {
    duplicate: &'d mut Option<String>,
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if self.depth == 0 {
                map.next_value_seed(Names {
                    duplicate: &mut *self.duplicate,
                    depth: 1,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            if seen.contains(&name) {
                *self.duplicate = Some(name);
                return Err(A::Error::custom("a duplicate name"));
            }
            seen.insert(name);
        }
        Ok(())
    }
}
