//! Statistics of batches, and those that follow them.

use burn::tensor::Tensor;

use crate::{scope, wire::GraphOp};

/// Whether what is done with a tensor belongs to training: on an autodiff device, and in
/// recordings, which can be trained.
pub fn can_be_trained<const D: usize>(x: &Tensor<D>) -> bool {
    x.device().is_autodiff() || scope::is_recording()
}

/// The statistic of the batch while a model is trained, and the running one outside.
///
/// While it is trained the running one becomes `(1 - momentum) · running + momentum · newest`: in a
/// program where it is recorded, and otherwise by `keep`, which gets it. With `counts` a recorded
/// module that is trained counts its batches, as PyTorch's batch normalisation does.
///
/// # Shapes
/// batch, outside: `[..]` float, the same · newest, running: `[..]`, the same; in a recording
/// `running` is a state of a module · output: that of `batch`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let value = |x: Tensor<1>| x.into_data().iter::<f32>().next().unwrap();
/// let run = |device: Device| {
///     let row = |value: f32| Tensor::<1>::from_floats([value], &device);
///     let (batch, running, mut kept) = (row(3.0), row(1.0), None);
///     let [outside, newest] = [running.clone(), batch.clone()];
///     let keep = |after| kept = Some(after);
///     let out = kiln_ops::running_statistic([batch, outside], newest, running, (0.5, false), keep);
///     (value(out), kept.map(value))
/// };
/// assert_eq!(run(Device::default()), (1.0, None));
/// assert_eq!(run(Device::default().autodiff()), (3.0, Some(2.0)));
/// ```
pub fn running_statistic<const D: usize, const R: usize>(
    [batch, outside]: [Tensor<D>; 2],
    newest: Tensor<R>,
    running: Tensor<R>,
    (momentum, counts): (f64, bool),
    keep: impl FnOnce(Tensor<R>),
) -> Tensor<D> {
    if scope::is_recording() {
        let op = GraphOp::RunningStatistic { momentum, counts };
        let like = outside.clone();
        let inputs = [outside.into(), batch.into(), newest.into(), running.into()];
        return scope::write_down(op, &like, &inputs);
    }
    if !batch.device().is_autodiff() {
        return outside;
    }
    let dtype = running.dtype();
    let kept = running.to_device(&newest.device()).cast(newest.dtype()) * (1.0 - momentum);
    keep((kept + newest * momentum).cast(dtype).detach());
    batch
}
