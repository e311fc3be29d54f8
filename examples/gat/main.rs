//! Node classification: a graph attention network on a citation graph.
//!
//! ```text
//! cargo run --release --example gat -- --data cora.safetensors --seeds 5
//! ```
//!
//! The protocol is that of Planetoid: all papers and citations are known, but only the subjects of
//! the papers in the training mask (20 of each subject). The network and its training are those of
//! the paper that introduced it (Veličković et al., *Graph Attention Networks*, 2018,
//! arXiv:1710.10903) as PyG's `examples/gat.py` has them: two layers, 8 heads of 8 channels and
//! then one head, ELU between them, dropout 0.6 on features and attention, Adam with learning rate
//! 0.005 and weight decay 5e-4. Reported is the test accuracy of the epoch that is best on the
//! validation nodes; of epochs that are equally good, that with the smallest validation loss. PyG's
//! example stops after 200 epochs, the paper when validation has not improved for 100; with the 500
//! epochs here the validation loss has settled. After 200 epochs, over 60 seeds, this training has
//! a mean of 0.826 and PyG's, chosen alike, one of 0.824, each with a standard deviation of 0.007.
//!
//! The data is one safetensors file with `x` `[N, F]`, `edge_index` `[2, E]`, `y` `[N]` and the
//! masks `train_mask`, `val_mask` and `test_mask` `[N]`. In Python, from PyG's `Planetoid`:
//!
//! ```text
//! names = ["x", "edge_index", "y", "train_mask", "val_mask", "test_mask"]
//! tensors = {name: data[name].contiguous() for name in names}
//! safetensors.torch.save_file(tensors, "cora.safetensors")
//! ```
#![expect(clippy::cast_precision_loss, reason = "counts are small")]
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/undirected.rs"]
mod undirected;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use kiln::{
    burn::{
        nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig},
        optim::{AdamConfig, GradientsParams, decay::WeightDecayConfig},
    },
    nn::activation::Activation,
    ops,
    prelude::*,
};

const HEADS: usize = 8;
const HIDDEN: usize = 8;
const DROPOUT: f64 = 0.6;
const LEARNING_RATE: f64 = 0.005;
const WEIGHT_DECAY: f32 = 5e-4;

/// Trains a graph attention network on a citation graph, records it, and runs the recording.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// The graph: a safetensors file with x, edge_index, y and the three masks.
    #[arg(long)]
    data: PathBuf,
    /// Where to compute: flex, cpu, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long, default_value = "flex")]
    backend: String,
    /// Precision of `f32` products on a GPU: highest, high or medium.
    #[arg(long, default_value_t)]
    precision: MatmulPrecision,
    /// How often to go over the graph.
    #[arg(long, default_value_t = 500)]
    epochs: usize,
    /// Seed of the initial weights and of dropout; of the first training if there are several.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many times to train, with consecutive seeds.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Folder for the saved models.
    #[arg(long, default_value = "target/kiln-examples")]
    out: PathBuf,
}

/// Two layers of graph attention.
#[derive(Module, Debug)]
struct Gat {
    conv1: GatConv,
    conv2: GatConv,
    dropout: Dropout,
}

impl Gat {
    fn new(num_features: usize, num_classes: usize, device: &Device) -> Self {
        let conv1 = GatConvConfig::new(num_features.into(), HIDDEN).with_heads(HEADS);
        let conv2 = GatConvConfig::new((HEADS * HIDDEN).into(), num_classes).with_concat(false);
        Self {
            conv1: conv1.with_dropout(DROPOUT).init(device),
            conv2: conv2.with_dropout(DROPOUT).init(device),
            dropout: Dropout::new(DROPOUT),
        }
    }

    /// `x`: `[N, num_features]`, counts of words; result: `[N, num_classes]`, scores.
    ///
    /// Each row is divided by its sum (PyG's `NormalizeFeatures`). It is done here so that the
    /// recorded model takes the graph as it is in the file.
    fn forward(&self, x: Tensor<2>, edges: &EdgeIndex) -> Tensor<2> {
        let words = x.clone().sum_dim(1).clamp_min(1.0);
        let x = self.dropout.forward(x / words);
        let x = Activation::Elu.apply(self.conv1.forward(x, edges));
        let x = self.dropout.forward(x);
        self.conv2.forward(x, edges)
    }
}

