//! Memory of a long training: a GraphSAGE of two layers on a graph of any of the benchmarks' sizes.
//!
//! ```text
//! cargo bench --bench memory -- --graph arxiv --epochs 100
//! cargo bench --bench memory --features cuda -- --backend cuda --graph products --epochs 1000
//! ```
//!
//! A tenth of the epochs is a line: the time of one, the loss, and the memory held. The run fails
//! if the last line holds more than the first, by more than one hundredth.

#[path = "graphs/mod.rs"]
#[expect(dead_code, reason = "the bench of peers uses more of it")]
mod graphs;

use std::{fs, io::Write as _, time::Instant};

use anyhow::{Context as _, Result, ensure};
use burn::{
    nn::loss::CrossEntropyLossConfig,
    optim::{AdamConfig, GradientsParams},
    tensor::{Int, TensorData},
};
use clap::Parser;
use kiln::prelude::*;

use crate::graphs::{Edges, SIZES};

/// Width between the layers.
const HIDDEN: usize = 64;
/// Number of classes, as in ogbn-products.
const CLASSES: usize = 47;
/// Learning rate of Adam.
const LEARNING_RATE: f64 = 0.01;
/// Lines that are printed.
const REPORTS: usize = 10;

/// Trains for many epochs and reports the memory held.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Where to train: flex, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long, default_value = "flex")]
    backend: String,
    /// Precision of `f32` products: highest, high or medium.
    #[arg(long, default_value_t)]
    precision: MatmulPrecision,
    /// The graph: cora, arxiv or products.
    #[arg(long, default_value = "arxiv")]
    graph: String,
    /// Number of epochs.
    #[arg(long, default_value_t = 100)]
    epochs: usize,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Module, Debug)]
struct Net {
    conv1: SageConv,
    conv2: SageConv,
}

impl Net {
    fn forward(&self, x: Tensor<2>, edges: &EdgeIndex) -> Tensor<2> {
        let x = relu(self.conv1.forward(x, edges));
        self.conv2.forward(x, edges)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut sizes = SIZES.into_iter();
    let size = sizes.find(|size| size.name == args.graph);
    let size = size.with_context(|| {
        let name = &args.graph;
        format!("expected cora, arxiv or products as --graph, got `{name}`")
    })?;
    let plain = backend::device(&args.backend)?;
    set_matmul_precision(&plain, args.precision)?;
    let device = plain.clone().autodiff();
    let edges = Edges::new(size).to_device(&device);
    let x = graphs::numbers(size.nodes, size.d_input, 0, &device);
    let label = |node: usize| i64::try_from(node % CLASSES);
    let labels = (0..size.nodes).map(label).collect::<Result<Vec<_>, _>>()?;
    let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [size.nodes]), &device);
    let mut net = Net {
        conv1: SageConvConfig::new(size.d_input.into(), HIDDEN).init(&device),
        conv2: SageConvConfig::new(HIDDEN.into(), CLASSES).init(&device),
    };
    let criterion = CrossEntropyLossConfig::new().init(&device);
    let mut optimizer = AdamConfig::new().init();

    let mut out = std::io::stdout().lock();
    let each = args.epochs.div_ceil(REPORTS).max(1);
    let mut held = Vec::new();
    let mut start = Instant::now();
    for epoch in 1..=args.epochs {
        let loss = criterion.forward(net.forward(x.clone(), &edges), labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        net = optimizer.step(LEARNING_RATE, net, gradients);
        // Read in each epoch, as training does that shows it.
        let loss = loss.into_scalar::<f32>();
        if epoch % each == 0 || epoch == args.epochs {
            plain.sync()?;
            let seconds = start.elapsed().as_secs_f64() / count(each);
            let bytes = memory(&plain)?;
            writeln!(
                out,
                "epoch {epoch:>5}: {:.1} ms an epoch, loss {loss:.4}, {:.1} MiB held",
                seconds * 1e3,
                bytes / f64::from(1 << 20)
            )?;
            held.push(bytes);
            start = Instant::now();
        }
    }
    if let (Some(first), Some(last)) = (held.first(), held.last()) {
        ensure!(
            *last <= first * 1.01,
            "memory has grown from {first:.0} to {last:.0} bytes"
        );
    }
    Ok(())
}

/// What the backend holds reserved; on a processor, the resident memory. In bytes.
fn memory(device: &Device) -> Result<f64> {
    if let Some(usage) = device.memory_pool_usage() {
        let bytes = usage.bytes_reserved;
        #[expect(clippy::cast_precision_loss, reason = "a size for people")]
        return Ok(bytes as f64);
    }
    let status = fs::read_to_string("/proc/self/status").context("memory is read on Linux only")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: f64 = kilobytes.context("no line VmRSS")?.parse()?;
    Ok(kilobytes * 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "a number of epochs")]
fn count(epochs: usize) -> f64 {
    epochs as f64
}
