//! Sums where two rows agree, on the CPU.

use burn::backend::{Flex, TensorMetadata as _};
use burn_flex::FlexTensor;
use kiln_core::HUB;

use crate::{
    CsrTensors,
    rows::{
        flex::{Real, elements, row_width, tensor, widened, with_real},
        walk::{Contiguous, Tile, cut, for_ranges, in_pieces, pick, stretch, tiles},
    },
};

/// See [`crate::GraphOps::match_sum_csr`].
pub(crate) fn match_sum(
    a: &FlexTensor,
    b: &FlexTensor,
    v: &FlexTensor,
    csr: &CsrTensors<Flex>,
) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let shape = a.shape();
    let width = row_width(&shape);
    widened([a, b, v], |[a, b, v]| {
        with_real!(a, T => {
            let (a, b, v) = (elements!(a, T), elements!(b, T), elements!(v, T));
            let mut out = vec![T::ZERO; a.len()];
            if width > 0 {
                let ranges = walk.ranges(width);
                let parts = cut(&mut out, width, &ranges);
                for_ranges(ranges, parts, #[inline(always)] |range, out| {
                    for (row, out) in range.zip(out.chunks_exact_mut(width)) {
                        let (cols, _) = walk.row(row);
                        if cols.len() <= HUB {
                            let own = &a[row * width..][..width];
                            tiles(0, width, &mut MatchTile { own, b, v, width, cols, out });
                        }
                    }
                });
                let hubs = walk.hubs();
                let parts = pick(&mut out, width, &hubs);
                for_ranges(hubs, parts, #[inline(always)] |range, out| {
                    let (cols, _) = walk.row(range.start);
                    let own = &a[range.start * width..][..width];
                    let mut part = vec![T::ZERO; width];
                    in_pieces(cols.len(), [out, &mut part], #[inline(always)] |entries, out| {
                        let cols = &cols[entries];
                        tiles(0, width, &mut MatchTile { own, b, v, width, cols, out });
                    });
                });
            }
            tensor(out, shape)
        })
    })
}

struct MatchTile<'a, T> {
    own: &'a [T],
    b: &'a [T],
    v: &'a [T],
    width: usize,
    cols: &'a [i32],
    out: &'a mut [T],
}

impl<T: Real> Tile for MatchTile<'_, T> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let own = stretch::<T, LENGTH>(self.own, 0, self.width, at);
        let mut sums = [T::ZERO; LENGTH];
        for &col in self.cols {
            let b = stretch::<T, LENGTH>(self.b, col, self.width, at);
            let v = stretch::<T, LENGTH>(self.v, col, self.width, at);
            for lane in 0..LENGTH {
                let hit = if own[lane] == b[lane] {
                    v[lane]
                } else {
                    T::ZERO
                };
                sums[lane] = sums[lane] + hit;
            }
        }
        self.out[at..at + LENGTH].copy_from_slice(&sums);
    }
}
