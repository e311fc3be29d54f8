//! Attention on the CPU: a row's entries in blocks, whose scores come first, then their rows.
//!
//! The softmax is taken in one pass. With `m` the largest score so far, `l` the sum of exponentials
//! and `a` the weighted sum of rows, both relative to `m`, a block with scores `s` and rows `x` is
//! added by
//!
//! ```text
//! m' = max(m, s)
//! l' = l · exp(m - m') + Σ exp(s - m')
//! a' = a · exp(m - m') + Σ exp(s - m') · keep · x
//! ```
//!
//! and in the end `out = a / l`. Rows that scores have read are still in a cache when they are
//! added. Sums over a block are made before they are added to what is there, so that long rows lose
//! little.

use burn::backend::{Flex, TensorMetadata as _};
use burn_flex::FlexTensor;

use crate::{
    AttentionAttributes, CsrTensors,
    attention::{SavedAttention, dropout_threshold, is_dropped},
    rows::{
        flex::{Id as _, elements, row_width, tensor, with_id, with_real, with_rows},
        stored::{Real, widened},
        walk::{
            Contiguous, Scattered, Tile, Walk, cut, fetch, for_ranges, position, stretch, tiles,
        },
    },
};

/// Entries of a block: their rows fit a core's own cache.
const BLOCK: usize = 64;
/// Lanes of the widest vector register.
const LANES: usize = 16;

/// The entries of one row that count, loops as the options have them.
#[derive(Default)]
pub(crate) struct Entries {
    /// The nodes at the other end.
    pub(crate) cols: Vec<i32>,
    /// The edges; loops are numbered behind them.
    pub(crate) edges: Vec<i32>,
}

impl Entries {
    #[inline(always)]
    pub(crate) fn read(&mut self, walk: &Walk<'_>, row: usize, loops: Option<usize>) {
        let (cols, edges) = walk.row(row);
        self.cols.clear();
        self.edges.clear();
        let Some(loops) = loops else {
            self.cols.extend_from_slice(cols);
            self.edges.extend_from_slice(edges);
            return;
        };
        for (&col, &edge) in cols.iter().zip(edges) {
            if position(col) != row {
                self.cols.push(col);
                self.edges.push(edge);
            }
        }
        if row < loops {
            let number = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
            self.cols.push(number(row));
            self.edges.push(number(walk.entries() + row));
        }
    }

    /// The entries in blocks, in order.
    #[inline(always)]
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (&[i32], &[i32])> {
        self.cols.chunks(BLOCK).zip(self.edges.chunks(BLOCK))
    }
}

/// The dropout of a probability with the seed in a tensor.
pub(crate) fn drawn(dropout: Option<f64>, seed: &FlexTensor) -> Option<(f64, u32)> {
    let probability = dropout?;
    let seed = seed.to_contiguous();
    let bits = with_id!(seed, I => elements!(seed, I)[0].to_i64());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "any 32 bits are a seed"
    )]
    Some((probability, bits as u32))
}

/// Dropout of weights.
pub(crate) struct Drop<T> {
    threshold: u32,
    seed: u32,
    scale: T,
}

impl<T: Real> Drop<T> {
    /// With a probability and a seed.
    pub(crate) fn new((probability, seed): (f64, u32)) -> Self {
        Self {
            threshold: dropout_threshold(probability),
            seed,
            scale: if probability < 1.0 {
                T::ONE / (T::ONE - T::from_f64(probability))
            } else {
                T::ZERO
            },
        }
    }

