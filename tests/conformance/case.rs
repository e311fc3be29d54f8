//! A fixture of real PyG as a call of a recorded method.

use std::env;

use burn::tensor::TensorData;
use kiln::ir::{Model, Recorder, record::Inputs};
use kiln_core::{Signature, Value, signature::Type};
use kiln_nn::{AnyLayer, NAMES, Overload, Overloads as _};

use crate::{
    call,
    fixture::{Fixture, matches},
};

/// All fixtures of layers and models.
pub(crate) fn fixtures() -> impl Iterator<Item = Fixture> {
    NAMES.iter().flat_map(|name| Fixture::all(name))
}

/// Whether `KILN_LAYERS` names a layer among those that are to run, or is not set.
pub(crate) fn is_asked_for(layer: &str) -> bool {
    env::var("KILN_LAYERS").map_or(true, |layers| layers.split(',').any(|name| name == layer))
}

/// Whether a fixture is a model's.
pub(crate) fn is_model(fixture: &Fixture) -> bool {
    macro_rules! places {
        ($($place:ident :: $layer:ident),+ $(,)?) => {
            [$((stringify!($place), <kiln_nn::$place::$layer as kiln_nn::Layer>::NAME)),+]
        };
    }
    let places = kiln_nn::for_each_layer!(places);
    places.contains(&("models", &fixture.conv))
}

/// Whether a fixture is that of a layer on rows, which have no edges.
pub(crate) fn is_of_rows(fixture: &Fixture) -> bool {
    fixture.variant.starts_with("nodes") || fixture.variant == "types"
}

/// Whether a fixture is that of an aggregation, on rows of groups.
pub(crate) fn is_aggregation(fixture: &Fixture) -> bool {
    fixture.variant == "index"
}

/// The forward variant that a fixture calls.
pub(crate) fn variant(fixture: &Fixture, module: &AnyLayer) -> Overload<AnyLayer> {
    let mut overloads = module.overloads().into_iter();
    overloads
        .find(|overload| matches(&overload.signature, &fixture.variant))
        .unwrap()
}

/// The recorded method's name for an input of a fixture.
pub(crate) fn leaf(name: &str) -> String {
    match name {
        "x_src" => "x.0".to_owned(),
        "x_dst" => "x.1".to_owned(),
        "rowptr" | "col" | "value" => format!("edge_index.{name}"),
        _ => name.to_owned(),
    }
}

/// What any signature declares.
struct Declared(Signature);

impl Inputs for Declared {
    type Values = Vec<Value>;

    fn signature(&self) -> Signature {
        self.0.clone()
    }

    fn take(values: Vec<Value>) -> Vec<Value> {
        values
    }
}

/// The recorded module, with the variant alone that a fixture calls.
pub(crate) fn record(fixture: &Fixture, module: &AnyLayer) -> Model {
    let own = variant(fixture, module);
    let inputs = Declared(own.signature.clone());
    let name = own.name.clone();
    Recorder::new(module)
        .kind(module.kind())
        .overload(name, inputs, move |module, values| own.call(module, values))
        .finish()
        .unwrap()
}

/// Inputs by the names of the recorded method's leaves.
pub(crate) fn inputs(fixture: &Fixture, signature: &Signature) -> call::Inputs {
    let mut inputs: call::Inputs = fixture
        .below("in.")
        .into_iter()
        .map(|(name, data)| (leaf(&name), data))
        .collect();
    if signature.params.iter().any(|param| param.name == "size")
        && fixture.variant.starts_with("pair_edge_index")
    {
        let size: Vec<i64> = fixture
            .size
            .iter()
            .map(|&n| i64::try_from(n).unwrap())
            .collect();
        inputs.insert("size".to_owned(), TensorData::new(size, [2]));
    }
    for param in &signature.params {
        if let Type::Int(_) = param.ty {
            let count = i64::try_from(*fixture.size.last().unwrap()).unwrap();
            inputs.insert(param.name.clone(), TensorData::new(vec![count], [1]));
        }
    }
    inputs
}

/// Numbers of source and target nodes.
pub(crate) fn counts(fixture: &Fixture) -> [usize; 2] {
    let size = &fixture.size;
    [size[0], *size.get(1).unwrap_or(&size[0])]
}

/// PyG's results in order.
pub(crate) fn outputs(fixture: &Fixture) -> Vec<TensorData> {
    fixture.below("out.").into_values().collect()
}
