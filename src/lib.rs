//! Graph neural networks in pure Rust: train them with [Burn](burn), record them as typed graphs,
//! run them anywhere, hand them to PyTorch.
//!
//! The name is the picture. A model starts as soft clay, ordinary Burn code that you can train and
//! change. *Firing* it records its forward pass as a static graph with symbolic sizes, and that
//! runs on any backend, on graphs of any size, without the code that it came from.
//!
//! | module | what is in it |
//! |---|---|
//! | [`prelude`] | what most programs need |
//! | [`core`] | [`EdgeIndex`](core::EdgeIndex), [`Graph`](core::Graph), [`Batch`](core::Batch), dataset readers, backends by name, precision |
//! | [`nn`] | message passing, convolutions, pooling, whole models, PyG's checkpoints |
//! | [`ops`] | the operations below them: gather, scatter, spmm, segment softmax |
//! | [`ir`] | recorded programs: [`Recorder`](ir::Recorder), [`Model`](ir::Model), [`Session`](ir::Session) |
//! | [`export`] | TorchScript archives |
//! | [`burn`] | tensors, modules, optimizers |
//!
//! # A graph
//! Edges are pairs of node numbers, sources above targets. Features are one row per node.
//!
//! ```
//! use kiln::prelude::*;
//!
//! let device = Device::flex();
//! let edges = EdgeIndex::from_arrays(&[0, 1, 1, 2], &[1, 0, 2, 1], 3, 3, &device)?;
//! let x = Tensor::<2>::from_floats([[-1.0], [0.0], [1.0]], &device);
//!
//! let out = GcnConvConfig::new(1, 4).init(&device).forward(x, &edges);
//! assert_eq!(out.dims(), [3, 4]);
//! # Ok::<(), GraphError>(())
//! ```
//!
//! # Train
//! A model is a Burn module, and everything that Burn knows works on it. This one learns to which
//! of four groups each member of a karate club belongs, from one known member of each:
//!
//! ```
//! use kiln::prelude::*;
//! use kiln::burn::{nn::loss::CrossEntropyLossConfig, optim::{AdamConfig, GradientsParams, Optimizer}};
//!
//! #[derive(Module, Debug)]
//! struct Net {
//!     conv1: GcnConv,
//!     conv2: GcnConv,
//! }
//!
//! impl Net {
//!     fn forward(&self, x: Tensor<2>, edges: &EdgeIndex) -> Tensor<2> {
//!         let x = relu(self.conv1.forward(x, edges));
//!         self.conv2.forward(x, edges)
//!     }
//! }
//!
//! let device = Device::flex().autodiff();
//! device.seed(1);
//! let club = karate_club(&device);
//! let mut net = Net {
//!     conv1: GcnConvConfig::new(34, 16).init(&device),
//!     conv2: GcnConvConfig::new(16, 4).init(&device),
//! };
//!
//! let known = Tensor::<1, Int>::from_ints([0, 4, 8, 24], &device); // one of each group
//! let labels = club.y().expect("the club has labels");
//! let loss = CrossEntropyLossConfig::new().init(&device);
//! let mut optimizer = AdamConfig::new().init();
//! for _ in 0..60 {
//!     let out = net.forward(club.x(), club.edges());
//!     let loss = loss.forward(out.select(0, known.clone()), labels.clone().select(0, known.clone()));
//!     let grads = GradientsParams::from_grads(loss.backward(), &net);
//!     net = optimizer.step(0.02, net, grads);
//! }
//!
//! let guess = net.forward(club.x(), club.edges()).argmax(1).squeeze_dim(1);
//! let right = guess.equal(labels).int().sum().into_scalar::<i64>();
//! assert!(right >= 24, "{right} of 34");
//! ```
//!
//! # Record, save, load, run
//! A [`Recorder`](ir::Recorder) runs the forward pass once on a device that only takes notes, and
//! checks that it means the same for every number of nodes `N` and of edges `E`. The result is a
//! [`Model`](ir::Model): a program and its weights.
//!
//! ```
//! use kiln::prelude::*;
//! # let folder = std::env::temp_dir().join(format!("kiln-guide-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//!
//! let device = Device::flex();
//! let club = karate_club(&device);
//! let conv = GcnConvConfig::new(34, 4).init(&device);
//!
//! let model = Recorder::new(&conv)
//!     .overload(
//!         "forward",
//!         (tensor!(f32["N", 34]), edge_index!("N", "E")),
//!         |conv: &GcnConv, (x, edges)| conv.forward(x, &edges),
//!     )
//!     .finish()?;
//! let path = folder.join("conv.kiln");
//! model.save(&path)?;
//!
//! // Elsewhere, later, without the code above:
//! let session = Session::new(&Model::load(&path)?, &device)?;
//! let inputs = BTreeMap::from([
//!     ("x".to_owned(), AnyTensor::from(club.x())),
//!     ("edge_index".to_owned(), club.edges().tensor().into()),
//! ]);
//! let (name, out) = session.run("forward", inputs)?.remove(0);
//! assert_eq!(name, "output");
//!
//! let expected = conv.forward(club.x(), club.edges());
//! let difference = (out.float::<2>() - expected).abs().max().into_scalar::<f32>();
//! assert!(difference < 1e-6);
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Weights from PyTorch Geometric, programs for PyTorch
//! Layers, arguments and parameters have PyG's names, so a `state_dict` loads as it is, and what
//! [`save_torchscript`](export::SaveTorchScript::save_torchscript) writes, `torch.jit.load` opens.
//! All typed variants of a layer's forward are recorded at once.
//!
//! ```no_run
//! use kiln::prelude::*;
//!
//! let model = SageConvConfig::new(8.into(), 6).init(&Device::flex());
//! let model = kiln::nn::store::load_state_dict(model, "sage.pt")?;
//! let model = Recorder::new(&model).overloads().finish()?;
//! model.save_torchscript("sage_scripted.pt")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The command `kiln` (package `kiln-gnn-cli`) does the same for files: `kiln export`, `inspect`,
//! `check`, `convert` and `run`.
//!
//! # Backends
//! A Cargo feature says what is compiled in: `flex` (any processor, the default), `wgpu`, `vulkan`,
//! `metal`, `cuda`, `cpu`. At run time the [`Device`](burn::tensor::Device) decides, and
//! [`core::backend::device`] gives the one of a name, such as `cuda:0`. `cuda-nvrtc` compiles CUDA
//! kernels with NVIDIA's compiler, `autotune` lets Burn time its own kernels, which training on a
//! GPU wants.
//!
//! Products of `f32` matrices keep all bits of their factors unless
//! [`set_matmul_precision`](core::set_matmul_precision) allows a device less; see
//! [`core::precision`].
#![forbid(unsafe_code)]

