//! Reduction of the rows at the other end of each row's edges, on the CPU.
//!
//! What an entry is multiplied with, and what a row adds of its own, is a [`Weight`]: each kind makes
//! a loop of its own, so that sums without weights pay nothing for those with.

use burn::backend::{Flex, TensorMetadata as _};
use burn_flex::FlexTensor;

use crate::{
    CsrTensors, Reduce,
    rows::{
        flex::{Real, elements, row_width, tensor, widened, with_real, with_rows},
        walk::{Contiguous, Tile, Walk, cut, for_ranges, position, stretch, tiles},
    },
};

/// See [`crate::GraphOps::aggregate`] and [`crate::GraphOps::aggregate_weighted`].
pub(crate) fn aggregate(
    x: &FlexTensor,
    weight: Option<&FlexTensor>,
    csr: &CsrTensors<Flex>,
    reduce: Reduce,
) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let shape = with_rows(&x.shape(), walk.rows());
    let width = row_width(&shape);
    match weight {
        None => widened([x], |[x]| {
            with_real!(x, T => {
                tensor(reduced(elements!(x, T), width, &walk, reduce, &Unweighted), shape)
            })
        }),
        Some(weight) => widened([x, weight], |[x, weight]| {
            let heads = row_width(&weight.shape());
            with_real!(x, T => {
                let weight = Weighted { values: elements!(weight, T), heads };
                tensor(reduced(elements!(x, T), width, &walk, reduce, &weight), shape)
            })
        }),
    }
}

/// See [`crate::GraphOps::aggregate_normalized`].
pub(crate) fn aggregate_normalized(
    x: &FlexTensor,
    scale: &FlexTensor,
    csr: &CsrTensors<Flex>,
    self_loop: Option<f64>,
) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let shape = x.shape();
    let width = row_width(&shape);
    widened([x, scale], |[x, scale]| {
        with_real!(x, T => {
            let (scale, self_loop) = (elements!(scale, T), self_loop.map(T::from_f64));
            let weight = Normalized { scale, self_loop };
            tensor(reduced(elements!(x, T), width, &walk, Reduce::Sum, &weight), shape)
        })
    })
}

/// See [`crate::GraphOps::aggregate_self`].
pub(crate) fn aggregate_self(
    x: &FlexTensor,
    weight: &FlexTensor,
    csr: &CsrTensors<Flex>,
) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let shape = x.shape();
    let width = row_width(&shape);
    widened([x, weight], |[x, weight]| {
        with_real!(x, T => {
            let weight = WithOwn { weight: elements!(weight, T)[0] };
            tensor(reduced(elements!(x, T), width, &walk, Reduce::Sum, &weight), shape)
        })
    })
}

/// See [`crate::GraphOps::aggregate_mean_backward`].
pub(crate) fn aggregate_mean_backward(
    grad: &FlexTensor,
    csr: &CsrTensors<Flex>,
    transposed: &CsrTensors<Flex>,
) -> FlexTensor {
    let (csr, transposed) = (Contiguous::new(csr), Contiguous::new(transposed));
    let (lengths, walk) = (csr.walk(), transposed.walk());
    let shape = with_rows(&grad.shape(), walk.rows());
    let width = row_width(&shape);
    widened([grad], |[grad]| {
        with_real!(grad, T => {
            let weight = ByLength { lengths };
            tensor(reduced(elements!(grad, T), width, &walk, Reduce::Sum, &weight), shape)
        })
    })
}

/// What entries are multiplied with, and what becomes of their sum.
trait Weight<T>: Sync {
    /// Number of weights an entry.
    fn heads(&self) -> usize;
    /// The product of a feature and the weight of an entry.
    fn weigh(&self, row: usize, col: i32, edge: i32, head: usize) -> impl Fn(T) -> T;
    /// The weight of the row's own features and the factor of the whole sum, if there are such.
    fn own(&self, _row: usize) -> Option<(T, T)> {
        None
    }
}

struct Unweighted;

impl<T> Weight<T> for Unweighted {
    fn heads(&self) -> usize {
        1
    }

    #[inline(always)]
    fn weigh(&self, _row: usize, _col: i32, _edge: i32, _head: usize) -> impl Fn(T) -> T {
        |x| x
    }
}

struct Weighted<'a, T> {
    values: &'a [T],
    heads: usize,
}

impl<T: Real> Weight<T> for Weighted<'_, T> {
    fn heads(&self) -> usize {
        self.heads
    }

    #[inline(always)]
    fn weigh(&self, _row: usize, _col: i32, edge: i32, head: usize) -> impl Fn(T) -> T {
        let weight = self.values[position(edge) * self.heads + head];
        move |x| weight * x
    }
}

/// Both ends of an entry have a factor, and a row has a loop in place of its own.
struct Normalized<'a, T> {
    scale: &'a [T],
    self_loop: Option<T>,
}

