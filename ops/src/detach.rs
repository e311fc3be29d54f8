//! Values without gradients, recordable.

use burn::{backend::Dispatch, tensor::Tensor};

use crate::GraphOps;

/// The same values, through which no gradient flows.
///
/// Burn's `detach`, which a recording does not see: this is written down, so that a recorded
/// forward pass has the same gradients where it is trained.
///
/// # Shapes
/// x: `[..]` float · output: the same
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Tensor};
///
/// let x = Tensor::<1>::from_floats([3.0], &Device::default().autodiff()).require_grad();
/// let grads = (x.clone() * kiln_ops::detach(x.clone())).backward();
/// let slope = x.grad(&grads).unwrap().into_data();
/// assert_eq!(slope.as_slice::<f32>().unwrap(), [3.0]);
/// ```
pub fn detach<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as GraphOps>::detached(x.into_dispatch()))
}
