//! Numbers in the attributes of operations.

use core::hash::{Hash, Hasher};

use serde::Deserialize;

use crate::size::Size;

/// A number in a program. Floats compare by their bits: `0.0` is not `-0.0`, and a NaN equals
/// itself.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Float(pub f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Float {}

impl Hash for Float {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A scalar operand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// A float.
    Float(Float),
    /// An integer, possibly one that depends on sizes.
    Int(Size),
    /// A boolean.
    Bool(bool),
}

impl Scalar {
    /// The size, if it is an integer.
    pub fn as_size(&self) -> Option<&Size> {
        match self {
            Self::Int(size) => Some(size),
            Self::Float(_) | Self::Bool(_) => None,
        }
    }
}
