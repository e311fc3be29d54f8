//! Attention that compares rows, on the CPU.
//!
//! The gradient walks the edges by source first. For each block of a source's entries:
//!
//! ```text
//! s, d      = score(k_j, q_i), ⟨v_j, g_i⟩            products of two rows
//! α         = exp(s - lse_i)
//! ds        = α · (keep · d - delta_i)              kept for each edge and head
//! dv_j     += Σ α · keep · g_i
//! dk_j     += Σ ds · score'(k_j, q_i)
//! ```
//!
//! Then it walks them by target, `dq_i = Σ ds · score'(q_i, k_j)`, and there also adds up the
//! gradient of what the score itself has to learn.

use core::ops::Range;

use burn::backend::{Flex, Shape, TensorMetadata as _, ops::FloatTensorOps as _};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::{
    AttentionAttributes, CsrTensors, DotAttentionAttributes,
    attention::{
        SavedAttention,
        gat::flex::{
            Drop, Entries, Products, ScoreGradients, Scores, SumTile, attend, delta, drawn, leaky,
            steepness,
        },
    },
    rows::{
        flex::{elements, row_width, tensor, with_real},
        stored::{Real, widened},
        walk::{Contiguous, Tile, Walk, cut, fetch, for_ranges, position, stretch, tiles},
    },
};

/// Rows that are added up by one thread, whatever the number of threads.
const STRIP: usize = 128;

/// A score of two rows of features, which enter it alike.
trait Pair<T>: Copy + Sync {
    /// Whether the sources' rows are both compared and added up.
    const SHARED: bool;
    /// Whether the score has a learned vector of a row's width.
    const LEARNS: bool;

    /// What each of the features from `at` on adds to the score, less a factor.
    fn parts<const LENGTH: usize>(
        self,
        own: &[T; LENGTH],
        other: &[T; LENGTH],
        at: usize,
    ) -> [T; LENGTH];

    /// What the score is multiplied with, if anything.
    fn factor(self) -> Option<T>;

    /// Adds `by` times the derivative: by the own features to `sums`, by what is learned to
    /// `learned`.
    fn derive<const LENGTH: usize>(
        self,
        rows: [&[T; LENGTH]; 2],
        at: usize,
        by: T,
        sums: &mut [T; LENGTH],
        learned: &mut [T; LENGTH],
    );
}

/// `Σ att · LeakyReLU(own + other)`
#[derive(Clone, Copy)]
struct Joint<'a, T> {
    att: &'a [T],
    slope: T,
}

impl<T: Real> Pair<T> for Joint<'_, T> {
    const SHARED: bool = true;
    const LEARNS: bool = true;

    #[inline(always)]
    fn parts<const LENGTH: usize>(
        self,
        own: &[T; LENGTH],
        other: &[T; LENGTH],
        at: usize,
    ) -> [T; LENGTH] {
        let mut parts = *stretch::<T, LENGTH>(self.att, 0, 0, at);
        for feature in 0..LENGTH {
            let sum = own[feature] + other[feature];
            parts[feature] = parts[feature] * leaky(sum, self.slope);
        }
        parts
    }

    #[inline(always)]
    fn factor(self) -> Option<T> {
        None
    }

    #[inline(always)]
    fn derive<const LENGTH: usize>(
        self,
        [own, other]: [&[T; LENGTH]; 2],
        at: usize,
        by: T,
        sums: &mut [T; LENGTH],
        learned: &mut [T; LENGTH],
    ) {
        let att = stretch::<T, LENGTH>(self.att, 0, 0, at);
        for feature in 0..LENGTH {
            let sum = own[feature] + other[feature];
            let steep = by * steepness(sum, self.slope);
            sums[feature] = sums[feature] + steep * att[feature];
            learned[feature] = learned[feature] + steep * sum;
        }
    }
}

/// `scale · Σ own · other`
#[derive(Clone, Copy)]
struct Dot<T> {
    scale: T,
}