    /// Multiplies the weights of a block, `heads` an entry, with 0 or what makes up for those.
    #[inline(always)]
    pub(crate) fn apply(&self, edges: &[i32], weights: &mut [T], heads: usize) {
        for (&edge, weights) in edges.iter().zip(weights.chunks_exact_mut(heads)) {
            let first = edge.cast_unsigned().wrapping_mul(low(heads));
            for (head, weight) in weights.iter_mut().enumerate() {
                let number = first.wrapping_add(low(head));
                let keep = if is_dropped(number, self.seed, self.threshold) {
                    T::ZERO
                } else {
                    self.scale
                };
                *weight = *weight * keep;
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a number of heads")]
fn low(heads: usize) -> u32 {
    heads as u32
}

/// The derivative of the leaky rectifier.
#[inline(always)]
pub(crate) fn steepness<T: Real>(value: T, slope: T) -> T {
    if value > T::ZERO { T::ONE } else { slope }
}

/// The leaky rectifier.
#[inline(always)]
pub(crate) fn leaky<T: Real>(value: T, slope: T) -> T {
    value * steepness(value, slope)
}

/// Inner products of many pairs of rows. Each is kept apart in the lanes of a vector register until
/// all of its features are there.
pub(crate) struct Products<T>(Vec<[T; LANES]>);

impl<T: Real> Products<T> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Starts with `count` products of nothing.
    #[inline(always)]
    pub(crate) fn start(&mut self, count: usize) {
        self.0.clear();
        self.0.resize(count, [T::ZERO; LANES]);
    }

    /// Adds what some features make of product `at`.
    #[inline(always)]
    pub(crate) fn add<const LENGTH: usize>(&mut self, at: usize, mut parts: [T; LENGTH]) {
        // Lengths are powers of two.
        let mut length = LENGTH;
        while length > LANES {
            length /= 2;
            for part in 0..length {
                parts[part] = parts[part] + parts[part + length];
            }
        }
        for (lane, &part) in self.0[at].iter_mut().zip(&parts[..length]) {
            *lane = *lane + part;
        }
    }

    /// The products, in order.
    #[inline(always)]
    pub(crate) fn sums(&self) -> impl Iterator<Item = T> {
        self.0.iter().map(|&(mut lanes)| {
            let mut half = LANES / 2;
            while half > 0 {
                for lane in 0..half {
                    lanes[lane] = lanes[lane] + lanes[lane + half];
                }
                half /= 2;
            }
            lanes[0]
        })
    }
}

/// How the entries of a row are scored.
pub(crate) trait Scores<T>: Sync {
    /// Replaces `scores` by those of `row` with the nodes `cols`, by heads.
    fn score(&self, row: usize, cols: &[i32], products: &mut Products<T>, scores: &mut Vec<T>);

    /// [Prefetches](fetch) what the scores of a node need.
    fn fetch(&self, col: usize);
}

/// The sum of a block's numbers for one of the `heads` of its entries.
#[inline(always)]
fn sum<T: Real>(numbers: &[T], heads: usize, head: usize) -> T {
    let numbers = numbers.chunks_exact(heads);
    numbers.fold(T::ZERO, |sum, numbers| sum + numbers[head])
}

/// The softmax of one row as far as its entries have been seen.
struct Softmax<T> {
    largest: Vec<T>,
    total: Vec<T>,
    /// What earlier sums are multiplied with, after a block.
    shrink: Vec<T>,
}

impl<T: Real> Softmax<T> {
    fn new(heads: usize) -> Self {
        Self {
            largest: vec![T::ZERO; heads],
            total: vec![T::ZERO; heads],
            shrink: vec![T::ZERO; heads],
        }
    }

    #[inline(always)]
    fn start(&mut self) {
        // Finite, so that scores of minus infinity do not count until all are known.
        self.largest.fill(T::LEAST);
        self.total.fill(T::ZERO);
    }

    /// Replaces the scores of a block by weights relative to the largest score.
    #[inline(always)]
    fn push(&mut self, scores: &mut [T]) {
        let heads = self.largest.len();
        self.shrink.copy_from_slice(&self.largest);
        for scores in scores.chunks_exact(heads) {
            for (largest, &score) in self.largest.iter_mut().zip(scores) {
                if score > *largest || score.is_nan() {
                    *largest = score;
                }
            }
        }
        for (shrink, &largest) in self.shrink.iter_mut().zip(&self.largest) {
            *shrink = *shrink - largest;
        }
        for scores in scores.chunks_exact_mut(heads) {
            for (score, &largest) in scores.iter_mut().zip(&self.largest) {
                *score = *score - largest;
            }
        }
        T::exp_all(&mut self.shrink);
        T::exp_all(scores);
        for (head, (total, &shrink)) in self.total.iter_mut().zip(&self.shrink).enumerate() {
            *total = *total * shrink + sum(scores, heads, head);
        }
    }

    /// The logarithms of the sums; what a row's sums are divided by stays in `total`.
    #[inline(always)]
    fn finish(&mut self, lse: &mut [T]) {
        for ((lse, total), &largest) in lse.iter_mut().zip(&mut self.total).zip(&self.largest) {
            // The largest score counts 1, unless all are minus infinity.
            *total = if *total == T::ZERO {
                T::NAN
            } else {
                *total + T::SOFTMAX_EPSILON
            };
            *lse = largest + total.ln();
        }
    }
}

/// The output, and the logarithms of the sums of exponentials.
pub(crate) fn attend<T: Real>(
    x: &[T],
    scores: &impl Scores<T>,
    [width, heads]: [usize; 2],
    walk: &Walk<'_>,
    loops: Option<usize>,
    drop: Option<&Drop<T>>,
) -> (Vec<T>, Vec<T>) {
    let mut out = vec![T::ZERO; walk.rows() * width];
    let mut lse = vec![T::ZERO; walk.rows() * heads];
    if heads == 0 {
        return (out, lse);
    }
    let channels = width / heads;
    let ranges = walk.ranges(width.max(1));
    let outs = cut(&mut out, width, &ranges);
    let parts = outs
        .into_iter()
        .zip(cut(&mut lse, heads, &ranges))
        .collect();
    for_ranges(
        ranges,
        parts,
        #[inline(always)]
        |range, (out, lse): (&mut [T], &mut [T])| {
            let (mut entries, mut weights) = (Entries::default(), Vec::new());
            let (mut softmax, mut products) = (Softmax::new(heads), Products::new());
            for (local, row) in range.enumerate() {
                for &col in walk.ahead(row).0 {
                    fetch(x, position(col) * width, width);
                    scores.fetch(position(col));
                }
                entries.read(walk, row, loops);
                if entries.cols.is_empty() {
                    continue;
                }
                let out = &mut out[local * width..][..width];
                softmax.start();
                for (block, (cols, edges)) in entries.blocks().enumerate() {
                    scores.score(row, cols, &mut products, &mut weights);
                    softmax.push(&mut weights);
                    if let Some(drop) = drop {
                        drop.apply(edges, &mut weights, heads);
                    }
                    for head in 0..heads {
                        let mut tile = SumTile {
                            x,
                            width,
                            cols,
                            weights: &weights,
                            heads,
                            head,
                            carry: (block > 0).then(|| softmax.shrink[head]),
                            out,
                        };
                        tiles(head * channels, (head + 1) * channels, &mut tile);
                    }
                }
                softmax.finish(&mut lse[local * heads..][..heads]);
                for (out, &total) in out.chunks_exact_mut(channels.max(1)).zip(&softmax.total) {
                    let share = T::ONE / total;
                    for out in out {
                        *out = *out * share;
                    }
                }
            }
        },
    );
    (out, lse)
}

/// Adds a block of a row's entries, weighted for one head, to the sum so far times `carry`, if
/// there is one.
pub(crate) struct SumTile<'a, T> {
    pub(crate) x: &'a [T],
    pub(crate) width: usize,
    pub(crate) cols: &'a [i32],
    pub(crate) weights: &'a [T],
    pub(crate) heads: usize,
    pub(crate) head: usize,
    pub(crate) carry: Option<T>,
    pub(crate) out: &'a mut [T],
}

impl<T: Real> Tile for SumTile<'_, T> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let mut sums = [T::ZERO; LENGTH];
        for (&col, weights) in self.cols.iter().zip(self.weights.chunks_exact(self.heads)) {
            let weight = weights[self.head];
            let x = stretch::<T, LENGTH>(self.x, col, self.width, at);
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum = *sum + weight * x;
            }
        }
        let out = &mut self.out[at..at + LENGTH];
        if let Some(carry) = self.carry {
            for (sum, &before) in sums.iter_mut().zip(&*out) {
                *sum = before * carry + *sum;
            }
        }
        out.copy_from_slice(&sums);
    }
}

