//! A fixture of real PyG as a call of a recorded method.

use burn::tensor::TensorData;
use kiln_core::{Overload, Overloads as _};
use kiln_nn::build::{AnyModel, KINDS};

use crate::{
    call::Inputs,
    fixture::{Fixture, matches},
};

/// All fixtures of layers and models.
pub(crate) fn fixtures() -> impl Iterator<Item = Fixture> {
    KINDS.into_iter().flat_map(Fixture::all)
}

/// The forward variant that a fixture calls.
pub(crate) fn variant(fixture: &Fixture, module: &AnyModel) -> Overload<AnyModel> {
    let mut overloads = module.overloads().into_iter();
    overloads
        .find(|overload| matches(&overload.signature, &fixture.variant))
        .unwrap()
}

/// Inputs by the names of the recorded method's leaves.
pub(crate) fn inputs(fixture: &Fixture) -> Inputs {
    let mut inputs: Inputs = fixture
        .below("in.")
        .into_iter()
        .map(|(name, data)| match name.as_str() {
            "x_src" => ("x.0".to_owned(), data),
            "x_dst" => ("x.1".to_owned(), data),
            "rowptr" | "col" | "value" => (format!("edge_index.{name}"), data),
            _ => (name, data),
        })
        .collect();
    if fixture.variant.starts_with("pair_edge_index") {
        let size: Vec<i64> = fixture
            .size
            .iter()
            .map(|&n| i64::try_from(n).unwrap())
            .collect();
        inputs.insert("size".to_owned(), TensorData::new(size, [2]));
    }
    inputs
}

/// PyG's results in order.
pub(crate) fn outputs(fixture: &Fixture) -> Vec<TensorData> {
    fixture.below("out.").into_values().collect()
}
