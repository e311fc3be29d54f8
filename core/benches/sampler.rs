//! Speed of neighbour sampling, for one core.
//!
//! ```text
//! cargo bench -p kiln-gnn-core --features criterion --bench sampler
//! ```
//!
//! A graph with hubs, 1024 seeds and fan-outs 15, 10 and 5; throughput is sampled edges a second.
//! The graph has a tenth of the size of ogbn-products, 245 thousand nodes and 12 million edges;
//! with `KILN_BENCH_FULL=1` it has that size, and needs 3 GB of memory while it is built.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kiln_core::{
    loader::{FeatureStore as _, MemoryFeatures},
    sampler::{HostCsr, NeighborSampler, NodeSamplerInput, Scratch},
};

const SEEDS: usize = 1024;
const NUM_NEIGHBORS: [i64; 3] = [15, 10, 5];

/// The finaliser of splitmix64.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Node `u² · n` for a random `u` in `0..1`: small numbers are hubs.
fn hub(counter: u64, nodes: u64) -> u64 {
    let u = mix(counter) >> 32;
    let square = (u * u) >> 32;
    (square * nodes) >> 32
}

fn edges(nodes: u64, edges: u64) -> (Vec<i64>, Vec<i64>) {
    let narrow = |node: u64| i64::try_from(node).unwrap_or_default();
    (1..=edges)
        .map(|edge| {
            let dst = (hub(2 * edge + 1, nodes) * 7919 + 13) % nodes;
            (narrow(hub(2 * edge, nodes)), narrow(dst))
        })
        .unzip()
}

fn bench(criterion: &mut Criterion) {
    let full = std::env::var_os("KILN_BENCH_FULL").is_some();
    let (nodes, count) = if full {
        (2_449_029, 123_718_280)
    } else {
        (244_903, 12_371_828)
    };
    let (src, dst) = edges(nodes, count);
    let size = usize::try_from(nodes).unwrap_or_default();
    let build = || HostCsr::from_coo(&src, &dst, size, size);
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10);
    group.throughput(Throughput::Elements(count));
    group.bench_function("from_coo", |bencher| bencher.iter(|| black_box(build())));
    group.finish();
    let graph = build().unwrap_or_else(|error| panic!("{error}"));
    drop((src, dst));

    let seeds: Vec<u32> = (0..SEEDS as u64)
        .filter_map(|seed| u32::try_from(mix(seed) % nodes).ok())
        .collect();
    let input = |batch| NodeSamplerInput {
        node: &seeds,
        time: None,
        batch,
    };
    let plain = Arc::new(graph.clone().without_edge_ids());
    let new = |graph: &Arc<HostCsr>| {
        NeighborSampler::new(graph.clone(), &NUM_NEIGHBORS)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let cases = [
        ("distinct", new(&plain)),
        ("distinct, edge numbers", new(&Arc::new(graph))),
        ("replace", new(&plain).with_replace(true)),
        ("disjoint", new(&plain).with_disjoint(true)),
    ];
    let mut group = criterion.benchmark_group("sample");
    for (name, sampler) in cases {
        let mut scratch = Scratch::new();
        let edges = sampler
            .sample(&input(0), &mut scratch)
            .map_or(0, |out| out.row.len());
        group.throughput(Throughput::Elements(edges as u64));
        let mut batch = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                batch += 1;
                black_box(sampler.sample(&input(batch), &mut scratch))
            });
        });
    }
    group.finish();

    let width = 100;
    let features = MemoryFeatures::new(vec![0.5; size * width], width);
    let features = features.unwrap_or_else(|error| panic!("{error}"));
    let out = new(&plain).sample(&input(0), &mut Scratch::new());
    let rows = out.map(|out| out.node).unwrap_or_default();
    let mut values = vec![0.0; rows.len() * width];
    let mut group = criterion.benchmark_group("gather");
    group.throughput(Throughput::Bytes((values.len() * size_of::<f32>()) as u64));
    group.bench_function("memory", |bencher| {
        bencher.iter(|| black_box(features.gather(&rows, &mut values)));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
