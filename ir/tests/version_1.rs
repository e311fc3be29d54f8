//! Files of version 1 of the native format, as they were written when it was the only one.

use std::{collections::BTreeMap, path::PathBuf};

use burn::tensor::{Device, Int, Tensor};
use kiln_core::AnyTensor;
use kiln_ir::{Model, Session, parse};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files/native/v1")
        .join(name)
        .with_extension("kiln")
}

/// The programs of `tests/files/exec`, which have every operation of version 1.
#[test]
fn programs_are_those_that_their_texts_say() {
    let names = [
        "binary",
        "elementwise",
        "errors",
        "fused",
        "graph",
        "linear",
        "methods",
        "reduce",
        "shape",
        "unary",
    ];
    for name in names {
        let text = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/files/exec")
            .join(name)
            .with_extension("kir");
        let expected = parse(&std::fs::read_to_string(text).unwrap()).unwrap();
        let model = Model::load(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Model::check(path(name)).unwrap();
        assert_eq!(*model.program, expected, "{name}");
        let again = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
        assert_eq!(again.program, model.program, "{name}");
    }
}

/// A `GATConv` with edge features, all variants: calls, records, optional inputs, data-dependent
/// sizes.
#[test]
fn a_recorded_layer_computes_what_it_did() {
    let device = Device::flex();
    let session = Session::new(&Model::load(path("gat_conv")).unwrap(), &device).unwrap();
    let x = Tensor::<2>::from_floats(
        [[1.0, 2.0, 3.0], [-1.0, 0.5, 0.25], [0.0, 4.0, -2.0]],
        &device,
    );
    let edge_index = Tensor::<2, Int>::from_ints([[0, 1, 2, 2], [1, 2, 0, 2]], &device);
    let edge_attr =
        Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], &device);
    let mut inputs = BTreeMap::from([
        ("x".to_owned(), AnyTensor::from(x)),
        ("edge_index".to_owned(), edge_index.into()),
    ]);
    let run = |method: &str, inputs: &BTreeMap<String, AnyTensor>, output: usize| -> Vec<f32> {
        let (_, tensor) = session.run(method, inputs.clone()).unwrap().remove(output);
        tensor.float::<2>().into_data().iter().collect()
    };
    let close = |got: &[f32], expected: &[f32]| {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
        }
    };
    let plain = [
        0.704_434, -1.783_88, 2.111_473, -2.276_826, 0.078_684, -1.526_088, -0.143_058, -0.664_265,
        0.285_923, -0.481_476, 1.719_541, -2.272_03,
    ];
    close(&run("forward__0", &inputs, 0), &plain);
    close(&run("forward__2", &inputs, 0), &plain);
    let weights = [
        0.403_416, 0.137_287, 0.554_796, 0.213_525, 0.714_381, 0.907_432, 0.285_619, 0.092_568,
        0.596_584, 0.862_713, 0.445_204, 0.786_475,
    ];
    close(&run("forward__2", &inputs, 2), &weights);
    inputs.insert("edge_attr".to_owned(), edge_attr.into());
    let with_features = [
        0.704_434, -1.783_88, 1.766_432, -1.457_571, 0.049_567, -1.334_03, -0.116_655, -0.603_566,
        0.261_486, -0.457_143, 1.561_903, -2.167_866,
    ];
    close(&run("forward__0", &inputs, 0), &with_features);
}