impl<T: Real> Pair<T> for Dot<T> {
    const SHARED: bool = false;
    const LEARNS: bool = false;

    #[inline(always)]
    fn parts<const LENGTH: usize>(
        self,
        own: &[T; LENGTH],
        other: &[T; LENGTH],
        _at: usize,
    ) -> [T; LENGTH] {
        let mut parts = *own;
        for (part, &other) in parts.iter_mut().zip(other) {
            *part = *part * other;
        }
        parts
    }

    #[inline(always)]
    fn factor(self) -> Option<T> {
        Some(self.scale)
    }

    #[inline(always)]
    fn derive<const LENGTH: usize>(
        self,
        [_, other]: [&[T; LENGTH]; 2],
        _at: usize,
        by: T,
        sums: &mut [T; LENGTH],
        _learned: &mut [T; LENGTH],
    ) {
        let by = by * self.scale;
        for (sum, &other) in sums.iter_mut().zip(other) {
            *sum = *sum + by * other;
        }
    }
}

/// Products of one row with the rows of a block of entries, for one head.
struct ProductTile<'a, T, P> {
    pair: P,
    own: &'a [T],
    rows: &'a [T],
    width: usize,
    cols: &'a [i32],
    heads: usize,
    head: usize,
    products: &'a mut Products<T>,
}

impl<T: Real, P: Pair<T>> Tile for ProductTile<'_, T, P> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let own = *stretch::<T, LENGTH>(self.own, 0, self.width, at);
        for (entry, &col) in self.cols.iter().enumerate() {
            let other = stretch(self.rows, col, self.width, at);
            let parts = self.pair.parts(&own, other, at);
            (self.products).add(entry * self.heads + self.head, parts);
        }
    }
}

/// The gradient of a row from the gradients `by` of its scores with a block of entries, added for
/// one head to what is there; and, if `LEARNED`, what it adds to that of what is learned.
struct DeriveTile<'a, T, P, const LEARNED: bool> {
    pair: P,
    own: &'a [T],
    rows: &'a [T],
    width: usize,
    cols: &'a [i32],
    by: &'a [T],
    heads: usize,
    head: usize,
    sums: &'a mut [T],
    learned: &'a mut [T],
}

impl<T: Real, P: Pair<T>, const LEARNED: bool> Tile for DeriveTile<'_, T, P, LEARNED> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let own = *stretch::<T, LENGTH>(self.own, 0, self.width, at);
        let mut sums = [T::ZERO; LENGTH];
        let mut learned = [T::ZERO; LENGTH];
        for (&col, by) in self.cols.iter().zip(self.by.chunks_exact(self.heads)) {
            let other = stretch(self.rows, col, self.width, at);
            let pair = [&own, other];
            (self.pair).derive(pair, at, by[self.head], &mut sums, &mut learned);
        }
        let add = |to: &mut [T], part: [T; LENGTH]| {
            for (to, part) in to[at..at + LENGTH].iter_mut().zip(part) {
                *to = *to + part;
            }
        };
        add(self.sums, sums);
        if LEARNED {
            add(self.learned, learned);
        }
    }
}

/// Features of the targets, and of the sources to compare and to add up.
struct Features<'a, T, P> {
    pair: P,
    query: &'a [T],
    key: &'a [T],
    value: &'a [T],
    width: usize,
    heads: usize,
}

impl<T: Real, P: Pair<T>> Scores<T> for Features<'_, T, P> {
    #[inline(always)]
    fn fetch(&self, col: usize) {
        // Where keys are the values, they are fetched in any case.
        if !P::SHARED {
            fetch(self.key, col * self.width, self.width);
        }
    }

    #[inline(always)]
    fn score(&self, row: usize, cols: &[i32], products: &mut Products<T>, scores: &mut Vec<T>) {
        let rows = [self.query, self.key];
        self.multiply(self.pair, rows, row, cols, products, scores);
    }
}

