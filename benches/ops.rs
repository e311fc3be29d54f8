//! The operations of `kiln-ops`, one family at a time, on a processor.
//!
//! ```text
//! cargo xtask bench                      # all of them
//! cargo xtask bench -- aggregate/arxiv   # those whose name contains this
//! ```
//!
//! Criterion compares with the run before. What it shows is progress; how Kiln stands beside others
//! is what the bench `peers` measures.

#[path = "graphs/mod.rs"]
#[expect(dead_code, reason = "the largest graph is not used here")]
mod graphs;

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput};
use kiln::{
    core::Flow,
    ops::{self, Endpoints, Reduce},
    prelude::*,
};

use crate::graphs::{ARXIV, CORA, Edges, Size};

/// Heads of a softmax.
const HEADS: usize = 4;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for (size, width) in [(CORA, 16), (ARXIV, 128)] {
        let graph = Graph::new(size, width, &Device::flex());
        graph.aggregate(&mut criterion);
        graph.scatter(&mut criterion);
        graph.softmax(&mut criterion);
        graph.gather(&mut criterion);
        graph.coo_to_csr(&mut criterion);
    }
    criterion.final_summary();
}

/// A graph, features of its nodes, and weights of its edges.
struct Graph {
    size: Size,
    width: usize,
    device: Device,
    edges: EdgeIndex,
    ends: Endpoints,
    x: Tensor<2>,
    weight: Tensor<1>,
}

impl Graph {
    fn new(size: Size, width: usize, device: &Device) -> Self {
        let edges = Edges::new(size).to_device(device);
        Self {
            size,
            width,
            device: device.clone(),
            ends: Endpoints::new(&edges, Flow::SourceToTarget),
            edges,
            x: graphs::numbers(size.nodes, width, 0, device),
            weight: graphs::vector(size.edges, 1, device),
        }
    }

    /// Measures one operation as `family/graph/name`, per edge.
    fn measure<T>(
        &self,
        criterion: &mut Criterion,
        family: &str,
        name: impl Into<String>,
        mut call: impl FnMut() -> T,
    ) {
        let mut group = criterion.benchmark_group(format!("{family}/{}", self.size.name));
        group.throughput(Throughput::Elements(self.size.edges as u64));
        group.bench_function(BenchmarkId::from_parameter(name.into()), |bencher| {
            bencher.iter(|| black_box(call()));
        });
        group.finish();
    }

    fn aggregate(&self, criterion: &mut Criterion) {
        let (x, ends) = (&self.x, &self.ends);
        for reduce in [Reduce::Sum, Reduce::Mean, Reduce::Max] {
            self.measure(criterion, "aggregate", reduce.name(), || {
                ops::aggregate(x.clone(), None, ends, reduce)
            });
        }
        self.measure(criterion, "aggregate", "weighted sum", || {
            ops::aggregate(x.clone(), Some(self.weight.clone()), ends, Reduce::Sum)
        });
        self.measure(criterion, "aggregate", "sum of unsorted edges", || {
            let (src, dst) = (self.edges.src(), self.edges.dst());
            ops::spmm(x.clone(), src, dst, None, self.size.nodes, Reduce::Sum)
        });

        let device = self.device.clone().autodiff();
        let edges = Edges::new(self.size).to_device(&device);
        let ends = Endpoints::new(&edges, Flow::SourceToTarget);
        let x = graphs::numbers(self.size.nodes, self.width, 0, &device).require_grad();
        let weight = graphs::vector(self.size.edges, 1, &device).require_grad();
        self.measure(criterion, "aggregate", "weighted sum and gradients", || {
            ops::aggregate(x.clone(), Some(weight.clone()), &ends, Reduce::Sum).backward()
        });
    }

    fn scatter(&self, criterion: &mut Criterion) {
        // As wide as the scores of an attention layer: messages of all features are never made.
        let messages = graphs::numbers(self.size.edges, HEADS, 2, &self.device);
        for reduce in [Reduce::Sum, Reduce::Max] {
            self.measure(criterion, "scatter", reduce.name(), || {
                let (messages, dst) = (messages.clone(), self.edges.dst());
                ops::scatter(messages, dst, self.size.nodes, reduce)
            });
        }
    }

    fn softmax(&self, criterion: &mut Criterion) {
        let scores = graphs::numbers(self.size.edges, HEADS, 2, &self.device);
        self.measure(criterion, "softmax", "sorted", || {
            self.ends.softmax(scores.clone())
        });
        self.measure(criterion, "softmax", "unsorted", || {
            let (scores, dst) = (scores.clone(), self.edges.dst());
            ops::segment_softmax(scores, dst, self.size.nodes)
        });
    }

    fn gather(&self, criterion: &mut Criterion) {
        let narrow = graphs::numbers(self.size.nodes, HEADS, 0, &self.device);
        self.measure(criterion, "gather", format!("width {HEADS}"), || {
            ops::gather(narrow.clone(), self.edges.src())
        });
        self.measure(criterion, "gather", format!("width {}", self.width), || {
            ops::gather(self.x.clone(), self.edges.src())
        });
    }

    fn coo_to_csr(&self, criterion: &mut Criterion) {
        self.measure(criterion, "coo_to_csr", "stable", || {
            ops::coo_to_csr(self.edges.dst(), self.size.nodes)
        });
    }
}
