//! What Burn captures of the layer at the sizes of the case, run by Burn's own interpreter.

use burn_router::{CustomOpRegistry, TensorInterpreter};
use kiln::{
    burn::{
        backend::{
            Flex, FlexDevice,
            ir::{TensorId, TensorIr, TensorStatus},
        },
        module::Module as _,
        tensor::{DType, Device, TensorData, try_read_sync},
    },
    ops::{self, scope},
};

use super::{Case, Runtime};
use crate::call;

pub(crate) struct Replay;

impl Runtime for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn missing(&self, case: &Case<'_>) -> Option<&'static str> {
        let nodes = case
            .model
            .program
            .functions
            .iter()
            .flat_map(|function| &function.nodes);
        let mut ops = nodes.map(|node| &node.op);
        ops.any(|op| op.effects().makes_size)
            .then_some("has sizes that values decide, which a capture cannot know")
    }

    fn run(&self, case: &Case<'_>) -> Vec<TensorData> {
        let device = Device::capture();
        let captured = device.capture_scope(|capture| {
            let module = case.module.clone().to_device(&device);
            let outputs = call::on_device(
                &module,
                &case.overload,
                &case.inputs,
                case.counts(),
                &device,
            );
            let outputs: Vec<TensorId> = outputs
                .into_iter()
                .map(|tensor| scope::unwrap(tensor).id())
                .collect();
            capture.complete([], outputs)
        });
        let captured = captured.unwrap();
        let mut registry = CustomOpRegistry::<Flex>::new();
        ops::register_graph_ops(&mut registry);
        let mut interpreter = TensorInterpreter::with_custom_ops(FlexDevice, registry);
        for (id, data) in captured.values {
            interpreter.register_tensor_data_id(id, data);
        }
        let mut results: Vec<TensorIr> = Vec::new();
        for operation in captured.graph.operations {
            results.extend(operation.outputs().cloned());
            interpreter.register_op(operation);
        }
        let read = |id: &TensorId| {
            let mut result = results
                .iter()
                .find(|result| result.id == *id)
                .unwrap()
                .clone();
            result.status = TensorStatus::ReadOnly;
            let data = try_read_sync(interpreter.read_tensor_async(result))
                .unwrap()
                .unwrap();
            let is_float = data.dtype().is_float();
            data.convert_dtype(if is_float { DType::F32 } else { DType::I64 })
        };
        captured.graph.outputs.iter().map(read).collect()
    }
}