impl<T: Real, P: Pair<T>> Features<'_, T, P> {
    /// Row `row` of a tensor.
    #[inline(always)]
    fn row<'a>(&self, values: &'a [T], row: usize) -> &'a [T] {
        &values[row * self.width..][..self.width]
    }

    /// The features of one head.
    #[inline(always)]
    fn head(&self, head: usize) -> Range<usize> {
        let channels = self.width / self.heads;
        head * channels..(head + 1) * channels
    }

    /// Replaces `results` by the products of `row` of the first tensor with rows `cols` of the
    /// second, by heads.
    #[inline(always)]
    fn multiply(
        &self,
        pair: impl Pair<T>,
        [own, rows]: [&[T]; 2],
        row: usize,
        cols: &[i32],
        products: &mut Products<T>,
        results: &mut Vec<T>,
    ) {
        products.start(cols.len() * self.heads);
        for head in 0..self.heads {
            let mut tile = ProductTile {
                pair,
                own: self.row(own, row),
                rows,
                width: self.width,
                cols,
                heads: self.heads,
                head,
                products,
            };
            let Range { start, end } = self.head(head);
            tiles(start, end, &mut tile);
        }
        results.clear();
        match pair.factor() {
            None => results.extend(products.sums()),
            Some(factor) => results.extend(products.sums().map(|sum| sum * factor)),
        }
    }

    /// The output, and the logarithms of the sums of exponentials.
    fn attend(&self, walk: &Walk<'_>, extra: Extra) -> (Vec<T>, Vec<T>) {
        let drop = extra.dropout.map(Drop::new);
        let sizes = [self.width, self.heads];
        attend(self.value, self, sizes, walk, extra.loops, drop.as_ref())
    }

    /// The gradients of values, keys, queries, and of what is learned. Values and keys that are the
    /// same have the first.
    fn gradients(&self, saved: [&[T]; 3], walks: &[Walk<'_>; 2], extra: Extra) -> [Vec<T>; 4] {
        if self.heads == 0 {
            return [const { Vec::new() }; 4];
        }
        let ([dvalue, dkey], dscore) = self.by_source(saved, walks, extra);
        let [dquery, learned] = self.by_target(&dscore, &walks[0], extra);
        let learned = if P::LEARNS {
            sum_rows(&learned, self.width)
        } else {
            learned
        };
        [dvalue, dkey, dquery, learned]
    }

    /// The gradients of values and keys, and those of the scores by edge and head.
    fn by_source(
        &self,
        [out, lse, grad]: [&[T]; 3],
        [csr, transposed]: &[Walk<'_>; 2],
        extra: Extra,
    ) -> ([Vec<T>; 2], ScoreGradients<T>) {
        let (width, heads) = (self.width, self.heads);
        let key_width = if P::SHARED { 0 } else { width };
        let drop = extra.dropout.map(Drop::new);
        let delta = delta(grad, out, [width, heads], csr);
        let dscore = ScoreGradients::new(csr, extra.loops, heads);
        let mut dvalue = vec![T::ZERO; transposed.rows() * width];
        let mut dkey = vec![T::ZERO; transposed.rows() * key_width];
        let ranges = transposed.ranges(2 * width);
        let dvalues = cut(&mut dvalue, width, &ranges);
        let parts = dvalues
            .into_iter()
            .zip(cut(&mut dkey, key_width, &ranges))
            .collect();
        for_ranges(
            ranges,
            parts,
            #[inline(always)]
            |range, (dvalue, dkey): (&mut [T], &mut [T])| {
                let mut entries = Entries::default();
                let (mut alpha, mut weights) = (Vec::new(), Vec::new());
                let (mut changes, mut products) = (Vec::new(), Products::new());
                for (local, row) in range.enumerate() {
                    let (cols, edges) = transposed.ahead(row);
                    for &col in cols {
                        fetch(grad, position(col) * width, width);
                        fetch(self.query, position(col) * width, width);
                    }
                    dscore.fetch(edges, heads);
                    entries.read(transposed, row, extra.loops);
                    let dvalue = &mut dvalue[local * width..][..width];
                    let dkey = &mut dkey[local * key_width..][..key_width];
                    for (cols, edges) in entries.blocks() {
                        let products = &mut products;
                        let rows = [self.value, grad];
                        let dot = Dot { scale: T::ONE };
                        self.multiply(dot, rows, row, cols, products, &mut changes);
                        let rows = [self.key, self.query];
                        self.multiply(self.pair, rows, row, cols, products, &mut alpha);
                        for (&col, alpha) in cols.iter().zip(alpha.chunks_exact_mut(heads)) {
                            let lse = &lse[position(col) * heads..][..heads];
                            for (alpha, &lse) in alpha.iter_mut().zip(lse) {
                                *alpha = *alpha - lse;
                            }
                        }
                        T::exp_all(&mut alpha);
                        weights.clear();
                        weights.extend_from_slice(&alpha);
                        if let Some(drop) = &drop {
                            drop.apply(edges, &mut weights, heads);
                        }
                        for (entry, &col) in cols.iter().enumerate() {
                            let delta = &delta[position(col) * heads..][..heads];
                            for (head, &delta) in delta.iter().enumerate() {
                                let at = entry * heads + head;
                                // α (keep ⟨g, v⟩ - δ), where the weight is α · keep.
                                changes[at] = weights[at] * changes[at] - alpha[at] * delta;
                            }
                        }
                        dscore.keep(edges, &changes, heads);
                        for head in 0..heads {
                            let mut tile = SumTile {
                                x: grad,
                                width,
                                cols,
                                weights: &weights,
                                heads,
                                head,
                                carry: Some(T::ONE),
                                out: dvalue,
                            };
                            let Range { start, end } = self.head(head);
                            tiles(start, end, &mut tile);
                        }
                        let sums: &mut [T] = if P::SHARED { dvalue } else { dkey };
                        self.derive::<false>(rows, row, cols, &changes, sums, &mut []);
                    }
                }
            },
        );
        ([dvalue, dkey], dscore)
    }

    /// The gradients of queries, and what each target adds to that of what is learned.
    fn by_target(&self, dscore: &ScoreGradients<T>, csr: &Walk<'_>, extra: Extra) -> [Vec<T>; 2] {
        let (width, heads) = (self.width, self.heads);
        let learned_width = if P::LEARNS { width } else { 0 };
        let mut dquery = vec![T::ZERO; csr.rows() * width];
        let mut learned = vec![T::ZERO; csr.rows() * learned_width];
        let ranges = csr.ranges(width.max(1));
        let dqueries = cut(&mut dquery, width, &ranges);
        let parts = dqueries
            .into_iter()
            .zip(cut(&mut learned, learned_width, &ranges))
            .collect();
        for_ranges(
            ranges,
            parts,
            #[inline(always)]
            |range, (dquery, learned): (&mut [T], &mut [T])| {
                let (mut entries, mut changes) = (Entries::default(), Vec::new());
                for (local, row) in range.enumerate() {
                    let (cols, edges) = csr.ahead(row);
                    for &col in cols {
                        fetch(self.key, position(col) * width, width);
                    }
                    dscore.fetch(edges, heads);
                    entries.read(csr, row, extra.loops);
                    let sums = &mut dquery[local * width..][..width];
                    let learned = &mut learned[local * learned_width..][..learned_width];
                    let rows = [self.query, self.key];
                    for (cols, edges) in entries.blocks() {
                        dscore.read(edges, &mut changes, heads);
                        if P::LEARNS {
                            self.derive::<true>(rows, row, cols, &changes, sums, learned);
                        } else {
                            self.derive::<false>(rows, row, cols, &changes, sums, learned);
                        }
                    }
                }
            },
        );
        [dquery, learned]
    }

    /// Adds to `sums` the gradient of `row` of the first tensor, from those of its scores with rows
    /// `cols` of the second.
    #[inline(always)]
    fn derive<const LEARNED: bool>(
        &self,
        [own, rows]: [&[T]; 2],
        row: usize,
        cols: &[i32],
        by: &[T],
        sums: &mut [T],
        learned: &mut [T],
    ) {
        for head in 0..self.heads {
            let mut tile = DeriveTile::<_, _, LEARNED> {
                pair: self.pair,
                own: self.row(own, row),
                rows,
                width: self.width,
                cols,
                by,
                heads: self.heads,
                head,
                sums,
                learned,
            };
            let Range { start, end } = self.head(head);
            tiles(start, end, &mut tile);
        }
    }
}

/// Joint features, from `x_src`, `x_dst` and `att`.
fn joint<'a, T: Real>(
    [x_src, x_dst, att]: [&'a [T]; 3],
    shape: &Shape,
    options: &AttentionAttributes,
) -> Features<'a, T, Joint<'a, T>> {
    Features {
        pair: Joint {
            att,
            slope: T::from_f64(options.negative_slope),
        },
        query: x_dst,
        key: x_src,
        value: x_src,
        width: row_width(shape),
        heads: shape[1],
    }
}

/// Features to multiply, from `query`, `key` and `value`.
fn multiplied<'a, T: Real>(
    [query, key, value]: [&'a [T]; 3],
    shape: &Shape,
    options: &DotAttentionAttributes,
) -> Features<'a, T, Dot<T>> {
    Features {
        pair: Dot {
            scale: T::from_f64(options.scale),
        },
        query,
        key,
        value,
        width: row_width(shape),
        heads: shape[1],
    }
}

