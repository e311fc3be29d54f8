//! Every forward variant of every layer, recorded and executed in each way that there is, against
//! what real PyG computes.

mod call;
mod execute;
mod fixture;
mod foreign;
mod torchscript;

use std::collections::BTreeSet;

use kiln::{burn::tensor::Device, ir::record::Recorder};

#[test]
fn every_layer_records() {
    let device = Device::flex();
    let mut seen = BTreeSet::new();
    let mut failures = Vec::new();
    for case in fixture::all() {
        if !seen.insert((case.conv.clone(), case.kwargs.to_string())) {
            continue;
        }
        match Recorder::new(&case.model(&device)).overloads().finish() {
            Ok(model) => {
                if case.name.contains("default") {
                    println!("{}", kiln::ir::print(&model.program));
                }
            }
            Err(error) => failures.push(format!("{} {}: {error}", case.name, case.kwargs)),
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), seen.len(), failures.join("\n"));
}
