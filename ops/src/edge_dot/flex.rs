//! Inner products along edges on the CPU: a row's own features stay in the cache while its entries
//! pass.

use burn::backend::{Flex, Shape, TensorMetadata as _};
use burn_flex::FlexTensor;

use crate::{
    CsrTensors,
    rows::{
        flex::{Real, elements, row_width, tensor, widened, with_real},
        walk::{Contiguous, Scattered, Tile, dot, for_ranges, position, stretch, tiles},
    },
};

/// See [`crate::GraphOps::edge_dot_csr`].
pub(crate) fn edge_dot(a: &FlexTensor, b: &FlexTensor, csr: &CsrTensors<Flex>) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let (width, edges) = (row_width(&a.shape()), walk.entries());
    let (heads, shape) = match a.shape().num_dims() {
        3 => {
            let heads = a.shape()[1];
            (heads, Shape::new([edges, heads]))
        }
        _ => (1, Shape::new([edges])),
    };
    widened([a, b], |[a, b]| {
        with_real!(a, T => {
            let (a, b) = (elements!(a, T), elements!(b, T));
            let out = Scattered::<T>::zeros(edges * heads);
            let channels = width / heads.max(1);
            let ranges = walk.ranges(width);
            let parts = vec![(); ranges.len()];
            for_ranges(ranges, parts, #[inline(always)] |range, ()| {
                let mut sums: Vec<T> = Vec::new();
                for row in range {
                    let (cols, edges) = walk.row(row);
                    let own = &a[row * width..][..width];
                    sums.clear();
                    sums.resize(cols.len() * heads, T::ZERO);
                    for head in 0..heads {
                        let mut tile = DotTile { own, b, width, cols, heads, head, sums: &mut sums };
                        tiles(head * channels, (head + 1) * channels, &mut tile);
                    }
                    for (entry, &edge) in edges.iter().enumerate() {
                        for head in 0..heads {
                            out.set(position(edge) * heads + head, sums[entry * heads + head]);
                        }
                    }
                }
            });
            tensor(out.into_vec(), shape)
        })
    })
}

struct DotTile<'a, T> {
    own: &'a [T],
    b: &'a [T],
    width: usize,
    cols: &'a [i32],
    heads: usize,
    head: usize,
    sums: &'a mut [T],
}

impl<T: Real> Tile for DotTile<'_, T> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let own = stretch::<T, LENGTH>(self.own, 0, self.width, at);
        for (&col, sums) in self.cols.iter().zip(self.sums.chunks_exact_mut(self.heads)) {
            let other = stretch::<T, LENGTH>(self.b, col, self.width, at);
            sums[self.head] = sums[self.head] + dot(own, other);
        }
    }
}
