//! The operations as plain loops over `f64`, written from their formulas.

use burn::tensor::{Device, Int, Tensor};
use kiln_ops::{AttentionOptions, DotAttentionOptions, Loops, Reduce};

/// `out[e] = x[index[e]]`
pub(crate) fn gather(x: &[f64], width: usize, index: &[usize]) -> Vec<f64> {
    index
        .iter()
        .flat_map(|&i| x[i * width..][..width].to_vec())
        .collect()
}

/// `out[i] = ⊕ { x[e] : index[e] = i }`
pub(crate) fn scatter(
    x: &[f64],
    width: usize,
    index: &[usize],
    size: usize,
    reduce: Reduce,
) -> Vec<f64> {
    let mut members = vec![Vec::new(); size];
    for (e, &i) in index.iter().enumerate() {
        members[i].push(e);
    }
    let row = |members: &Vec<usize>| {
        let feature = |f| {
            members
                .iter()
                .map(|&e| x[e * width + f])
                .collect::<Vec<_>>()
        };
        (0..width)
            .map(|f| reduced(&feature(f), reduce))
            .collect::<Vec<_>>()
    };
    members.iter().flat_map(row).collect()
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn reduced(members: &[f64], reduce: Reduce) -> f64 {
    match reduce {
        Reduce::Mul => members.iter().product(),
        _ if members.is_empty() => 0.0,
        Reduce::Sum => members.iter().sum(),
        Reduce::Mean => members.iter().sum::<f64>() / members.len() as f64,
        Reduce::Max => extremum(members, |a, b| a > b),
        Reduce::Min => extremum(members, |a, b| a < b),
    }
}

/// The number that none exceeds, NaN if there is one.
fn extremum(members: &[f64], exceeds: fn(f64, f64) -> bool) -> f64 {
    let members = members.iter().copied();
    let larger = |a: f64, b: f64| if b.is_nan() || exceeds(b, a) { b } else { a };
    members.reduce(larger).unwrap()
}

/// `out[i, h] = ⊕ { w[e, h] · x[src[e], h] : dst[e] = i }`: a weight for each head of an edge,
/// whose number is that of the weights.
pub(crate) fn spmm(
    x: &[f64],
    width: usize,
    src: &[usize],
    dst: &[usize],
    weight: Option<&[f64]>,
    size: usize,
    reduce: Reduce,
) -> Vec<f64> {
    let mut messages = gather(x, width, src);
    if let Some(weight) = weight.filter(|weight| !weight.is_empty()) {
        let channels = messages.len() / weight.len();
        for (message, w) in messages.chunks_mut(channels).zip(weight) {
            for value in message {
                *value *= w;
            }
        }
    }
    scatter(&messages, width, dst, size, reduce)
}

/// Softmax among equal indices.
pub(crate) fn segment_softmax(x: &[f64], width: usize, index: &[usize], size: usize) -> Vec<f64> {
    let max = scatter(x, width, index, size, Reduce::Max);
    let max = gather(&max, width, index);
    let exp: Vec<f64> = x.iter().zip(max).map(|(x, max)| (x - max).exp()).collect();
    let sum = scatter(&exp, width, index, size, Reduce::Sum);
    let sum = gather(&sum, width, index);
    exp.iter()
        .zip(sum)
        .map(|(exp, sum)| exp / (sum + 1e-16))
        .collect()
}

/// `out[e, h] = Σ_c a[dst[e], h, c] · b[src[e], h, c]`
pub(crate) fn edge_dot(
    a: &[f64],
    b: &[f64],
    [heads, channels]: [usize; 2],
    src: &[usize],
    dst: &[usize],
) -> Vec<f64> {
    let (a, b) = (
        gather(a, heads * channels, dst),
        gather(b, heads * channels, src),
    );
    a.chunks(channels)
        .zip(b.chunks(channels))
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
        .collect()
}

/// One over the root of the degree, and 0 for degree 0. With `self_loop` a loop of that weight
/// takes the place of the edges from a node to itself.
pub(crate) fn inverse_sqrt_degree(
    src: &[usize],
    dst: &[usize],
    nodes: usize,
    self_loop: Option<f64>,
) -> Vec<f64> {
    let mut degree = vec![self_loop.unwrap_or_default(); nodes];
    for (&j, &i) in src.iter().zip(dst) {
        if self_loop.is_none() || j != i {
            degree[i] += 1.0;
        }
    }
    let scale = |degree: f64| {
        if degree == 0.0 {
            0.0
        } else {
            degree.sqrt().recip()
        }
    };
    degree.into_iter().map(scale).collect()
}

/// `out[i] = s[i] · ( Σ { s[j] · x[j] : edge j → i } + w · s[i] · x[i] )`, where `s` is
/// [`inverse_sqrt_degree`] and `w` the weight of loops.
pub(crate) fn normalized(
    x: &[f64],
    width: usize,
    src: &[usize],
    dst: &[usize],
    self_loop: Option<f64>,
) -> Vec<f64> {
    let nodes = x.len() / width;
    let scale = inverse_sqrt_degree(src, dst, nodes, self_loop);
    let mut out = vec![0.0; x.len()];
    let mut add = |j: usize, i: usize, weight: f64| {
        let weight = weight * scale[i] * scale[j];
        for f in 0..width {
            out[i * width + f] += weight * x[j * width + f];
        }
    };
    for (&j, &i) in src.iter().zip(dst) {
        if self_loop.is_none() || j != i {
            add(j, i, 1.0);
        }
    }
    if let Some(weight) = self_loop {
        (0..nodes).for_each(|i| add(i, i, weight));
    }
    out
}

/// `out[i] = Σ { w[e] · x[j] : edge e = j → i, j ≠ i } + l[i] · x[i]`
pub(crate) fn with_loops(
    x: &[f64],
    width: usize,
    src: &[usize],
    dst: &[usize],
    weight: &[f64],
    self_loop: &[f64],
) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    let mut add = |j: usize, i: usize, weight: f64| {
        for f in 0..width {
            out[i * width + f] += weight * x[j * width + f];
        }
    };
    for ((&j, &i), &weight) in src.iter().zip(dst).zip(weight) {
        if j != i {
            add(j, i, weight);
        }
    }
    for (i, &weight) in self_loop.iter().enumerate() {
        add(i, i, weight);
    }
    out
}