/// What is done beside scoring.
#[derive(Clone, Copy)]
struct Extra {
    loops: Option<usize>,
    dropout: Option<(f64, u32)>,
}

impl Extra {
    fn new(loops: Option<usize>, dropout: Option<f64>, seed: &FlexTensor) -> Self {
        let dropout = drawn(dropout, seed);
        Self { loops, dropout }
    }
}

/// The sum of rows, which does not depend on the number of threads.
fn sum_rows<T: Real>(rows: &[T], width: usize) -> Vec<T> {
    let add = |rows: &[T]| {
        let mut sums = vec![T::ZERO; width];
        for row in rows.chunks_exact(width) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = *sum + value;
            }
        }
        sums
    };
    if width == 0 {
        return Vec::new();
    }
    if rows.len() <= STRIP * width {
        return add(rows);
    }
    let strips: Vec<T> = rows.par_chunks(STRIP * width).flat_map_iter(add).collect();
    sum_rows(&strips, width)
}

/// Runs `f` on contiguous tensors of a type the kernels know; only the first result is converted
/// back.
fn widened_first<const N: usize, R>(
    inputs: [&FlexTensor; N],
    f: impl FnOnce([&FlexTensor; N]) -> (FlexTensor, R),
) -> (FlexTensor, R) {
    let mut rest = None;
    let first = widened(inputs, |inputs| {
        let (first, other) = f(inputs);
        rest = Some(other);
        first
    });
    (first, rest.expect("`widened` runs its function"))
}

