//! Aggregations as layers of their own, which take rows of groups.

use burn::tensor::Tensor;
use kiln_core::{AnyTensor, Arguments, Groups, Leaves, Named, leaf_name};
use kiln_ops::Layer;

use super::elements::{Elements, Needs};
use crate::utils::num_groups;

/// What every aggregation says of itself.
pub(crate) trait Combine {
    /// Width of the elements, if parameters fix it.
    fn input(&self) -> Option<usize> {
        None
    }

    /// Width of the result for elements of the given width.
    fn width(&self, element: usize) -> usize {
        element
    }

    /// The reductions that the result is made of, where several aggregations share them.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// One row for each set of elements.
    fn combine(&self, elements: &Elements<'_>) -> Tensor<2>;
}

/// An aggregation that stands alone: one row for each group of rows.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use kiln_core::Groups;
/// use kiln_nn::{LayerConfig as _, aggr::{Aggregate as _, MedianConfig}};
///
/// let device = Device::flex();
/// let groups = Groups::from_array(&[0, 0, 0, 1], 3, &device).unwrap();
/// let x = Tensor::<2>::from_floats([[1.0], [9.0], [2.0], [5.0]], &device);
/// let out = MedianConfig::new().init(&device).aggregate(x, &groups).into_data();
/// assert_eq!(out.as_slice::<f32>().unwrap(), [2.0, 5.0, 0.0]);
/// ```
pub trait Aggregate: Layer<Args = GroupArgs, Output = Tensor<2>> {
    /// Aggregates the rows of each group.
    ///
    /// # Panics
    /// If there is not one row for each row of the groups.
    fn aggregate(&self, x: Tensor<2>, groups: &Groups) -> Tensor<2> {
        self.call((x, groups))
    }
}

impl<L: Layer<Args = GroupArgs, Output = Tensor<2>>> Aggregate for L {}

/// Rows and their groups: what aggregations that stand alone take.
///
/// The names of the arguments are PyG's: `x`, `index`, and `dim_size` for the number of groups.
#[derive(Clone, Debug)]
pub struct GroupArgs {
    /// The rows, `[N, F]`.
    pub x: Tensor<2>,
    /// The group of each row.
    pub groups: Groups,
}

impl From<(Tensor<2>, &Groups)> for GroupArgs {
    fn from((x, groups): (Tensor<2>, &Groups)) -> Self {
        let groups = groups.clone();
        Self { x, groups }
    }
}

impl Leaves for GroupArgs {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            x: self.x.map_leaves(&leaf_name(name, "x"), f),
            groups: self.groups.map_leaves(&leaf_name(name, "index"), f),
        }
    }
}

impl Arguments for GroupArgs {
    fn from_named(values: &mut Named) -> Self {
        let x = values.tensor("x");
        let index = values.integers("index");
        let groups = match index {
            Some(index) => {
                let size = values.size("dim_size");
                let size = size.unwrap_or_else(|| num_groups(index.clone()));
                Groups::new_unchecked(index, size)
            }
            None => Groups::one(x.dims()[0], &x.device()),
        };
        Self { x, groups }
    }
}

/// Implements [`Layer`] for aggregations, each with its configuration, and with PyG's name where it
/// is not that of the type.
macro_rules! aggregation_layers {
    (@name $layer:ident) => { stringify!($layer) };
    (@name $layer:ident $name:literal) => { $name };
    ($($layer:ident($config:ty $(, $name:literal)?)),+ $(,)?) => {$(
        impl kiln_ops::Layer for $layer {
            const NAME: &'static str = aggregation_layers!(@name $layer $($name)?);

            type Config = $config;
            type Args = $crate::aggr::GroupArgs;
            type Output = burn::tensor::Tensor<2>;

            fn signatures(&self) -> kiln_core::Signatures {
                use kiln_core::signature::{Dim, Type};
                let width = $crate::aggr::layer::Combine::input(self);
                let width = width.map_or_else(|| Dim::from("F"), Dim::from);
                kiln_core::Signatures::new()
                    .with("x", Type::float(["N".into(), width]))
                    .with("index", Type::int(["N".into()]))
                    .with("dim_size", Type::Int("G".into()))
            }

            fn compute(&self, args: $crate::aggr::GroupArgs) -> burn::tensor::Tensor<2> {
                let elements = $crate::aggr::elements::Elements::of_groups(args.x, &args.groups);
                $crate::aggr::layer::Combine::combine(self, &elements)
            }
        }
    )+};
}

pub(crate) use aggregation_layers;
