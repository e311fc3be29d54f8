//! PyG checkpoints: what is read, what is written, and what is refused.

use burn::{
    module::{Module as _, ModuleMapper, Param},
    tensor::{Tensor, TensorData, Tolerance},
};
use kiln_nn::{
    AnyLayer, NAMES,
    build::from_args,
    store::{StateDict, StateDictError, load_state_dict, save_state_dict},
};
use serde_json::json;

use crate::{
    fixture::{Fixture, data},
    outcome::to_data,
    parity,
};

fn sage() -> AnyLayer {
    let args = json!({"in_channels": 8, "out_channels": 6});
    from_args("SAGEConv", &args, &crate::device()).unwrap()
}

/// PyTorch's own format and safetensors hold the same checkpoint.
#[test]
fn reads_what_pyg_saved() {
    let expected = StateDict::read(data().join("sage_state_dict.safetensors")).unwrap();
    for file in ["sage_state_dict.pt", "sage_state_dict.safetensors"] {
        let module = load_state_dict(sage(), data().join(file)).unwrap();
        assert_eq!(StateDict::of(&module).unwrap(), expected, "{file}");
    }
}

/// Writes to parameters in place.
struct Doubled;

impl ModuleMapper for Doubled {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.mul_scalar(2.0))
    }
}

/// Training goes on where a checkpoint has been taken.
#[test]
fn checkpoints_are_of_the_time_they_were_taken() {
    let path = data().join("sage_state_dict.safetensors");
    let module = load_state_dict(sage(), &path).unwrap();
    let taken = StateDict::of(&module).unwrap();
    let module = module.map(&mut Doubled);
    let later = StateDict::of(&module).unwrap();
    assert_eq!(taken, StateDict::read(&path).unwrap());
    assert_ne!(taken, later);
}

/// Every fixture's parameters come back as they were read, but for the counter of batches. With
/// `KILN_STATE_DICTS` set to a folder the files stay there, for `generate.py --check-state-dicts`.
#[test]
fn writes_what_pyg_reads() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("KILN_STATE_DICTS")
        .map_or_else(|| temporary.path().to_owned(), std::path::PathBuf::from);
    let device = crate::device();
    for conv in NAMES {
        for fixture in Fixture::all(conv) {
            let module = fixture.module(&device);
            let path = folder.join(format!("{}.safetensors", fixture.name));
            save_state_dict(&module, &path).unwrap();
            let read = StateDict::read(&path).unwrap();
            assert_eq!(read, StateDict::of(&module).unwrap(), "{}", fixture.name);
            let expected = parity::forward(&fixture, &module, &device).swap_remove(0);
            let module = load_state_dict(module, &path).unwrap();
            let got = parity::forward(&fixture, &module, &device).swap_remove(0);
            // Equal on a CPU; a GPU may run another kernel the second time.
            let tolerance = Tolerance::rel_abs(parity::TOLERANCE, parity::TOLERANCE);
            let (got, expected) = (to_data(got), to_data(expected));
            got.assert_approx_eq::<f32>(&expected, tolerance);
        }
    }
}

#[test]
fn names_everything_that_does_not_fit() {
    let mut state = StateDict::of(&sage()).unwrap();
    state.tensors.remove("lin_r.weight");
    state
        .tensors
        .insert("lin_l.bias".into(), TensorData::zeros::<f32, _>([5]));
    state
        .tensors
        .insert("lin_s.weight".into(), TensorData::zeros::<f32, _>([6, 8]));
    let error = state.load_into(sage()).unwrap_err();
    let StateDictError::Mismatch {
        missing,
        unexpected,
        misshapen,
    } = &error
    else {
        panic!("expected a mismatch, got {error}");
    };
    assert_eq!(*missing, [("lin_r.weight".to_owned(), vec![6, 8])]);
    assert_eq!(*unexpected, [("lin_s.weight".to_owned(), vec![6, 8])]);
    assert_eq!(*misshapen, [("lin_l.bias".to_owned(), vec![6], vec![5])]);
    assert_eq!(
        error.to_string(),
        "the tensors are not those of the module\n  missing: lin_r.weight [6, 8]\n  \
         unexpected: lin_s.weight [6, 8]\n  shape of lin_l.bias: expected [6], got [5]"
    );
}

