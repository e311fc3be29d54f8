//! Reduction of the rows at the other end of each row's edges, on the CPU.
//!
//! What an entry is multiplied with, and what a row adds of its own, is a [`Weight`]: each kind
//! makes a loop of its own, so that sums without weights pay nothing for those with.

use burn::backend::{Flex, TensorMetadata as _};
use burn_flex::FlexTensor;
use kiln_core::HUB;

use crate::{
    CsrTensors, Reduce, Terms,
    rows::{
        flex::{elements, row_width, tensor, with_rows},
        stored::Real,
        stored::{Stored, narrow, stored, with_stored},
        walk::{
            Contiguous, Part, Tile, Unfilled, Walk, fetch, for_ranges, in_pieces, pick, position,
            stretch, tiles,
        },
    },
};

/// See [`crate::GraphOps::aggregate`].
pub(crate) fn aggregate(
    x: &FlexTensor,
    terms: &Terms<Flex>,
    csr: &CsrTensors<Flex>,
    reduce: Reduce,
) -> FlexTensor {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let shape = with_rows(&x.shape(), walk.rows());
    let width = row_width(&shape);
    match terms {
        Terms::Ones => stored([x], |[x]| {
            with_stored!(x, S => {
                tensor(reduced(elements!(x, S), width, &walk, reduce, &Unweighted), shape)
            })
        }),
        Terms::Edges(weight) => stored([x, weight], |[x, weight]| {
            let heads = row_width(&weight.shape());
            with_stored!(x, S => {
                let weight = Weighted { values: elements!(weight, S), heads };
                tensor(reduced(elements!(x, S), width, &walk, reduce, &weight), shape)
            })
        }),
        Terms::Nodes { scale, self_loop } => stored([x, scale], |[x, scale]| {
            with_stored!(x, S => {
                let self_loop = self_loop.map(<S as Stored>::Sum::from_f64);
                let weight = Normalized { scale: elements!(scale, S), self_loop };
                tensor(sums(elements!(x, S), width, &walk, &weight, false), shape)
            })
        }),
        Terms::Loops { weight, self_loop } => {
            stored([x, weight, self_loop], |[x, weight, self_loop]| {
                with_stored!(x, S => {
                    let (weight, self_loop) = (elements!(weight, S), elements!(self_loop, S));
                    let weight = WithLoops { weight, self_loop };
                    tensor(sums(elements!(x, S), width, &walk, &weight, false), shape)
                })
            })
        }
        Terms::Own(weight) => stored([x, weight], |[x, weight]| {
            with_stored!(x, S => {
                let weight = WithOwn { weight: elements!(weight, S)[0].widen() };
                tensor(sums(elements!(x, S), width, &walk, &weight, false), shape)
            })
        }),
        Terms::Shares(ptr) => {
            let ptr = ptr.to_contiguous();
            stored([x], |[x]| {
                with_stored!(x, S => {
                    let weight = ByLength { ptr: elements!(ptr, i32) };
                    tensor(sums(elements!(x, S), width, &walk, &weight, false), shape)
                })
            })
        }
    }
}

/// What entries are multiplied with, and what becomes of their sum.
trait Weight<T>: Sync {
    /// Whether entries from a node to itself do not count.
    fn replaces_loops(&self) -> bool {
        false
    }
    /// Number of weights per entry.
    fn heads(&self) -> usize;
    /// The product of a feature and the weight of an entry.
    fn weigh(&self, row: usize, col: i32, edge: i32, head: usize) -> impl Fn(T) -> T;
    /// [Prefetches](fetch) the weight of an entry.
    #[inline(always)]
    fn fetch(&self, _edge: i32) {}
    /// The weight of the row's own features, if they are added.
    fn own(&self, _row: usize) -> Option<T> {
        None
    }
    /// The factor of the whole sum, if there is one.
    fn factor(&self, _row: usize) -> Option<T> {
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

struct Weighted<'a, S> {
    values: &'a [S],
    heads: usize,
}

impl<S: Stored> Weight<S::Sum> for Weighted<'_, S> {
    fn heads(&self) -> usize {
        self.heads
    }

    #[inline(always)]
    fn fetch(&self, edge: i32) {
        fetch(self.values, position(edge) * self.heads, self.heads);
    }

    #[inline(always)]
    fn weigh(&self, _row: usize, _col: i32, edge: i32, head: usize) -> impl Fn(S::Sum) -> S::Sum {
        let weight = self.values[position(edge) * self.heads + head].widen();
        move |x| weight * x
    }
}