/// The code in the README compiles and runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use burn;
pub use kiln_core as core;
pub use kiln_export as export;
pub use kiln_ir as ir;
pub use kiln_nn as nn;
pub use kiln_ops as ops;

/// What most programs need: `use kiln::prelude::*;`
///
/// It brings in `burn` as well, which the code made by `#[derive(Module)]` names.
pub mod prelude {
    pub use std::collections::BTreeMap;

    pub use burn::{
        self,
        config::Config,
        module::Module,
        tensor::{
            Bool, Device, Int, Tensor, TensorData,
            activation::{log_softmax, softmax},
        },
    };
    pub use kiln_core::{
        Adjacency, AnyTensor, Batch, ConvArgs, EdgeIndex, Edges, Flow, Graph, GraphError, Groups,
        MatmulPrecision, Nodes, Signatures, Value, backend, leaves, matmul_precision,
        read::{karate_club, read_safetensors, read_tu},
        set_matmul_precision,
    };
    pub use kiln_export::SaveTorchScript;
    pub use kiln_ir::{Model, Recorder, Session, adjacency, edge_index, tensor};
    pub use kiln_nn::{
        Dropout, Layer, LayerConfig, Linear, LinearConfig, Overloads,
        conv::*,
        message_passing::{Endpoints, Message, MessagePassing},
        pool::{global_add_pool, global_max_pool, global_mean_pool},
    };
    pub use kiln_ops::relu;
}
