//! The ways in which a layer runs, each compared with what real PyG computed.
//!
//! A runtime is one file here, with its tolerance, and one word in [`ALL`]. Every layer runs every
//! case of its own in each. `KILN_CONFORMANCE_OUT` names a folder that gets a file of worst errors
//! per layer; `cargo xtask conformance` makes a table of them. Real PyTorch has a file of its own,
//! `torchscript.rs`.

mod eager;
mod gradients;
mod native;
mod optimised;
mod prepared;
mod recorded;
mod replay;
mod text;

use std::{collections::BTreeMap, env, fs, path::Path};

use kiln::{
    burn::tensor::{Device, TensorData},
    ir::{Model, Session},
    nn::{self, Layer, Overload, Overloads as _, aggr, conv, dense, models, norm, pool},
};
use kiln_nn::AnyLayer;
use serde::Serialize;
use serde_json::json;

use crate::{
    call::{self, Inputs},
    case, execute,
    fixture::{Fixture, matches},
};

/// One way to run a layer.
pub(crate) trait Runtime: Sync {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// Largest difference from PyG's result, relative to the result's largest number.
    fn tolerance(&self) -> f64 {
        1e-5
    }

    /// Why a case does not run this way, if it does not.
    fn missing(&self, _case: &Case<'_>) -> Option<&'static str> {
        None
    }

    /// What PyG has, flat, in order.
    fn expected(&self, case: &Case<'_>) -> Vec<TensorData> {
        case::outputs(case.fixture)
    }

    /// Runs a case; the results are flat, in order.
    fn run(&self, case: &Case<'_>) -> Vec<TensorData>;
}

/// Every runtime, in the order of the table's columns.
const ALL: [&dyn Runtime; 8] = [
    &eager::Eager,
    &gradients::Gradients,
    &replay::Replay,
    &recorded::Recorded,
    &optimised::Optimised,
    &text::Text,
    &native::Native,
    &prepared::Prepared,
];

/// A fixture, ready to run in any way.
pub(crate) struct Case<'a> {
    fixture: &'a Fixture,
    module: AnyLayer,
    overload: Overload<AnyLayer>,
    /// The module with the fixture's variant, recorded on the CPU.
    model: Model,
    inputs: Inputs,
    /// What is under test.
    device: Device,
}

impl<'a> Case<'a> {
    fn new(fixture: &'a Fixture, device: Device) -> Self {
        let module = fixture.module(&Device::flex());
        let overload = case::variant(fixture, &module);
        Self {
            model: case::record(fixture, &module),
            inputs: case::inputs(fixture, &overload.signature),
            fixture,
            module,
            overload,
            device,
        }
    }

    /// Numbers of source and target nodes.
    fn counts(&self) -> [usize; 2] {
        case::counts(self.fixture)
    }

    /// Runs the fixture's variant in a session.
    fn run(&self, session: &Session) -> Vec<TensorData> {
        execute::run(session, &self.overload.name, &self.inputs)
    }
}

/// The cases of one variant in one runtime: how many ran, the largest error among them, and why
/// others did not.
#[derive(Default, Serialize)]
struct Cell {
    cases: usize,
    worst: f64,
    missing: Option<&'static str>,
}

/// Runs all cases of a layer in all runtimes.
fn check(layer: &str) {
    if !case::is_asked_for(layer) {
        return;
    }
    let (device, on_device) = execute::device();
    let fixtures = Fixture::all(layer);
    assert!(!fixtures.is_empty(), "no fixtures of {layer}");
    let mut cells: BTreeMap<(String, &str), Cell> = BTreeMap::new();
    for fixture in &fixtures {
        let case = Case::new(fixture, device.clone());
        for runtime in ALL {
            let key = (fixture.variant.clone(), runtime.name());
            let cell = cells.entry(key).or_default();
            if let Some(reason) = runtime.missing(&case) {
                cell.missing = Some(reason);
                continue;
            }
            let tolerance = runtime.tolerance().max(on_device);
            let name = format!("{}, {}", fixture.name, runtime.name());
            let error = call::worst_error(&name, &runtime.run(&case), &runtime.expected(&case));
            assert!(
                error <= tolerance,
                "{name}: {error:.1e} from PyG, at most {tolerance:.0e} is right"
            );
            cell.cases += 1;
            cell.worst = cell.worst.max(error);
        }
    }
    if let Some(folder) = env::var_os("KILN_CONFORMANCE_OUT") {
        write(Path::new(&folder), layer, &fixtures, &cells);
    }
}

/// Writes the worst errors of a layer, and which cells of the table there ought to be.
fn write(folder: &Path, layer: &str, fixtures: &[Fixture], cells: &BTreeMap<(String, &str), Cell>) {
    let mut variants: Vec<String> = Vec::new();
    for fixture in fixtures {
        for overload in fixture.module(&Device::flex()).overloads() {
            let named = fixtures.iter().map(|fixture| &fixture.variant);
            let name = named
                .clone()
                .find(|variant| matches(&overload.signature, variant))
                .unwrap_or(&overload.name);
            if !variants.contains(name) {
                variants.push(name.clone());
            }
        }
    }
    let cells = cells
        .iter()
        .map(|((variant, runtime), cell)| json!([variant, runtime, cell]));
    let report = json!({
        "layer": layer,
        "variants": variants,
        "runtimes": ALL.map(Runtime::name),
        "cells": cells.collect::<Vec<_>>(),
    });
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(format!("{layer}.json")), report.to_string()).unwrap();
}

macro_rules! one_test_each {
    ($($place:ident :: $layer:ident),+ $(,)?) => {
        $(
            #[test]
            fn $layer() {
                check(<$place::$layer as Layer>::NAME);
            }
        )+
    };
}

nn::for_each_layer!(one_test_each);
