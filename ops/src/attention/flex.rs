//! Attention on the CPU: the weights of one row at a time, then the sum of its entries.

use burn::backend::{Flex, TensorMetadata as _};
use burn_flex::FlexTensor;

use super::{AttentionOptions, dropout_threshold, is_dropped};
use crate::{
    CsrTensors,
    edge_softmax::flex::normalise,
    rows::{
        flex::{Real, elements, row_width, tensor, widened, with_real, with_rows},
        walk::{Contiguous, Scattered, Tile, Walk, cut, dot, for_ranges, position, stretch, tiles},
    },
};

/// The entries of one row that count, loops as the options have them.
#[derive(Default)]
struct Entries {
    cols: Vec<i32>,
    edges: Vec<i32>,
}

impl Entries {
    #[inline(always)]
    fn read(&mut self, walk: &Walk<'_>, row: usize, loops: Option<usize>) {
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
}

/// Dropout of weights.
struct Drop<T> {
    threshold: u32,
    seed: u32,
    scale: T,
}

impl<T: Real> Drop<T> {
    fn new(options: &AttentionOptions) -> Option<Self> {
        options.dropout.map(|(probability, seed)| Self {
            threshold: dropout_threshold(probability),
            seed,
            scale: T::ONE / (T::ONE - T::from_f64(probability)),
        })
    }

    /// What a weight is multiplied with.
    #[inline(always)]
    fn keep(&self, edge: i32, heads: usize, head: usize) -> T {
        let number = (edge.cast_unsigned())
            .wrapping_mul(low(heads))
            .wrapping_add(low(head));
        if is_dropped(number, self.seed, self.threshold) {
            T::ZERO
        } else {
            self.scale
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a number of heads")]
fn low(heads: usize) -> u32 {
    heads as u32
}

#[inline(always)]
fn leaky<T: Real>(score: T, slope: T) -> T {
    if score > T::ZERO {
        score
    } else {
        score * slope
    }
}

/// See [`crate::GraphOps::edge_attention`].
pub(crate) fn attention(
    x: &FlexTensor,
    score_src: &FlexTensor,
    score_dst: &FlexTensor,
    csr: &CsrTensors<Flex>,
    options: AttentionOptions,
) -> (FlexTensor, FlexTensor) {
    let csr = Contiguous::new(csr);
    let walk = csr.walk();
    let (shape, lse_shape) = (with_rows(&x.shape(), walk.rows()), score_dst.shape());
    let (width, heads) = (row_width(&shape), row_width(&lse_shape));
    let mut lse = None;
    let out = widened([x, score_src, score_dst], |[x, score_src, score_dst]| {
        with_real!(x, T => {
            let scores = [elements!(score_src, T), elements!(score_dst, T)];
            let (values, sums) =
                forward(elements!(x, T), scores, [width, heads], &walk, &options);
            lse = Some(tensor(sums, lse_shape));
            tensor(values, shape)
        })
    });
    (out, lse.expect("the forward pass makes both"))
}

fn forward<T: Real>(
    x: &[T],
    [score_src, score_dst]: [&[T]; 2],
    [width, heads]: [usize; 2],
    walk: &Walk<'_>,
    options: &AttentionOptions,
) -> (Vec<T>, Vec<T>) {
    let slope = T::from_f64(options.negative_slope);
    let drop = Drop::<T>::new(options);
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
            for (local, row) in range.enumerate() {
                entries.read(walk, row, options.loops);
                let own = &score_dst[row * heads..][..heads];
                weights.clear();
                for &col in &entries.cols {
                    let other = &score_src[position(col) * heads..][..heads];
                    weights.extend(own.iter().zip(other).map(|(&a, &b)| leaky(a + b, slope)));
                }
                normalise(&mut weights, &mut lse[local * heads..][..heads]);
                if let Some(drop) = &drop {
                    for (&edge, weights) in entries.edges.iter().zip(weights.chunks_mut(heads)) {
                        for (head, weight) in weights.iter_mut().enumerate() {
                            *weight = *weight * drop.keep(edge, heads, head);
                        }
                    }
                }
                for head in 0..heads {
                    let mut tile = SumTile {
                        x,
                        width,
                        cols: &entries.cols,
                        weights: &weights,
                        heads,
                        head,
                        out: &mut out[local * width..][..width],
                    };
                    tiles(head * channels, (head + 1) * channels, &mut tile);
                }
            }
        },
    );
    (out, lse)
}

/// The sum of a row's entries, weighted for one head.
struct SumTile<'a, T> {
    x: &'a [T],
    width: usize,
    cols: &'a [i32],
    weights: &'a [T],
    heads: usize,
    head: usize,
    out: &'a mut [T],
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
        self.out[at..at + LENGTH].copy_from_slice(&sums);
    }
}

/// See [`crate::GraphOps::edge_attention_backward`].
pub(crate) fn attention_backward(
    x: &FlexTensor,
    score_src: &FlexTensor,
    score_dst: &FlexTensor,
    out: &FlexTensor,
    lse: &FlexTensor,
    grad: &FlexTensor,
    csr: &CsrTensors<Flex>,
    transposed: &CsrTensors<Flex>,
    options: AttentionOptions,
) -> (FlexTensor, FlexTensor, FlexTensor) {
    let (csr, transposed) = (Contiguous::new(csr), Contiguous::new(transposed));
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
}