fn main() -> Result<()> {
    ops::keep_freed_memory();
    let args = Args::parse();
    let device = backend::device(&args.backend)?;
    set_matmul_precision(&device, args.precision)?;
    let graph = read_safetensors(&args.data, &device)?;
    let task = Task::new(undirected::undirected(graph)?)?;
    println!(
        "{} nodes, {} edges, {} features, {} classes; {} nodes to train on, {} to validate, {} to test",
        task.graph.num_nodes(),
        task.graph.num_edges(),
        task.graph.num_features(),
        task.graph.num_classes(),
        task.train.dims()[0],
        task.val.dims()[0],
        task.test.dims()[0],
    );

    let mut accuracies = Vec::new();
    let mut best: Option<Trained> = None;
    for seed in args.seed..args.seed + args.seeds.max(1) {
        let start = Instant::now();
        let trained = train(&task, args.epochs, seed)?;
        println!(
            "seed {seed}: test accuracy {:.3}, validation accuracy {:.3} at epoch {}, {:.0} s",
            trained.test,
            trained.validation.accuracy,
            trained.epoch,
            start.elapsed().as_secs_f32()
        );
        accuracies.push(trained.test);
        if best
            .as_ref()
            .is_none_or(|best| trained.validation.better_than(&best.validation))
        {
            best = Some(trained);
        }
    }
    let (mean, deviation) = mean_and_deviation(&accuracies);
    println!(
        "mean test accuracy of {} seeds: {mean:.4} ± {deviation:.4}",
        accuracies.len()
    );

    let model = best
        .context("nothing was trained: expected at least one epoch")?
        .model;
    let (features, edges) = (task.graph.x(), task.graph.edges());
    let expected = model.forward(features.clone(), edges);
    let recorded = Recorder::new(&model)
        .overload(
            "forward",
            (
                tensor!(f32["N", task.graph.num_features()]),
                edge_index!("N", "E"),
            ),
            |model: &Gat, (x, edges)| model.forward(x, &edges),
        )
        .finish()?;
    let inputs = BTreeMap::from([
        ("x".to_owned(), features.into()),
        ("edge_index".to_owned(), edges.tensor().into()),
    ]);
    let fired = common::fire(&recorded, &args.out, "gat", inputs, expected, &device)?;
    println!(
        "saved {} and {}",
        fired.native.display(),
        fired.torchscript.display()
    );
    println!(
        "the loaded model's scores differ by {:.1e} of the largest",
        fired.difference
    );
    Ok(())
}

/// A graph with the numbers of its training, validation and test nodes.
#[derive(Debug)]
struct Task {
    graph: Graph,
    labels: Tensor<1, Int>,
    train: Tensor<1, Int>,
    val: Tensor<1, Int>,
    test: Tensor<1, Int>,
}

impl Task {
    fn new(graph: Graph) -> Result<Self> {
        let nodes = |mask: Option<Tensor<1, Bool>>, name: &str| {
            let mask = mask.with_context(|| format!("the graph has no `{name}`"))?;
            anyhow::Ok(ops::nonzero(mask))
        };
        Ok(Self {
            labels: graph.y().context("the graph has no `y`")?,
            train: nodes(graph.train_mask(), "train_mask")?,
            val: nodes(graph.val_mask(), "val_mask")?,
            test: nodes(graph.test_mask(), "test_mask")?,
            graph,
        })
    }

    fn score(&self, scores: &Tensor<2>, nodes: &Tensor<1, Int>, loss: &CrossEntropyLoss) -> Score {
        let scores = ops::gather(scores.clone(), nodes.clone());
        let labels = self.labels.clone().select(0, nodes.clone());
        let classes = scores.clone().argmax(1).squeeze_dim::<1>(1);
        let right = classes
            .equal(labels.clone())
            .float()
            .mean()
            .into_scalar::<f64>();
        Score {
            accuracy: right,
            loss: loss.forward(scores, labels).into_scalar::<f64>(),
        }
    }
}

/// How good a model is on some nodes.
#[derive(Clone, Copy, Debug)]
struct Score {
    accuracy: f64,
    loss: f64,
}

impl Score {
    fn better_than(&self, other: &Self) -> bool {
        (self.accuracy, -self.loss) > (other.accuracy, -other.loss)
    }
}

/// The best model of one training.
#[derive(Debug)]
struct Trained {
    model: Gat,
    epoch: usize,
    validation: Score,
    /// Test accuracy of that model.
    test: f64,
}

/// Trains with one seed and keeps the model of the best epoch.
fn train(task: &Task, epochs: usize, seed: u64) -> Result<Trained> {
    let device = task.graph.device();
    device.seed(seed);
    // Tensors of this device remember how they were computed, and on them dropout is active. That
    // holds for the features too, which are made such tensors explicitly.
    let training = device.clone().autodiff();
    let (x, edges) = (task.graph.x().autodiff(), task.graph.edges());
    let labels = task.labels.clone().select(0, task.train.clone());
    let loss_of = CrossEntropyLossConfig::new().init(&device);

    let mut model = Gat::new(
        task.graph.num_features(),
        task.graph.num_classes(),
        &training,
    );
    // PyTorch's Adam: epsilon 1e-8, and a weight decay that is added to the gradients.
    let mut optimizer = AdamConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(Some(WeightDecayConfig::new(WEIGHT_DECAY)))
        .init();
    let mut best: Option<Trained> = None;
    let bar = common::progress(epochs);
    for epoch in 1..=epochs {
        let scores = model.forward(x.clone(), edges);
        let scores = ops::gather(scores, task.train.clone());
        let loss = loss_of.forward(scores, labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(LEARNING_RATE, model, gradients);

        let valid = model.valid();
        let scores = valid.forward(task.graph.x(), edges);
        let validation = task.score(&scores, &task.val, &loss_of);
        if best
            .as_ref()
            .is_none_or(|best| validation.better_than(&best.validation))
        {
            let test = task.score(&scores, &task.test, &loss_of).accuracy;
            best = Some(Trained {
                model: valid,
                epoch,
                validation,
                test,
            });
        }
        bar.set_message(format!(
            "seed {seed}, validation accuracy {:.3}",
            validation.accuracy
        ));
        bar.inc(1);
    }
    bar.finish_and_clear();
    best.context("nothing was trained: expected at least one epoch")
}

/// Mean and standard deviation.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / count;
    (mean, variance.sqrt())
}
