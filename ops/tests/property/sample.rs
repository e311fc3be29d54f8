//! Random graphs with values on them, and how these lie in memory.

use core::{
    array,
    iter::repeat_n,
    mem,
    ops::{Index, RangeInclusive},
};
use std::rc::Rc;

use burn::tensor::{DType, Device, Int, Tensor, TensorData, s};
use kiln_core::{EdgeIndex, Edges, Flow};
use kiln_ops::Endpoints;
use proptest::prelude::*;

use crate::support::{Numbers, ints};

const INPUTS: usize = 10;

/// The numbers that operations take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Features of sources, `[N, H, C]`.
    X,
    /// Features of targets, `[n, H, C]`.
    Y,
    /// One weight per edge, `[E]`.
    Weight,
    /// One weight per edge and head, `[E, H]`.
    Weights,
    /// Features of edges, `[E, H, C]`.
    Messages,
    /// Scores of sources, `[N, H]`.
    ScoreSrc,
    /// Scores of targets, `[n, H]`.
    ScoreDst,
    /// A linear map of features, `[F, H]`.
    Matrix,
    /// A number for each feature, `[F]`.
    Bias,
    /// One number for all, `[1]`.
    Factor,
}

impl Input {
    pub(crate) const ALL: [Self; INPUTS] = [
        Self::X,
        Self::Y,
        Self::Weight,
        Self::Weights,
        Self::Messages,
        Self::ScoreSrc,
        Self::ScoreDst,
        Self::Matrix,
        Self::Bias,
        Self::Factor,
    ];
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Row by row.
    Contiguous,
    /// Column by column.
    Transposed,
    /// Every other row of a matrix of twice the rows.
    Sliced,
    /// One row, which stands for all.
    Expanded,
}

impl Layout {
    /// What lies between rows of interest: shows where it is read.
    const PADDING: f64 = f64::NAN;

    /// The numbers in memory for a matrix of `columns`.
    fn stored(self, values: &[f64], columns: usize) -> Vec<f64> {
        match self {
            Self::Contiguous => values.to_vec(),
            Self::Transposed => (0..columns)
                .flat_map(|column| values.iter().skip(column).step_by(columns).copied())
                .collect(),
            Self::Sliced => values
                .chunks(columns)
                .flat_map(|row| repeat_n(Self::PADDING, columns).chain(row.iter().copied()))
                .collect(),
            Self::Expanded => values[..columns].to_vec(),
        }
    }

    /// The tensor that lies in memory as `stored`.
    fn view<const D: usize>(self, stored: Tensor<1>, dims: [usize; D]) -> Tensor<D> {
        let mut shape = dims;
        match self {
            Self::Contiguous => stored.reshape(dims),
            Self::Transposed => {
                shape.rotate_left(1);
                let axes: [usize; D] = array::from_fn(|axis| (axis + D - 1) % D);
                stored.reshape(shape).permute(axes)
            }
            Self::Sliced if D == 1 => {
                shape[0] *= 2;
                stored.reshape(shape).slice_dim(0, s![1..;2])
            }
            Self::Sliced => {
                shape[1] *= 2;
                stored.reshape(shape).slice_dim(1, dims[1]..shape[1])
            }
            Self::Expanded => {
                shape[0] = 1;
                stored.reshape(shape).expand(dims)
            }
        }
    }
}

/// What a sample is made from.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Number of sources and of targets.
    pub(crate) nodes: [usize; 2],
    /// Number of edges, every fourth or so a self loop or a copy of the one before.
    pub(crate) edges: usize,
    /// Numbers of further edges: those that begin at one source, and those that end at one
    /// target.
    pub(crate) hubs: [usize; 2],
    pub(crate) heads: usize,
    /// Features of all heads together; rounded down to a multiple of the heads.
    pub(crate) width: usize,
    pub(crate) flow: Flow,
    /// Whether edges come as an adjacency, which sorts them by destination.
    pub(crate) adjacency: bool,
    pub(crate) layouts: [Layout; INPUTS],
    pub(crate) autodiff: bool,
    pub(crate) seed: u64,
}

