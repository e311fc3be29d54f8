//! Link prediction: a graph autoencoder that finds citations which were left out.
//!
//! ```text
//! cargo run --release --example link_prediction -- --data cora.safetensors
//! ```
//!
//! The network is the one of Kipf and Welling (*Variational Graph Auto-Encoders*, 2016,
//! arXiv:1611.07308) as PyG's `examples/autoencoder.py` has it: two graph convolutions of 32 and 16
//! channels, and the inner product of two embeddings for each pair. Of all citations 5 % are kept
//! for validation and 10 % for the test; the network sees the rest alone, and learns to tell them
//! from as many random pairs, drawn anew each epoch. Training: Adam with learning rate 0.01, 200
//! epochs. Reported are the area under the ROC curve and the average precision on the citations of
//! the test and as many random pairs, at the epoch with the best area in the validation.
//!
//! The data is one safetensors file with `x` `[N, F]` and `edge_index` `[2, E]`; `gat`, the example
//! beside this one, says how to write it.
//!
//! At the end the model is recorded with pairs as an input: `forward(x, edge_index, pairs)` gives
//! the probability of each pair.
#![expect(clippy::cast_precision_loss, reason = "counts are small")]
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/undirected.rs"]
mod undirected;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use kiln::{
    burn::optim::{AdamConfig, GradientsParams},
    nn::{
        models::{Autoencoder as _, Gae, Gcn, GcnConfig},
        utils::negative_sampling,
    },
    ops,
    prelude::*,
};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

const HIDDEN: usize = 32;
const EMBEDDING: usize = 16;
const LEARNING_RATE: f64 = 0.01;
/// Shares of all citations.
const VALIDATION: f64 = 0.05;
const TEST: f64 = 0.10;

/// Trains a graph autoencoder on a citation graph, records it, and runs the recording.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// The graph: a safetensors file with x and edge_index.
    #[arg(long)]
    data: PathBuf,
    /// Where to compute: flex, cpu, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long, default_value = "flex")]
    backend: String,
    /// Precision of `f32` products on a GPU: highest, high or medium.
    #[arg(long, default_value_t)]
    precision: MatmulPrecision,
    /// How often to go over the graph.
    #[arg(long, default_value_t = 200)]
    epochs: usize,
    /// Seed of the split, of the random pairs and of the initial weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the saved models.
    #[arg(long, default_value = "target/kiln-examples")]
    out: PathBuf,
}

fn main() -> Result<()> {
    ops::keep_freed_memory();
    let args = Args::parse();
    let device = backend::device(&args.backend)?;
    set_matmul_precision(&device, args.precision)?;
    let graph = undirected::undirected(read_safetensors(&args.data, &device)?)?;
    let split = Split::new(graph.edges(), args.seed)?;
    println!(
        "{} nodes, {} features; {} citations to train on, {} to validate, {} to test",
        graph.num_nodes(),
        graph.num_features(),
        split.train.num_edges() / 2,
        split.validation.num_pairs(),
        split.test.num_pairs(),
    );

    device.seed(args.seed);
    let start = Instant::now();
    let best = train(&graph, &split, &args)?;
    println!(
        "test: area under the curve {:.3}, average precision {:.3}; validation {:.3} at epoch {}, {:.0} s",
        best.test.area,
        best.test.precision,
        best.validation,
        best.epoch,
        start.elapsed().as_secs_f32()
    );

    let pairs = split.test.positive.tensor();
    let z = best.model.encode(shares(graph.x()), &split.train);
    let expected = best.model.decode(z, &split.test.positive);
    let recorded = Recorder::new(&best.model)
        .overload(
            "forward",
            (
                tensor!(f32["N", graph.num_features()]),
                edge_index!("N", "E"),
                edge_index!("N", "P").named("pairs"),
            ),
            |model: &Gae<Gcn>, (x, edges, pairs)| {
                let z = model.encode(shares(x), edges);
                model.decode(z, &pairs)
            },
        )
        .finish()?;
    let inputs = BTreeMap::from([
        ("x".to_owned(), graph.x().into()),
        ("edge_index".to_owned(), split.train.tensor().into()),
        ("pairs".to_owned(), pairs.into()),
    ]);
    let fired = common::fire(
        &recorded,
        &args.out,
        "link_prediction",
        inputs,
        expected,
        &device,
    )?;
    println!(
        "saved {} and {}",
        fired.native.display(),
        fired.torchscript.display()
    );
    println!(
        "the loaded model's probabilities differ by {:.1e} of the largest",
        fired.difference
    );
    Ok(())
}

/// Each row divided by its sum, as PyG's `NormalizeFeatures` does; the recorded model takes the
/// features as they are in the file.
fn shares(x: Tensor<2>) -> Tensor<2> {
    let sum = x.clone().sum_dim(1).clamp_min(1.0);
    x / sum
}

/// Pairs of nodes with an edge, and as many without.
#[derive(Debug)]
struct Pairs {
    positive: EdgeIndex,
    negative: EdgeIndex,
}

impl Pairs {
    fn num_pairs(&self) -> usize {
        self.positive.num_edges()
    }

