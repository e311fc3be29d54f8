//! Kiln's side of each case.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    path::Path,
    sync::Arc,
};

use anyhow::Result;
use burn::{
    nn::{LinearConfig, Relu},
    tensor::{Gradients, Int, TensorData},
};
use kiln::{
    core::{
        Flow,
        sampler::{HostCsr, NeighborSampler, NodeSamplerInput, SamplerOutput, Scratch},
    },
    nn::store::load_state_dict,
    ops::{Endpoints, Reduce},
    prelude::*,
};

use crate::{
    cases::{Case, FANOUTS, HEADS, Op, SEEDS},
    graphs::{self, Edges, Size},
};

/// Entries of a result that are compared, as many as `peers.py` sends.
const SAMPLES: usize = 64;

/// Calls an operation once.
pub(crate) type Run = Box<dyn Fn() -> Output>;

/// What a call has made.
pub(crate) enum Output {
    /// Features or scores, a row per node or edge.
    Rows(Tensor<2>),
    /// The gradient of the features, and those of the parameters with it.
    Gradient { x: Tensor<2>, _all: Gradients },
    /// The first pointer of each row, and the order of the edges.
    Order {
        order: Tensor<1, Int>,
        _rowptr: Tensor<1, Int>,
    },
    /// A subgraph, or why there is none.
    Subgraph(Result<SamplerOutput>),
}

impl Output {
    /// How many edges were sampled, if that is what was done.
    pub(crate) fn num_sampled(&self) -> Option<Result<usize>> {
        match self {
            Self::Subgraph(Ok(graph)) => Some(Ok(graph.row.len())),
            Self::Subgraph(Err(error)) => Some(Err(anyhow::anyhow!("{error:#}"))),
            _ => None,
        }
    }

    /// A few entries, at the places that `peers.py` reads; none where chance has a part.
    pub(crate) fn samples(self) -> Vec<f64> {
        let rows = match self {
            Self::Rows(rows) | Self::Gradient { x: rows, .. } => rows,
            Self::Order { order, .. } => order.float().unsqueeze_dim(1),
            Self::Subgraph(_) => return Vec::new(),
        };
        let [count, width] = rows.dims();
        let row = |i: usize| i64::try_from(i * (count - 1) / (SAMPLES - 1)).unwrap_or(0);
        let index: Vec<i64> = (0..SAMPLES).map(row).collect();
        let index = TensorData::new(index, [SAMPLES]);
        let index = Tensor::<1, Int>::from_data(index, &rows.device());
        let picked: Vec<f64> = rows.select(0, index).into_data().iter::<f64>().collect();
        (0..SAMPLES)
            .map(|i| picked[i * width + i * 7 % width])
            .collect()
    }
}

/// The largest difference of two lists of samples, relative to the largest entry.
pub(crate) fn difference(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    if ours.len() != theirs.len() || ours.is_empty() {
        return None;
    }
    let largest = theirs.iter().fold(0.0_f64, |top, it| top.max(it.abs()));
    let apart = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    Some(apart.fold(0.0, f64::max) / largest.max(f64::MIN_POSITIVE))
}

/// The graph at hand, with its edges on the device.
pub(crate) struct Loaded {
    pub(crate) size: Size,
    pub(crate) edges: Edges,
    device: Device,
    /// Those of the last case, and whether that had gradients.
    on_device: Option<(bool, EdgeIndex)>,
}

impl Loaded {
    pub(crate) fn new(size: Size, device: &Device) -> Self {
        Self {
            size,
            edges: Edges::new(size),
            device: device.clone(),
            on_device: None,
        }
    }

    /// The edges, which keep their sorted form from one case to the next.
    fn edge_index(&mut self, training: bool, device: &Device) -> EdgeIndex {
        match &self.on_device {
            Some((same, edges)) if *same == training => edges.clone(),
            _ => {
                self.on_device = None; // freed before the next are made
                let edges = self.edges.to_device(device);
                self.on_device = Some((training, edges.clone()));
                edges
            }
        }
    }