/// Plans of few `nodes` on each side or as many as given, of up to `edges`, with hubs and widths of
/// `shapes`.
pub(crate) fn plans(
    nodes: RangeInclusive<usize>,
    edges: usize,
    shapes: impl Strategy<Value = ([usize; 2], usize)>,
) -> impl Strategy<Value = Plan> {
    let nodes = move || prop_oneof![1 => 0..=3_usize, 3 => nodes.clone()];
    let layout = prop_oneof![
        4 => Just(Layout::Contiguous),
        6 => Just(Layout::Transposed),
        6 => Just(Layout::Sliced),
        1 => Just(Layout::Expanded),
    ];
    (
        (nodes(), nodes(), any::<bool>()),
        prop_oneof![1 => Just(0), 9 => 0..=edges],
        shapes,
        prop_oneof![2 => Just(1), 1 => 2..=8_usize],
        any::<[bool; 3]>(),
        prop::array::uniform10(layout),
        any::<u64>(),
    )
        .prop_map(
            |(nodes, edges, (hubs, width), heads, flags, layouts, seed)| {
                let (num_src, num_dst, square) = nodes;
                let [adjacency, autodiff, reverse] = flags;
                Plan {
                    nodes: [num_src, if square { num_src } else { num_dst }],
                    edges,
                    hubs,
                    heads,
                    width,
                    flow: if reverse {
                        Flow::TargetToSource
                    } else {
                        Flow::SourceToTarget
                    },
                    adjacency,
                    layouts,
                    autodiff,
                    seed,
                }
            },
        )
}

/// Numbers of features from 1 to 257, above all those around the borders of tiles.
pub(crate) fn widths() -> impl Strategy<Value = usize> {
    let border = (1..=8_u32, 0..=2_usize).prop_map(|(bits, above)| (1 << bits) + above - 1);
    prop_oneof![1 => Just(1), 1 => Just(257), 3 => border, 3 => 1..=257_usize]
}

/// A graph whose messages run from `src` to `dst`, and values on it.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) plan: Plan,
    pub(crate) num_src: usize,
    pub(crate) num_dst: usize,
    pub(crate) src: Vec<usize>,
    pub(crate) dst: Vec<usize>,
    pub(crate) heads: usize,
    pub(crate) channels: usize,
    values: [Vec<f64>; INPUTS],
}

impl Index<Input> for Sample {
    type Output = [f64];

    fn index(&self, input: Input) -> &[f64] {
        &self.values[input as usize]
    }
}

