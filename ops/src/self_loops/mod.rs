//! Self loops without data-dependent shapes.
//!
//! PyG's `add_remaining_self_loops` removes the loops of a graph, then appends one loop a node that
//! keeps the weight of the node's last loop. Removing makes the number of edges depend on values;
//! the position of the last loop is what is needed to do the same with a fixed number of edges.

#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "flex")]
pub(crate) mod flex;

use burn::tensor::{Int, Tensor};

use crate::dispatch;

/// For each node the number of its last self loop, or `E` where it has none.
///
/// ```text
/// out[i] = max { e : src[e] = dst[e] = i }        (E for the empty set)
/// ```
///
/// # Shapes
/// src, dst: `[E]` int · output: `[size]` of the type of `src`. Loops at nodes `≥ size` do not
/// count.
///
/// # Panics
/// If the lengths differ; on the CPU, if a loop's node is negative.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let device = Device::default();
/// let src = Tensor::<1, Int>::from_ints([0, 1, 1], &device);
/// let dst = Tensor::<1, Int>::from_ints([1, 1, 1], &device);
/// let out = kiln_ops::self_loop_position(src, dst, 2).into_data();
/// assert_eq!(out.iter::<i64>().collect::<Vec<_>>(), [3, 2]);
/// ```
pub fn self_loop_position(src: Tensor<1, Int>, dst: Tensor<1, Int>, size: usize) -> Tensor<1, Int> {
    let out = dispatch::self_loop_position(src.into_dispatch(), dst.into_dispatch(), size);
    Tensor::from_dispatch(out)
}
