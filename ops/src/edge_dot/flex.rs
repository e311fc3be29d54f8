//! Inner products along edges on the CPU: a row's own features stay in the cache while its entries
//! pass.

use burn::backend::{Flex, Shape, TensorMetadata as _};
use burn_flex::FlexTensor;

use crate::{
    CsrTensors,
    rows::{
        flex::{elements, row_width, tensor},
        stored::{Stored, stored, with_stored},
        walk::{
            Contiguous, Scattered, Tile, Walk, dot, fetch, for_ranges, position, stretch, tiles,
        },
    },
};

/// See [`crate::GraphOps::edge_dot_csr`].
pub(crate) fn edge_dot_csr(a: &FlexTensor, b: &FlexTensor, csr: &CsrTensors<Flex>) -> FlexTensor {
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
    stored([a, b], |[a, b]| {
        with_stored!(a, S => {
            tensor(products([elements!(a, S), elements!(b, S)], [width, heads], &walk), shape)
        })
    })
}

fn products<S: Stored>([a, b]: [&[S]; 2], [width, heads]: [usize; 2], walk: &Walk<'_>) -> Vec<S> {
    let out = Scattered::<S>::zeros(walk.entries() * heads);
    let channels = width / heads.max(1);
    let ranges = walk.ranges(width);
    let parts = vec![(); ranges.len()];
    for_ranges(
        ranges,
        parts,
        #[inline(always)]
        |range, ()| {
            let mut sums = Vec::new();
            for row in range {
                let (cols, edges) = walk.ahead(row);
                for (&col, &edge) in cols.iter().zip(edges) {
                    fetch(b, position(col) * width, width);
                    out.fetch(position(edge) * heads, heads);
                }
                let (cols, edges) = walk.row(row);
                let own = &a[row * width..][..width];
                sums.clear();
                sums.resize(cols.len() * heads, S::Sum::ZERO);
                for head in 0..heads {
                    let mut tile = DotTile {
                        own,
                        b,
                        width,
                        cols,
                        heads,
                        head,
                        sums: &mut sums,
                    };
                    tiles(head * channels, (head + 1) * channels, &mut tile);
                }
                for (entry, &edge) in edges.iter().enumerate() {
                    for head in 0..heads {
                        let sum = S::narrow(sums[entry * heads + head]);
                        out.set(position(edge) * heads + head, sum);
                    }
                }
            }
        },
    );
    out.into_vec()
}

struct DotTile<'a, S: Stored> {
    own: &'a [S],
    b: &'a [S],
    width: usize,
    cols: &'a [i32],
    heads: usize,
    head: usize,
    sums: &'a mut [S::Sum],
}

impl<S: Stored> Tile for DotTile<'_, S> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let own = stretch::<S, LENGTH>(self.own, 0, self.width, at);
        for (&col, sums) in self.cols.iter().zip(self.sums.chunks_exact_mut(self.heads)) {
            let other = stretch::<S, LENGTH>(self.b, col, self.width, at);
            sums[self.head] = sums[self.head] + dot(own, other);
        }
    }
}
