//! Recording: operations become records on Burn's router, which the capture backend keeps and the
//! remote backend sends away.

use burn::backend::{
    DType, TensorMetadata as _, get_or_init_device_settings,
    ir::{OperationIr, OperationOutput as _},
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::FloatDType;
use burn_router::{BackendRouter, RouterChannel, RouterClient as _, RouterTensor};

use super::{deferred::Deferred, table::operations};
use crate::{
    CsrTensors, GraphOps, OptionalTensor, Reduce, SavedAttention, Score, Terms, scope,
    wire::{GraphOp, eager::EagerOp, run::Run},
};

impl<C: RouterChannel> Deferred for BackendRouter<C> {
    type Tensor = RouterTensor<C::Client>;

    fn defer<const M: usize>(
        op: impl Run,
        inputs: Vec<Self::Tensor>,
        dtype: Option<DType>,
    ) -> [Self::Tensor; M] {
        let client = inputs[0].client.clone();
        let inputs: Vec<_> = inputs.into_iter().map(RouterTensor::into_ir).collect();
        let desc = op.describe(&inputs, dtype, || client.create_empty_handle());
        client.register(OperationIr::Custom(desc)).outputs()
    }
}

impl<C: RouterChannel> GraphOps for BackendRouter<C> {
    operations! { records }

    fn dropout(x: FloatTensor<Self>, prob: f64) -> FloatTensor<Self> {
        let [out] = Self::defer(GraphOp::Dropout { prob }, vec![x], None);
        out
    }

    fn detached(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let [out] = Self::defer(GraphOp::Detach, vec![x], None);
        out
    }

    fn nonzero(mask: BoolTensor<Self>) -> IntTensor<Self> {
        let length = scope::selected(mask.shape()[0]);
        positions::<C>(GraphOp::Nonzero { length }, mask)
    }

    fn positions_below(size: IntTensor<Self>) -> IntTensor<Self> {
        let length = scope::selected(COMPUTED);
        positions::<C>(GraphOp::SizeOf { length }, size)
    }
}

/// What a computed size is below while it is recorded: like other sizes, it is below some of them
/// and above others.
const COMPUTED: usize = 4096;

/// The result of an operation on one tensor: positions.
fn positions<C: RouterChannel>(
    op: GraphOp,
    input: RouterTensor<C::Client>,
) -> RouterTensor<C::Client> {
    let device = input.device();
    let dtype = get_or_init_device_settings::<BackendRouter<C>>(&device).int_dtype;
    let [out] = BackendRouter::<C>::defer(op, vec![input], Some(dtype.into()));
    out
}
