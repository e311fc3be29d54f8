//! What only runs is also written down, for devices that run elsewhere: each operation gives the
//! same when Burn's interpreter runs its record.

#![expect(clippy::unwrap_used, reason = "a test fails where it finds nothing")]

use std::collections::BTreeSet;

use burn::backend::{
    BackendTensor, Dispatch, DispatchTensor, DispatchTensorKind, Flex, FlexDevice,
    ir::{OperationIr, TensorId, TensorStatus},
    ops::{FloatTensorOps as _, IntTensorOps as _},
};
use burn::tensor::{DType, Device, Int, Tensor, TensorData, try_read_sync};
use burn_router::{CustomOpRegistry, TensorInterpreter};

use super::eager::EagerOp;
use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes, GraphOps as _, OptionalTensor, Reduce,
    SavedAttention, Score, Terms, sort_edges::SORT_NAMES,
};

type Call = fn(&Device) -> Vec<DispatchTensor>;

/// `rows × columns` numbers of both signs.
fn x<const D: usize>(shape: [usize; D], device: &Device) -> DispatchTensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i| f32::from(u8::try_from(i * 7 % 11).unwrap()) - 5.0)
        .collect();
    Tensor::<D>::from_data(TensorData::new(values, shape), device).into_dispatch()
}

fn ints(values: &[i32], device: &Device) -> DispatchTensor {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::<1, Int>::from_data(data, (device, DType::I32)).into_dispatch()
}

/// Sorted edges.
fn csr([ptr, col, edge]: [[i32; 4]; 3], device: &Device) -> CsrTensors<Dispatch> {
    CsrTensors {
        ptr: ints(&ptr, device),
        col: ints(&col, device),
        edge: ints(&edge, device),
        chunk: ints(&[], device),
        hub: ints(&[], device),
    }
}

/// The edges 0 → 1, 1 → 1, 2 → 0 and 2 → 2 by target.
fn by_target(device: &Device) -> CsrTensors<Dispatch> {
    csr([[0, 1, 3, 4], [2, 0, 1, 2], [2, 0, 1, 3]], device)
}

/// The same edges by source.
fn by_source(device: &Device) -> CsrTensors<Dispatch> {
    csr([[0, 1, 2, 4], [1, 1, 0, 2], [0, 1, 2, 3]], device)
}

fn aggregate(terms: Terms<Dispatch>, reduce: Reduce, device: &Device) -> Vec<DispatchTensor> {
    let (csr, transposed) = (by_target(device), by_source(device));
    vec![Dispatch::aggregate(
        x([3, 2], device),
        terms,
        csr,
        transposed,
        reduce,
    )]
}

fn linear(term: OptionalTensor<Dispatch>, relu: bool, device: &Device) -> Vec<DispatchTensor> {
    let (x, weight) = (x([3, 2], device), x([2, 4], device));
    vec![Dispatch::linear_map(x, weight, term, relu)]
}

fn gat() -> Score {
    Score::Gat(AttentionAttributes {
        negative_slope: 0.25,
        loops: Some(2),
        dropout: None,
    })
}

fn gat_v2() -> Score {
    Score::GatV2(AttentionAttributes {
        negative_slope: 0.5,
        loops: None,
        dropout: Some(0.5),
    })
}

fn dot() -> Score {
    Score::Dot(DotAttentionAttributes {
        scale: 0.5,
        loops: Some(2),
        dropout: None,
    })
}

/// Two heads of one channel: the output, the logarithms, and all gradients.
fn attention(score: Score, device: &Device) -> Vec<DispatchTensor> {
    let features = || x([3, 2, 1], device);
    let inputs = || match score {
        Score::Gat(_) => [features(), x([3, 2], device), x([3, 2], device)],
        Score::GatV2(_) => [features(), features(), x([2, 1], device)],
        Score::Dot(_) => [features(), features(), features()],
    };
    let (csr, transposed) = (by_target(device), by_source(device));
    let seed = ints(&[3], device);
    let [a, b, c] = inputs();
    let edges = (csr.clone(), transposed.clone());
    let (out, lse) = Dispatch::edge_attention(a, b, c, seed.clone(), edges.0, edges.1, score);
    let saved = SavedAttention {
        out: out.clone(),
        lse: lse.clone(),
        grad: features(),
        seed,
    };
    let [a, b, c] = inputs();
    let (a, b, c) = Dispatch::edge_attention_backward(a, b, c, saved, csr, transposed, score);
    vec![out, lse, a, b, c]
}