/// The gradients of scores, by edges and heads, and of the loops' behind those of the edges.
pub(crate) struct ScoreGradients<T: Real>(Scattered<T>);

impl<T: Real> ScoreGradients<T> {
    pub(crate) fn new(walk: &Walk<'_>, loops: Option<usize>, heads: usize) -> Self {
        let entries = walk.entries() + loops.unwrap_or(0);
        Self(Scattered::zeros(entries * heads))
    }

    /// [Prefetches](fetch) those of some edges.
    #[inline(always)]
    pub(crate) fn fetch(&self, edges: &[i32], heads: usize) {
        for &edge in edges {
            self.0.fetch(position(edge) * heads, heads);
        }
    }

    /// Keeps those of a block.
    #[inline(always)]
    pub(crate) fn keep(&self, edges: &[i32], changes: &[T], heads: usize) {
        for (&edge, changes) in edges.iter().zip(changes.chunks_exact(heads)) {
            for (head, &change) in changes.iter().enumerate() {
                self.0.set(position(edge) * heads + head, change);
            }
        }
    }

    /// Replaces `changes` by those of a block.
    #[inline(always)]
    pub(crate) fn read(&self, edges: &[i32], changes: &mut Vec<T>, heads: usize) {
        changes.clear();
        for &edge in edges {
            let first = position(edge) * heads;
            changes.extend((first..first + heads).map(|at| self.0.get(at)));
        }
    }
}

