//! Graphs and features for benchmarks, made by formula: the same on every machine and in every
//! language.
//!
//! With `mix` the finaliser of splitmix64, edge `i` of `1 ..= E` runs between the nodes
//!
//! ```text
//! u(s) = (mix(2 i + s) >> 11) / 2^53   s = 0 for the source, 1 for the destination
//! node = min(floor(u u N), N - 1)                         low numbers are frequent
//! dst  = (7919 node + 13) mod N                           scattered, so that rows are not in order
//! ```
//!
//! Degrees fall off like a power law: the largest in-degree is 5,725 at the size of ogbn-arxiv and
//! 79,498 at that of ogbn-products. `benches/peers/peers.py` makes the same, bit for bit.

use std::thread;

use burn::tensor::{DType, Device, Tensor, TensorData};
use kiln::prelude::EdgeIndex;

/// Sizes of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// What it is called; that of the dataset with these sizes.
    pub(crate) name: &'static str,
    /// Number of nodes, `N`.
    pub(crate) nodes: usize,
    /// Number of edges, `E`.
    pub(crate) edges: usize,
    /// Width of the features that go into a layer.
    pub(crate) d_input: usize,
    /// Width of those that come out of it.
    pub(crate) d_output: usize,
}

/// A citation graph that fits in a cache; here the time between operations counts.
pub(crate) const CORA: Size = Size {
    name: "cora",
    nodes: 2_708,
    edges: 10_556,
    d_input: 1_433,
    d_output: 16,
};

/// A graph that no processor's cache holds, and a GPU's almost.
pub(crate) const ARXIV: Size = Size {
    name: "arxiv",
    nodes: 169_343,
    edges: 2_332_486,
    d_input: 128,
    d_output: 256,
};

/// A large graph: messages of all edges at once need 50 GB.
pub(crate) const PRODUCTS: Size = Size {
    name: "products",
    nodes: 2_449_029,
    edges: 123_718_280,
    d_input: 100,
    d_output: 256,
};

/// Every graph, the smallest first.
pub(crate) const SIZES: [Size; 3] = [CORA, ARXIV, PRODUCTS];

/// The edges of a graph: all sources, then all destinations.
#[derive(Debug)]
pub(crate) struct Edges {
    size: Size,
    ends: Vec<i32>,
}

impl Edges {
    /// Makes the edges of a graph, on all cores.
    pub(crate) fn new(size: Size) -> Self {
        let mut ends = vec![0; 2 * size.edges];
        let (src, dst) = ends.split_at_mut(size.edges);
        let nodes = size.nodes as u64;
        fill(src, |edge| narrow(source(edge, nodes)));
        fill(dst, |edge| narrow(destination(edge, nodes)));
        Self { size, ends }
    }

    /// Sources, `[E]`.
    pub(crate) fn src(&self) -> &[i32] {
        &self.ends[..self.size.edges]
    }

    /// Destinations, `[E]`.
    pub(crate) fn dst(&self) -> &[i32] {
        &self.ends[self.size.edges..]
    }

    /// One number for all edges: the sum of `i (src N + dst)`, modulo 2^64.
    pub(crate) fn digest(&self) -> u64 {
        let nodes = self.size.nodes as u64;
        let pair = |(&src, &dst): (&i32, &i32)| wide(src) * nodes + wide(dst);
        let pairs = self.src().iter().zip(self.dst()).map(pair);
        let number = |(number, pair): (u64, u64)| pair.wrapping_mul(number);
        (1..).zip(pairs).map(number).fold(0, u64::wrapping_add)
    }

    /// The edges on a device, in 32-bit integers.
    pub(crate) fn to_device(&self, device: &Device) -> EdgeIndex {
        let data = TensorData::new(self.ends.clone(), [2, self.size.edges]);
        let tensor = Tensor::from_data(data, (device, DType::I32));
        EdgeIndex::new_unchecked(tensor, self.size.nodes, self.size.nodes)
    }
}

/// `[rows, columns]` numbers between -0.5 and 0.5; each `salt` gives others.
pub(crate) fn numbers(rows: usize, columns: usize, salt: u64, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0; rows * columns];
    fill(&mut values, |k| number(k, salt));
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// The same for one axis.
pub(crate) fn vector(length: usize, salt: u64, device: &Device) -> Tensor<1> {
    numbers(length, 1, salt, device).squeeze_dim(1)
}

/// Fills each place with a function of its number, on all cores.
fn fill<T: Send>(out: &mut [T], value: impl Fn(u64) -> T + Sync) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let length = out.len().div_ceil(threads).max(1);
    let value = &value;
    thread::scope(|scope| {
        for (part, out) in out.chunks_mut(length).enumerate() {
            scope.spawn(move || {
                let first = (part * length) as u64;
                for (number, place) in (first..).zip(out) {
                    *place = value(number);
                }
            });
        }
    });
}

/// The finaliser of splitmix64.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Source of an edge, numbered from 0.
fn source(edge: u64, nodes: u64) -> u64 {
    node(2 * (edge + 1), nodes)
}

/// Destination of an edge, numbered from 0.
fn destination(edge: u64, nodes: u64) -> u64 {
    (node(2 * (edge + 1) + 1, nodes) * 7919 + 13) % nodes
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "53 bits fit a float; u u N lies in 0 ..= N"
)]
fn node(key: u64, nodes: u64) -> u64 {
    let u = (mix(key) >> 11) as f64 / (1_u64 << 53) as f64;
    ((u * u * nodes as f64) as u64).min(nodes - 1)
}

#[expect(clippy::cast_precision_loss, reason = "24 bits fit a float")]
fn number(k: u64, salt: u64) -> f32 {
    (mix(4 * k + salt + 1) >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
}

/// A node's number as `i32`: the largest graph has 2.4 million nodes.
fn narrow(node: u64) -> i32 {
    i32::try_from(node).unwrap_or(i32::MAX)
}

fn wide(node: i32) -> u64 {
    u64::from(node.unsigned_abs())
}
