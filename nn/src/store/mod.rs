//! PyG checkpoints in and out.
//!
//! A [`StateDict`] is what PyTorch's `state_dict` is: tensors under the names and in the layouts
//! that PyG gives them (linear weights as `[out, in]`, scale and shift of norms as `weight` and
//! `bias`). Reading is strict: every tensor of the module must be in the file with the right shape,
//! and every tensor of the file must belong to the module. Two things are forgiven: the counter
//! `num_batches_tracked` of batch normalisation, which only PyTorch uses (0 is written), and names
//! and layouts of earlier releases of PyG, as the layers' [`HISTORY`](kiln_ops::Layer::HISTORY) has
//! them.

mod history;

mod archive;

use core::fmt;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{
    module::Module,
    tensor::{DType, Shape, TensorData},
};
use burn_store::{
    BurnToPyTorchAdapter, FloatCastAdapter, ModuleAdapter, ModuleSnapshot, ModuleStore,
    PyTorchToBurnAdapter, PytorchStore, SafetensorsStore, bridge, burn_pack,
};
use kiln_core::is_scalar;
use thiserror::Error;

/// Why a checkpoint could not be read, written or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateDictError {
    /// The file's name ends in something else than `.pt`, `.pth` or `.safetensors`.
    #[error("{}: expected a file named .pt, .pth or .safetensors", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file could not be read.
    #[error("{}: cannot read: {message}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        message: String,
    },
    /// The file could not be written.
    #[error("{}: cannot write: {message}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the writer says.
        message: String,
    },
    /// The tensors are not those of the module.
    #[error("the tensors are not those of the module{}", Differences { missing, unexpected, misshapen })]
    Mismatch {
        /// Tensors of the module that are absent, with their shapes.
        missing: Vec<(String, Vec<usize>)>,
        /// Tensors that the module does not have, with their shapes.
        unexpected: Vec<(String, Vec<usize>)>,
        /// Tensors of another shape: name, the module's shape, the shape that came.
        misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    },
    /// A tensor could not be put into the module.
    #[error("cannot use a tensor: {message}")]
    Apply {
        /// What is wrong with which tensor.
        message: String,
    },
}

/// One line for each difference.
struct Differences<'a> {
    missing: &'a [(String, Vec<usize>)],
    unexpected: &'a [(String, Vec<usize>)],
    misshapen: &'a [(String, Vec<usize>, Vec<usize>)],
}

impl fmt::Display for Differences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, shape) in self.missing {
            write!(f, "\n  missing: {name} {shape:?}")?;
        }
        for (name, shape) in self.unexpected {
            write!(f, "\n  unexpected: {name} {shape:?}")?;
        }
        for (name, expected, got) in self.misshapen {
            write!(f, "\n  shape of {name}: expected {expected:?}, got {got:?}")?;
        }
        Ok(())
    }
}

/// Loads a PyG checkpoint into a module.
///
/// Parameters keep their identity, their device and the module's float type.
///
/// # Errors
/// If the file cannot be read, or its tensors are not exactly those of the module.
pub fn load_state_dict<M: Module>(module: M, path: impl AsRef<Path>) -> Result<M, StateDictError> {
    StateDict::read(path)?.load_into(module)
}

/// Saves a module's parameters and statistics as a safetensors file that PyG's `load_state_dict`
/// takes.
///
/// # Errors
/// If the file cannot be written.
pub fn save_state_dict<M: Module>(
    module: &M,
    path: impl AsRef<Path>,
) -> Result<(), StateDictError> {
    StateDict::of(module)?.write(path)
}

/// Named tensors in PyTorch's layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDict {
    /// The tensors by name.
    pub tensors: BTreeMap<String, TensorData>,
}

