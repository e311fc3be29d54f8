//! Sums where two rows agree, on the CPU.

use burn::backend::{Flex, TensorMetadata as _};
use burn_flex::FlexTensor;
use kiln_core::HUB;

use crate::{
    CsrTensors,
    rows::{
        flex::{elements, row_width, tensor},
        stored::Real,
        stored::{Stored, narrow, stored, with_stored},
        walk::{
            Contiguous, Tile, Walk, cut, fetch, for_ranges, in_pieces, pick, position, stretch,
            tiles,
        },
    },
};

/// See [`crate::GraphOps::match_sum_csr`].
pub(crate) fn match_sum_csr(
    a: &FlexTensor,
    b: &FlexTensor,
    v: &FlexTensor,
    csr: &CsrTensors<Flex>,
) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let shape = a.shape();
    let width = row_width(&shape);
    stored([a, b, v], |[a, b, v]| {
        with_stored!(a, S => {
            let values = [elements!(a, S), elements!(b, S), elements!(v, S)];
            tensor(rows(values, width, &walk), shape)
        })
    })
}

fn rows<S: Stored>([a, b, v]: [&[S]; 3], width: usize, walk: &Walk<'_>) -> Vec<S> {
    let mut out = vec![S::ZERO; a.len()];
    if width == 0 {
        return out;
    }
    let own = |row: usize| &a[row * width..][..width];
    let ranges = walk.ranges(width);
    let parts = cut(&mut out, width, &ranges);
    for_ranges(
        ranges,
        parts,
        #[inline(always)]
        |range, out| {
            for (row, out) in range.zip(out.chunks_exact_mut(width)) {
                for &col in walk.ahead(row).0 {
                    fetch(b, position(col) * width, width);
                    fetch(v, position(col) * width, width);
                }
                let (cols, _) = walk.row(row);
                if cols.len() <= HUB {
                    let own = own(row);
                    let mut tile = MatchTile {
                        own,
                        b,
                        v,
                        width,
                        cols,
                        out,
                    };
                    tiles(0, width, &mut tile);
                }
            }
        },
    );
    let hubs = walk.hubs();
    let parts = pick(&mut out, width, &hubs);
    for_ranges(
        hubs,
        parts,
        #[inline(always)]
        |range, out| {
            let (own, (cols, _)) = (own(range.start), walk.row(range.start));
            let sums = in_pieces(
                cols.len(),
                width,
                #[inline(always)]
                |entries, out| {
                    let mut tile = MatchTile {
                        own,
                        b,
                        v,
                        width,
                        cols: &cols[entries],
                        out,
                    };
                    tiles(0, width, &mut tile);
                },
            );
            narrow(&sums, out);
        },
    );
    out
}

/// What an entry adds to a sum of `v` where `a` and `b` agree: NaN where one of these is not a
/// number.
#[inline(always)]
pub(crate) fn matched<T: Real>(a: T, b: T, v: T) -> T {
    if a == b {
        v
    } else if a.is_nan() || b.is_nan() {
        T::NAN
    } else {
        T::ZERO
    }
}

struct MatchTile<'a, S, O> {
    own: &'a [S],
    b: &'a [S],
    v: &'a [S],
    width: usize,
    cols: &'a [i32],
    /// The type of `v`, or that of sums.
    out: &'a mut [O],
}

impl<S: Stored, O: Stored<Sum = S::Sum>> Tile for MatchTile<'_, S, O> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let own = stretch::<S, LENGTH>(self.own, 0, self.width, at);
        let mut sums = [S::Sum::ZERO; LENGTH];
        for &col in self.cols {
            let b = stretch::<S, LENGTH>(self.b, col, self.width, at);
            let v = stretch::<S, LENGTH>(self.v, col, self.width, at);
            for lane in 0..LENGTH {
                let share = matched(own[lane].widen(), b[lane].widen(), v[lane].widen());
                sums[lane] = sums[lane] + share;
            }
        }
        narrow(&sums, &mut self.out[at..at + LENGTH]);
    }
}
