//! Recording: what each operation leaves in a captured graph, and that Burn's interpreter replays
//! it to the eager result.

use burn::backend::{
    BackendTensor, DispatchTensorKind, Flex, FlexDevice,
    ir::{CustomOpIr, OperationIr, ScalarIr, TensorId, TensorStatus},
};
use burn::tensor::{Device, Int, Tensor, TensorData, try_read_sync};
use burn_router::{CustomOpRegistry, TensorInterpreter};
use kiln_core::{AnyTensor, EdgeIndex, Flow};
use kiln_ops::{
    AttentionOptions, Endpoints, Loops, Reduce, aggregate_normalized, aggregate_with_loops,
    edge_attention,
    wire::{GraphOp, OpDecodeError},
};

use ScalarIr::{Float, UInt};

/// A call on fixed inputs, and what its record must be.
struct Call {
    run: fn(&Device) -> AnyTensor,
    op: GraphOp,
    inputs: usize,
    scalars: Vec<ScalarIr>,
    shapes: Vec<Vec<usize>>,
}

fn x(device: &Device) -> Tensor<2> {
    Tensor::from_floats([[1.0, -2.0], [3.0, 0.5], [0.0, 4.0]], device)
}

fn weight(device: &Device) -> Tensor<1> {
    Tensor::from_floats([2.0, -1.0, 0.5, 3.0], device)
}

fn src(device: &Device) -> Tensor<1, Int> {
    Tensor::from_ints([0, 1, 2, 2], device)
}

fn dst(device: &Device) -> Tensor<1, Int> {
    Tensor::from_ints([1, 1, 0, 2], device)
}

fn messages(device: &Device) -> Tensor<2> {
    Tensor::from_floats([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0], [-7.0, 8.0]], device)
}

fn ptr(device: &Device) -> Tensor<1, Int> {
    Tensor::from_ints([0, 1, 1, 4], device)
}

/// A graph of one node set with a loop.
fn ends(device: &Device) -> Endpoints {
    let edges = Tensor::stack(vec![src(device), dst(device)], 0);
    Endpoints::new(EdgeIndex::new_unchecked(edges, 3, 3), Flow::SourceToTarget)
}

/// Attention of two heads over [`ends`].
fn attention(device: &Device) -> Tensor<3> {
    let heads = x(device).reshape([3, 2, 1]);
    edge_attention(
        heads,
        x(device),
        -x(device),
        &ends(device),
        AttentionOptions {
            negative_slope: 0.25,
            loops: Some(Loops::Every),
            dropout: 0.0,
            seed: None,
        },
    )
}