/// Both ends of an entry have a factor, and a row may have a loop in place of its own.
struct Normalized<'a, S: Stored> {
    scale: &'a [S],
    self_loop: Option<S::Sum>,
}

impl<S: Stored> Weight<S::Sum> for Normalized<'_, S> {
    fn replaces_loops(&self) -> bool {
        self.self_loop.is_some()
    }

    fn heads(&self) -> usize {
        1
    }

    #[inline(always)]
    fn weigh(&self, _row: usize, col: i32, _edge: i32, _head: usize) -> impl Fn(S::Sum) -> S::Sum {
        let scale = self.scale[position(col)].widen();
        move |x| scale * x
    }

    #[inline(always)]
    fn own(&self, row: usize) -> Option<S::Sum> {
        let self_loop = self.self_loop?;
        Some(self_loop * self.scale[row].widen())
    }

    #[inline(always)]
    fn factor(&self, row: usize) -> Option<S::Sum> {
        Some(self.scale[row].widen())
    }
}

/// Each edge has a weight, and each row a loop with a weight of its own in place of its own edges.
struct WithLoops<'a, S> {
    weight: &'a [S],
    self_loop: &'a [S],
}

impl<S: Stored> Weight<S::Sum> for WithLoops<'_, S> {
    fn replaces_loops(&self) -> bool {
        true
    }

    fn heads(&self) -> usize {
        1
    }

    #[inline(always)]
    fn fetch(&self, edge: i32) {
        fetch(self.weight, position(edge), 1);
    }

    #[inline(always)]
    fn weigh(&self, _row: usize, _col: i32, edge: i32, _head: usize) -> impl Fn(S::Sum) -> S::Sum {
        let weight = self.weight[position(edge)].widen();
        move |x| weight * x
    }

    #[inline(always)]
    fn own(&self, row: usize) -> Option<S::Sum> {
        Some(self.self_loop[row].widen())
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
    fn own(&self, _row: usize) -> Option<T> {
        Some(self.weight)
    }
}

/// Entries are divided by the lengths of their columns' rows, which these pointers bound.
struct ByLength<'a> {
    ptr: &'a [i32],
}

impl<T: Real> Weight<T> for ByLength<'_> {
    fn heads(&self) -> usize {
        1
    }

    #[inline(always)]
    fn weigh(&self, _row: usize, col: i32, _edge: i32, _head: usize) -> impl Fn(T) -> T {
        let (start, end) = (self.ptr[position(col)], self.ptr[position(col) + 1]);
        let share = T::ONE / T::from_count(position(end) - position(start));
        move |x| share * x
    }
}

/// How entries become one.
trait Combine<T>: Copy + Sync {
    /// What a row without entries becomes.
    const EMPTY: T;
    /// Whether results are rounded, so that long rows must be combined in another way.
    const ROUNDS: bool;
    fn combine(self, a: T, b: T) -> T;
}

#[derive(Clone, Copy)]
struct Plus;

impl<T: Real> Combine<T> for Plus {
    const EMPTY: T = T::ZERO;
    const ROUNDS: bool = true;

    #[inline(always)]
    fn combine(self, a: T, b: T) -> T {
        a + b
    }
}

#[derive(Clone, Copy)]
struct Times;

impl<T: Real> Combine<T> for Times {
    const EMPTY: T = T::ONE;
    const ROUNDS: bool = true;

    #[inline(always)]
    fn combine(self, a: T, b: T) -> T {
        a * b
    }
}

#[derive(Clone, Copy)]
struct Larger;

impl<T: Real> Combine<T> for Larger {
    const EMPTY: T = T::ZERO;
    const ROUNDS: bool = false;

    #[inline(always)]
    fn combine(self, a: T, b: T) -> T {
        if b > a || b.is_nan() { b } else { a }
    }
}

#[derive(Clone, Copy)]
struct Smaller;

impl<T: Real> Combine<T> for Smaller {
    const EMPTY: T = T::ZERO;
    const ROUNDS: bool = false;

    #[inline(always)]
    fn combine(self, a: T, b: T) -> T {
        if b < a || b.is_nan() { b } else { a }
    }
}

/// The entries of a row that count.
#[derive(Default)]
struct Counted {
    cols: Vec<i32>,
    edges: Vec<i32>,
}

impl Counted {
    /// Those of `row` in a walk. What does not count is left out and not multiplied by 0: then it
    /// would show where it is not finite.
    #[inline(always)]
    fn read<'a>(
        &'a mut self,
        walk: &Walk<'a>,
        row: usize,
        replaces_loops: bool,
    ) -> (&'a [i32], &'a [i32]) {
        let (cols, edges) = walk.row(row);
        let is_loop = |&col: &i32| position(col) == row;
        if !replaces_loops || !cols.iter().any(is_loop) {
            return (cols, edges);
        }
        self.cols.clear();
        self.edges.clear();
        for (&col, &edge) in cols.iter().zip(edges) {
            if !is_loop(&col) {
                self.cols.push(col);
                self.edges.push(edge);
            }
        }
        (&self.cols, &self.edges)
    }
}