/// Attention by its formulas; `scores` are those of sources and of targets.
pub(crate) fn attention(
    x: &[f64],
    sizes: [usize; 2],
    scores: [&[f64]; 2],
    src: &[usize],
    dst: &[usize],
    options: &Attention,
) -> Vec<f64> {
    attention_with(x, sizes, scores, None, src, dst, options)
}

/// The same with what edges and loops add to the scores, loops behind edges.
pub(crate) fn attention_with(
    x: &[f64],
    [heads, channels]: [usize; 2],
    scores: [&[f64]; 2],
    more: Option<&[f64]>,
    src: &[usize],
    dst: &[usize],
    options: &Attention,
) -> Vec<f64> {
    let size = scores[1].len() / heads;
    let mut entries = vec![Vec::new(); size];
    for (e, (&j, &i)) in src.iter().zip(dst).enumerate() {
        if options.loops.is_none() || j != i {
            entries[i].push((e, j));
        }
    }
    let loops = options.loops.unwrap_or_default();
    for (i, entries) in entries.iter_mut().enumerate().take(loops) {
        entries.push((src.len() + i, i));
    }
    let mut out = vec![0.0; size * heads * channels];
    for ((i, entries), h) in entries
        .iter()
        .enumerate()
        .flat_map(|row| (0..heads).map(move |h| (row, h)))
    {
        let score = |e: usize, j: usize| {
            let mut sum = scores[0][j * heads + h] + scores[1][i * heads + h];
            if let Some(more) = more {
                sum += more[e * heads + h];
            }
            if sum > 0.0 {
                sum
            } else {
                sum * options.negative_slope
            }
        };
        let total: f64 = entries.iter().map(|&(e, j)| score(e, j).exp()).sum();
        for &(e, j) in entries {
            let alpha = score(e, j).exp() / total * kept(e * heads + h, options);
            for c in 0..channels {
                let x = x[(j * heads + h) * channels + c];
                out[(i * heads + h) * channels + c] += alpha * x;
            }
        }
    }
    out
}

/// [`AttentionOptions`] with a seed that is a number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention {
    pub(crate) negative_slope: f64,
    pub(crate) loops: Option<usize>,
    pub(crate) dropout: Option<(f64, u32)>,
}

impl Attention {
    pub(crate) fn on(self, device: &Device) -> AttentionOptions {
        let (dropout, seed) = seeded(self.dropout, device);
        AttentionOptions {
            negative_slope: self.negative_slope,
            loops: self.loops.map(Loops::Below),
            dropout,
            seed,
        }
    }
}

/// The same of [`DotAttentionOptions`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct DotAttention {
    pub(crate) scale: f64,
    pub(crate) loops: Option<usize>,
    pub(crate) dropout: Option<(f64, u32)>,
}

impl DotAttention {
    pub(crate) fn on(self, device: &Device) -> DotAttentionOptions {
        let (dropout, seed) = seeded(self.dropout, device);
        DotAttentionOptions {
            scale: self.scale,
            loops: self.loops.map(Loops::Below),
            dropout,
            seed,
        }
    }
}

fn seeded(dropout: Option<(f64, u32)>, device: &Device) -> (f64, Option<Tensor<1, Int>>) {
    match dropout {
        Some((probability, seed)) => {
            let seed = Tensor::from_ints([seed.cast_signed()], device);
            (probability, Some(seed))
        }
        None => (0.0, None),
    }
}

/// What dropout multiplies a weight with.
fn kept(number: usize, options: &Attention) -> f64 {
    let Some((probability, seed)) = options.dropout else {
        return 1.0;
    };
    let hash = f64::from(mix(mix(u32::try_from(number).unwrap()) ^ seed));
    if hash < (probability * f64::from(u32::MAX)).floor() {
        0.0
    } else {
        1.0 / (1.0 - probability)
    }
}

/// The finaliser of MurmurHash3.
fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}