impl<T: Real> Weight<T> for Normalized<'_, T> {
    fn heads(&self) -> usize {
        1
    }

    #[inline(always)]
    fn weigh(&self, row: usize, col: i32, _edge: i32, _head: usize) -> impl Fn(T) -> T {
        let scale = if self.self_loop.is_some() && position(col) == row {
            T::ZERO
        } else {
            self.scale[position(col)]
        };
        move |x| scale * x
    }

    #[inline(always)]
    fn own(&self, row: usize) -> Option<(T, T)> {
        let scale = self.scale[row];
        Some((self.self_loop.unwrap_or(T::ZERO) * scale, scale))
    }
}

/// Entries as they are, and the row's own features with a weight.
struct WithOwn<T> {
    weight: T,
}

impl<T: Real> Weight<T> for WithOwn<T> {
    fn heads(&self) -> usize {
        1
    }

    #[inline(always)]
    fn weigh(&self, _row: usize, _col: i32, _edge: i32, _head: usize) -> impl Fn(T) -> T {
        |x| x
    }

    #[inline(always)]
    fn own(&self, _row: usize) -> Option<(T, T)> {
        Some((self.weight, T::ONE))
    }
}

/// Entries are divided by the lengths of their columns' rows in another walk.
struct ByLength<'a> {
    lengths: Walk<'a>,
}

impl<T: Real> Weight<T> for ByLength<'_> {
    fn heads(&self) -> usize {
        1
    }

    #[inline(always)]
    fn weigh(&self, _row: usize, col: i32, _edge: i32, _head: usize) -> impl Fn(T) -> T {
        let (cols, _) = self.lengths.row(position(col));
        let share = T::ONE / T::from_count(cols.len());
        move |x| share * x
    }
}

fn reduced<T: Real>(
    x: &[T],
    width: usize,
    walk: &Walk<'_>,
    reduce: Reduce,
    weight: &impl Weight<T>,
) -> Vec<T> {
    match reduce {
        Reduce::Sum => rows(x, width, walk, weight, |a, b| a + b, false),
        Reduce::Mean => rows(x, width, walk, weight, |a, b| a + b, true),
        Reduce::Max => {
            let larger = |a: T, b: T| if b > a || b.is_nan() { b } else { a };
            rows(x, width, walk, weight, larger, false)
        }
        Reduce::Min => {
            let smaller = |a: T, b: T| if b < a || b.is_nan() { b } else { a };
            rows(x, width, walk, weight, smaller, false)
        }
        Reduce::Mul => panic!("aggregate: products are computed by `spmm`"),
    }
}

fn rows<T: Real>(
    x: &[T],
    width: usize,
    walk: &Walk<'_>,
    weight: &impl Weight<T>,
    combine: impl Fn(T, T) -> T + Copy + Sync,
    mean: bool,
) -> Vec<T> {
    let mut out = vec![T::ZERO; walk.rows() * width];
    if width == 0 {
        return out;
    }
    let heads = weight.heads();
    let channels = width / heads;
    let ranges = walk.ranges(width);
    let parts = cut(&mut out, width, &ranges);
    for_ranges(
        ranges,
        parts,
        #[inline(always)]
        |range, out| {
            for (row, out) in range.zip(out.chunks_exact_mut(width)) {
                let (cols, edges) = walk.row(row);
                let own = weight.own(row);
                if cols.is_empty() && own.is_none() {
                    continue;
                }
                let divisor = if mean && cols.len() > 1 {
                    Some(T::from_count(cols.len()))
                } else {
                    None
                };
                for head in 0..heads {
                    let mut tile = ReduceTile {
                        x,
                        width,
                        row,
                        cols,
                        edges,
                        head,
                        weight,
                        own,
                        combine,
                        divisor,
                        out: &mut *out,
                    };
                    tiles(head * channels, (head + 1) * channels, &mut tile);
                }
            }
        },
    );
    out
}

struct ReduceTile<'a, T, W, C> {
    x: &'a [T],
    width: usize,
    row: usize,
    cols: &'a [i32],
    edges: &'a [i32],
    head: usize,
    weight: &'a W,
    own: Option<(T, T)>,
    combine: C,
    divisor: Option<T>,
    out: &'a mut [T],
}

impl<T: Real, W: Weight<T>, C: Fn(T, T) -> T + Copy> Tile for ReduceTile<'_, T, W, C> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let (x, width, combine) = (self.x, self.width, self.combine);
        let mut entries = self.cols.iter().zip(self.edges);
        let mut sums = [T::ZERO; LENGTH];
        if let Some((&col, &edge)) = entries.next() {
            let weigh = self.weight.weigh(self.row, col, edge, self.head);
            sums = stretch::<T, LENGTH>(x, col, width, at).map(weigh);
        }
        for (&col, &edge) in entries {
            let weigh = self.weight.weigh(self.row, col, edge, self.head);
            let x = stretch::<T, LENGTH>(x, col, width, at);
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum = combine(*sum, weigh(x));
            }
        }
        if let Some(divisor) = self.divisor {
            for sum in &mut sums {
                *sum = *sum / divisor;
            }
        }
        if let Some((weight, factor)) = self.own {
            let own = &x[self.row * width + at..][..LENGTH];
            for (sum, &x) in sums.iter_mut().zip(own) {
                *sum = (*sum + weight * x) * factor;
            }
        }
        self.out[at..at + LENGTH].copy_from_slice(&sums);
    }
}