/// `⟨g_i, out_i⟩` by heads.
pub(crate) fn delta<T: Real>(
    grad: &[T],
    out: &[T],
    [width, heads]: [usize; 2],
    walk: &Walk<'_>,
) -> Vec<T> {
    let mut delta = vec![T::ZERO; walk.rows() * heads];
    let ranges = walk.ranges(width.max(1));
    let parts = cut(&mut delta, heads, &ranges);
    for_ranges(
        ranges,
        parts,
        #[inline(always)]
        |range, delta| {
            let (channels, mut products) = (width / heads, Products::new());
            for (row, delta) in range.zip(delta.chunks_exact_mut(heads)) {
                products.start(heads);
                for head in 0..heads {
                    let mut tile = DotTile {
                        a: &grad[row * width..][..width],
                        b: &out[row * width..][..width],
                        width,
                        at: head,
                        products: &mut products,
                    };
                    tiles(head * channels, (head + 1) * channels, &mut tile);
                }
                for (delta, sum) in delta.iter_mut().zip(products.sums()) {
                    *delta = sum;
                }
            }
        },
    );
    delta
}

/// The inner product of two rows, for one head.
struct DotTile<'a, T> {
    a: &'a [T],
    b: &'a [T],
    width: usize,
    at: usize,
    products: &'a mut Products<T>,
}

impl<T: Real> Tile for DotTile<'_, T> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let mut parts = *stretch::<T, LENGTH>(self.a, 0, self.width, at);
        let b = stretch::<T, LENGTH>(self.b, 0, self.width, at);
        for (part, &b) in parts.iter_mut().zip(b) {
            *part = *part * b;
        }
        self.products.add(self.at, parts);
    }
}

/// Scores that add a number of each end.
struct SumScores<'a, T> {
    src: &'a [T],
    dst: &'a [T],
    heads: usize,
    slope: T,
}

