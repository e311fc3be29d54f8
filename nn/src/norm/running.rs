//! Statistics that follow those of batches.

use burn::{
    module::{Flag, Param, RunningState},
    tensor::{Device, Tensor},
};
use kiln_ops::{can_be_trained, running_statistic};

/// A running statistic with one value everywhere.
pub(super) fn running<const D: usize>(
    shape: [usize; D],
    value: f64,
    device: &Device,
) -> RunningState<Tensor<D>> {
    RunningState::new(Tensor::full(shape, value, device))
}

/// Whether a norm goes by the statistics of the batch: while it is trained, and in recordings,
/// which can be trained.
pub(super) fn is_trained<const D: usize>(flag: &Param<Flag>, x: &Tensor<D>) -> bool {
    flag.is_enabled() && can_be_trained(x)
}

/// A statistic in its forms while a norm is trained.
pub(super) struct Statistic<const D: usize, const R: usize> {
    /// That of the batch, which training goes by.
    pub(super) batch: Tensor<D>,
    /// The running one in the same shape, which the model goes by outside training.
    pub(super) outside: Tensor<D>,
    /// What the running one follows.
    pub(super) newest: Tensor<R>,
}

impl<const D: usize, const R: usize> Statistic<D, R> {
    /// The statistic to go by, and `running` follows; an exported norm counts its batches where
    /// that is asked for.
    pub(super) fn follow(
        self,
        running: &RunningState<Tensor<R>>,
        momentum: f64,
        counts: bool,
    ) -> Tensor<D> {
        running_statistic(
            [self.batch, self.outside],
            self.newest,
            running.value_sync(),
            (momentum, counts),
            |after| running.update(after),
        )
    }
}
