//! Gather on the CPU: one copy per row.

use burn::backend::TensorMetadata as _;
use burn_flex::FlexTensor;

use crate::rows::{
    flex::{checked, elements, for_each_row, row_width, tensor, with_id, with_real, with_rows},
    stored::widened,
};

/// See [`crate::gather`].
pub(crate) fn gather(x: &FlexTensor, index: &FlexTensor) -> FlexTensor {
    let index = index.to_contiguous();
    let shape = x.shape();
    let (rows, width, edges) = (shape[0], row_width(&shape), index.shape()[0]);
    widened([x], |[x]| {
        with_real!(x, T => with_id!(index, I => {
            let (values, ids) = (elements!(x, T), elements!(index, I));
            if width == 0 {
                for &id in ids {
                    checked(id, rows, "gather", "index");
                }
            }
            let mut out: Vec<T> = vec![0.0; edges * width];
            for_each_row(&mut out, width, edges * width, |edge, out| {
                let row = checked(ids[edge], rows, "gather", "index");
                out.copy_from_slice(&values[row * width..][..width]);
            });
            tensor(out, with_rows(&shape, edges))
        }))
    })
}