impl<T: Real> Scores<T> for SumScores<'_, T> {
    #[inline(always)]
    fn fetch(&self, col: usize) {
        fetch(self.src, col * self.heads, self.heads);
    }

    #[inline(always)]
    fn score(&self, row: usize, cols: &[i32], _products: &mut Products<T>, scores: &mut Vec<T>) {
        let own = &self.dst[row * self.heads..][..self.heads];
        scores.clear();
        for &col in cols {
            let other = &self.src[position(col) * self.heads..][..self.heads];
            let sums = own.iter().zip(other).map(|(&a, &b)| a + b);
            scores.extend(sums.map(|sum| leaky(sum, self.slope)));
        }
    }
}

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn attention(
    [x, score_src, score_dst]: [&FlexTensor; 3],
    seed: &FlexTensor,
    csr: &CsrTensors<Flex>,
    options: AttentionAttributes,
) -> (FlexTensor, FlexTensor) {
    let csr = Contiguous::new(csr);
    let dropout = drawn(options.dropout, seed);
    let walk = csr.walk();
    let (shape, lse_shape) = (with_rows(&x.shape(), walk.rows()), score_dst.shape());
    let (width, heads) = (row_width(&shape), row_width(&lse_shape));
    let mut lse = None;
    let out = widened([x, score_src, score_dst], |[x, score_src, score_dst]| {
        with_real!(x, T => {
            let scores = SumScores {
                src: elements!(score_src, T),
                dst: elements!(score_dst, T),
                heads,
                slope: T::from_f64(options.negative_slope),
            };
            let drop = dropout.map(Drop::new);
            let (sizes, loops) = ([width, heads], options.loops);
            let (values, sums) =
                attend(elements!(x, T), &scores, sizes, &walk, loops, drop.as_ref());
            lse = Some(tensor(sums, lse_shape));
            tensor(values, shape)
        })
    });
    (out, lse.expect("the forward pass makes both"))
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn attention_backward(
    [x, score_src, score_dst]: [&FlexTensor; 3],
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
    let dropout = drawn(options.dropout, seed);
    let [csr, transposed] = csrs.map(Contiguous::new);
    let (shape, src_shape, dst_shape) = (x.shape(), score_src.shape(), score_dst.shape());
    let sizes = [row_width(&shape), row_width(&dst_shape)];
    let mut scores = None;
    let inputs = [x, score_src, score_dst, out, lse, grad];
    let dx = widened(inputs, |[x, score_src, score_dst, out, lse, grad]| {
        with_real!(x, T => {
            let saved = Saved {
                x: elements!(x, T),
                score_src: elements!(score_src, T),
                score_dst: elements!(score_dst, T),
                out: elements!(out, T),
                lse: elements!(lse, T),
                grad: elements!(grad, T),
                drop: dropout.map(Drop::new),
            };
            let [dx, dsrc, ddst] =
                saved.gradients(sizes, &csr.walk(), &transposed.walk(), &options);
            scores = Some((tensor(dsrc, src_shape), tensor(ddst, dst_shape)));
            tensor(dx, shape)
        })
    });
    let (dsrc, ddst) = scores.expect("the gradient makes all three");
    (dx, dsrc, ddst)
}

/// What the forward pass took and gave, and the gradient of what it gave.
struct Saved<'a, T> {
    x: &'a [T],
    score_src: &'a [T],
    score_dst: &'a [T],
    out: &'a [T],
    lse: &'a [T],
    grad: &'a [T],
    drop: Option<Drop<T>>,
}

