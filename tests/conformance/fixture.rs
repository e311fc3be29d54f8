//! The fixtures that real PyG wrote: `nn/tests/pyg/data`, made by `nn/tests/pyg/generate.py`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use kiln::{
    burn::tensor::{Device, Shape, TensorData},
    nn::{
        build::{AnyModel, from_args},
        store::StateDict,
    },
};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// One case: a layer or model with its weights, inputs and PyG's outputs.
#[derive(Debug)]
pub(crate) struct Fixture {
    /// File name without extension.
    pub(crate) name: String,
    /// PyG's class name.
    pub(crate) conv: String,
    /// Constructor arguments.
    pub(crate) kwargs: Value,
    /// Which forward variant.
    pub(crate) variant: String,
    /// Numbers of source and destination nodes.
    pub(crate) size: [i64; 2],
    tensors: BTreeMap<String, TensorData>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("nn/tests/pyg/data")
}

/// All cases of layers and models.
pub(crate) fn all() -> Vec<Fixture> {
    let text = fs::read_to_string(folder().join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let files = manifest["files"].as_array().unwrap();
    files
        .iter()
        .filter(|file| !file["case"]["conv"].as_str().unwrap().starts_with("global"))
        .map(|file| read(file["file"].as_str().unwrap(), &file["case"]))
        .collect()
}

fn read(file: &str, case: &Value) -> Fixture {
    let bytes = fs::read(folder().join(file)).unwrap();
    let archive = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = archive
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let shape = Shape::from(view.shape().to_vec());
            let data = match view.dtype() {
                Dtype::F32 => TensorData::new(
                    view.data()
                        .chunks_exact(4)
                        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
                        .collect(),
                    shape,
                ),
                Dtype::I64 => TensorData::new(
                    view.data()
                        .chunks_exact(8)
                        .map(|b| i64::from_le_bytes(b.try_into().unwrap()))
                        .collect::<Vec<_>>(),
                    shape,
                ),
                other => panic!("{file}: unexpected dtype {other:?}"),
            };
            (name, data)
        })
        .collect();
    Fixture {
        name: file.trim_end_matches(".safetensors").to_owned(),
        conv: case["conv"].as_str().unwrap().to_owned(),
        kwargs: case["kwargs"].clone(),
        variant: case["variant"].as_str().unwrap().to_owned(),
        size: [case["size"][0].as_i64().unwrap(), case["size"][1].as_i64().unwrap()],
        tensors,
    }
}

impl Fixture {
    /// The layer or model with the fixture's weights.
    pub(crate) fn model(&self, device: &Device) -> AnyModel {
        let model = from_args(&self.conv, &self.kwargs, device).unwrap();
        let params = self.with_prefix("param.");
        StateDict { tensors: params.into_iter().collect() }.load_into(model).unwrap()
    }

    /// Names and shapes of PyG's `state_dict`.
    pub(crate) fn state(&self) -> Vec<(String, Vec<usize>)> {
        self.with_prefix("param.")
            .into_iter()
            .map(|(name, data)| (name, data.shape().to_vec()))
            .collect()
    }

    /// The number of the typed variant that the fixture calls: the `k` of `forward__k`.
    fn overload(&self) -> usize {
        let pair = usize::from(self.variant.starts_with("pair_"));
        let adjacency = usize::from(self.variant.contains("adj"));
        let attention = usize::from(self.variant.ends_with("_attention"));
        match self.conv.as_str() {
            "GCNConv" => adjacency,
            "GATConv" => 4 * pair + 2 * attention + adjacency,
            _ => 2 * pair + adjacency,
        }
    }

    /// The method that the fixture calls.
    pub(crate) fn method(&self) -> String {
        if self.conv.ends_with("Conv") {
            format!("forward__{}", self.overload())
        } else {
            "forward".to_owned()
        }
    }

    /// Inputs by the names of the recorded method's leaves.
    pub(crate) fn inputs(&self) -> BTreeMap<String, TensorData> {
        self.with_prefix("in.")
            .into_iter()
            .map(|(name, data)| {
                let leaf = match name.as_str() {
                    "x_src" => "x.0".to_owned(),
                    "x_dst" => "x.1".to_owned(),
                    "rowptr" | "col" | "value" => format!("edge_index.{name}"),
                    other => other.to_owned(),
                };
                (leaf, data)
            })
            .collect()
    }

    /// PyG's results in order.
    pub(crate) fn outputs(&self) -> Vec<TensorData> {
        self.with_prefix("out.").into_iter().map(|(_, data)| data).collect()
    }

    fn with_prefix(&self, prefix: &str) -> Vec<(String, TensorData)> {
        self.tensors
            .iter()
            .filter_map(|(name, data)| Some((name.strip_prefix(prefix)?.to_owned(), data.clone())))
            .collect()
    }
}