/// What becomes of the sum of a row.
#[derive(Clone, Copy)]
struct Finish<T> {
    divisor: Option<T>,
    /// The weight of the row's own features.
    own: Option<T>,
    /// The factor of the whole sum.
    factor: Option<T>,
}

impl<T: Real> Finish<T> {
    /// `at` is where the row's own features begin in `x`, if they count.
    #[inline(always)]
    fn apply(self, sums: &mut [T], x: &[impl Stored<Sum = T>], at: usize) {
        if let Some(divisor) = self.divisor {
            for sum in &mut *sums {
                *sum = *sum / divisor;
            }
        }
        if let Some(weight) = self.own {
            let own = &x[at..][..sums.len()];
            for (sum, &x) in sums.iter_mut().zip(own) {
                *sum = *sum + weight * x.widen();
            }
        }
        if let Some(factor) = self.factor {
            for sum in sums {
                *sum = *sum * factor;
            }
        }
    }
}

fn reduced<S: Stored>(
    x: &[S],
    width: usize,
    walk: &Walk<'_>,
    reduce: Reduce,
    weight: &impl Weight<S::Sum>,
) -> Vec<S> {
    match reduce {
        Reduce::Sum => sums(x, width, walk, weight, false),
        Reduce::Mean => sums(x, width, walk, weight, true),
        Reduce::Max => rows(x, width, walk, weight, Larger, false),
        Reduce::Min => rows(x, width, walk, weight, Smaller, false),
        Reduce::Mul => products(x, width, walk, weight),
    }
}

/// What becomes of the sum of a row that has as many entries.
#[inline(always)]
fn finish<T: Real>(weight: &impl Weight<T>, row: usize, entries: usize, mean: bool) -> Finish<T> {
    Finish {
        divisor: (mean && entries > 1).then(|| T::from_count(entries)),
        own: weight.own(row),
        factor: weight.factor(row),
    }
}

/// Combines the entries of each row, but leaves long rows out if they need another way.
fn rows<S: Stored, W: Weight<S::Sum>, C: Combine<S::Sum>>(
    x: &[S],
    width: usize,
    walk: &Walk<'_>,
    weight: &W,
    combine: C,
    mean: bool,
) -> Vec<S> {
    if width == 0 {
        return Vec::new();
    }
    let mut out = Unfilled::new(walk.rows() * width);
    let heads = weight.heads();
    let channels = width / heads;
    let replaces_loops = weight.replaces_loops();
    let ranges = walk.ranges(width);
    let parts = out.cut(width, &ranges);
    for_ranges(
        ranges,
        parts,
        #[inline(always)]
        |range, mut out| {
            let mut counted = Counted::default();
            let mut next = [0; 2];
            for row in range {
                let (cols, edges) = walk.ahead(row);
                for (&col, &edge) in cols.iter().zip(edges) {
                    // What lies in order, the processor fetches by itself.
                    if col != next[0] {
                        fetch(x, position(col) * width, width);
                    }
                    if edge != next[1] {
                        weight.fetch(edge);
                    }
                    next = [col, edge].map(|id| id.wrapping_add(1));
                }
                let is_hub = walk.row(row).0.len() > HUB;
                let (cols, edges) = counted.read(walk, row, replaces_loops);
                let finish = finish(weight, row, cols.len(), mean);
                if cols.is_empty() && finish.own.is_none() || C::ROUNDS && is_hub {
                    out.repeat(S::narrow(C::EMPTY), width);
                    continue;
                }
                for head in 0..heads {
                    let mut tile = ReduceTile {
                        x,
                        width,
                        row,
                        cols,
                        edges,
                        head,
                        weight,
                        combine,
                        finish,
                        out: &mut out,
                    };
                    tiles(head * channels, (head + 1) * channels, &mut tile);
                }
            }
        },
    );
    out.into_vec()
}

