//! How exactly a device multiplies matrices of single precision.
//!
//! GPUs multiply matrices of short floating-point formats many times faster than those of single
//! precision. A product of `f32` that goes this way loses bits of its factors, so it is never taken
//! unasked: each device has a [`MatmulPrecision`], which is [`Highest`](MatmulPrecision::Highest)
//! until [`set_matmul_precision`] changes it.
//!
//! | precision | factors | largest error of a factor |
//! |---|---|---|
//! | `highest` | as they are | 0 |
//! | `high` | TF32, or sums of two `bf16` where the device has no TF32 | 2⁻¹¹, or 2⁻¹⁷ |
//! | `medium` | `bf16` | 2⁻⁹ |
//!
//! Sums are of single precision in each. The setting holds for the operations of `kiln-ops` that
//! multiply matrices, forward and backward, and so for all layers and for recorded programs.
//! Processors multiply single precision exactly whatever is set; so do GPUs where a product is
//! small, or where they have nothing faster. Other element types are not affected: `f16` and `bf16`
//! are multiplied as they are. Burn's own `Tensor::matmul` knows no setting: by CUDA it takes TF32.

use core::{fmt, str::FromStr};
use std::sync::{PoisonError, RwLock};

use burn::tensor::{Device, ExecutionError};
use thiserror::Error;

/// How exactly products of `f32` matrices are computed: `torch.set_float32_matmul_precision`.
///
/// # Examples
/// ```
/// use kiln_core::MatmulPrecision;
///
/// assert_eq!(MatmulPrecision::default(), MatmulPrecision::Highest);
/// assert_eq!("high".parse(), Ok(MatmulPrecision::High));
/// assert_eq!(MatmulPrecision::Medium.to_string(), "medium");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MatmulPrecision {
    /// Factors keep all of their 24 bits.
    #[default]
    Highest,
    /// Factors of TF32, 11 bits, or sums of two `bf16`, 16 bits, where the device has no TF32.
    High,
    /// Factors of `bf16`, 8 bits.
    Medium,
}

impl MatmulPrecision {
    /// All of them, the most exact first.
    pub const ALL: [Self; 3] = [Self::Highest, Self::High, Self::Medium];

    /// The name, which is PyTorch's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Highest => "highest",
            Self::High => "high",
            Self::Medium => "medium",
        }
    }
}

impl fmt::Display for MatmulPrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none of the precisions.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown precision `{name}`, expected one of highest, high, medium")]
pub struct UnknownPrecision {
    /// The name.
    pub name: String,
}

impl FromStr for MatmulPrecision {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        Self::ALL
            .into_iter()
            .find(|precision| precision.name() == name)
            .ok_or_else(|| UnknownPrecision {
                name: name.to_owned(),
            })
    }
}

/// Those of devices that differ from the default. There are few devices, so a list is searched.
static SETTINGS: RwLock<Vec<(Device, MatmulPrecision)>> = RwLock::new(Vec::new());

/// The precision of products on a device, with or without gradients.
pub fn matmul_precision(device: &Device) -> MatmulPrecision {
    let settings = SETTINGS.read().unwrap_or_else(PoisonError::into_inner);
    settings
        .iter()
        .find(|(known, _)| known == device)
        .map_or_else(MatmulPrecision::default, |&(_, precision)| precision)
}

/// Sets the precision of products on a device, for all threads and until it is set again.
///
/// Products that this thread has called keep the precision that was set then; those of other
/// threads that wait to run may take either. Gradients have the precision that is set when they are
/// computed, and calls that a device repeats (`Session::prepare`) the one that was set when they
/// were prepared.
///
/// # Errors
/// If an operation that was called before fails on the device.
///
/// # Examples
/// ```
/// use kiln_core::{MatmulPrecision, backend, matmul_precision, set_matmul_precision};
///
/// # #[cfg(feature = "flex")] {
/// let device = backend::device("flex")?;
/// set_matmul_precision(&device, MatmulPrecision::High)?;
/// assert_eq!(matmul_precision(&device), MatmulPrecision::High);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_matmul_precision(
    device: &Device,
    precision: MatmulPrecision,
) -> Result<(), ExecutionError> {
    if matmul_precision(device) == precision {
        return Ok(());
    }
    // A kernel is chosen when it is launched, and lazy devices have yet to launch what was called.
    device.flush()?;
    let mut settings = SETTINGS.write().unwrap_or_else(PoisonError::into_inner);
    settings.retain(|(known, _)| known != device);
    if precision != MatmulPrecision::default() {
        settings.push((device.clone().without_autodiff(), precision));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_pytorchs() {
        for precision in MatmulPrecision::ALL {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        let error = MatmulPrecision::from_str("exact").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown precision `exact`, expected one of highest, high, medium"
        );
    }

    #[test]
    #[cfg(feature = "flex")]
    fn a_device_keeps_what_was_set_with_or_without_gradients() {
        let device = Device::flex();
        assert_eq!(matmul_precision(&device), MatmulPrecision::Highest);
        for precision in [MatmulPrecision::Medium, MatmulPrecision::High] {
            set_matmul_precision(&device.clone().autodiff(), precision).unwrap();
            assert_eq!(matmul_precision(&device), precision);
            assert_eq!(matmul_precision(&device.clone().autodiff()), precision);
        }
        set_matmul_precision(&device, MatmulPrecision::Highest).unwrap();
        assert_eq!(matmul_precision(&device), MatmulPrecision::Highest);
    }
}
