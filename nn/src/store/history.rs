//! Checkpoints of earlier releases of PyG, by the layers' own account of what changed.

use std::collections::{BTreeMap, BTreeSet};

use burn::{
    module::{Module, ModuleVisitor},
    tensor::{Tensor, TensorData},
};
use kiln_core::{Change, ChangeKind};

use crate::catalog;

type Tensors = BTreeMap<String, TensorData>;

/// Gives the tensors of an earlier release the names and layouts that the module has. What the
/// module expects under its name stays as it is.
pub(super) fn upgrade<M: Module>(
    module: &M,
    tensors: &mut Tensors,
    expected: &BTreeMap<String, Vec<usize>>,
) {
    for (prefix, change) in changes(module) {
        let at = |name: &str| format!("{prefix}{name}");
        // A module's parameters, or the parameter itself, that nothing expects under their name.
        let below = |tensors: &Tensors, name: &str| -> Vec<(String, String)> {
            let name = at(name);
            let found = tensors.keys().filter(|key| !expected.contains_key(*key));
            found
                .filter_map(|key| {
                    let rest = key.strip_prefix(&name)?;
                    (rest.is_empty() || rest.starts_with('.'))
                        .then(|| (key.clone(), rest.to_owned()))
                })
                .collect()
        };
        let rename = |tensors: &mut Tensors, from: &str, to: &str| {
            for (old, rest) in below(tensors, from) {
                let new = at(to) + &rest;
                if !tensors.contains_key(&new)
                    && let Some(tensor) = tensors.remove(&old)
                {
                    tensors.insert(new, tensor);
                }
            }
        };
        // The parameters of a module that are those of another.
        let drop_copy = |tensors: &mut Tensors, copy: &str, of: &str| {
            for (name, rest) in below(tensors, copy) {
                if tensors.get(&name) == tensors.get(&(at(of) + &rest)) {
                    tensors.remove(&name);
                }
            }
        };
        match change.kind {
            ChangeKind::Renamed { from, to } => rename(tensors, from, to),
            ChangeKind::Transposed { from, to } => {
                let (old, new) = (at(from), at(to));
                if !expected.contains_key(&old)
                    && !tensors.contains_key(&new)
                    && let Some(tensor) = tensors.remove(&old)
                {
                    tensors.insert(new, transposed(tensor));
                }
            }
            ChangeKind::Shared {
                from: [one, other],
                to,
            } => {
                drop_copy(tensors, other, one);
                // Two different modules are none that became one.
                if below(tensors, other).is_empty() {
                    rename(tensors, one, to);
                }
            }
            ChangeKind::Tied { name, with } => drop_copy(tensors, name, with),
            ChangeKind::Dropped { name } => {
                for (name, _) in below(tensors, name) {
                    tensors.remove(&name);
                }
            }
        }
    }
}

/// Adds the parameters of modules that were left out because they are another's.
pub(super) fn tie<M: Module>(module: &M, tensors: &mut Tensors) {
    for (prefix, change) in changes(module) {
        let ChangeKind::Tied { name, with } = change.kind else {
            continue;
        };
        let (name, with) = (format!("{prefix}{name}."), format!("{prefix}{with}."));
        if tensors.keys().any(|key| key.starts_with(&name)) {
            continue;
        }
        let copies: Vec<_> = tensors
            .iter()
            .filter_map(|(key, tensor)| {
                let rest = key.strip_prefix(&with)?;
                Some((format!("{name}{rest}"), tensor.clone()))
            })
            .collect();
        tensors.extend(copies);
    }
}

/// A matrix with its axes exchanged; what is no matrix stays as it is.
fn transposed(tensor: TensorData) -> TensorData {
    let &[rows, columns] = &*tensor.shape().to_vec() else {
        return tensor;
    };
    let (dtype, bytes) = (tensor.dtype(), tensor.as_bytes());
    let width = dtype.size();
    let mut out = Vec::with_capacity(bytes.len());
    for column in 0..columns {
        for row in 0..rows {
            let start = (row * columns + column) * width;
            out.extend_from_slice(&bytes[start..start + width]);
        }
    }
    TensorData::from_bytes_vec(out, vec![columns, rows], dtype)
}

/// The changes of all layers in a module, with the prefixes of their parameters, oldest first.
fn changes<M: Module>(module: &M) -> impl Iterator<Item = (String, Change)> {
    let mut layers = Layers::default();
    module.visit(&mut layers);
    layers.found.into_iter().flat_map(|(prefix, ty)| {
        let history = catalog::history(&ty).iter().rev();
        history.map(move |change| (prefix.clone(), *change))
    })
}

/// The prefix and the type of each module.
#[derive(Default)]
struct Layers {
    path: Vec<String>,
    found: BTreeSet<(String, String)>,
}

impl ModuleVisitor for Layers {
    fn enter_module(&mut self, name: &str, container: &str) {
        // The type of a module is announced with its members.
        let ty = container.rsplit(':').next().unwrap_or(container);
        let prefix = kiln_core::leaf_name(&self.path.join("."), "");
        self.found.insert((prefix, ty.to_owned()));
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &burn::module::Param<Tensor<D>>) {}
}