impl<T: Real> Saved<'_, T> {
    fn gradients(
        &self,
        [width, heads]: [usize; 2],
        csr: &Walk<'_>,
        transposed: &Walk<'_>,
        options: &AttentionOptions,
    ) -> [Vec<T>; 3] {
        let (rows, cols) = (csr.rows(), transposed.rows());
        let slope = T::from_f64(options.negative_slope);
        let drop = Drop::<T>::new(options);
        let mut dx = vec![T::ZERO; cols * width];
        let mut dsrc = vec![T::ZERO; cols * heads];
        let mut ddst = vec![T::ZERO; rows * heads];
        if heads == 0 {
            return [dx, dsrc, ddst];
        }
        let channels = width / heads;
        let delta = self.delta([width, heads], csr);
        // The gradient of each edge's score, and of the loops' behind them.
        let dscore = Scattered::<T>::zeros((csr.entries() + options.loops.unwrap_or(0)) * heads);

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
                let mut entries = Entries::default();
                let (mut pre, mut alpha) = (Vec::new(), Vec::new());
                let (mut weights, mut dots) = (Vec::new(), Vec::new());
                for (local, row) in range.enumerate() {
                    entries.read(transposed, row, options.loops);
                    let own = &self.score_src[row * heads..][..heads];
                    pre.clear();
                    alpha.clear();
                    for &col in &entries.cols {
                        let at = position(col) * heads;
                        let (other, lse) =
                            (&self.score_dst[at..][..heads], &self.lse[at..][..heads]);
                        for head in 0..heads {
                            let score = own[head] + other[head];
                            pre.push(score);
                            alpha.push(leaky(score, slope) - lse[head]);
                        }
                    }
                    T::exp_all(&mut alpha);
                    weights.clear();
                    weights.extend_from_slice(&alpha);
                    if let Some(drop) = &drop {
                        for (&edge, weights) in entries.edges.iter().zip(weights.chunks_mut(heads))
                        {
                            for (head, weight) in weights.iter_mut().enumerate() {
                                *weight = *weight * drop.keep(edge, heads, head);
                            }
                        }
                    }
                    dots.clear();
                    dots.resize(alpha.len(), T::ZERO);
                    for head in 0..heads {
                        let mut tile = GradientTile {
                            own: &self.x[row * width..][..width],
                            grad: self.grad,
                            width,
                            cols: &entries.cols,
                            weights: &weights,
                            dots: &mut dots,
                            heads,
                            head,
                            dx: &mut dx[local * width..][..width],
                        };
                        tiles(head * channels, (head + 1) * channels, &mut tile);
                    }
                    let dsrc = &mut dsrc[local * heads..][..heads];
                    for (entry, (&col, &edge)) in
                        entries.cols.iter().zip(&entries.edges).enumerate()
                    {
                        for (head, dsrc) in dsrc.iter_mut().enumerate() {
                            let at = entry * heads + head;
                            let delta = delta[position(col) * heads + head];
                            // α (keep ⟨g, x⟩ - δ), where the weight is α · keep.
                            let ds = weights[at] * dots[at] - alpha[at] * delta;
                            let ds = if pre[at] > T::ZERO { ds } else { ds * slope };
                            dscore.set(position(edge) * heads + head, ds);
                            *dsrc = *dsrc + ds;
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
                for (row, ddst) in range.zip(ddst.chunks_exact_mut(heads)) {
                    let (_, edges) = csr.row(row);
                    let own = options.loops.filter(|&loops| row < loops);
                    let own = own.map(|_| csr.entries() + row);
                    let edges = edges.iter().map(|&edge| position(edge)).chain(own);
                    for edge in edges {
                        for (head, ddst) in ddst.iter_mut().enumerate() {
                            *ddst = *ddst + dscore.get(edge * heads + head);
                        }
                    }
                }
            },
        );
        [dx, dsrc, ddst]
    }

    /// `⟨g_i, out_i⟩` by heads.
    fn delta(&self, [width, heads]: [usize; 2], csr: &Walk<'_>) -> Vec<T> {
        let mut delta = vec![T::ZERO; csr.rows() * heads];
        let ranges = csr.ranges(width.max(1));
        let parts = cut(&mut delta, heads, &ranges);
        for_ranges(
            ranges,
            parts,
            #[inline(always)]
            |range, delta| {
                let at = range.start * width..range.end * width;
                let pairs = self.grad[at.clone()].iter().zip(&self.out[at]);
                let channels = (width / heads).max(1);
                for (position, (&g, &out)) in pairs.enumerate() {
                    let delta = &mut delta[position / channels];
                    *delta = *delta + g * out;
                }
            },
        );
        delta
    }
}

/// One head's part of a sender's gradient, and the inner products for its scores.
struct GradientTile<'a, T> {
    own: &'a [T],
    grad: &'a [T],
    width: usize,
    cols: &'a [i32],
    weights: &'a [T],
    dots: &'a mut [T],
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
            for (sum, &grad) in sums.iter_mut().zip(grad) {
                *sum = *sum + weight * grad;
            }
            let partial = &mut self.dots[entry * self.heads + self.head];
            *partial = *partial + dot(&own, grad);
        }
        self.dx[at..at + LENGTH].copy_from_slice(&sums);
    }
}
