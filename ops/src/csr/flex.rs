//! Conversions between edge lists and compressed rows on the CPU: a counting sort and a walk.

use burn_flex::FlexTensor;

use crate::{
    rows::flex::{Id, checked_ptr, elements, vector, with_id},
    sort_edges::flex::{Sorted, sort},
};

/// See [`crate::coo_to_csr`].
pub(crate) fn coo_to_csr(index: &FlexTensor, size: usize) -> (FlexTensor, FlexTensor) {
    let index = index.to_contiguous();
    with_id!(index, I => {
        let names = ["coo_to_csr", "index"];
        // Positions have the type of the index, and fit it.
        I::from_usize(index.layout().num_elements());
        let Sorted { ptr, perm, .. } = sort::<I, I, ()>(elements!(index, I), |_| (), size, names);
        (vector(ptr), vector(perm))
    })
}

/// See [`crate::ptr_to_index`].
pub(crate) fn ptr_to_index(ptr: &FlexTensor, entries: usize) -> FlexTensor {
    let ptr = ptr.to_contiguous();
    with_id!(ptr, I => {
        let ptr = checked_ptr(elements!(ptr, I), entries, "ptr_to_index", "ptr");
        let mut out: Vec<I> = Vec::with_capacity(entries);
        for (row, range) in ptr.windows(2).enumerate() {
            out.extend(core::iter::repeat_n(I::from_usize(row), range[1] - range[0]));
        }
        vector(out)
    })
}