impl Sample {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut numbers = Numbers(plan.seed);
        let (src, dst) = edges(plan, &mut numbers).into_iter().unzip();
        let [num_src, num_dst] = plan.nodes;
        let mut sample = Self {
            plan: plan.clone(),
            num_src,
            num_dst,
            src,
            dst,
            heads: plan.heads,
            channels: (plan.width / plan.heads).max(1),
            values: array::from_fn(|_| Vec::new()),
        };
        for input in Input::ALL {
            let (rows, columns) = (sample.rows(input), sample.columns(input));
            let mut values: Vec<f64> = (0..rows * columns)
                .map(|_| match input {
                    // No sum of two or three scores is near 0, where the ReLU has its kink.
                    Input::ScoreSrc => coarse(&mut numbers),
                    Input::ScoreDst => coarse(&mut numbers) + 1.0 / 128.0,
                    Input::Weights => coarse(&mut numbers) + 1.0 / 256.0,
                    _ => numbers.float(),
                })
                .collect();
            if sample.layout(input) == Layout::Expanded {
                values = values[..columns].repeat(rows);
            }
            sample.values[input as usize] = values;
        }
        sample
    }

    /// The same with some numbers that are infinite or none at all.
    pub(crate) fn poisoned(mut self, seed: u64) -> Self {
        let mut numbers = Numbers(seed);
        for input in Input::ALL {
            let (rows, columns) = (self.rows(input), self.columns(input));
            if rows * columns == 0 || numbers.below(2) == 0 {
                continue;
            }
            for _ in 0..=numbers.below(3) {
                let value = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][numbers.below(3)];
                let (row, column) = (numbers.below(rows), numbers.below(columns));
                let rows = match self.layout(input) {
                    Layout::Expanded => 0..rows,
                    _ => row..row + 1,
                };
                for row in rows {
                    self.values[input as usize][row * columns + column] = value;
                }
            }
        }
        self
    }

    /// The same with inputs that are numbers of a type.
    pub(crate) fn rounded(mut self, dtype: DType) -> Self {
        for values in &mut self.values {
            let shape = [values.len()];
            let data = TensorData::new(mem::take(values), shape).convert_dtype(dtype);
            *values = data.iter::<f64>().collect();
        }
        self
    }

    pub(crate) fn num_edges(&self) -> usize {
        self.src.len()
    }

    pub(crate) fn width(&self) -> usize {
        self.heads * self.channels
    }

    pub(crate) fn is_square(&self) -> bool {
        self.num_src == self.num_dst
    }

    fn rows(&self, input: Input) -> usize {
        match input {
            Input::X | Input::ScoreSrc => self.num_src,
            Input::Y | Input::ScoreDst => self.num_dst,
            Input::Weight | Input::Weights | Input::Messages => self.num_edges(),
            Input::Matrix | Input::Bias => self.width(),
            Input::Factor => 1,
        }
    }

    fn columns(&self, input: Input) -> usize {
        match input {
            Input::X | Input::Y | Input::Messages => self.width(),
            Input::Weights | Input::ScoreSrc | Input::ScoreDst | Input::Matrix => self.heads,
            Input::Weight | Input::Bias | Input::Factor => 1,
        }
    }

    /// There is no row to stand for all where there are none.
    fn layout(&self, input: Input) -> Layout {
        if self.rows(input) == 0 {
            Layout::Contiguous
        } else {
            self.plan.layouts[input as usize]
        }
    }

    /// The numbers of an input as they lie in memory.
    pub(crate) fn stored(&self, input: Input) -> Vec<f64> {
        self.layout(input).stored(&self[input], self.columns(input))
    }

    /// The same with the magnitudes of all factors. Scores are exponents, not factors.
    pub(crate) fn magnitudes(&self) -> Self {
        let mut sample = self.clone();
        for input in Input::ALL {
            if !matches!(input, Input::ScoreSrc | Input::ScoreDst) {
                for value in &mut sample.values[input as usize] {
                    *value = value.abs();
                }
            }
        }
        sample
    }

    /// Number of edges of the node that has most, one way.
    pub(crate) fn longest_row(&self) -> u32 {
        let longest = |end: &[usize], count| {
            let (ptr, _) = Self::sorted(end, count);
            ptr.windows(2).map(|row| row[1] - row[0]).max()
        };
        let both = [
            longest(&self.src, self.num_src),
            longest(&self.dst, self.num_dst),
        ];
        let longest = both.into_iter().flatten().max().unwrap_or_default();
        u32::try_from(longest).unwrap()
    }

    /// Row pointers and order of the edges sorted by an end, of which there are `count`.
    pub(crate) fn sorted(end: &[usize], count: usize) -> (Vec<usize>, Vec<usize>) {
        let mut order: Vec<usize> = (0..end.len()).collect();
        order.sort_by_key(|&e| end[e]);
        let mut ptr = vec![0; count + 1];
        for &node in end {
            ptr[node + 1] += 1;
        }
        for node in 0..count {
            ptr[node + 1] += ptr[node];
        }
        (ptr, order)
    }

    /// The edges by target: row pointers, sources and targets.
    pub(crate) fn csr(&self) -> [Vec<usize>; 3] {
        let (ptr, order) = Self::sorted(&self.dst, self.num_dst);
        let [src, dst] = [&self.src, &self.dst].map(|end| order.iter().map(|&e| end[e]).collect());
        [ptr, src, dst]
    }
}

/// A multiple of 1/64 between -1 and 1.
fn coarse(numbers: &mut Numbers) -> f64 {
    f64::from(u32::try_from(numbers.below(129)).unwrap()) / 64.0 - 1.0
}

/// Pairs of source and target in random order, or sorted as an adjacency has them.
fn edges(plan: &Plan, numbers: &mut Numbers) -> Vec<(usize, usize)> {
    let [num_src, num_dst] = plan.nodes;
    if num_src == 0 || num_dst == 0 {
        return Vec::new();
    }
    let hub = (numbers.below(num_src), numbers.below(num_dst));
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for _ in 0..plan.edges {
        let pair = (numbers.below(num_src), numbers.below(num_dst));
        pairs.push(match numbers.below(8) {
            0 => *pairs.last().unwrap_or(&pair),
            1 => {
                let node = numbers.below(num_src.min(num_dst));
                (node, node)
            }
            _ => pair,
        });
    }
    let [out, into] = plan.hubs;
    pairs.extend((0..out).map(|_| (hub.0, numbers.below(num_dst))));
    pairs.extend((0..into).map(|_| (numbers.below(num_src), hub.1)));
    for at in 1..pairs.len() {
        pairs.swap(at, numbers.below(at + 1));
    }
    if plan.adjacency {
        match plan.flow {
            Flow::SourceToTarget => pairs.sort_by_key(|&(_, dst)| dst),
            Flow::TargetToSource => pairs.sort_by_key(|&(src, _)| src),
        }
    }
    pairs
}

