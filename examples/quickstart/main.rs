//! A first look: train a graph convolutional network, record it, and run the recording.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```
//!
//! Zachary's karate club has 34 members and 78 friendships, which fall into four groups. The
//! network is told the group of one member of each, and finds the groups of the other thirty from
//! the friendships alone. Then its forward pass is *recorded*: as a static, typed graph that holds
//! for clubs of any number of friendships, is saved in two formats, and no longer needs this
//! program.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use kiln::{
    burn::{
        nn::loss::CrossEntropyLossConfig,
        optim::{AdamConfig, GradientsParams, decay::WeightDecayConfig},
    },
    ops,
    prelude::*,
};

/// Trains a GCN on Zachary's karate club, records it, and runs the recording.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Where to compute: flex, cpu, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long, default_value = "flex")]
    backend: String,
    /// Precision of `f32` products on a GPU: highest, high or medium.
    #[arg(long, default_value_t)]
    precision: MatmulPrecision,
    /// How often to go over the graph.
    #[arg(long, default_value_t = 200)]
    epochs: usize,
    /// Seed of the initial weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the saved models.
    #[arg(long, default_value = "target/kiln-examples")]
    out: PathBuf,
}

/// Two graph convolutions: a model is a Burn module like any other.
#[derive(Module, Debug)]
struct Net {
    conv1: GcnConv,
    conv2: GcnConv,
}

impl Net {
    fn new(num_features: usize, num_classes: usize, device: &Device) -> Self {
        Self {
            conv1: GcnConvConfig::new(num_features, 16).init(device),
            conv2: GcnConvConfig::new(16, num_classes).init(device),
        }
    }

    /// `x`: `[N, num_features]`, result: `[N, num_classes]`, a score for each node and class.
    fn forward(&self, x: Tensor<2>, edges: &EdgeIndex) -> Tensor<2> {
        let x = relu(self.conv1.forward(x, edges));
        self.conv2.forward(x, edges)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = backend::device(&args.backend)?;
    set_matmul_precision(&device, args.precision)?;
    device.seed(args.seed);

    let graph = karate_club(&device);
    println!(
        "the karate club: {} members, {} friendships, {} groups",
        graph.num_nodes(),
        graph.num_edges() / 2,
        graph.num_classes()
    );

    let net = train(&graph, args.epochs, &device)?;
    let scores = net.forward(graph.x(), graph.edges());
    let right = correct(&graph, scores.clone())?;
    println!(
        "trained:  {right} of {} members are in the right group",
        graph.num_nodes()
    );

    // Sizes in quotes are symbols: the recording holds for any number of nodes and edges.
    let model = Recorder::new(&net)
        .overload(
            "forward",
            (
                tensor!(f32["N", graph.num_features()]),
                edge_index!("N", "E"),
            ),
            |net: &Net, (x, edges)| net.forward(x, &edges),
        )
        .finish()?;
    println!(
        "recorded: {} weights, {} functions",
        model.program.weights.len(),
        model.program.functions.len()
    );

    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot create {}", args.out.display()))?;
    let (native, archive) = (
        args.out.join("quickstart.kiln"),
        args.out.join("quickstart.pt"),
    );
    model.save(&native)?;
    model.save_torchscript(&archive)?;
    println!("saved:    {} (Kiln)", native.display());
    println!(
        "          {} (TorchScript: torch.jit.load opens it)",
        archive.display()
    );

    // From here on nothing of the model above is used: the file has all there is to know.
    let session = Session::new(&Model::load(&native)?, &device)?;
    let inputs = BTreeMap::from([
        ("x".to_owned(), AnyTensor::from(graph.x())),
        ("edge_index".to_owned(), graph.edges().tensor().into()),
    ]);
    let mut results = session.run("forward", inputs)?;
    let (_, loaded) = results.pop().context("`forward` has no result")?;
    let loaded = loaded.float::<2>();
    let difference = (loaded.clone() - scores).abs().max().into_scalar::<f32>();
    ensure!(
        difference <= 1e-4,
        "the loaded model is off by {difference}"
    );
    println!(
        "loaded:   {} of {} members are in the right group; scores differ by at most {difference:.1e}",
        correct(&graph, loaded)?,
        graph.num_nodes()
    );
    Ok(())
}

/// Trains on the nodes of the training mask, one of each class.
fn train(graph: &Graph, epochs: usize, device: &Device) -> Result<Net> {
    let mask = graph
        .train_mask()
        .context("the graph has no training mask")?;
    let labels = graph.y().context("the graph has no labels")?;
    let known = ops::nonzero(mask); // their numbers, [4]
    let labels = labels.select(0, known.clone());

    // Weights on an autodiff device remember what was computed from them, so that the loss can say
    // in which direction each should change.
    let mut net = Net::new(
        graph.num_features(),
        graph.num_classes(),
        &device.clone().autodiff(),
    );
    let mut optimizer = AdamConfig::new()
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init();
    let loss = CrossEntropyLossConfig::new().init(device);
    let style = ProgressStyle::with_template("training [{bar:32}] {pos}/{len}  {msg}")?;
    let bar = ProgressBar::new(epochs as u64).with_style(style.progress_chars("=> "));
    for _ in 0..epochs {
        let scores = net.forward(graph.x(), graph.edges());
        let loss = loss.forward(ops::gather(scores, known.clone()), labels.clone());
        bar.set_message(format!("loss {:.3}", loss.clone().into_scalar::<f32>()));
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        net = optimizer.step(0.01, net, gradients);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(net.valid())
}

/// How many nodes have their highest score in their class.
fn correct(graph: &Graph, scores: Tensor<2>) -> Result<i64> {
    let labels = graph.y().context("the graph has no labels")?;
    let classes = scores.argmax(1).squeeze_dim::<1>(1);
    Ok(classes.equal(labels).int().sum().into_scalar::<i64>())
}
