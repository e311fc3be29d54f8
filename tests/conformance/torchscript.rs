//! Every variant and every model as a TorchScript archive, opened and run by real PyTorch.
//!
//! The archives are always written. `export/tests/torch/run.sh` then runs them with each Python of
//! `KILN_TORCH_PYTHONS` that has torch, and in C++ where libtorch is installed; without that
//! variable it is not called, and the test says so. `KILN_LAYERS=GCNConv,GAT` leaves out the
//! other layers, and `KILN_TORCH_OUT` says where archives go.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use kiln::{
    burn::{
        module::Module as _,
        tensor::{DType, Device, TensorData},
    },
    core::{
        Signature,
        signature::{Literal, Type},
    },
    ir::{Model, record::Recorder},
    nn::{Overloads, store::StateDict},
};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

use crate::{
    call::{self, Inputs, Sizes},
    case,
    fixture::Fixture,
    foreign::{Block, random},
};

/// Calls of one archive, in the form that `check.py` reads.
#[derive(Default)]
struct Expectation {
    calls: Vec<Value>,
    tensors: Vec<(String, TensorData)>,
}

impl Expectation {
    fn call(
        &mut self,
        method: &str,
        signature: &Signature,
        inputs: &Inputs,
        outputs: Vec<TensorData>,
        result: &Value,
    ) {
        let number = self.calls.len();
        let names: BTreeSet<&str> = inputs.keys().map(String::as_str).collect();
        // Every other call leaves out a boolean that is true anyway.
        let is_left_out =
            |ty: &Type| number.is_multiple_of(2) && *ty == Type::OneOf(vec![Literal::Bool(true)]);
        let params = signature.params.iter();
        let args: Vec<Value> = params
            .filter(|param| !is_left_out(&param.ty))
            .map(|param| {
                json!([
                    param.name,
                    argument(&param.ty, &param.name, number, &names, inputs)
                ])
            })
            .collect();
        for (name, data) in inputs {
            self.tensors
                .push((format!("{number}.in.{name}"), data.clone()));
        }
        for (position, data) in outputs.into_iter().enumerate() {
            self.tensors
                .push((format!("{number}.out.{position}"), data));
        }
        let out = numbered(result, number, &mut 0);
        self.calls
            .push(json!({"method": method, "args": args, "out": out}));
    }

    /// The last call's gradients, by kinds.
    fn gradients(&mut self, fixture: &Fixture) {
        let number = self.calls.len() - 1;
        let mut gradients = serde_json::Map::new();
        let mut of_fixture = fixture.below("grad.");
        of_fixture.retain(|name, _| !fixture.is_by_another_order(name));
        for (name, data) in of_fixture {
            let of = match name.split_once('.') {
                Some(("in", input)) => format!("{number}.in.{}", case::leaf(input)),
                _ => name.trim_start_matches("param.").to_owned(),
            };
            let kinds = format!("{number}.grad.{name}");
            gradients.insert(of, json!(kinds));
            self.tensors.push((kinds, data));
        }
        let mut cotangents = Vec::new();
        for (position, data) in fixture.below("cot.") {
            let name = format!("{number}.cot.{position}");
            cotangents.push(json!(name));
            self.tensors.push((name, data));
        }
        let call = self.calls[number].as_object_mut().unwrap();
        call.insert("gradients".to_owned(), gradients.into());
        call.insert("cotangents".to_owned(), cotangents.into());
    }

    fn write(
        &self,
        folder: &Path,
        name: &str,
        model: &Model,
        state: &[(String, Vec<usize>)],
        results_only: bool,
        pyg: &Value,
    ) {
        kiln::export::torchscript::write(model, folder.join(format!("{name}.pt"))).unwrap();
        let description = json!({
            "calls": self.calls,
            "state_dict": state,
            "results_only": results_only,
            "pyg": pyg,
            "scales": scales(pyg),
            "selects": selects(pyg),
        });
        fs::write(folder.join(format!("{name}.json")), description.to_string()).unwrap();
        let views = self.tensors.iter().map(|(name, data)| {
            let dtype = match data.dtype() {
                DType::F32 => Dtype::F32,
                DType::I64 => Dtype::I64,
                DType::U8 => Dtype::U8,
                DType::Bool(_) => Dtype::BOOL,
                other => panic!("{name}: {other:?}"),
            };
            (
                name,
                TensorView::new(dtype, data.shape().to_vec(), data.bytes()).unwrap(),
            )
        });
        let path = folder.join(format!("{name}.safetensors"));
        safetensors::serialize_to_file(views, None, &path).unwrap();
    }
}

