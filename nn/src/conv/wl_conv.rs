//! The Weisfeiler-Lehman refinement of colours.

use std::collections::HashMap;

use burn::tensor::{Int, Tensor, TensorData};
use kiln_core::{Edges, Groups, int_tensor, size_to_i64};
use kiln_ops::Endpoints;

/// Gives nodes new colours: equal ones to nodes whose colours are equal, and those of their
/// neighbours too.
///
/// ```text
/// x_i' = number( x_i, { x_j : j ∈ N(i) } )
/// ```
///
/// Colours are numbered in the order in which they first appear, over all calls.
///
/// Source: Weisfeiler, Leman, A Reduction of a Graph to a Canonical Form and an Algebra Arising
/// During this Reduction, 1968. Matches `torch_geometric.nn.WLConv` (2.8). Departs: colours are
/// told apart by themselves, where PyG compares hashes of them, which may collide.
///
/// It is no [`Layer`](kiln_ops::Layer): it reads its input on the host, remembers colours from call
/// to call and has no gradient, so that there is nothing to record.
///
/// # Shapes
/// x: `[N]` colours, or `[N, colours]` one-hot · edges: `E` among `N` nodes · output: `[N]` colours
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
/// use kiln_core::{EdgeIndex, Groups};
/// use kiln_nn::conv::WlConv;
///
/// let device = Device::flex();
/// let edges = EdgeIndex::from_arrays(&[0, 1, 1, 2], &[1, 0, 2, 1], 3, 3, &device).unwrap();
/// let mut conv = WlConv::new();
/// let x = conv.forward(Tensor::<1, Int>::zeros([3], &device), edges);
/// assert_eq!(x.clone().into_data().iter::<i64>().collect::<Vec<_>>(), [0, 1, 0]);
/// let histogram = conv.histogram(&x, &Groups::one(3, &device));
/// assert_eq!(histogram.into_data().iter::<i64>().collect::<Vec<_>>(), [2, 1]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct WlConv {
    /// The number of each colour: of a node's and those of its neighbours in order.
    colors: HashMap<Vec<i64>, i64>,
}

impl WlConv {
    /// Knows no colours yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all colours.
    pub fn reset(&mut self) {
        self.colors.clear();
    }

    /// Number of colours that were given so far.
    pub fn num_colors(&self) -> usize {
        self.colors.len()
    }

    /// Gives new colours. `x: [N]`
    ///
    /// # Panics
    /// If there is not a colour for each node, or the graph is bipartite.
    pub fn forward(&mut self, x: Tensor<1, Int>, edges: impl Into<Edges>) -> Tensor<1, Int> {
        let edges = edges.into();
        let ([nodes], device) = (x.dims(), x.device());
        assert!(
            edges.num_src() == nodes && edges.num_dst() == nodes,
            "expected a colour for each node of one set, got {} sources, {} targets and {nodes} colours",
            edges.num_src(),
            edges.num_dst()
        );
        let ends = Endpoints::of(edges);
        let [x, src, dst] = [x, ends.src(), ends.dst()].map(host);
        let mut keys: Vec<Vec<i64>> = x.iter().map(|&color| vec![color]).collect();
        for (&j, &i) in src.iter().zip(&dst) {
            let color = usize::try_from(j).ok().and_then(|j| x.get(j));
            let key = usize::try_from(i).ok().and_then(|i| keys.get_mut(i));
            if let (Some(&color), Some(key)) = (color, key) {
                key.push(color);
            }
        }
        let colors = keys.into_iter().map(|mut key| {
            key[1..].sort_unstable();
            let next = size_to_i64(self.colors.len());
            *self.colors.entry(key).or_insert(next)
        });
        tensor(TensorData::new(colors.collect(), [nodes]), &device)
    }

    /// Gives new colours to nodes whose colours are one-hot. `x: [N, colours]`
    ///
    /// # Panics
    /// If a row does not add up to 1, or as [`forward`](Self::forward).
    pub fn forward_one_hot(&mut self, x: Tensor<2>, edges: impl Into<Edges>) -> Tensor<1, Int> {
        let sums = x.clone().sum_dim(1).into_data();
        for (row, sum) in sums.iter::<f32>().enumerate() {
            #[expect(clippy::float_cmp, reason = "a sum of zeros and a one")]
            let is_one = sum == 1.0;
            assert!(
                is_one,
                "expected one-hot rows, got a sum of {sum} in row {row}"
            );
        }
        self.forward(x.argmax(1).squeeze_dim(1), edges)
    }

    /// Number of nodes of each colour in each graph. `x: [N]` gives `[graphs, colours]`.
    ///
    /// # Panics
    /// If there is not a colour for each row of the groups, or it was not given by this layer.
    pub fn histogram(&self, x: &Tensor<1, Int>, groups: &Groups) -> Tensor<2, Int> {
        let (counts, shape) = self.counts(x, groups);
        tensor(TensorData::new(counts, shape), &x.device())
    }

    /// [`histogram`](Self::histogram) with rows of Euclidean norm 1.
    ///
    /// # Panics
    /// As [`histogram`](Self::histogram).
    pub fn normalized_histogram(&self, x: &Tensor<1, Int>, groups: &Groups) -> Tensor<2> {
        let counts = self.histogram(x, groups).float();
        let norm = (counts.clone() * counts.clone()).sum_dim(1).sqrt();
        counts / norm
    }

    fn counts(&self, x: &Tensor<1, Int>, groups: &Groups) -> (Vec<i64>, [usize; 2]) {
        let [nodes] = x.dims();
        assert!(
            groups.num_rows() == nodes,
            "expected a colour for each of {} nodes, got {nodes}",
            groups.num_rows()
        );
        let (colors, graphs) = (self.num_colors(), groups.num_groups());
        let mut counts = vec![0; colors * graphs];
        for (graph, color) in host(groups.owner()).into_iter().zip(host(x.clone())) {
            let known = usize::try_from(color).ok().filter(|&color| color < colors);
            let known =
                known.unwrap_or_else(|| panic!("expected a colour in 0..{colors}, got {color}"));
            let graph = usize::try_from(graph).unwrap_or_default();
            counts[graph * colors + known] += 1;
        }
        (counts, [graphs, colors])
    }
}

/// The values of integers.
fn host(x: Tensor<1, Int>) -> Vec<i64> {
    x.into_data().iter::<i64>().collect()
}

/// Integers on a device.
fn tensor<const D: usize>(data: TensorData, device: &burn::tensor::Device) -> Tensor<D, Int> {
    int_tensor(data, device).unwrap_or_else(|error| panic!("{error}"))
}
