//! Launches of a run that the device has noted, and repeats at one command.
//!
//! A run of a small graph takes as long as the host needs to launch its kernels. CUDA can note
//! launches instead, with the memory that they read and write, and repeat all of them at once. This
//! follows `burn::tensor::capture`, which keeps what it runs to itself and panics where a
//! repetition fails.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

use burn::backend::{
    Backend, BackendGraph, Dispatch, DispatchDevice, DispatchTensor, TensorMetadata,
    ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
};
use burn::tensor::Slice;

use super::{Kind, empty::is_empty};

/// Runs before the noted one: with fusion, launches are the same from the second on, and by then
/// kernels are compiled and all memory is there, for nothing can be allocated while launches are
/// noted.
const WARM_UPS: usize = 3;

/// A device notes the launches of one thread at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The noted launches, and the results, which each repetition writes anew.
pub(super) struct Replay {
    graph: BackendGraph<Dispatch>,
    pub(super) results: Vec<Option<DispatchTensor>>,
}

impl Replay {
    /// Notes what `run` launches. `None` if the backend cannot do it, or a run fails.
    pub(super) fn new<E>(
        device: &DispatchDevice,
        mut run: impl FnMut() -> Result<Vec<Option<DispatchTensor>>, E>,
    ) -> Option<Self> {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Dispatch::graph_prepare(device).ok()?;
        let mut note = || {
            for _ in 0..WARM_UPS {
                // Held until the device is done: fusion leaves out what nobody waits for.
                let results = run().ok()?;
                Dispatch::sync(device).ok()?;
                drop(results);
            }
            Dispatch::graph_start_capture(device).ok()?;
            run().ok()
        };
        // Whatever happens above, the device must go back to executing launches.
        let results = catch_unwind(AssertUnwindSafe(&mut note)).ok().flatten();
        let graph = Dispatch::graph_stop_capture(device).ok();
        Some(Self {
            graph: graph?,
            results: results?,
        })
    }

    /// Repeats the launches. False if the device refuses, and `results` are then not to be read.
    ///
    /// # Safety
    /// All tensors that `run` read and did not make itself must be alive with the memory that they
    /// had, and be written by nobody else, and likewise `results`. The thread must be on the stream
    /// on which the launches were noted, and so must what has written those tensors since.
    #[expect(unsafe_code, reason = "the device reads and writes noted addresses")]
    pub(super) unsafe fn repeat(&self, device: &DispatchDevice) -> bool {
        // SAFETY: tensors that `run` was given and those it returned are the caller's promise;
        // memory that it used in between is kept from other uses by the runtime as long as `graph`
        // lives.
        unsafe { Dispatch::graph_replay(device, &self.graph) }.is_ok()
    }
}

/// Whether the backend launches kernels at all.
pub(super) fn has_launches(device: &DispatchDevice) -> bool {
    #[cfg(feature = "flex")]
    let is_on_cpu = matches!(device, DispatchDevice::Flex(_));
    #[cfg(not(feature = "flex"))]
    let is_on_cpu = false;
    !is_on_cpu && !Dispatch::ad_enabled(device)
}

/// The values in memory of their own.
pub(super) fn copy(tensor: &DispatchTensor, kind: Kind) -> DispatchTensor {
    let (shape, dtype, device) = (tensor.shape(), tensor.dtype(), tensor.device());
    if is_empty(&shape) {
        return tensor.clone();
    }
    let empty = match kind {
        Kind::Float => Dispatch::float_empty(shape, &device, dtype.into()),
        Kind::Int => Dispatch::int_empty(shape, &device, dtype.into()),
        Kind::Bool => Dispatch::bool_empty(shape, &device, dtype.into()),
    };
    overwrite(empty, tensor.clone(), kind)
}

/// The memory of `target` with other values. In place, where nothing else has this memory.
pub(super) fn overwrite(
    target: DispatchTensor,
    values: DispatchTensor,
    kind: Kind,
) -> DispatchTensor {
    let shape = values.shape();
    if is_empty(&shape) {
        return target;
    }
    let all: Vec<Slice> = shape.iter().map(|&size| Slice::from(0..size)).collect();
    match kind {
        Kind::Float => Dispatch::float_slice_assign(target, &all, values),
        Kind::Int => Dispatch::int_slice_assign(target, &all, values),
        Kind::Bool => Dispatch::bool_slice_assign(target, &all, values),
    }
}
