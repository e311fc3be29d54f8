//! Replay of recorded operations by Burn's own interpreter.
//!
//! A recorded graph holds the operations of this crate under their names. Burn's
//! `TensorInterpreter` runs such a graph on any backend once it knows what the names mean.

use burn::backend::ir::BackendIr;
use burn_router::CustomOpRegistry;

use crate::{
    GraphOps,
    wire::{GraphOp, eager::EagerOp, run::Run as _},
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
    for id in EagerOp::IDS {
        registry.register(id, |handles, desc, device| match EagerOp::decode(desc) {
            Ok(op) => op.execute::<B>(handles, desc, device),
            Err(error) => panic!("{error}"),
        });
    }
}
