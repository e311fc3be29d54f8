//! A convolution of one's own: written, trained, recorded and exported.
//!
//! ```text
//! cargo run --release --example custom_conv
//! ```
//!
//! The layer weighs each neighbour by a gate that the features of both ends open together:
//!
//! ```text
//! h = W x
//! x_i' = h_i + Σ_{j ∈ N(i)} σ( a · x_i + b · x_j ) h_j
//! ```
//!
//! It says what it takes ([`Layer::signatures`]), what the message along an edge is
//! ([`MessagePassing::message`]) and what becomes of the sum ([`Layer::compute`]). All else comes
//! with the two traits: kernels that walk the edges without a row per edge, gradients, both forms
//! of edges, the recording, and the TorchScript archive.
//!
//! Two such layers learn which of the four groups of Zachary's karate club each member belongs to,
//! from one known member of each. The data is part of Kiln.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

#[path = "../common/mod.rs"]
mod common;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use kiln::{
    burn::{
        nn::loss::CrossEntropyLossConfig,
        optim::{AdamConfig, GradientsParams, decay::WeightDecayConfig},
    },
    core::{ConvArgs, Signatures},
    nn::{
        Linear, LinearConfig,
        message_passing::{Endpoints, Message, MessagePassing},
    },
    ops,
    prelude::*,
};

const HIDDEN: usize = 16;

/// Trains a convolution of one's own on the karate club, records it, and runs the recording.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Where to compute: flex, cpu, wgpu, vulkan, metal or cuda, as far as compiled in.
    #[arg(long, default_value = "flex")]
    backend: String,
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

/// The convolution.
#[derive(Module, Debug)]
struct GatedConv {
    lin: Linear,
    /// What a node has to do with the gates of its messages, and with those of its neighbours'.
    gate_src: Linear,
    gate_dst: Linear,
}

impl GatedConv {
    fn new(in_channels: usize, out_channels: usize, device: &Device) -> Self {
        let lin = |width| LinearConfig::new(in_channels, width).init(device);
        Self {
            lin: lin(out_channels),
            gate_src: lin(1),
            gate_dst: lin(1),
        }
    }
}

/// What messages are made of: mapped features, and both halves of the gates.
#[derive(Clone, Debug)]
struct Gated {
    x: Tensor<2>,
    gate_src: Tensor<2>,
    gate_dst: Tensor<2>,
}

// The names under which these tensors stand in a recording.
kiln::core::leaves!(Gated {
    x,
    gate_src,
    gate_dst
});

impl Layer for GatedConv {
    const NAME: &'static str = "GatedConv";

    type Config = ();
    type Args = ConvArgs;
    type Output = Tensor<2>;

    fn signatures(&self) -> Signatures {
        Signatures::conv_of_one_set(self.lin.in_channels())
    }

    fn compute(&self, ConvArgs { x, edges }: ConvArgs) -> Tensor<2> {
        let (x, _) = x.floats();
        let gated = Gated {
            x: self.lin.forward(x.clone()),
            gate_src: self.gate_src.forward(x.clone()),
            gate_dst: self.gate_dst.forward(x),
        };
        gated.x.clone() + self.propagate(&edges, gated)
    }
}

impl MessagePassing for GatedConv {
    type Propagated = Gated;

    /// A row of `x` times one number per edge: no tensor here has a row of features per edge.
    fn message(&self, gated: &Gated, ends: &Endpoints) -> Message {
        let gate = ends.lift_i(gated.gate_dst.clone()) + ends.lift_j(gated.gate_src.clone());
        Message::Weighted {
            x: gated.x.clone(),
            weight: Some(ops::sigmoid(gate).squeeze_dim(1)),
        }
    }
}

/// Two of them.
#[derive(Module, Debug)]
struct Net {
    conv1: GatedConv,
    conv2: GatedConv,
}

impl Net {
    fn forward(&self, x: Tensor<2>, edges: &EdgeIndex) -> Tensor<2> {
        let x = relu(self.conv1.forward(x, edges));
        self.conv2.forward(x, edges)
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = backend::device(&args.backend)?;
    device.seed(args.seed);
    let graph = karate_club(&device);
    let net = train(&graph, args.epochs)?;

    let expected = net.forward(graph.x(), graph.edges());
    let labels = graph.y().context("the graph has no labels")?;
    let classes = expected.clone().argmax(1).squeeze_dim::<1>(1);
    let right = classes.equal(labels).int().sum().into_scalar::<i64>();
    println!(
        "{right} of {} members are in the right group",
        graph.num_nodes()
    );

    // A layer alone is recorded in all its forms: an edge index, and CSR.
    let layer = Recorder::new(&net.conv1).overloads().finish()?;
    let methods = layer
        .program
        .modules
        .iter()
        .flat_map(|module| &module.methods);
    let methods: Vec<_> = methods.map(|method| method.name.clone()).collect();
    println!("the layer alone has the methods {}", methods.join(", "));

    let recorded = Recorder::new(&net)
        .overload(
            "forward",
            (
                tensor!(f32["N", graph.num_features()]),
                edge_index!("N", "E"),
            ),
            |net: &Net, (x, edges)| net.forward(x, &edges),
        )
        .finish()?;
    let inputs = BTreeMap::from([
        ("x".to_owned(), graph.x().into()),
        ("edge_index".to_owned(), graph.edges().tensor().into()),
    ]);
    let fired = common::fire(
        &recorded,
        &args.out,
        "custom_conv",
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
        "the loaded model's scores differ by {:.1e} of the largest",
        fired.difference
    );
    Ok(())
}

/// Trains on one node of each class.
fn train(graph: &Graph, epochs: usize) -> Result<Net> {
    let device = graph.device();
    let mask = graph.train_mask().context("the graph has no mask")?;
    let known = ops::nonzero(mask);
    let labels = graph.y().context("the graph has no labels")?;
    let labels = labels.select(0, known.clone());

    let training = device.clone().autodiff();
    let mut net = Net {
        conv1: GatedConv::new(graph.num_features(), HIDDEN, &training),
        conv2: GatedConv::new(HIDDEN, graph.num_classes(), &training),
    };
    let mut optimizer = AdamConfig::new()
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init();
    let loss_of = CrossEntropyLossConfig::new().init(&device);
    let bar = common::progress(epochs);
    for _ in 0..epochs {
        let scores = ops::gather(net.forward(graph.x(), graph.edges()), known.clone());
        let loss = loss_of.forward(scores, labels.clone());
        bar.set_message(format!("loss {:.3}", loss.clone().into_scalar::<f32>()));
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        net = optimizer.step(0.01, net, gradients);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(net.valid())
}