impl StateDict {
    /// The state of a module, with PyTorch's names and layouts.
    ///
    /// # Errors
    /// If a tensor cannot be read from its device.
    pub fn of<M: Module>(module: &M) -> Result<Self, StateDictError> {
        let mut tensors = BTreeMap::new();
        for tensor in module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true) {
            let name = tensor.name.clone();
            if let Some(prefix) = name.strip_suffix("running_mean") {
                let counter = reshaped(TensorData::from([0_i64]), &[]);
                tensors.insert(format!("{prefix}{COUNTER}"), counter);
            }
            let mut data = data(tensor)?;
            if is_scalar(&name) {
                data = reshaped(data, &[]);
            }
            tensors.insert(name, data);
        }
        history::tie(module, &mut tensors);
        Ok(Self { tensors })
    }

    /// Reads a file: `.safetensors`, or PyTorch's `.pt` or `.pth`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, StateDictError> {
        let path = path.as_ref();
        let tensors = match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => all_tensors(SafetensorsStore::from_file(path)),
            Some("pt" | "pth") => of_pytorch(path),
            _ => {
                return Err(StateDictError::UnknownFormat {
                    path: path.to_owned(),
                });
            }
        };
        tensors
            .map(|tensors| Self { tensors })
            .map_err(|message| StateDictError::Read {
                path: path.to_owned(),
                message,
            })
    }

    /// Writes a safetensors file, by way of a temporary file beside it.
    ///
    /// # Errors
    /// If the file cannot be written, or a tensor has an element type that safetensors lacks.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), StateDictError> {
        let path = path.as_ref();
        let error = |message: String| StateDictError::Write {
            path: path.to_owned(),
            message,
        };
        let mut views = Vec::new();
        for (name, tensor) in &self.tensors {
            let dtype = safetensors_dtype(tensor.dtype()).ok_or_else(|| {
                error(format!("{name} has elements of type {:?}", tensor.dtype()))
            })?;
            let shape = tensor.shape().to_vec();
            let view = safetensors::tensor::TensorView::new(dtype, shape, tensor.as_bytes())
                .map_err(|source| error(format!("{name}: {source}")))?;
            views.push((name.as_str(), view));
        }
        let bytes =
            safetensors::serialize(views, None).map_err(|source| error(source.to_string()))?;
        let temporary = path.with_extension("safetensors.tmp");
        std::fs::write(&temporary, bytes)
            .and_then(|()| std::fs::rename(&temporary, path))
            .map_err(|source| error(source.to_string()))
    }

    /// Puts the tensors into a module.
    ///
    /// # Errors
    /// If they are not exactly those of the module.
    pub fn load_into<M: Module>(self, mut module: M) -> Result<M, StateDictError> {
        let expected: BTreeMap<String, Vec<usize>> = module
            .collect(None, Some(Box::new(BurnToPyTorchAdapter)), true)
            .into_iter()
            .map(|tensor| (tensor.name.clone(), tensor.shape.to_vec()))
            .collect();
        let mut tensors = self.tensors;
        tensors.retain(|name, _| !is_counter(name) || expected.contains_key(name));
        for (name, tensor) in &mut tensors {
            if is_scalar(name) && tensor.shape().num_dims() == 0 {
                *tensor = reshaped(tensor.clone(), &[1]);
            }
        }
        history::upgrade(&module, &mut tensors, &expected);
        compare(&tensors, &expected)?;

        let mut adapter: Box<dyn ModuleAdapter> = Box::new(PyTorchToBurnAdapter);
        if let Some(device) = module.devices().first() {
            let float = device.settings().float_dtype.into();
            adapter = Box::new(PyTorchToBurnAdapter.chain(FloatCastAdapter::to(float)));
        }
        let tensors = tensors
            .into_iter()
            .map(|(name, tensor)| bridge::from_data(tensor, name, None))
            .collect();
        let result = module.apply(tensors, None, Some(adapter), true);
        match result.errors.first() {
            Some(error) => Err(StateDictError::Apply {
                message: error.to_string(),
            }),
            None => Ok(module),
        }
    }
}

/// PyTorch's counter of training batches.
const COUNTER: &str = "num_batches_tracked";

fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some(COUNTER)
}

/// The same elements in another shape.
fn reshaped(data: TensorData, shape: &[usize]) -> TensorData {
    let dtype = data.dtype();
    TensorData::from_bytes(data.into_bytes(), Shape::from(shape.to_vec()), dtype)
}

/// The values that a tensor has now.
fn data(tensor: burn_pack::Tensor) -> Result<TensorData, StateDictError> {
    let data = bridge::into_data(tensor).map_err(|source| StateDictError::Apply {
        message: source.to_string(),
    })?;
    // Data of GPUs is copied when it is first looked at, and an optimiser may have written there
    // by then.
    data.as_bytes();
    Ok(data)
}

fn of_pytorch(path: &Path) -> Result<BTreeMap<String, TensorData>, String> {
    let copy = archive::copy_for_search(path).map_err(|error| error.to_string())?;
    let file = copy.as_deref().unwrap_or(path);
    all_tensors(PytorchStore::from_file(file).map_indices_contiguous(false))
}

fn all_tensors<S: ModuleStore>(mut store: S) -> Result<BTreeMap<String, TensorData>, String> {
    let tensors = store.get_all_tensors().map_err(|error| error.to_string())?;
    tensors
        .iter()
        .map(|(name, tensor)| match bridge::to_data(tensor) {
            Ok(data) => Ok((name.clone(), data)),
            Err(error) => Err(format!("{name}: {error}")),
        })
        .collect()
}

fn compare(
    tensors: &BTreeMap<String, TensorData>,
    expected: &BTreeMap<String, Vec<usize>>,
) -> Result<(), StateDictError> {
    let (mut missing, mut unexpected, mut misshapen) = (Vec::new(), Vec::new(), Vec::new());
    for (name, shape) in expected {
        match tensors.get(name).map(|tensor| tensor.shape().to_vec()) {
            None => missing.push((name.clone(), shape.clone())),
            Some(got) if got != *shape => misshapen.push((name.clone(), shape.clone(), got)),
            Some(_) => {}
        }
    }
    for (name, tensor) in tensors {
        if !expected.contains_key(name) {
            unexpected.push((name.clone(), tensor.shape().to_vec()));
        }
    }
    if missing.is_empty() && unexpected.is_empty() && misshapen.is_empty() {
        Ok(())
    } else {
        Err(StateDictError::Mismatch {
            missing,
            unexpected,
            misshapen,
        })
    }
}

fn safetensors_dtype(dtype: DType) -> Option<safetensors::Dtype> {
    match dtype {
        DType::F64 => Some(safetensors::Dtype::F64),
        DType::F32 => Some(safetensors::Dtype::F32),
        DType::F16 => Some(safetensors::Dtype::F16),
        DType::BF16 => Some(safetensors::Dtype::BF16),
        DType::I64 => Some(safetensors::Dtype::I64),
        DType::I32 => Some(safetensors::Dtype::I32),
        _ => None,
    }
}