fn argument(ty: &Type, name: &str, call: usize, names: &BTreeSet<&str>, inputs: &Inputs) -> Value {
    let tensor = |name: &str| match names.get(name) {
        Some(_) => json!(format!("{call}.in.{name}")),
        None => Value::Null,
    };
    match ty {
        Type::Tensor { .. } | Type::EdgeIndex { .. } => tensor(name),
        Type::Adjacency { .. } => {
            let parts = ["rowptr", "col", "value"].map(|part| tensor(&format!("{name}.{part}")));
            json!(parts)
        }
        Type::Optional(inner) => argument(inner, name, call, names, inputs),
        Type::Tuple(items) => items
            .iter()
            .enumerate()
            .map(|(at, item)| argument(item, &format!("{name}.{at}"), call, names, inputs))
            .collect(),
        Type::Size { .. } => match inputs.get(name) {
            Some(size) => json!({"ints": size.iter::<i64>().collect::<Vec<_>>()}),
            None => Value::Null,
        },
        Type::Int(_) => json!(inputs[name].iter::<i64>().next()),
        Type::Flag => json!(true),
        Type::OneOf(literals) => match literals.as_slice() {
            [Literal::Bool(value)] => json!(value),
            other => panic!("no layer takes {other:?} as `{name}`"),
        },
        other => panic!("no layer takes {other:?} as `{name}`"),
    }
}

/// Losses of modularity and of clusters' shapes are differences of numbers near 1.
fn scales(pyg: &Value) -> Value {
    match pyg["conv"].as_str() {
        Some("DMoNPooling") => json!({"output.3": 1.0, "output.4": 1.0, "output.5": 1.0}),
        _ => json!({}),
    }
}

/// Whether a layer selects nodes or edges by the order of their scores.
fn selects(pyg: &Value) -> bool {
    let selecting = [
        "TopKPooling",
        "SAGPooling",
        "PANPooling",
        "ASAPooling",
        "EdgePooling",
    ];
    pyg["conv"]
        .as_str()
        .is_some_and(|conv| selecting.contains(&conv))
}

/// The structure of a result with the names of its tensors.
fn numbered(structure: &Value, call: usize, next: &mut usize) -> Value {
    match structure {
        Value::Array(items) => items
            .iter()
            .map(|item| numbered(item, call, next))
            .collect(),
        Value::Null => Value::Null,
        _ => {
            let name = format!("{call}.out.{next}");
            *next += 1;
            json!(name)
        }
    }
}

/// Structure of a result: 0 for a tensor, a list for several, null for one that is absent.
fn structure(result: &kiln::core::Value) -> Value {
    use kiln::core::Value as Result;
    match result {
        Result::Tuple(items) => items.iter().map(structure).collect(),
        Result::Adjacency(_) => json!([0, 0, 0]),
        Result::None => Value::Null,
        _ => json!(0),
    }
}

/// A module of Burn's own layers, at three sizes.
fn foreign_module(folder: &Path, device: &Device) {
    let block = Block::new(device);
    let model = block.record();
    let signature = Signature::new().with("x", Type::float(["N".into(), 6.into()]));
    let mut expectation = Expectation::default();
    for rows in [1, 7, 64] {
        let x = random([rows, 6], device);
        let outputs = vec![block.valid().forward(x.clone()).into_data()];
        let inputs = Inputs::from([("x".to_owned(), x.into_data())]);
        expectation.call("forward", &signature, &inputs, outputs, &json!(0));
    }
    let state: Vec<(String, Vec<usize>)> = StateDict::of(&block)
        .unwrap()
        .tensors
        .into_iter()
        .map(|(name, data)| (name, data.shape().to_vec()))
        .collect();
    expectation.write(folder, "burn-block", &model, &state, false, &Value::Null);
}

/// Names and shapes of PyG's `state_dict`.
fn state(fixture: &Fixture) -> Vec<(String, Vec<usize>)> {
    let params = fixture.below("param.").into_iter();
    params
        .map(|(name, data)| (name, data.shape().to_vec()))
        .collect()
}

/// Parameters without a gradient in PyG.
fn unused(fixture: &Fixture) -> Vec<String> {
    let gradients = fixture.below("grad.param.").into_iter();
    let without = gradients.filter(|(_, data)| data.iter::<f32>().all(|value| value == 0.0));
    without.map(|(name, _)| name).collect()
}

/// Whether PyTorch also transforms, differentiates and saves the archive, which takes it seconds:
/// every variant once, and every model. Of the others it compares state and results.
fn is_transformed(fixture: &Fixture) -> bool {
    let graph = if fixture.variant.starts_with("pair_") {
        "bipartite"
    } else {
        "loops"
    };
    case::is_model(fixture)
        || (case::is_aggregation(fixture) || case::is_of_rows(fixture))
            && fixture.name.ends_with("-default")
        || fixture.name.ends_with(&format!("-{graph}-default"))
}

/// Whether every variant is called, at sizes beyond that of the fixture: one fixture of each layer.
fn is_called_everywhere(fixture: &Fixture) -> bool {
    let is_plain = ["edge_index", "nodes", "dense"].contains(&fixture.variant.as_str());
    fixture.name.ends_with("-plain-default") && (is_plain || fixture.conv == "PANPooling")
        || fixture.name.ends_with("-sorted-default")
}

