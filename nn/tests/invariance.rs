//! What must not matter to a layer: the order of edges, the numbers of nodes, and which other
//! graphs share a batch.

use burn::tensor::{Int, Tensor, Tolerance};
use kiln_core::{AnyTensor, EdgeIndex, Value};
use kiln_nn::{AnyLayer, Overloads as _, build::from_args};
use serde_json::json;

const SRC: [i64; 10] = [0, 1, 2, 3, 4, 0, 2, 5, 3, 3];
const DST: [i64; 10] = [1, 0, 2, 0, 3, 3, 4, 5, 1, 1];
const NUM_NODES: usize = 7;

fn models() -> Vec<AnyLayer> {
    let device = crate::device();
    [
        ("GCNConv", json!({"in_channels": 5, "out_channels": 4})),
        (
            "SAGEConv",
            json!({"in_channels": 5, "out_channels": 4, "aggr": ["mean", "max"]}),
        ),
        (
            "GATConv",
            json!({"in_channels": 5, "out_channels": 4, "heads": 2}),
        ),
        ("GINConv", json!({"nn": [5, 6, 4]})),
        (
            "GCN",
            json!({"in_channels": 5, "hidden_channels": 4, "num_layers": 2, "norm": "batch_norm"}),
        ),
    ]
    .into_iter()
    .map(|(kind, args)| from_args(kind, &args, &device).unwrap())
    .collect()
}

fn features() -> Tensor<2> {
    let values = (0..35_u8).map(|i| f32::from((i * 7 + 11) % 23) / 7.0 - 1.5);
    let device = crate::device();
    Tensor::<1>::from_floats(values.collect::<Vec<_>>().as_slice(), &device).reshape([NUM_NODES, 5])
}

fn forward(model: &AnyLayer, x: Tensor<2>, src: &[i64], dst: &[i64]) -> Tensor<2> {
    let num_nodes = x.dims()[0];
    let edges = EdgeIndex::from_arrays(src, dst, num_nodes, num_nodes, &crate::device()).unwrap();
    let args = vec![Value::Tensor(AnyTensor::from(x)), Value::EdgeIndex(edges)];
    match model.overloads()[0].call(model, args) {
        Value::Tensor(out) => out.float(),
        other => panic!("expected a tensor, got {other:?}"),
    }
}

fn assert_close(model: &AnyLayer, got: Tensor<2>, expected: Tensor<2>) {
    let (got, expected) = (got.into_data(), expected.into_data());
    assert_eq!(got.shape(), expected.shape(), "{}", model.kind());
    got.assert_approx_eq::<f32>(&expected, Tolerance::rel_abs(1e-5, 1e-5));
}

#[test]
fn order_of_edges() {
    let (mut src, mut dst) = (SRC.to_vec(), DST.to_vec());
    for (model, turn) in models().into_iter().zip(1..) {
        let expected = forward(&model, features(), &SRC, &DST);
        src.rotate_left(turn);
        dst.rotate_left(turn);
        src.swap(0, 5);
        dst.swap(0, 5);
        assert_close(&model, forward(&model, features(), &src, &dst), expected);
    }
}

#[test]
fn numbers_of_nodes() {
    // Node i becomes (3 i + 2) mod 7; row k of the relabelled features is that of node 5 (k - 2)
    // mod 7.
    let relabel = |nodes: &[i64]| nodes.iter().map(|i| (3 * i + 2) % 7).collect::<Vec<_>>();
    let device = crate::device();
    let back: Vec<i64> = (0..7).map(|k| (5 * (k + 5)) % 7).collect();
    let back = Tensor::<1, Int>::from_data(back.as_slice(), &device);
    for model in models() {
        let expected = forward(&model, features(), &SRC, &DST).select(0, back.clone());
        let x = features().select(0, back.clone());
        assert_close(
            &model,
            forward(&model, x, &relabel(&SRC), &relabel(&DST)),
            expected,
        );
    }
}

#[test]
fn other_graphs_of_a_batch() {
    let offset = i64::try_from(NUM_NODES).unwrap();
    let both = |nodes: &[i64]| {
        nodes
            .iter()
            .copied()
            .chain(nodes.iter().map(|node| node + offset))
            .collect::<Vec<_>>()
    };
    for model in models() {
        let (first, second) = (features(), features() * 0.5 + 0.1);
        let expected = Tensor::cat(
            vec![
                forward(&model, first.clone(), &SRC, &DST),
                forward(&model, second.clone(), &SRC, &DST),
            ],
            0,
        );
        let x = Tensor::cat(vec![first, second], 0);
        assert_close(
            &model,
            forward(&model, x, &both(&SRC), &both(&DST)),
            expected,
        );
    }
}

#[test]
fn a_graph_without_edges_and_one_of_one_node() {
    for model in models() {
        let out = forward(&model, features(), &[], &[]);
        assert!(
            !out.contains_nan().into_scalar::<bool>(),
            "{}",
            model.kind()
        );
        let one = forward(&model, features().narrow(0, 0, 1), &[0], &[0]);
        assert_eq!(one.dims()[0], 1);
    }
}
