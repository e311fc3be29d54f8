//! The fixtures that real PyG wrote: `pyg/data`, made by `pyg/generate.py`, which says what is in them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::tensor::{Device, TensorData};
use kiln_core::signature::{Signature, Type};
use kiln_nn::{
    build::{AnyModel, from_args},
    store::StateDict,
};

/// The folder of the fixtures, from this package or from the workspace's root.
pub(crate) fn data() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = package.join("tests/pyg/data");
    if here.exists() {
        here
    } else {
        package.join("nn/tests/pyg/data")
    }
}

/// One fixture: its description and its tensors.
pub(crate) struct Fixture {
    /// File name without extension.
    pub(crate) name: String,
    /// PyG's class or function name.
    pub(crate) conv: String,
    /// Constructor arguments.
    pub(crate) kwargs: serde_json::Value,
    /// Which forward variant.
    pub(crate) variant: String,
    /// Numbers of source and destination nodes; for pooling, of graphs.
    pub(crate) size: Vec<usize>,
    tensors: BTreeMap<String, TensorData>,
}

impl Fixture {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let case = &metadata.metadata().as_ref().unwrap()["case"];
        let case: serde_json::Value = serde_json::from_str(case).unwrap();
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let size = match &case["size"] {
            serde_json::Value::Array(sizes) => sizes.clone(),
            size => vec![size.clone()],
        };
        Self {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            conv: text("conv"),
            kwargs: case["kwargs"].clone(),
            variant: text("variant"),
            size: size
                .iter()
                .map(|n| usize::try_from(n.as_u64().unwrap()).unwrap())
                .collect(),
            tensors: StateDict::read(path).unwrap().tensors,
        }
    }

    /// The fixtures of a layer, model or pooling function.
    pub(crate) fn all(conv: &str) -> Vec<Self> {
        let manifest = std::fs::read_to_string(data().join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let files = manifest["files"].as_array().unwrap().iter();
        files
            .filter(|entry| entry["case"]["conv"] == conv)
            .map(|entry| Self::read(&data().join(entry["file"].as_str().unwrap())))
            .collect()
    }

    /// The tensors below a prefix.
    pub(crate) fn below(&self, prefix: &str) -> BTreeMap<String, TensorData> {
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| {
                Some((name.strip_prefix(prefix)?.to_owned(), tensor.clone()))
            })
            .collect()
    }

    /// The module with the fixture's parameters.
    pub(crate) fn module(&self, device: &Device) -> AnyModel {
        let module = from_args(&self.conv, &self.kwargs, device).unwrap();
        StateDict {
            tensors: self.below("param."),
        }
        .load_into(module)
        .unwrap()
    }
}

/// Whether a forward variant is the one that a fixture names.
pub(crate) fn matches(signature: &Signature, variant: &str) -> bool {
    let ty = |name: &str| {
        signature
            .params
            .iter()
            .find(|param| param.name == name)
            .map(|param| &param.ty)
    };
    let pair = matches!(ty("x"), Some(Type::Tuple(_)));
    let csr = matches!(ty("edge_index"), Some(Type::Adjacency { .. }));
    let attention = ty("return_attention_weights").is_some();
    pair == variant.starts_with("pair_")
        && csr == variant.contains("adj")
        && attention == variant.ends_with("_attention")
}