/// Whether the same configuration has an archive of its own on another graph. Calls without edges
/// and between other numbers of nodes are those of archives where every variant is called.
fn is_on_another_graph(fixture: &Fixture) -> bool {
    let others = ["-empty-", "-bipartite_rev-", "-bipartite_empty-"];
    others.iter().any(|graph| fixture.name.contains(graph))
}

/// Whether an archive has every variant: PyTorch calls them here, or `train.py` asks the variant
/// with attention weights how many were dropped.
fn needs_every_variant(fixture: &Fixture) -> bool {
    let drops = fixture.kwargs["dropout"].as_f64().is_some_and(|p| p > 0.);
    is_transformed(fixture) || is_called_everywhere(fixture) || drops
}

/// Calls whose inputs are not finite, an archive for each case.
fn nonfinite(folder: &Path, device: &Device) -> usize {
    let mut archives = 0;
    for runs in Fixture::nonfinite() {
        let fixture = &runs[0];
        if fixture.is_pool() || !case::is_asked_for(&fixture.conv) {
            continue;
        }
        let module = fixture.module(device);
        let model = case::record(fixture, &module);
        let own = case::variant(fixture, &module);
        let mut expectation = Expectation::default();
        for run in &runs {
            let (inputs, outputs) = (case::inputs(run, &own.signature), case::outputs(run));
            let counts = case::counts(run);
            let result = structure(&call::value(&module, &own, &inputs, counts, device));
            expectation.call(&own.name, &own.signature, &inputs, outputs, &result);
            expectation.gradients(run);
        }
        let name = fixture.name.split(' ').next().unwrap();
        expectation.write(folder, name, &model, &state(fixture), true, &Value::Null);
        archives += 1;
    }
    archives
}

#[test]
fn pytorch_runs_every_archive() {
    let device = Device::flex();
    let folder = env::var_os("KILN_TORCH_OUT").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("torchscript"),
        PathBuf::from,
    );
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    let mut archives = 0;
    let has_archive =
        |fixture: &Fixture| case::is_asked_for(&fixture.conv) && !is_on_another_graph(fixture);
    for fixture in case::fixtures().filter(has_archive) {
        let module = fixture.module(&device);
        let model = if needs_every_variant(&fixture) {
            Recorder::new(&module).overloads().finish().unwrap()
        } else {
            case::record(&fixture, &module)
        };
        let overloads = module.overloads();
        let mut expectation = Expectation::default();
        // What PyG computed ...
        let own = case::variant(&fixture, &module);
        let (inputs, outputs) = (
            case::inputs(&fixture, &own.signature),
            case::outputs(&fixture),
        );
        let value = call::value(&module, &own, &inputs, case::counts(&fixture), &device);
        let result = structure(&value);
        expectation.call(&own.name, &own.signature, &inputs, outputs, &result);
        // ... and for one fixture of each layer, every variant at three more sizes.
        if is_called_everywhere(&fixture) {
            for (seed, overload) in overloads.iter().enumerate() {
                for (nodes, targets, edges) in [(5, 5, 9), (31, 17, 120), (8, 20, 0)] {
                    let sizes = Sizes {
                        nodes,
                        targets,
                        edges,
                    };
                    for optional in [false, true] {
                        let inputs =
                            call::random_inputs(&overload.signature, sizes, optional, seed as u64);
                        let counts = call::counts(&overload.signature, sizes);
                        let value = call::value(&module, overload, &inputs, counts, &device);
                        let result = structure(&value);
                        let outputs = call::flat(value).into_iter().map(call::download).collect();
                        let signature = &overload.signature;
                        expectation.call(&overload.name, signature, &inputs, outputs, &result);
                    }
                }
            }
        }
        expectation.write(
            &folder,
            &fixture.name,
            &model,
            &state(&fixture),
            !is_transformed(&fixture),
            &json!({
                "conv": fixture.conv,
                "kwargs": fixture.kwargs,
                "variant": fixture.variant,
                "unused": unused(&fixture),
            }),
        );
        archives += 1;
    }
    let least = env::var("KILN_LAYERS").map_or(200, |_| 1);
    assert!(archives >= least, "only {archives} fixtures");
    foreign_module(&folder, &device);
    archives += nonfinite(&folder, &device);
    if env::var_os("KILN_TORCH_PYTHONS").is_none_or(|pythons| pythons.is_empty()) {
        println!(
            "skipped: {archives} archives written, but KILN_TORCH_PYTHONS names no Python to run them"
        );
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("export/tests/torch/run.sh");
    let status = Command::new("bash")
        .arg(script)
        .arg(&folder)
        .status()
        .unwrap();
    assert!(status.success(), "PyTorch disagrees; see above");
}
