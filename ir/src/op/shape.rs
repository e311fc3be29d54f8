//! Operations that move elements and change shapes.

use kiln_ops::Reduce;

use super::spec::{Extent, operations};
use crate::size::Size;

operations! {
    /// Operations that move elements and change shapes.
    ShapeOp {
        /// The same elements in row-major order with other sizes.
        Reshape "reshape" {
            /// Sizes of the result, as many elements as `x` has.
            dims: Vec<Size>,
        } (x: Any) -> 1;
        /// Axes in another order.
        Permute "permute" {
            /// For each axis of the result, that of `x`.
            axes: Vec<u32>,
        } (x: Any) -> 1;
        /// Axes of size 1 repeated, and further axes in front.
        Expand "expand" {
            /// Sizes of the result.
            dims: Vec<Size>,
        } (x: Any) -> 1;
        /// A range of each axis, with step 1.
        Slice "slice" {
            /// One range per axis.
            ranges: Vec<(Size, Size)>,
        } (x: Any) -> 1;
        /// Tensors joined along an axis.
        Cat "cat" {
            /// The axis.
            dim: u32,
        } (part: Any many) -> 1;
        /// A tensor repeated as a whole along an axis.
        RepeatDim "repeat_dim" {
            /// The axis.
            dim: u32,
            /// Number of times.
            times: Size,
        } (x: Any) -> 1;
        /// Rows, or slices along another axis, by index `[K]`.
        Select "select" {
            /// The axis.
            dim: u32,
        } (x: Any, index: Int below(Extent::Axis("x", "dim"))) -> 1;
        /// Elements by index along an axis; the index has the rank of `x`.
        GatherElements "gather_elements" {
            /// The axis.
            dim: u32,
        } (x: Any, index: Int below(Extent::Axis("x", "dim"))) -> 1;
        /// Elements along an axis, each reduced with the values whose index is its position;
        /// `index` and `value` have one shape, of the rank of `x`. There are no means of integers.
        ScatterElements "scatter_elements" {
            /// The axis.
            dim: u32,
            /// How.
            reduce: Reduce,
        } (x: Number, index: Int below(Extent::Axis("x", "dim")), value: Same) -> 1
            is widens(&["sum", "mul"]);
    }
}
