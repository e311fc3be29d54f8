//! Values of weights, by name.
//!
//! [`Weights`] holds what a [`Program`] only declares: the bytes of each tensor, little-endian and
//! row-major, either in memory or in a mapped file. A mapped file is read when the bytes are first
//! used, so loading a large model costs nothing for weights that are not.

use core::{fmt, ops::Range};
use std::{collections::BTreeMap, sync::Arc};

use memmap2::Mmap;

use crate::program::{ElemType, Program};

/// Tensors by name, in the order of the names.
#[derive(Clone, Default)]
pub struct Weights {
    tensors: BTreeMap<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    elem: ElemType,
    shape: Vec<u64>,
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Owned(Arc<[u8]>),
    Mapped(Arc<Mmap>, Range<usize>),
}

/// The values of one weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightData<'a> {
    /// Element type.
    pub elem: ElemType,
    /// Sizes of the axes.
    pub shape: &'a [u64],
    /// Elements in row-major order, each little-endian; booleans as bytes 0 and 1.
    pub bytes: &'a [u8],
}

/// Weights that do not fit each other or a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The number of bytes is not that of the type.
    #[error("expected {expected} bytes for \"{name}\" of type {elem}{shape:?}, got {got}")]
    Length {
        /// The weight.
        name: String,
        /// Element type.
        elem: ElemType,
        /// Sizes of the axes.
        shape: Vec<u64>,
        /// Number of bytes that the type has; more than can be if there is no such number.
        expected: u64,
        /// Number of bytes given.
        got: u64,
    },
    /// A weight that the program declares is absent.
    #[error("there is no weight \"{name}\"")]
    Missing {
        /// The weight.
        name: String,
    },
    /// A weight has another type than the program declares.
    #[error("expected \"{name}\" as {expected}, got {got}")]
    Type {
        /// The weight.
        name: String,
        /// The declared type.
        expected: String,
        /// The type of the values.
        got: String,
    },
    /// A weight that has the values of another has some of its own.
    #[error("\"{name}\" has values of its own, but it is tied to \"{other}\"")]
    Tied {
        /// The weight.
        name: String,
        /// The weight that has its values.
        other: String,
    },
    /// A weight that the program does not declare.
    #[error("the program has no weight \"{name}\"")]
    Extra {
        /// The weight.
        name: String,
    },
}

impl Weights {
    /// No weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a weight, or replaces the one of the same name.
    ///
    /// # Errors
    /// If the number of bytes is not that of the type.
    pub fn insert(
        &mut self,
        name: impl Into<String>,
        elem: ElemType,
        shape: impl Into<Vec<u64>>,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<(), WeightsError> {
        let bytes = Bytes::Owned(Arc::from(bytes.into()));
        self.insert_bytes(name.into(), elem, shape.into(), bytes)
    }

    /// Adds a weight whose bytes are a range of a mapped file.
    pub(crate) fn insert_mapped(
        &mut self,
        name: &str,
        elem: ElemType,
        shape: Vec<u64>,
        map: Arc<Mmap>,
        range: Range<usize>,
    ) -> Result<(), WeightsError> {
        self.insert_bytes(name.to_owned(), elem, shape, Bytes::Mapped(map, range))
    }

    fn insert_bytes(
        &mut self,
        name: String,
        elem: ElemType,
        shape: Vec<u64>,
        bytes: Bytes,
    ) -> Result<(), WeightsError> {
        let expected = shape
            .iter()
            .try_fold(elem.size_bytes(), |bytes, &dim| bytes.checked_mul(dim))
            .unwrap_or(u64::MAX);
        let got = u64::try_from(bytes.get().len()).unwrap_or(u64::MAX);
        if expected != got {
            return Err(WeightsError::Length {
                name,
                elem,
                shape,
                expected,
                got,
            });
        }
        self.tensors.insert(name, Entry { elem, shape, bytes });
        Ok(())
    }

    /// The weight of the given name.
    pub fn get(&self, name: &str) -> Option<WeightData<'_>> {
        self.tensors.get(name).map(Entry::data)
    }

    /// The bytes of the weight of the given name.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.get(name).map(|data| data.bytes)
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, WeightData<'_>)> {
        self.tensors
            .iter()
            .map(|(name, entry)| (name.as_str(), entry.data()))
    }

    /// Number of weights.
    pub fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// Checks that these are the weights that the program declares, no more and no less. Of tied
    /// ones only the first has values.
    ///
    /// # Errors
    /// If one is missing, of another type, or unknown to the program.
    pub fn fit(&self, program: &Program) -> Result<(), WeightsError> {
        for weight in &program.weights {
            let name = || weight.name.clone();
            if let Some(other) = weight.tied {
                if self.tensors.contains_key(&weight.name) {
                    let other = program.weights.get(other.index());
                    let other = other.map(|other| other.name.clone());
                    return Err(WeightsError::Tied {
                        name: name(),
                        other: other.unwrap_or_default(),
                    });
                }
                continue;
            }
            let entry = self.tensors.get(&weight.name);
            let entry = entry.ok_or_else(|| WeightsError::Missing { name: name() })?;
            if entry.elem != weight.elem || entry.shape != weight.shape {
                return Err(WeightsError::Type {
                    name: name(),
                    expected: format!("{}{:?}", weight.elem, weight.shape),
                    got: format!("{}{:?}", entry.elem, entry.shape),
                });
            }
        }
        let mut names: Vec<&str> = program
            .weights
            .iter()
            .map(|weight| weight.name.as_str())
            .collect();
        names.sort_unstable();
        match self
            .tensors
            .keys()
            .find(|name| names.binary_search(&name.as_str()).is_err())
        {
            Some(name) => Err(WeightsError::Extra { name: name.clone() }),
            None => Ok(()),
        }
    }
}

impl PartialEq for Weights {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self
            .tensors
            .iter()
            .map(|(name, entry)| (name, (entry.elem, &entry.shape)));
        f.debug_map().entries(types).finish()
    }
}

impl Entry {
    fn data(&self) -> WeightData<'_> {
        WeightData {
            elem: self.elem,
            shape: &self.shape,
            bytes: self.bytes.get(),
        }
    }
}

impl Bytes {
    fn get(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            // Ranges come from the container's reader and lie within the map.
            Self::Mapped(map, range) => map.get(range.clone()).unwrap_or(&[]),
        }
    }
}
