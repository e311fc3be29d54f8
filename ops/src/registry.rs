//! Replay of recorded operations by Burn's own interpreter.
//!
//! A recorded graph holds the operations of this crate under their names. Burn's
//! `TensorInterpreter` runs such a graph on any backend once it knows what the names mean.

use burn::backend::ir::BackendIr;
use burn_router::CustomOpRegistry;

use crate::{
    GraphOps,
    wire::{GraphOp, dense::DenseOp, sorted::SortedOp},
};

/// Makes every operation of this crate known to an interpreter or a remote server.
///
/// # Panics
/// The registered handlers panic when a record is not what [`GraphOp::decode`] accepts.
///
/// # Examples
/// ```
/// use burn::backend::Flex;
/// use burn_router::{CustomOpRegistry, TensorInterpreter};
///
/// let mut registry = CustomOpRegistry::<Flex>::new();
/// kiln_ops::register_graph_ops(&mut registry);
/// let interpreter = TensorInterpreter::with_custom_ops(Default::default(), registry);
/// # let _ = interpreter;
/// ```
pub fn register_graph_ops<B: BackendIr + GraphOps>(registry: &mut CustomOpRegistry<B>) {
    for id in GraphOp::IDS {
        registry.register(id, |handles, desc, device| match GraphOp::decode(desc) {
            Ok(op) => op.execute::<B>(handles, desc, device),
            Err(error) => panic!("{error}"),
        });
    }
    for id in SortedOp::IDS {
        registry.register(id, |handles, desc, _device| match SortedOp::decode(desc) {
            Some(op) => op.execute::<B>(handles, desc),
            None => panic!("operation `{}` has other scalars than expected", desc.id),
        });
    }
    for op in DenseOp::ALL {
        registry.register(op.id(), move |handles, desc, _device| {
            op.execute::<B>(handles, desc);
        });
    }
}
