//! Statistics of batches and those that follow them, in recordings.

use burn::tensor::Tensor;

use crate::{scope, wire::GraphOp};

/// The statistic of the batch while a recorded model is trained, and the running one outside.
///
/// While it is trained `running` becomes `(1 - momentum) · running + momentum · newest`, and with
/// `counts` the batches of the module that has it are counted, as PyTorch's batch normalisation
/// does. Outside a recording this is `outside`: a layer knows then which of both it needs, and
/// updates the running one itself.
///
/// # Shapes
/// batch, outside: `[..]` float, the same · newest, running: `[..]`, the same; `running` is a
/// parameter or state of a module · output: that of `batch`
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let row = |value: f32| Tensor::<1>::from_floats([value], &Device::default());
/// let out = kiln_ops::running_statistic(row(3.0), row(1.0), row(3.0), row(1.0), 0.1, false);
/// assert_eq!(out.into_data().as_slice::<f32>().unwrap(), [1.0]);
/// ```
pub fn running_statistic<const D: usize, const R: usize>(
    batch: Tensor<D>,
    outside: Tensor<D>,
    newest: Tensor<R>,
    running: Tensor<R>,
    momentum: f64,
    counts: bool,
) -> Tensor<D> {
    if !scope::is_recording() {
        return outside;
    }
    let op = GraphOp::RunningStatistic { momentum, counts };
    let like = outside.clone();
    let inputs = [outside.into(), batch.into(), newest.into(), running.into()];
    scope::write_down(op, &like, &inputs)
}