/// PyG 2.0 to 2.4 stored GATConv's shared map twice.
#[test]
fn reads_old_names_of_gat_conv() {
    let args = json!({"in_channels": 8, "out_channels": 3, "heads": 2});
    let module = from_args("GATConv", &args, &crate::device()).unwrap();
    let expected = StateDict::of(&module).unwrap();
    let mut old = expected.clone();
    let shared = old.tensors.remove("lin.weight").unwrap();
    old.tensors.insert("lin_src.weight".into(), shared.clone());
    old.tensors.insert("lin_dst.weight".into(), shared);
    let fresh = from_args("GATConv", &args, &crate::device()).unwrap();
    let module = old.clone().load_into(fresh).unwrap();
    assert_eq!(StateDict::of(&module).unwrap(), expected);

    // Two different maps are not one.
    old.tensors
        .insert("lin_dst.weight".into(), TensorData::zeros::<f32, _>([6, 8]));
    let fresh = from_args("GATConv", &args, &crate::device()).unwrap();
    assert!(matches!(
        old.load_into(fresh),
        Err(StateDictError::Mismatch { .. })
    ));
}

#[test]
fn converts_the_float_type() {
    let mut state = StateDict::of(&sage()).unwrap();
    let expected = state.clone();
    for tensor in state.tensors.values_mut() {
        *tensor = tensor.clone().convert::<f64>();
    }
    assert_eq!(
        StateDict::of(&state.load_into(sage()).unwrap()).unwrap(),
        expected
    );
}

#[test]
fn refuses_other_files() {
    let error = load_state_dict(sage(), "model.onnx").unwrap_err();
    assert_eq!(
        error.to_string(),
        "model.onnx: expected a file named .pt, .pth or .safetensors"
    );
    let error = load_state_dict(sage(), data().join("absent.safetensors")).unwrap_err();
    assert!(matches!(error, StateDictError::Read { .. }), "{error}");
}

/// Of each kind of change one: GraphConv's names before PyG 2.0 and before 1.6, GCNConv's
/// transposed weight.
#[test]
fn reads_earlier_names_and_layouts() {
    let matrix = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|i| f32::from(u8::try_from(i).unwrap()));
        TensorData::new(values.collect(), [rows, columns])
    };
    let transposed = |rows: usize, columns: usize| {
        let value = |i: usize| f32::from(u8::try_from(i % rows * columns + i / rows).unwrap());
        TensorData::new((0..rows * columns).map(value).collect(), [columns, rows])
    };
    let bias = TensorData::from([1.0_f32, 2.0]);
    let new = [
        ("lin_rel.weight", matrix(2, 3)),
        ("lin_rel.bias", bias.clone()),
        ("lin_root.weight", matrix(2, 3)),
    ];
    let before_2_0 = [
        ("lin_l.weight", matrix(2, 3)),
        ("lin_l.bias", bias.clone()),
        ("lin_r.weight", matrix(2, 3)),
    ];
    let before_1_6 = [
        ("weight", transposed(2, 3)),
        ("lin_l.bias", bias.clone()),
        ("lin.weight", matrix(2, 3)),
    ];
    let state = |tensors: [(&str, TensorData); 3], prefix: &str| StateDict {
        tensors: tensors
            .map(|(name, tensor)| (format!("{prefix}{name}"), tensor))
            .into(),
    };
    let args = json!({"in_channels": 3, "out_channels": 2});
    let conv = || from_args("GraphConv", &args, &crate::device()).unwrap();
    for old in [new.clone(), before_2_0, before_1_6] {
        let module = state(old, "").load_into(conv()).unwrap();
        assert_eq!(StateDict::of(&module).unwrap(), state(new.clone(), ""));
    }

    // Inside a model the names have a prefix.
    let args = json!({"in_channels": 3, "hidden_channels": 2, "num_layers": 1});
    let gcn = from_args("GCN", &args, &crate::device()).unwrap();
    let old = [("weight", transposed(2, 3)), ("bias", bias.clone())];
    let tensors = old.map(|(name, tensor)| (format!("convs.0.{name}"), tensor));
    let old = StateDict {
        tensors: tensors.into(),
    };
    let read = StateDict::of(&old.load_into(gcn).unwrap()).unwrap();
    assert_eq!(read.tensors["convs.0.lin.weight"], matrix(2, 3));
}

/// PyG stores a shared map under both names.
#[test]
fn tied_parameters_have_both_names() {
    let args = json!({"in_channels": 3, "out_channels": 2, "share_weights": true});
    let conv = || from_args("GATv2Conv", &args, &crate::device()).unwrap();
    let state = StateDict::of(&conv()).unwrap();
    for name in ["weight", "bias"] {
        let [left, right] = ["lin_l", "lin_r"].map(|lin| &state.tensors[&format!("{lin}.{name}")]);
        assert_eq!(left, right);
    }
    let module = state.clone().load_into(conv()).unwrap();
    assert_eq!(StateDict::of(&module).unwrap(), state);
    let mut other = state;
    let bias = TensorData::from([5.0_f32, 6.0]);
    other.tensors.insert("lin_r.bias".into(), bias);
    assert!(other.load_into(conv()).is_err());
}