/// Sums up each row, or takes the mean: long rows in pieces.
fn sums<S: Stored, W: Weight<S::Sum>>(
    x: &[S],
    width: usize,
    walk: &Walk<'_>,
    weight: &W,
    mean: bool,
) -> Vec<S> {
    let mut out = rows(x, width, walk, weight, Plus, mean);
    let heads = weight.heads();
    let replaces_loops = weight.replaces_loops();
    let hubs = if width == 0 { Vec::new() } else { walk.hubs() };
    let parts = pick(&mut out, width, &hubs);
    for_ranges(
        hubs,
        parts,
        #[inline(always)]
        |range, out| {
            let row = range.start;
            let mut counted = Counted::default();
            let (cols, edges) = counted.read(walk, row, replaces_loops);
            let mut sums = in_pieces(
                cols.len(),
                width,
                #[inline(always)]
                |entries, out| {
                    for head in 0..heads {
                        let mut tile = ReduceTile {
                            x,
                            width,
                            row,
                            cols: &cols[entries.clone()],
                            edges: &edges[entries.clone()],
                            head,
                            weight,
                            combine: Plus,
                            finish: Finish {
                                divisor: None,
                                own: None,
                                factor: None,
                            },
                            out: &mut *out,
                        };
                        let channels = width / heads;
                        tiles(head * channels, (head + 1) * channels, &mut tile);
                    }
                },
            );
            finish(weight, row, cols.len(), mean).apply(&mut sums, x, row * width);
            narrow(&sums, out);
        },
    );
    out
}

/// Multiplies the entries of each row: those of long rows in `f64`, where pieces would not help,
/// since the rounding of each factor stays in the product.
fn products<S: Stored>(
    x: &[S],
    width: usize,
    walk: &Walk<'_>,
    weight: &impl Weight<S::Sum>,
) -> Vec<S> {
    let mut out = rows(x, width, walk, weight, Times, false);
    let hubs = if width == 0 { Vec::new() } else { walk.hubs() };
    let parts = pick(&mut out, width, &hubs);
    for_ranges(hubs, parts, |range, out| {
        let row = range.start;
        let channels = width / weight.heads();
        let mut products = vec![1.0; width];
        let (cols, edges) = walk.row(row);
        for (&col, &edge) in cols.iter().zip(edges) {
            let x = &x[position(col) * width..][..width];
            for (at, (product, x)) in products.iter_mut().zip(x).enumerate() {
                let factor = weight.weigh(row, col, edge, at / channels)(S::Sum::ONE);
                *product *= factor.to_f64() * x.widen().to_f64();
            }
        }
        for (out, product) in out.iter_mut().zip(products) {
            *out = S::narrow(S::Sum::from_f64(product));
        }
    });
    out
}

struct ReduceTile<'a, S: Stored, O: ?Sized, W, C> {
    x: &'a [S],
    width: usize,
    row: usize,
    cols: &'a [i32],
    edges: &'a [i32],
    head: usize,
    weight: &'a W,
    combine: C,
    finish: Finish<S::Sum>,
    out: &'a mut O,
}

/// Where the sums of a row go.
trait Sums<T> {
    /// Takes those of the features `at .. at + LENGTH`, each in turn.
    fn put<const LENGTH: usize>(&mut self, at: usize, sums: &[T; LENGTH]);
}

impl<S: Stored> Sums<S::Sum> for Part<'_, S> {
    #[inline(always)]
    fn put<const LENGTH: usize>(&mut self, _at: usize, sums: &[S::Sum; LENGTH]) {
        let mut values = [S::ZERO; LENGTH];
        narrow(sums, &mut values);
        self.extend(values);
    }
}

impl<T: Copy> Sums<T> for [T] {
    #[inline(always)]
    fn put<const LENGTH: usize>(&mut self, at: usize, sums: &[T; LENGTH]) {
        self[at..at + LENGTH].copy_from_slice(sums);
    }
}

impl<S, O, W, C> Tile for ReduceTile<'_, S, O, W, C>
where
    S: Stored,
    O: Sums<S::Sum> + ?Sized,
    W: Weight<S::Sum>,
    C: Combine<S::Sum>,
{
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let (x, width, combine) = (self.x, self.width, self.combine);
        let mut entries = self.cols.iter().zip(self.edges);
        let mut sums = [S::Sum::ZERO; LENGTH];
        if let Some((&col, &edge)) = entries.next() {
            let weigh = self.weight.weigh(self.row, col, edge, self.head);
            let x = stretch::<S, LENGTH>(x, col, width, at);
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum = weigh(x.widen());
            }
        }
        for (&col, &edge) in entries {
            let weigh = self.weight.weigh(self.row, col, edge, self.head);
            let x = stretch::<S, LENGTH>(x, col, width, at);
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum = combine.combine(*sum, weigh(x.widen()));
            }
        }
        self.finish.apply(&mut sums, x, self.row * width + at);
        self.out.put(at, &sums);
    }
}
