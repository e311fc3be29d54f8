//! Lazy execution in front of the GPU backends: operations run when Burn's fusion executes its
//! stream.
//!
//! An operation of this crate ends the block of element-wise operations before it.

use core::marker::PhantomData;

use burn::backend::{
    DType,
    tensor::{FloatTensor, IntTensor},
};
use burn::tensor::FloatDType;
use burn_fusion::{
    ExecutionError, Fusion, FusionBackend, FusionRuntime, FusionTensor,
    custom::{CustomOpIr, HandleContainer, Operation, OperationIr, OperationOutput as _, StreamId},
};

use super::{deferred::Deferred, table::operations};
use crate::{
    CsrTensors, GraphOps, OptionalTensor, Reduce, SavedAttention, Score, Terms, relu,
    wire::{GraphOp, eager::EagerOp, run::Run},
};

/// A record that waits to run.
#[derive(Debug)]
struct Waiting<B: FusionBackend, O> {
    op: O,
    desc: CustomOpIr,
    device: B::Device,
    backend: PhantomData<fn() -> B>,
}

impl<B: FusionBackend + GraphOps, O: Run> Operation<B::FusionRuntime> for Waiting<B, O> {
    fn execute(
        &self,
        handles: &mut HandleContainer<<B::FusionRuntime as FusionRuntime>::FusionHandle>,
    ) -> Result<(), ExecutionError> {
        self.op.execute::<B>(handles, &self.desc, &self.device);
        Ok(())
    }
}

impl<B: FusionBackend + GraphOps> Deferred for Fusion<B> {
    type Tensor = FusionTensor<B::FusionRuntime>;

    fn defer<const M: usize>(
        op: impl Run,
        inputs: Vec<Self::Tensor>,
        dtype: Option<DType>,
    ) -> [Self::Tensor; M] {
        let client = inputs[0].client.clone();
        let inputs: Vec<_> = inputs.into_iter().map(FusionTensor::into_ir).collect();
        let desc = op.describe(&inputs, dtype, || client.create_empty_handle());
        let waiting = Waiting::<B, _> {
            op,
            desc: desc.clone(),
            device: client.device().clone(),
            backend: PhantomData,
        };
        client
            .register(StreamId::current(), OperationIr::Custom(desc), waiting)
            .outputs()
    }
}

impl<B: FusionBackend + GraphOps> GraphOps for Fusion<B> {
    operations! { records }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        relu::gpu::rectify::<Self>(x)
    }

    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        let [out] = Self::defer(EagerOp::Matmul, vec![lhs, rhs], None);
        out
    }
}