    /// Builds a case. The weights of a layer are read from `state`, if that is given.
    pub(crate) fn build(&mut self, case: &Case, state: Option<&Path>) -> Result<Run> {
        let device = if case.training {
            self.device.clone().autodiff()
        } else {
            self.device.clone()
        };
        if case.op == Op::Sampling {
            return sampling(self.size, &self.edges);
        }
        let edges = self.edge_index(case.training, &device);
        let x = || {
            let x = graphs::numbers(self.size.nodes, case.d_input, 0, &device);
            if case.training { x.require_grad() } else { x }
        };
        let (d_input, d_output) = (case.d_input, case.d_output);
        let ends = || Endpoints::new(&edges, Flow::SourceToTarget);
        Ok(match case.op {
            Op::Spmm | Op::WeightedSpmm => {
                let weighted = case.op == Op::WeightedSpmm;
                let weight = weighted.then(|| graphs::vector(self.size.edges, 1, &device));
                let (x, ends) = (x(), ends());
                plain(move || kiln::ops::aggregate(x.clone(), weight.clone(), &ends, Reduce::Sum))
            }
            Op::Softmax => {
                let scores = graphs::numbers(self.size.edges, HEADS, 2, &device);
                let ends = ends();
                plain(move || ends.softmax(scores.clone()))
            }
            Op::CooToCsr => {
                let (dst, nodes) = (edges.dst(), self.size.nodes);
                Box::new(move || {
                    let (rowptr, order) = kiln::ops::coo_to_csr(dst.clone(), nodes);
                    Output::Order {
                        order,
                        _rowptr: rowptr,
                    }
                })
            }
            Op::Gcn => {
                let conv = with(GcnConvConfig::new(d_input, d_output).init(&device), state)?;
                layer(x(), move |x| conv.forward(x, &edges))
            }
            Op::GcnCached => {
                let conv = with(GcnConvConfig::new(d_input, d_output).init(&device), state)?;
                let norm = conv.normalize(&edges);
                layer(x(), move |x| {
                    conv.forward_normalized(x, &edges, norm.clone())
                })
            }
            Op::GcnReplay => {
                let conv = with(GcnConvConfig::new(d_input, d_output).init(&device), state)?;
                let model = Recorder::new(&conv).overloads().finish()?;
                // A prepared call refers to its session; both live as long as the program.
                let session: &Session = Box::leak(Box::new(Session::new(&model, &device)?));
                let inputs = [
                    ("x".to_owned(), AnyTensor::from(x())),
                    ("edge_index".to_owned(), edges.tensor().into()),
                ];
                let call = RefCell::new(session.prepare("forward", inputs.into())?);
                plain(move || {
                    match call
                        .borrow_mut()
                        .run_in_place(BTreeMap::<String, AnyTensor>::new())
                    {
                        Ok(outputs) => outputs[0].1.clone().float(),
                        Err(error) => unreachable!("the same run succeeded before: {error}"),
                    }
                })
            }
            Op::Sage => {
                let conv = with(
                    SageConvConfig::new(d_input.into(), d_output).init(&device),
                    state,
                )?;
                layer(x(), move |x| conv.forward(x, &edges))
            }
            Op::Gin => {
                let linear = |d_input| LinearConfig::new(d_input, d_output).init(&device);
                let inner = (linear(d_input), Relu::new(), linear(d_output));
                let conv = with(GinConvConfig::new().init_with(inner, &device), state)?;
                layer(x(), move |x| conv.forward(x, &edges))
            }
            Op::Gat => {
                let config = GatConvConfig::new(d_input.into(), d_output / HEADS).with_heads(HEADS);
                let conv = with(config.init(&device), state)?;
                layer(x(), move |x| conv.forward(x, &edges))
            }
            Op::Sampling => unreachable!("needs no edges on a device"),
        })
    }
}

/// Samples around the same nodes again and again, each time as another batch.
fn sampling(size: Size, edges: &Edges) -> Result<Run> {
    let graph = HostCsr::from_coo(edges.src(), edges.dst(), size.nodes, size.nodes)?;
    let sampler = NeighborSampler::new(Arc::new(graph), &FANOUTS)?;
    let seeds = (0..SEEDS).map(|k| u32::try_from((k * 7919 + 13) % size.nodes));
    let seeds = seeds.collect::<Result<Vec<u32>, _>>()?;
    let (batch, scratch) = (Cell::new(0), RefCell::new(Scratch::parallel()));
    Ok(Box::new(move || {
        let input = NodeSamplerInput {
            node: &seeds,
            time: None,
            batch: batch.replace(batch.get() + 1),
        };
        let sampled = sampler.sample(&input, &mut scratch.borrow_mut());
        Output::Subgraph(sampled.map_err(Into::into))
    }))
}

/// A layer with the weights in a file.
fn with<M: Module>(conv: M, state: Option<&Path>) -> Result<M> {
    match state {
        Some(path) => Ok(load_state_dict(conv, path)?),
        None => Ok(conv),
    }
}

fn plain(call: impl Fn() -> Tensor<2> + 'static) -> Run {
    Box::new(move || Output::Rows(call()))
}

/// The result of a layer, or the gradients of the sum of its entries if those of `x` are wanted.
fn layer(x: Tensor<2>, forward: impl Fn(Tensor<2>) -> Tensor<2> + 'static) -> Run {
    if !x.is_require_grad() {
        return plain(move || forward(x.clone()));
    }
    Box::new(move || {
        let gradients = forward(x.clone()).backward();
        match x.grad(&gradients) {
            Some(x) => Output::Gradient { x, _all: gradients },
            None => unreachable!("every layer depends on its features"),
        }
    })
}