/// Converts gradients back to the type of features.
fn narrowed<const N: usize>(gradients: [FlexTensor; N], like: &FlexTensor) -> [FlexTensor; N] {
    gradients.map(|gradient| Flex::float_cast(gradient, like.dtype().into()))
}

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn edge_attention_v2(
    [x_src, x_dst, att]: [&FlexTensor; 3],
    seed: &FlexTensor,
    csr: &CsrTensors<Flex>,
    options: AttentionAttributes,
) -> (FlexTensor, FlexTensor) {
    let extra = Extra::new(options.loops, options.dropout, seed);
    let (csr, shape) = (Contiguous::new(csr), x_dst.shape());
    let lse_shape = Shape::new([shape[0], shape[1]]);
    widened_first([x_src, x_dst, att], |[x_src, x_dst, att]| {
        with_real!(x_src, T => {
            let inputs = [elements!(x_src, T), elements!(x_dst, T), elements!(att, T)];
            let features = joint(inputs, &shape, &options);
            let (out, lse) = features.attend(&csr.walk(), extra);
            (tensor(out, shape), tensor(lse, lse_shape))
        })
    })
}

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn dot_attention(
    [query, key, value]: [&FlexTensor; 3],
    seed: &FlexTensor,
    csr: &CsrTensors<Flex>,
    options: DotAttentionAttributes,
) -> (FlexTensor, FlexTensor) {
    let extra = Extra::new(options.loops, options.dropout, seed);
    let (csr, shape) = (Contiguous::new(csr), query.shape());
    let lse_shape = Shape::new([shape[0], shape[1]]);
    widened_first([query, key, value], |[query, key, value]| {
        with_real!(query, T => {
            let inputs = [elements!(query, T), elements!(key, T), elements!(value, T)];
            let features = multiplied(inputs, &shape, &options);
            let (out, lse) = features.attend(&csr.walk(), extra);
            (tensor(out, shape), tensor(lse, lse_shape))
        })
    })
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn edge_attention_v2_backward(
    [x_src, x_dst, att]: [&FlexTensor; 3],
    saved: &SavedAttention<Flex>,
    csrs: [&CsrTensors<Flex>; 2],
    options: AttentionAttributes,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let SavedAttention {
        out,
        lse,
        grad,
        seed,
    } = saved;
    let extra = Extra::new(options.loops, options.dropout, seed);
    let [csr, transposed] = csrs.map(Contiguous::new);
    let shapes = [x_src, x_dst, att].map(FlexTensor::shape);
    let inputs = [x_src, x_dst, att, out, lse, grad];
    let (dsrc, rest) = widened_first(inputs, |[x_src, x_dst, att, out, lse, grad]| {
        with_real!(x_src, T => {
            let inputs = [elements!(x_src, T), elements!(x_dst, T), elements!(att, T)];
            let saved = [elements!(out, T), elements!(lse, T), elements!(grad, T)];
            let features = joint(inputs, &shapes[1], &options);
            let walks = [csr.walk(), transposed.walk()];
            let [dsrc, _, ddst, datt] = features.gradients(saved, &walks, extra);
            let [src_shape, dst_shape, att_shape] = shapes;
            (tensor(dsrc, src_shape), [tensor(ddst, dst_shape), tensor(datt, att_shape)])
        })
    });
    let [ddst, datt] = narrowed(rest, x_src);
    (dsrc, ddst, datt)
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn dot_attention_backward(
    [query, key, value]: [&FlexTensor; 3],
    saved: &SavedAttention<Flex>,
    csrs: [&CsrTensors<Flex>; 2],
    options: DotAttentionAttributes,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let SavedAttention {
        out,
        lse,
        grad,
        seed,
    } = saved;
    let extra = Extra::new(options.loops, options.dropout, seed);
    let [csr, transposed] = csrs.map(Contiguous::new);
    let shapes = [query, key, value].map(FlexTensor::shape);
    let inputs = [query, key, value, out, lse, grad];
    let (dquery, rest) = widened_first(inputs, |[query, key, value, out, lse, grad]| {
        with_real!(query, T => {
            let inputs = [elements!(query, T), elements!(key, T), elements!(value, T)];
            let saved = [elements!(out, T), elements!(lse, T), elements!(grad, T)];
            let features = multiplied(inputs, &shapes[0], &options);
            let walks = [csr.walk(), transposed.walk()];
            let [dvalue, dkey, dquery, _] = features.gradients(saved, &walks, extra);
            let [query_shape, key_shape, value_shape] = shapes;
            (tensor(dquery, query_shape), [tensor(dkey, key_shape), tensor(dvalue, value_shape)])
        })
    });
    let [dkey, dvalue] = narrowed(rest, query);
    (dquery, dkey, dvalue)
}
