//! Products and linear maps as data, for lazy fusion and for remote devices.
//!
//! A recording holds Burn's own `matmul` and `linear` instead, so nothing decodes them but this
//! crate.
//!
//! | name | inputs | outputs |
//! |---|---|---|
//! | `kiln::matmul` | lhs, rhs | `[.., n, m]` |
//! | `kiln::linear_map` | x, weight | `[N, d_output]` |
//! | `kiln::linear_map_add` | x, weight, term | `[N, d_output]` |
//! | `kiln::linear_map_relu` | x, weight, bias | `[N, d_output]` |
//! | `kiln::linear_map_weight` | x, grad | `[d_input, d_output]` |
//! | `kiln::column_sum` | x | `[F]` |

use burn::backend::{
    Shape,
    ir::{BackendIr, CustomOpIr, HandleContainer, TensorId, TensorIr},
};

use crate::{GraphOps, linear::product_shape};

/// A product, a linear map or a part of its gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenseOp {
    Matmul,
    LinearMap,
    LinearMapAdd,
    LinearMapRelu,
    LinearMapWeight,
    ColumnSum,
}

impl DenseOp {
    pub(crate) const ALL: [Self; 6] = [
        Self::Matmul,
        Self::LinearMap,
        Self::LinearMapAdd,
        Self::LinearMapRelu,
        Self::LinearMapWeight,
        Self::ColumnSum,
    ];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Matmul => "kiln::matmul",
            Self::LinearMap => "kiln::linear_map",
            Self::LinearMapAdd => "kiln::linear_map_add",
            Self::LinearMapRelu => "kiln::linear_map_relu",
            Self::LinearMapWeight => "kiln::linear_map_weight",
            Self::ColumnSum => "kiln::column_sum",
        }
    }

    /// Writes the operation down.
    pub(crate) fn describe(
        self,
        inputs: &[TensorIr],
        mut new_id: impl FnMut() -> TensorId,
    ) -> CustomOpIr {
        let dim = |input: usize, axis: usize| inputs[input].shape[axis];
        let shape = match self {
            Self::Matmul => product_shape([&inputs[0].shape, &inputs[1].shape]),
            Self::LinearMap | Self::LinearMapAdd | Self::LinearMapRelu => {
                Shape::new([dim(0, 0), dim(1, 1)])
            }
            Self::LinearMapWeight => Shape::new([dim(0, 1), dim(1, 1)]),
            Self::ColumnSum => Shape::new([dim(0, 1)]),
        };
        let out = TensorIr::uninit(new_id(), shape, inputs[0].dtype);
        CustomOpIr::new(self.id(), inputs, &[out])
    }

    /// Runs the operation: inputs are taken from `handles`, the output is put there.
    pub(crate) fn execute<B: BackendIr + GraphOps>(
        self,
        handles: &mut HandleContainer<B::Handle>,
        desc: &CustomOpIr,
    ) {
        let mut input = |at: usize| handles.get_float_tensor::<B>(&desc.inputs[at]);
        let out = match self {
            Self::Matmul => B::matmul(input(0), input(1)),
            Self::LinearMap => B::linear_map(input(0), input(1)),
            Self::LinearMapAdd => B::linear_map_add(input(0), input(1), input(2)),
            Self::LinearMapRelu => B::linear_map_relu(input(0), input(1), input(2)),
            Self::LinearMapWeight => B::linear_map_weight(input(0), input(1)),
            Self::ColumnSum => B::column_sum(input(0)),
        };
        handles.register_float_tensor::<B>(&desc.outputs[0].id, out);
    }
}