fn calls() -> Vec<Call> {
    let call = |run, op, inputs, scalars, shapes: &[&[usize]]| Call {
        run,
        op,
        inputs,
        scalars,
        shapes: shapes.iter().map(|shape| shape.to_vec()).collect(),
    };
    vec![
        call(
            |d| kiln_ops::gather(x(d), src(d)).into(),
            GraphOp::Gather,
            2,
            vec![],
            &[&[4, 2]],
        ),
        call(
            |d| kiln_ops::scatter(messages(d), dst(d), 5, Reduce::Mean).into(),
            GraphOp::Scatter {
                size: 5,
                reduce: Reduce::Mean,
            },
            2,
            vec![UInt(5), UInt(1)],
            &[&[5, 2]],
        ),
        call(
            |d| kiln_ops::segment_reduce(messages(d), ptr(d), Reduce::Mul).into(),
            GraphOp::SegmentReduce {
                reduce: Reduce::Mul,
            },
            2,
            vec![UInt(4)],
            &[&[3, 2]],
        ),
        call(
            |d| kiln_ops::segment_softmax(messages(d), dst(d), 3).into(),
            GraphOp::SegmentSoftmax { size: 3 },
            2,
            vec![UInt(3)],
            &[&[4, 2]],
        ),
        call(
            |d| kiln_ops::spmm(x(d), src(d), dst(d), None, 4, Reduce::Max).into(),
            GraphOp::Spmm {
                size: 4,
                reduce: Reduce::Max,
            },
            3,
            vec![UInt(4), UInt(2)],
            &[&[4, 2]],
        ),
        call(
            |d| kiln_ops::spmm(x(d), src(d), dst(d), Some(weight(d)), 3, Reduce::Sum).into(),
            GraphOp::Spmm {
                size: 3,
                reduce: Reduce::Sum,
            },
            4,
            vec![UInt(3), UInt(0)],
            &[&[3, 2]],
        ),
        call(
            |d| kiln_ops::spmm_csr(x(d), ptr(d), src(d), None, Reduce::Min).into(),
            GraphOp::SpmmCsr {
                reduce: Reduce::Min,
            },
            3,
            vec![UInt(3)],
            &[&[3, 2]],
        ),
        call(
            |d| kiln_ops::spmm_csr(x(d), ptr(d), src(d), Some(weight(d)), Reduce::Sum).into(),
            GraphOp::SpmmCsr {
                reduce: Reduce::Sum,
            },
            4,
            vec![UInt(0)],
            &[&[3, 2]],
        ),
        call(
            |d| kiln_ops::degree(dst(d), 4).into(),
            GraphOp::Degree { size: 4 },
            1,
            vec![UInt(4)],
            &[&[4]],
        ),
        call(
            |d| kiln_ops::coo_to_csr(dst(d), 3).0.into(),
            GraphOp::CooToCsr { size: 3 },
            1,
            vec![UInt(3)],
            &[&[4], &[4]],
        ),
        call(
            |d| kiln_ops::coo_to_csr(dst(d), 3).1.into(),
            GraphOp::CooToCsr { size: 3 },
            1,
            vec![UInt(3)],
            &[&[4], &[4]],
        ),
        call(
            |d| kiln_ops::ptr_to_index(ptr(d), 4).into(),
            GraphOp::PtrToIndex { entries: 4 },
            1,
            vec![UInt(4)],
            &[&[4]],
        ),
        call(
            |d| kiln_ops::self_loop_position(src(d), dst(d), 3).into(),
            GraphOp::SelfLoopPosition { size: 3 },
            2,
            vec![UInt(3)],
            &[&[3]],
        ),
        call(
            |d| kiln_ops::arange(2..6, d).into(),
            GraphOp::Arange { start: 2, end: 6 },
            0,
            vec![UInt(2), UInt(6)],
            &[&[4]],
        ),
        call(
            |d| kiln_ops::dropout(x(d), 0.25).into(),
            GraphOp::Dropout { prob: 0.25 },
            1,
            vec![Float(0.25)],
            &[&[3, 2]],
        ),
        call(
            |d| {
                let scale = x(d).slice([0..3, 0..1]).reshape([3]);
                aggregate_normalized(x(d), scale, &ends(d), Some(2.0)).into()
            },
            GraphOp::SpmmNormalized {
                self_loop: Some(2.0),
            },
            4,
            vec![UInt(1), Float(2.0)],
            &[&[3, 2]],
        ),
        call(
            |d| {
                let self_loop = x(d).slice([0..3, 0..1]).reshape([3]);
                aggregate_with_loops(x(d), weight(d), self_loop, &ends(d)).into()
            },
            GraphOp::SpmmWithLoops,
            5,
            vec![],
            &[&[3, 2]],
        ),
        call(
            |d| ends(d).inverse_sqrt_degree(None, &x(d)).into(),
            GraphOp::InverseSqrtDegree {
                size: 3,
                self_loop: None,
            },
            2,
            vec![UInt(3), UInt(0), Float(0.0)],
            &[&[3]],
        ),
        call(
            |d| attention(d).into(),
            GraphOp::EdgeAttention {
                size: 3,
                self_loops: true,
                negative_slope: 0.25,
                dropout: 0.0,
            },
            5,
            vec![UInt(3), UInt(1), Float(0.25), Float(0.0)],
            &[&[3, 2, 1]],
        ),
    ]
}

/// The identity of a tensor on the capture device.
fn id(tensor: AnyTensor) -> TensorId {
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Capture(BackendTensor::Float(tensor) | BackendTensor::Int(tensor)) => {
            tensor.id()
        }
        kind => panic!("not a captured tensor: {kind:?}"),
    }
}

