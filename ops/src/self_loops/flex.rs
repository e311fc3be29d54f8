//! Finding self loops on the CPU: one walk over the edges.

use burn::backend::Shape;
use burn_flex::FlexTensor;

use crate::rows::flex::{Id, elements, tensor, with_id};

/// See [`crate::self_loop_position`].
pub(crate) fn self_loop_position(src: &FlexTensor, dst: &FlexTensor, size: usize) -> FlexTensor {
    let (src, dst) = (src.to_contiguous(), dst.to_contiguous());
    with_id!(src, I => with_id!(dst, J => {
        let (src, dst) = (elements!(src, I), elements!(dst, J));
        let mut out: Vec<I> = vec![I::from_usize(src.len()); size];
        for (edge, (&s, &d)) in src.iter().zip(dst).enumerate() {
            if s.to_i64() == d.to_i64() {
                let node = s.to_usize().unwrap_or_else(|| {
                    panic!("self_loop_position: negative index {} in `src`", s.to_i64())
                });
                if let Some(slot) = out.get_mut(node) {
                    *slot = I::from_usize(edge);
                }
            }
        }
        tensor(out, Shape::new([size]))
    }))
}
