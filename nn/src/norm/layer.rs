//! What norms of nodes in graphs share.

use burn::tensor::{Int, Tensor};
use kiln_core::{AnyTensor, Arguments, Groups, Leaves, Named, leaf_name};
use kiln_ops::{Reduce, column_mean, degree, gather, scatter};

use crate::utils::num_groups;

/// What norms of nodes in graphs take: features, and the graph of each node.
///
/// The names of the arguments are PyG's: `x`, `batch`, and `batch_size` for the number of graphs,
/// which is read from `batch` if it is not given. Without groups there is one graph.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::Groups;
/// use kiln_nn::{LayerConfig as _, norm::MeanSubtractionNormConfig};
///
/// let device = Device::flex();
/// let norm = MeanSubtractionNormConfig::new().init(&device);
/// let x = Tensor::<2>::from_floats([[1.0], [3.0], [5.0]], &device);
/// let all = norm.forward(x.clone()).into_data();
/// assert_eq!(all.as_slice::<f32>().unwrap(), [-2.0, 0.0, 2.0]);
/// let groups = Groups::from_array(&[0, 0, 1], 2, &device).unwrap();
/// let each = norm.forward((x, &groups)).into_data();
/// assert_eq!(each.as_slice::<f32>().unwrap(), [-1.0, 1.0, 0.0]);
/// ```
#[derive(Clone, Debug)]
pub struct NormArgs {
    /// Features of the nodes, `[N, F]`.
    pub x: Tensor<2>,
    /// The graph of each node; one graph if there are none.
    pub groups: Option<Groups>,
}

impl From<Tensor<2>> for NormArgs {
    fn from(x: Tensor<2>) -> Self {
        Self { x, groups: None }
    }
}

impl From<(Tensor<2>, &Groups)> for NormArgs {
    fn from((x, groups): (Tensor<2>, &Groups)) -> Self {
        Self::from((x, Some(groups)))
    }
}

impl From<(Tensor<2>, Option<&Groups>)> for NormArgs {
    fn from((x, groups): (Tensor<2>, Option<&Groups>)) -> Self {
        let groups = groups.filter(|groups| !groups.is_one()).cloned();
        Self { x, groups }
    }
}

impl Leaves for NormArgs {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            x: self.x.map_leaves(&leaf_name(name, "x"), f),
            groups: self.groups.map_leaves(&leaf_name(name, "batch"), f),
        }
    }
}

impl Arguments for NormArgs {
    fn from_named(values: &mut Named) -> Self {
        let groups = groups_of(values);
        let x = values.tensor("x");
        Self { x, groups }
    }
}

/// The graph of each node, if it is given, and the number of graphs under any of PyG's names.
pub(crate) fn groups_of(values: &mut Named) -> Option<Groups> {
    let batch: Tensor<1, Int> = values.integers("batch")?;
    let size = values.size("batch_size");
    let size = size.or_else(|| values.size("dim_size"));
    let size = size.unwrap_or_else(|| num_groups(batch.clone()));
    Some(Groups::new_unchecked(batch, size))
}

/// The graphs of nodes.
pub(super) struct Graphs {
    groups: Option<Groups>,
    rows: usize,
}

impl Graphs {
    /// Features and their graphs.
    ///
    /// # Panics
    /// If there is not one row for each row of the groups.
    pub(super) fn of(args: NormArgs) -> (Tensor<2>, Self) {
        let NormArgs { x, groups } = args;
        let [rows, _] = x.dims();
        if let Some(groups) = &groups {
            let expected = groups.num_rows();
            assert!(
                rows == expected,
                "expected one row for each of the {expected} rows of the groups, got {rows}"
            );
        }
        (x, Self { groups, rows })
    }

    /// Whether the nodes of several graphs may have been given.
    pub(super) fn is_batch(&self) -> bool {
        self.groups.is_some()
    }

    /// Number of graphs.
    pub(super) fn len(&self) -> usize {
        self.groups.as_ref().map_or(1, Groups::num_groups)
    }

    /// Mean of the rows of each graph; zeros for a graph without nodes. `[N, F]` gives `[G, F]`
    pub(super) fn mean(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.groups {
            Some(groups) => scatter(x, groups.owner(), groups.num_groups(), Reduce::Mean),
            None => column_mean(x),
        }
    }

    /// For each node the row of its graph. `[G, F]` gives `[N, F]`, or `[1, F]` for one graph.
    pub(super) fn lift(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.groups {
            Some(groups) => gather(x, groups.owner()),
            None => x,
        }
    }

    /// Each row without the mean of its graph.
    pub(super) fn centered(&self, x: Tensor<2>) -> Tensor<2> {
        let mean = self.lift(self.mean(x.clone()));
        x - mean
    }

    /// Number of nodes of each graph, of the type of `like`. `[G, 1]`
    pub(super) fn count(&self, like: &Tensor<2>) -> Tensor<2> {
        let count = match &self.groups {
            Some(groups) => degree(groups.owner(), groups.num_groups()),
            None => degree(Tensor::zeros([self.rows], &like.device()), 1),
        };
        let count = count.to_device(&like.device()).cast(like.dtype());
        count.unsqueeze_dim(1)
    }
}

/// What a norm of nodes in graphs says of itself.
pub(super) trait Normalize {
    /// Width of the features, if parameters fix it.
    fn width(&self) -> Option<usize> {
        None
    }

    /// The normalised features.
    fn normalize(&self, x: Tensor<2>, graphs: &Graphs) -> Tensor<2>;
}

/// Implements [`Layer`](kiln_ops::Layer) for norms of nodes in graphs, each with its configuration
/// and PyG's name for the number of graphs.
macro_rules! graph_norms {
    ($($layer:ident($config:ty, $number:literal)),+ $(,)?) => {$(
        impl $layer {
            /// Normalises features: of the nodes of one graph, or with groups those of several.
            ///
            /// # Panics
            /// If the number of features is not the layer's, or there is not one row for each row
            /// of the groups.
            pub fn forward(&self, args: impl Into<$crate::norm::NormArgs>) -> burn::tensor::Tensor<2> {
                kiln_ops::Layer::call(self, args)
            }
        }

        impl kiln_ops::Layer for $layer {
            const NAME: &'static str = stringify!($layer);

            type Config = $config;
            type Args = $crate::norm::NormArgs;
            type Output = burn::tensor::Tensor<2>;

            fn signatures(&self) -> kiln_core::Signatures {
                use kiln_core::signature::{Dim, Type};
                let width = $crate::norm::layer::Normalize::width(self);
                let width = width.map_or_else(|| Dim::from("F"), Dim::from);
                let x = Type::float(["N".into(), width]);
                kiln_core::Signatures::new().with("x", x).groups($number)
            }

            fn compute(&self, args: $crate::norm::NormArgs) -> burn::tensor::Tensor<2> {
                let (x, graphs) = $crate::norm::layer::Graphs::of(args);
                $crate::norm::layer::Normalize::normalize(self, x, &graphs)
            }
        }
    )+};
}

pub(super) use graph_norms;
