//! Backends by name: what is compiled in, and the device that a name stands for.
//!
//! Burn picks the backend when a tensor is made, by its [`Device`]. A Cargo feature decides what is
//! compiled in; the name, usually from a command line, decides what is used:
//!
//! | name | hardware | feature |
//! |---|---|---|
//! | `flex` | any processor, pure Rust | `flex` (on by default) |
//! | `cpu` | processor, CubeCL kernels | `cpu` |
//! | `wgpu` | GPU, whichever graphics API is there | `wgpu` |
//! | `vulkan` | GPU by Vulkan | `vulkan` |
//! | `metal` | GPU of a Mac | `metal` |
//! | `cuda` | NVIDIA GPU | `cuda` |
//!
//! An index after a colon picks one of several GPUs: `cuda:1`, `vulkan:0`.

use burn::tensor::Device;
#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
use burn::tensor::DeviceKind;
use thiserror::Error;

/// Every backend that Kiln can be built with.
const NAMES: [&str; 6] = ["flex", "cpu", "wgpu", "vulkan", "metal", "cuda"];

/// A backend name that stands for no device of this build.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BackendError {
    /// No backend has this name.
    #[error("unknown backend `{name}`, expected one of {}", NAMES.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// The backend exists but is not part of this build.
    #[error(
        "backend `{name}` is not compiled in; this build has {}; \
         rebuild with the Cargo feature `{name}` to add it (cargo build --features {name})",
        compiled_in()
    )]
    NotCompiled {
        /// The backend.
        name: String,
    },
    /// What follows the colon is not a device number.
    #[error("`{index}` is not a device number, expected one such as in `cuda:0`")]
    Index {
        /// What follows the colon.
        index: String,
    },
    /// The backend has one device, so that an index has no meaning.
    #[error("backend `{name}` has one device and takes no index, got `{name}:{index}`")]
    OneDevice {
        /// The backend.
        name: String,
        /// The index.
        index: usize,
    },
}

fn compiled_in() -> String {
    if available().is_empty() {
        "no backend".to_owned()
    } else {
        available().join(", ")
    }
}

/// Names of the backends that are compiled in.
pub fn available() -> &'static [&'static str] {
    &[
        #[cfg(feature = "flex")]
        "flex",
        #[cfg(feature = "cpu")]
        "cpu",
        #[cfg(feature = "wgpu")]
        "wgpu",
        #[cfg(feature = "vulkan")]
        "vulkan",
        #[cfg(feature = "metal")]
        "metal",
        #[cfg(feature = "cuda")]
        "cuda",
    ]
}

/// The device of a backend, such as `flex`, `cuda` or `cuda:1`; letter case does not matter.
///
/// The hardware is opened at the first tensor, and so a GPU that is not there is reported then.
///
/// # Errors
/// If the name or the index means nothing, or the backend is not compiled in.
///
/// # Examples
/// ```
/// use kiln_core::backend;
///
/// assert!(backend::device("quantum").is_err());
/// # #[cfg(feature = "flex")]
/// assert!(backend::device("flex").is_ok());
/// ```
pub fn device(name: &str) -> Result<Device, BackendError> {
    let lower = name.trim().to_ascii_lowercase();
    let (backend, index) = match lower.split_once(':') {
        None => (lower.as_str(), None),
        Some((backend, index)) => match index.parse::<usize>() {
            Ok(index) => (backend, Some(index)),
            Err(_) => {
                return Err(BackendError::Index {
                    index: index.to_owned(),
                });
            }
        },
    };
    if !NAMES.contains(&backend) {
        return Err(BackendError::Unknown {
            name: backend.to_owned(),
        });
    }
    let name = backend.to_owned();
    match (backend, index) {
        ("flex" | "cpu", Some(index)) => Err(BackendError::OneDevice { name, index }),
        #[cfg(feature = "flex")]
        ("flex", None) => Ok(Device::flex()),
        #[cfg(feature = "cpu")]
        ("cpu", None) => Ok(Device::cpu()),
        #[cfg(feature = "wgpu")]
        ("wgpu", index) => Ok(Device::wgpu(kind(index))),
        #[cfg(feature = "vulkan")]
        ("vulkan", index) => Ok(Device::vulkan(kind(index))),
        #[cfg(feature = "metal")]
        ("metal", index) => Ok(Device::metal(kind(index))),
        #[cfg(feature = "cuda")]
        ("cuda", index) => Ok(Device::cuda(index.unwrap_or(0))),
        _ => Err(BackendError::NotCompiled { name }),
    }
}

#[cfg(any(feature = "wgpu", feature = "vulkan", feature = "metal"))]
fn kind(index: Option<usize>) -> DeviceKind {
    index.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)
}

/// Burn's choice among the compiled backends: a GPU before a processor, unless the environment
/// variable `BURN_DEVICE` names one.
///
/// # Panics
/// If no backend is compiled in, or `BURN_DEVICE` names one that is not.
pub fn default_device() -> Device {
    Device::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_list_the_known_ones() {
        let error = device("quantum").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown backend `quantum`, expected one of flex, cpu, wgpu, vulkan, metal, cuda"
        );
    }

    #[test]
    fn every_compiled_backend_has_a_device() {
        for name in available() {
            assert!(device(name).is_ok(), "{name}");
        }
    }

    #[test]
    #[cfg(not(feature = "metal"))]
    fn a_backend_that_is_missing_says_which_feature_adds_it() {
        let error = device("Metal:0").unwrap_err();
        assert_eq!(
            error,
            BackendError::NotCompiled {
                name: "metal".to_owned()
            }
        );
        let text = error.to_string();
        assert!(text.contains("feature `metal`"), "{text}");
        for name in available() {
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn indices_are_checked() {
        let index = |text: &str| BackendError::Index {
            index: text.to_owned(),
        };
        assert_eq!(device("cuda:one").unwrap_err(), index("one"));
        assert_eq!(device("cuda:").unwrap_err(), index(""));
        let error = device("flex:1").unwrap_err();
        assert_eq!(
            error,
            BackendError::OneDevice {
                name: "flex".to_owned(),
                index: 1
            }
        );
    }
}