/// Records `run`; gives the record of its only operation and the result of replaying it.
fn record_and_replay(run: fn(&Device) -> AnyTensor) -> (CustomOpIr, TensorData) {
    let device = Device::capture();
    let captured = device
        .capture_scope(|scope| {
            let out = id(run(&device));
            scope.complete([], [out])
        })
        .unwrap();
    let mut registry = CustomOpRegistry::<Flex>::new();
    kiln_ops::register_graph_ops(&mut registry);
    let mut interpreter = TensorInterpreter::with_custom_ops(FlexDevice, registry);
    for (id, data) in captured.values {
        interpreter.register_tensor_data_id(id, data);
    }
    let mut record = None;
    for operation in captured.graph.operations {
        if let OperationIr::Custom(desc) = &operation {
            assert!(
                record.replace(desc.clone()).is_none(),
                "more than one operation recorded"
            );
        }
        interpreter.register_op(operation);
    }
    let record = record.expect("an operation");
    let out = captured.graph.outputs[0];
    let mut out = record
        .outputs
        .iter()
        .find(|tensor| tensor.id == out)
        .unwrap()
        .clone();
    out.status = TensorStatus::ReadWrite;
    let data = try_read_sync(interpreter.read_tensor_async(out))
        .unwrap()
        .unwrap();
    (record, data)
}

#[test]
fn records_hold_names_inputs_scalars_and_shapes() {
    for call in calls() {
        let (record, _) = record_and_replay(call.run);
        let id = call.op.id();
        assert_eq!(record.id, id);
        assert_eq!(record.inputs.len(), call.inputs, "{id}");
        assert_eq!(record.scalars, call.scalars, "{id}");
        let shapes: Vec<Vec<usize>> = record
            .outputs
            .iter()
            .map(|tensor| tensor.shape.iter().copied().collect())
            .collect();
        assert_eq!(shapes, call.shapes, "{id}");
        assert_eq!(GraphOp::decode(&record), Ok(call.op));
    }
}

#[test]
fn replay_equals_eager() {
    for call in calls() {
        let eager = (call.run)(&Device::flex());
        let (_, replayed) = record_and_replay(call.run);
        let id = call.op.id();
        assert_eq!(eager.shape(), *replayed.shape(), "{id}");
        let eager: Vec<f64> = match eager.kind() {
            kiln_core::Kind::Float if eager.shape().num_dims() == 1 => {
                eager.float::<1>().into_data().iter().collect()
            }
            kiln_core::Kind::Float if eager.shape().num_dims() == 2 => {
                eager.float::<2>().into_data().iter().collect()
            }
            kiln_core::Kind::Float => eager.float::<3>().into_data().iter().collect(),
            _ => eager.int::<1>().into_data().iter().collect(),
        };
        assert_eq!(eager, replayed.iter::<f64>().collect::<Vec<_>>(), "{id}");
    }
}

#[test]
fn nonzero_records_a_fresh_length() {
    let device = Device::capture();
    let captured = device
        .capture_scope(|scope| {
            let mask = || src(&device).not_equal(dst(&device));
            let (a, b) = (kiln_ops::nonzero(mask()), kiln_ops::nonzero(mask()));
            assert_ne!(a.dims(), b.dims());
            let outputs = [id(a.into()), id(b.into())];
            scope.complete([], outputs)
        })
        .unwrap();
    let records: Vec<CustomOpIr> = captured
        .graph
        .operations
        .into_iter()
        .filter_map(|operation| match operation {
            OperationIr::Custom(desc) => Some(desc),
            _ => None,
        })
        .collect();
    assert_eq!(records.len(), 2);
    for record in records {
        let length = record.outputs[0].shape[0];
        assert_eq!(GraphOp::decode(&record), Ok(GraphOp::Nonzero { length }));
    }
}

#[test]
fn wrong_records_are_named() {
    let (record, _) = record_and_replay(|d| kiln_ops::gather(x(d), src(d)).into());
    let change = |f: fn(&mut CustomOpIr)| {
        let mut record = record.clone();
        f(&mut record);
        GraphOp::decode(&record).unwrap_err()
    };
    let error = change(|record| record.id = "kiln::gathr".to_owned());
    assert_eq!(
        error,
        OpDecodeError::UnknownId {
            id: "kiln::gathr".to_owned(),
            expected: GraphOp::IDS,
        }
    );
    let error = change(|record| drop(record.inputs.pop()));
    assert_eq!(
        error.to_string(),
        "operation `kiln::gather` expects 2 input tensors, got 1"
    );
    let error = change(|record| record.id = "kiln::scatter".to_owned());
    assert_eq!(
        error.to_string(),
        "operation `kiln::scatter` expects scalars (size, reduce), got []"
    );
}