    /// How well a model tells the pairs apart, from embeddings.
    fn score(&self, model: &Gae<Gcn>, z: &Tensor<2>) -> Score {
        let probabilities = |pairs: &EdgeIndex| {
            let data = model.decode(z.clone(), pairs).into_data();
            data.iter::<f64>().collect::<Vec<_>>()
        };
        let positive = probabilities(&self.positive).into_iter();
        let negative = probabilities(&self.negative).into_iter();
        let mut all: Vec<(f64, bool)> = positive.map(|p| (p, true)).collect();
        all.extend(negative.map(|p| (p, false)));
        Score::of(all)
    }
}

/// The citations of a graph, each of them once in one of three parts.
#[derive(Debug)]
struct Split {
    /// Both directions of what the network sees.
    train: EdgeIndex,
    validation: Pairs,
    test: Pairs,
}

impl Split {
    fn new(edges: &EdgeIndex, seed: u64) -> Result<Self> {
        let ends = |ends: Tensor<1, Int>| ends.into_data().iter::<i64>().collect::<Vec<_>>();
        let (src, dst) = (ends(edges.src()), ends(edges.dst()));
        let mut pairs: Vec<(i64, i64)> = src.into_iter().zip(dst).collect();
        for (src, dst) in &mut pairs {
            (*src, *dst) = ((*src).min(*dst), (*src).max(*dst));
        }
        pairs.retain(|(src, dst)| src != dst);
        pairs.sort_unstable();
        pairs.dedup();
        pairs.shuffle(&mut StdRng::seed_from_u64(seed));

        let share = |share: f64| {
            let count = pairs.len() as f64 * share;
            // Less than the number of pairs.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count"
            )]
            let count = count as usize;
            count
        };
        let (validation, test) = (share(VALIDATION), share(TEST));
        ensure!(
            validation > 0,
            "expected at least 20 edges, got {}",
            pairs.len()
        );
        let (nodes, device) = (edges.num_src(), edges.device());
        let index = |pairs: &[(i64, i64)], both: bool| {
            let turned = pairs.iter().filter(|_| both).map(|&(src, dst)| (dst, src));
            let all = pairs.iter().copied().chain(turned);
            let (src, dst): (Vec<_>, Vec<_>) = all.unzip();
            EdgeIndex::from_arrays(&src, &dst, nodes, nodes, &device)
        };
        let part = |some: &[(i64, i64)], seed: u64| {
            let negative = negative_sampling(&index(&pairs, true)?, some.len(), seed);
            anyhow::Ok(Pairs {
                positive: index(some, false)?,
                negative,
            })
        };
        let (held_out, seen) = pairs.split_at(validation + test);
        Ok(Self {
            train: index(seen, true)?,
            validation: part(&held_out[..validation], seed)?,
            test: part(&held_out[validation..], seed + 1)?,
        })
    }
}

/// How well pairs with an edge are told from pairs without.
#[derive(Clone, Copy, Debug)]
struct Score {
    /// Area under the ROC curve: how often a pair with an edge has the higher probability.
    area: f64,
    /// Average precision.
    precision: f64,
}

impl Score {
    /// Of probabilities, and whether there is an edge. Equal probabilities are one threshold, as in
    /// scikit-learn.
    fn of(mut pairs: Vec<(f64, bool)>) -> Self {
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let positives = pairs.iter().filter(|pair| pair.1).count() as f64;
        let negatives = pairs.len() as f64 - positives;
        let (mut right, mut wrong, mut area, mut precision) = (0.0, 0.0, 0.0, 0.0);
        for equal in pairs.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
            let more = equal.iter().filter(|pair| pair.1).count() as f64;
            let less = equal.len() as f64 - more;
            area += less * (right + more / 2.0);
            right += more;
            wrong += less;
            precision += more / positives * right / (right + wrong);
        }
        let area = area / (positives * negatives);
        Self { area, precision }
    }
}

/// The best model of a training.
#[derive(Debug)]
struct Trained {
    model: Gae<Gcn>,
    epoch: usize,
    /// Area under the curve.
    validation: f64,
    test: Score,
}

/// Trains, and keeps the model of the best epoch.
fn train(graph: &Graph, split: &Split, args: &Args) -> Result<Trained> {
    // Tensors of this device remember how they were computed.
    let training = graph.device().autodiff();
    let seen = shares(graph.x());
    let x = seen.clone().autodiff();
    let encoder = GcnConfig::new(graph.num_features(), HIDDEN, 2).with_out_channels(EMBEDDING);
    let mut model = Gae::new(encoder.init(&training));
    // The epsilon of PyTorch's Adam.
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let mut best: Option<Trained> = None;
    let bar = common::progress(args.epochs);
    for epoch in 1..=args.epochs {
        let z = model.encode(x.clone(), &split.train);
        let seed = args.seed.wrapping_add(2).wrapping_add(epoch as u64);
        let absent = negative_sampling(&split.train, split.train.num_edges(), seed);
        let loss = model.recon_loss(&z, &split.train, &absent);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(LEARNING_RATE, model, gradients);

        let valid = model.valid();
        let z = valid.encode(seen.clone(), &split.train);
        let validation = split.validation.score(&valid, &z).area;
        if best
            .as_ref()
            .is_none_or(|best| validation > best.validation)
        {
            let test = split.test.score(&valid, &z);
            best = Some(Trained {
                model: valid,
                epoch,
                validation,
                test,
            });
        }
        bar.set_message(format!("validation {validation:.3}"));
        bar.inc(1);
    }
    bar.finish_and_clear();
    best.context("nothing was trained: expected at least one epoch")
}