impl<T: Real> Saved<'_, T> {
    fn gradients(
        &self,
        [width, heads]: [usize; 2],
        csr: &Walk<'_>,
        transposed: &Walk<'_>,
        options: &AttentionAttributes,
    ) -> [Vec<T>; 3] {
        let (rows, cols) = (csr.rows(), transposed.rows());
        let slope = T::from_f64(options.negative_slope);
        let mut dx = vec![T::ZERO; cols * width];
        let mut dsrc = vec![T::ZERO; cols * heads];
        let mut ddst = vec![T::ZERO; rows * heads];
        if heads == 0 {
            return [dx, dsrc, ddst];
        }
        let channels = width / heads;
        let delta = delta(self.grad, self.out, [width, heads], csr);
        let dscore = ScoreGradients::new(csr, options.loops, heads);

        let ranges = transposed.ranges(width.max(1));
        let dxs = cut(&mut dx, width, &ranges);
        let parts = dxs
            .into_iter()
            .zip(cut(&mut dsrc, heads, &ranges))
            .collect();
        for_ranges(
            ranges,
            parts,
            #[inline(always)]
            |range, (dx, dsrc): (&mut [T], &mut [T])| {
                let (mut entries, mut products) = (Entries::default(), Products::new());
                let (mut steep, mut alpha) = (Vec::new(), Vec::new());
                let (mut weights, mut changes) = (Vec::new(), Vec::new());
                for (local, row) in range.enumerate() {
                    entries.read(transposed, row, options.loops);
                    let own = &self.score_src[row * heads..][..heads];
                    for (cols, edges) in entries.blocks() {
                        for &col in cols {
                            fetch(self.grad, position(col) * width, width);
                        }
                        dscore.fetch(edges, heads);
                        steep.clear();
                        alpha.clear();
                        for &col in cols {
                            let at = position(col) * heads;
                            let (other, lse) =
                                (&self.score_dst[at..][..heads], &self.lse[at..][..heads]);
                            for head in 0..heads {
                                let score = own[head] + other[head];
                                steep.push(steepness(score, slope));
                                alpha.push(leaky(score, slope) - lse[head]);
                            }
                        }
                        T::exp_all(&mut alpha);
                        weights.clear();
                        weights.extend_from_slice(&alpha);
                        if let Some(drop) = &self.drop {
                            drop.apply(edges, &mut weights, heads);
                        }
                        products.start(alpha.len());
                        for head in 0..heads {
                            let mut tile = GradientTile {
                                own: &self.x[row * width..][..width],
                                grad: self.grad,
                                width,
                                cols,
                                weights: &weights,
                                products: &mut products,
                                heads,
                                head,
                                dx: &mut dx[local * width..][..width],
                            };
                            tiles(head * channels, (head + 1) * channels, &mut tile);
                        }
                        changes.clear();
                        changes.extend(products.sums());
                        for (entry, &col) in cols.iter().enumerate() {
                            let delta = &delta[position(col) * heads..][..heads];
                            for (head, &delta) in delta.iter().enumerate() {
                                let at = entry * heads + head;
                                // α (keep ⟨g, x⟩ - δ), where the weight is α · keep.
                                let change = weights[at] * changes[at] - alpha[at] * delta;
                                changes[at] = change * steep[at];
                            }
                        }
                        dscore.keep(edges, &changes, heads);
                        let dsrc = &mut dsrc[local * heads..][..heads];
                        for (head, dsrc) in dsrc.iter_mut().enumerate() {
                            *dsrc = *dsrc + sum(&changes, heads, head);
                        }
                    }
                }
            },
        );

        let ranges = csr.ranges(heads);
        let parts = cut(&mut ddst, heads, &ranges);
        for_ranges(
            ranges,
            parts,
            #[inline(always)]
            |range, ddst| {
                let (mut entries, mut changes) = (Entries::default(), Vec::new());
                for (row, ddst) in range.zip(ddst.chunks_exact_mut(heads)) {
                    dscore.fetch(csr.ahead(row).1, heads);
                    entries.read(csr, row, options.loops);
                    for (_, edges) in entries.blocks() {
                        dscore.read(edges, &mut changes, heads);
                        for (head, ddst) in ddst.iter_mut().enumerate() {
                            *ddst = *ddst + sum(&changes, heads, head);
                        }
                    }
                }
            },
        );
        [dx, dsrc, ddst]
    }
}

/// One head's part of a source's gradient, added to what is there, and the inner products for its
/// scores.
struct GradientTile<'a, T> {
    own: &'a [T],
    grad: &'a [T],
    width: usize,
    cols: &'a [i32],
    weights: &'a [T],
    products: &'a mut Products<T>,
    heads: usize,
    head: usize,
    dx: &'a mut [T],
}

impl<T: Real> Tile for GradientTile<'_, T> {
    #[inline(always)]
    fn tile<const LENGTH: usize>(&mut self, at: usize) {
        let own = *stretch::<T, LENGTH>(self.own, 0, self.width, at);
        let mut sums = [T::ZERO; LENGTH];
        for (entry, &col) in self.cols.iter().enumerate() {
            let weight = self.weights[entry * self.heads + self.head];
            let grad = stretch::<T, LENGTH>(self.grad, col, self.width, at);
            let mut parts = own;
            for (part, &grad) in parts.iter_mut().zip(grad) {
                *part = *part * grad;
            }
            (self.products).add(entry * self.heads + self.head, parts);
            for (sum, &grad) in sums.iter_mut().zip(grad) {
                *sum = *sum + weight * grad;
            }
        }
        for (dx, &sum) in self.dx[at..at + LENGTH].iter_mut().zip(&sums) {
            *dx = *dx + sum;
        }
    }
}