/// A sample on a device.
#[derive(Clone)]
pub(crate) struct Inputs<'a> {
    pub(crate) sample: &'a Sample,
    pub(crate) ends: Rc<Endpoints>,
    /// Row pointers of the edges sorted by target, and their sources.
    pub(crate) rowptr: Tensor<1, Int>,
    pub(crate) col: Tensor<1, Int>,
    stored: [Tensor<1>; INPUTS],
}

impl<'a> Inputs<'a> {
    pub(crate) fn new(sample: &'a Sample, device: &Device, dtype: DType) -> Self {
        let [rowptr, col, _] = sample.csr();
        let stored = Input::ALL.map(|input| {
            let values = sample.stored(input);
            let shape = [values.len()];
            Tensor::from_data(TensorData::new(values, shape), (device, dtype))
        });
        Self {
            sample,
            ends: Rc::new(Endpoints::new(edges_on(sample, device), sample.plan.flow)),
            rowptr: ints(&rowptr, device),
            col: ints(&col, device),
            stored,
        }
    }

    /// The numbers of an input as they lie in memory.
    pub(crate) fn stored(&self, input: Input) -> Tensor<1> {
        self.stored[input as usize].clone()
    }

    /// With other numbers in memory.
    pub(crate) fn with(mut self, input: Input, stored: Tensor<1>) -> Self {
        self.stored[input as usize] = stored;
        self
    }

    /// An input as a matrix, as a vector if it is one, or with an axis of heads.
    pub(crate) fn get<const D: usize>(&self, input: Input) -> Tensor<D> {
        let (rows, columns) = (self.sample.rows(input), self.sample.columns(input));
        let dims = match D {
            1 => vec![rows * columns],
            2 => vec![rows, columns],
            _ => vec![rows, self.sample.heads, columns / self.sample.heads],
        };
        let dims = dims.try_into().expect("up to three axes");
        self.sample.layout(input).view(self.stored(input), dims)
    }

    pub(crate) fn src(&self) -> Tensor<1, Int> {
        self.ends.source()
    }

    pub(crate) fn dst(&self) -> Tensor<1, Int> {
        self.ends.target()
    }

    /// The edges as a list, whose sources send.
    pub(crate) fn edge_index(&self) -> EdgeIndex {
        let Sample {
            num_src,
            num_dst,
            src,
            dst,
            ..
        } = self.sample;
        let [src, dst] = [src, dst].map(|end| {
            let number = |&node| i64::try_from(node).unwrap();
            end.iter().map(number).collect::<Vec<_>>()
        });
        EdgeIndex::from_arrays(&src, &dst, *num_src, *num_dst, &self.ends.device()).unwrap()
    }
}

/// The edges in the form of the plan: a list, with the two ends of an edge side by side in memory,
/// or an adjacency.
fn edges_on(sample: &Sample, device: &Device) -> Edges {
    let (num_src, num_dst) = (sample.num_src, sample.num_dst);
    let (first, second, [num_first, num_second]) = match sample.plan.flow {
        Flow::SourceToTarget => (&sample.src, &sample.dst, [num_src, num_dst]),
        Flow::TargetToSource => (&sample.dst, &sample.src, [num_dst, num_src]),
    };
    let pairs: Vec<usize> = first
        .iter()
        .zip(second)
        .flat_map(|(&first, &second)| [first, second])
        .collect();
    let pairs = ints(&pairs, device).reshape([first.len(), 2]).transpose();
    let edges = EdgeIndex::new(pairs, num_first, num_second).unwrap();
    if sample.plan.adjacency {
        kiln_ops::to_adjacency(&edges, None).0.into()
    } else {
        edges.into()
    }
}
