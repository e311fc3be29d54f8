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
    ops::{self, AttentionOptions, DotAttentionOptions, Endpoints, Reduce},
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
        graph.lists(&mut criterion);
        graph.list_gradients(&mut criterion);
        graph.softmax(&mut criterion);
        graph.attention(&mut criterion);
        graph.linear(&mut criterion);
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

        let (device, ends) = self.differentiable();
        let x = graphs::numbers(self.size.nodes, self.width, 0, &device).require_grad();
        let weight = graphs::vector(self.size.edges, 1, &device).require_grad();
        self.measure(criterion, "aggregate", "weighted sum and gradients", || {
            ops::aggregate(x.clone(), Some(weight.clone()), &ends, Reduce::Sum).backward()
        });
        self.measure(criterion, "aggregate", "max and gradient", || {
            ops::aggregate(x.clone(), None, &ends, Reduce::Max).backward()
        });
    }

    /// The same edges where gradients are recorded.
    fn differentiable(&self) -> (Device, Endpoints) {
        let device = self.device.clone().autodiff();
        let edges = Edges::new(self.size).to_device(&device);
        (device, Endpoints::new(&edges, Flow::SourceToTarget))
    }

    fn attention(&self, criterion: &mut Criterion) {
        let options = || AttentionOptions {
            negative_slope: 0.2,
            loops: None,
            dropout: 0.0,
            seed: None,
        };
        let dot_options = || DotAttentionOptions {
            scale: 0.5,
            loops: None,
            dropout: 0.0,
            seed: None,
        };
        let features = |salt: u64, device: &Device| {
            let x = graphs::numbers(self.size.nodes, self.width, salt, device);
            x.reshape([self.size.nodes, HEADS, self.width / HEADS])
        };
        let scores = |salt, device| graphs::numbers(self.size.nodes, HEADS, salt, device);
        let att = |device| graphs::numbers(HEADS, self.width / HEADS, 3, device);

        let (x, ends, device) = (features(0, &self.device), &self.ends, &self.device);
        let [src, dst] = [1, 2].map(|salt| scores(salt, device));
        self.measure(criterion, "attention", "GAT", || {
            ops::edge_attention(x.clone(), src.clone(), dst.clone(), ends, options())
        });
        let att_v2 = att(device);
        self.measure(criterion, "attention", "GATv2", || {
            ops::edge_attention_v2(x.clone(), x.clone(), att_v2.clone(), ends, options())
        });
        self.measure(criterion, "attention", "dot product", || {
            ops::dot_attention(x.clone(), x.clone(), x.clone(), ends, dot_options())
        });

        let (device, ends) = self.differentiable();
        let [query, key, value] = [0, 1, 2].map(|salt| features(salt, &device).require_grad());
        let [src, dst] = [1, 2].map(|salt| scores(salt, &device).require_grad());
        self.measure(criterion, "attention", "GAT and gradients", || {
            ops::edge_attention(value.clone(), src.clone(), dst.clone(), &ends, options())
                .backward()
        });
        let att_v2 = att(&device).require_grad();
        self.measure(criterion, "attention", "GATv2 and gradients", || {
            let (src, dst) = (key.clone(), query.clone());
            ops::edge_attention_v2(src, dst, att_v2.clone(), &ends, options()).backward()
        });
        self.measure(criterion, "attention", "dot product and gradients", || {
            let (query, key) = (query.clone(), key.clone());
            ops::dot_attention(query, key, value.clone(), &ends, dot_options()).backward()
        });
    }

    fn linear(&self, criterion: &mut Criterion) {
        let weight = |device| graphs::numbers(self.width, self.width, 1, device);
        let plain = weight(&self.device);
        self.measure(criterion, "linear", "map", || {
            ops::linear(self.x.clone(), plain.clone(), None)
        });
        let device = self.device.clone().autodiff();
        let x = graphs::numbers(self.size.nodes, self.width, 0, &device).require_grad();
        let weight = weight(&device).require_grad();
        self.measure(criterion, "linear", "map and gradients", || {
            ops::linear(x.clone(), weight.clone(), None).backward()
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

    /// Sums along edges that no call keeps sorted.
    fn lists(&self, criterion: &mut Criterion) {
        let (x, nodes) = (&self.x, self.size.nodes);
        let weight = || Some(self.weight.clone());
        for reduce in Reduce::ALL {
            self.measure(criterion, "spmm", reduce.name(), || {
                let (src, dst) = (self.edges.src(), self.edges.dst());
                ops::spmm(x.clone(), src, dst, None, nodes, reduce)
            });
        }
        self.measure(criterion, "spmm", "weighted sum", || {
            let (src, dst) = (self.edges.src(), self.edges.dst());
            ops::spmm(x.clone(), src, dst, weight(), nodes, Reduce::Sum)
        });
        let (rowptr, edge) = ops::coo_to_csr(self.edges.dst(), nodes);
        let col = self.edges.src().select(0, edge);
        self.measure(criterion, "spmm_csr", "sum", || {
            ops::spmm_csr(x.clone(), rowptr.clone(), col.clone(), None, Reduce::Sum)
        });
        self.measure(criterion, "spmm_csr", "weighted sum", || {
            let (rowptr, col) = (rowptr.clone(), col.clone());
            ops::spmm_csr(x.clone(), rowptr, col, weight(), Reduce::Sum)
        });
        for width in [1, HEADS, 32] {
            let messages = graphs::numbers(self.size.edges, width, 2, &self.device);
            for reduce in Reduce::ALL {
                let name = format!("{} of {width}", reduce.name());
                self.measure(criterion, "segment_reduce", name.clone(), || {
                    ops::segment_reduce(messages.clone(), rowptr.clone(), reduce)
                });
                self.measure(criterion, "scatter", name, || {
                    ops::scatter(messages.clone(), self.edges.dst(), nodes, reduce)
                });
            }
        }
    }

    fn list_gradients(&self, criterion: &mut Criterion) {
        let (device, nodes) = (self.device.clone().autodiff(), self.size.nodes);
        let edges = Edges::new(self.size).to_device(&device);
        let x = graphs::numbers(nodes, self.width, 0, &device).require_grad();
        let weight = graphs::vector(self.size.edges, 1, &device).require_grad();
        let (rowptr, edge) = ops::coo_to_csr(edges.dst(), nodes);
        let col = edges.src().select(0, edge);
        for reduce in [Reduce::Sum, Reduce::Mean, Reduce::Max] {
            let name = format!("{} and gradient", reduce.name());
            self.measure(criterion, "spmm", name.clone(), || {
                ops::spmm(x.clone(), edges.src(), edges.dst(), None, nodes, reduce).backward()
            });
            self.measure(criterion, "spmm_csr", name, || {
                ops::spmm_csr(x.clone(), rowptr.clone(), col.clone(), None, reduce).backward()
            });
        }
        self.measure(criterion, "spmm", "weighted sum and gradients", || {
            let (src, dst, weight) = (edges.src(), edges.dst(), Some(weight.clone()));
            ops::spmm(x.clone(), src, dst, weight, nodes, Reduce::Sum).backward()
        });
        self.measure(criterion, "spmm_csr", "weighted sum and gradients", || {
            let (rowptr, col, weight) = (rowptr.clone(), col.clone(), Some(weight.clone()));
            ops::spmm_csr(x.clone(), rowptr, col, weight, Reduce::Sum).backward()
        });
        let features = graphs::numbers(nodes, HEADS, 0, &device).require_grad();
        self.measure(
            criterion,
            "gather",
            format!("width {HEADS} and gradient"),
            || ops::gather(features.clone(), edges.src()).backward(),
        );
        self.measure(
            criterion,
            "gather",
            format!("width {} and gradient", self.width),
            || ops::gather(x.clone(), edges.src()).backward(),
        );
        for width in [HEADS, 32] {
            let messages = graphs::numbers(self.size.edges, width, 2, &device).require_grad();
            for reduce in Reduce::ALL {
                let name = format!("{} of {width} and gradient", reduce.name());
                self.measure(criterion, "segment_reduce", name.clone(), || {
                    ops::segment_reduce(messages.clone(), rowptr.clone(), reduce).backward()
                });
                self.measure(criterion, "scatter", name, || {
                    ops::scatter(messages.clone(), edges.dst(), nodes, reduce).backward()
                });
            }
        }
        let scores = graphs::numbers(self.size.edges, HEADS, 2, &device).require_grad();
        self.measure(criterion, "softmax", "unsorted and gradient", || {
            ops::segment_softmax(scores.clone(), edges.dst(), nodes).backward()
        });
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