const CALLS: &[Call] = &[
    |d| {
        let (row, col) = (ints(&[1, 1, 0, 2], d), ints(&[0, 1, 2, 2], d));
        let (ptr, col, edge) = Dispatch::sort_edges(row, col, [3, 3], SORT_NAMES);
        vec![ptr, col, edge]
    },
    |d| aggregate(Terms::Ones, Reduce::Max, d),
    |d| aggregate(Terms::Edges(x([4], d)), Reduce::Mean, d),
    |d| {
        let (scale, self_loop) = (x([3], d), Some(2.0));
        aggregate(Terms::Nodes { scale, self_loop }, Reduce::Sum, d)
    },
    |d| {
        let (weight, self_loop) = (x([4], d), x([3], d));
        aggregate(Terms::Loops { weight, self_loop }, Reduce::Sum, d)
    },
    |d| aggregate(Terms::Own(x([1], d)), Reduce::Sum, d),
    |d| aggregate(Terms::Shares(by_source(d).ptr), Reduce::Sum, d),
    |d| {
        let (a, b) = (x([3, 2], d), x([3, 2], d));
        vec![Dispatch::edge_dot_csr(a, b, by_target(d), by_source(d))]
    },
    |d| {
        let (a, b) = (x([3, 2, 2], d), x([3, 2, 2], d));
        vec![Dispatch::edge_dot_csr(a, b, by_target(d), by_source(d))]
    },
    |d| {
        let (a, b, v) = (x([3, 2], d), x([3, 2], d), x([3, 2], d));
        vec![Dispatch::match_sum_csr(a, b, v, by_target(d))]
    },
    |d| vec![Dispatch::edge_softmax(x([4, 2], d), by_target(d))],
    |d| {
        let (out, grad) = (x([4, 2], d), x([4, 2], d));
        vec![Dispatch::edge_softmax_backward(out, grad, by_target(d))]
    },
    |d| attention(gat(), d),
    |d| attention(gat_v2(), d),
    |d| attention(dot(), d),
    |d| linear(OptionalTensor::None, false, d),
    |d| linear(OptionalTensor::Some(x([3, 4], d)), false, d),
    |d| linear(OptionalTensor::Some(x([1, 4], d)), true, d),
    |d| vec![Dispatch::linear_map_weight(x([3, 2], d), x([3, 4], d))],
    |d| vec![Dispatch::column_sum(x([3, 2], d))],
];

fn is_float(tensor: &DispatchTensor) -> bool {
    matches!(
        tensor.kind,
        DispatchTensorKind::Flex(BackendTensor::Float(_))
    )
}

fn values(tensor: DispatchTensor) -> TensorData {
    let data = if is_float(&tensor) {
        try_read_sync(Dispatch::float_into_data(tensor))
    } else {
        try_read_sync(Dispatch::int_into_data(tensor))
    };
    data.unwrap().unwrap()
}

fn id(tensor: &DispatchTensor) -> TensorId {
    match &tensor.kind {
        DispatchTensorKind::Capture(BackendTensor::Float(tensor) | BackendTensor::Int(tensor)) => {
            tensor.id()
        }
        kind => panic!("not a captured tensor: {kind:?}"),
    }
}

/// Records a call; gives the names of its operations and the results of replaying them.
fn replayed(call: Call) -> (Vec<String>, Vec<TensorData>) {
    let device = Device::capture();
    let captured = device
        .capture_scope(|scope| {
            let outputs: Vec<TensorId> = call(&device).iter().map(id).collect();
            scope.complete([], outputs)
        })
        .unwrap();
    let mut registry = CustomOpRegistry::<Flex>::new();
    crate::register_graph_ops(&mut registry);
    let mut interpreter = TensorInterpreter::with_custom_ops(FlexDevice, registry);
    for (id, data) in captured.values {
        interpreter.register_tensor_data_id(id, data);
    }
    let (mut ids, mut results) = (Vec::new(), Vec::new());
    for operation in captured.graph.operations {
        if let OperationIr::Custom(desc) = &operation {
            ids.push(desc.id.clone());
            results.extend(desc.outputs.iter().cloned());
        }
        interpreter.register_op(operation);
    }
    let read = |id: &TensorId| {
        let mut result = results
            .iter()
            .find(|result| result.id == *id)
            .unwrap()
            .clone();
        result.status = TensorStatus::ReadOnly;
        let data = try_read_sync(interpreter.read_tensor_async(result.clone()));
        let data = data.unwrap().unwrap();
        assert_eq!(
            *data.shape(),
            result.shape,
            "the shape that is written down"
        );
        assert_eq!(data.dtype(), result.dtype, "the type that is written down");
        data
    };
    let outputs = captured.graph.outputs.iter().map(read).collect();
    (ids, outputs)
}

#[test]
fn records_that_run_give_what_their_operations_give() {
    let mut recorded = BTreeSet::new();
    for (number, call) in CALLS.iter().enumerate() {
        let eager: Vec<TensorData> = call(&Device::flex()).into_iter().map(values).collect();
        let (ids, replayed) = replayed(*call);
        assert_eq!(eager, replayed, "call {number}, {ids:?}");
        recorded.extend(ids);
    }
    // Products of any matrices are Burn's own in a recording.
    let all = EagerOp::IDS.iter().filter(|&&id| id != "kiln::matmul");
    assert_eq!(recorded, all.map(|&id| id.to_owned()).collect());
}
