//! Shapes, reductions, dense layers.

use core::f32::consts::LN_2;

use kiln_ir::{DenseOp, Float, ReduceOp, Reduction, ShapeOp, Size};

use super::Operations;
use crate::{
    builder::{bool, float, int},
    expectation::Data,
};

/// Adds operations on shapes, reductions and dense layers.
pub(super) fn add(all: &mut Operations) {
    let (n, e, k1) = (all.n.clone(), all.e.clone(), Size::fixed(1));
    let mask = bool(vec![e.clone()]);
    let bits = Data::bool(&[4], &[false, true, true, false]);
    let at_n = all.n();
    let x = Data::float(&[3], &[1.0, 2.0, 3.0]);
    all.matrix(
        "reshape",
        ShapeOp::Reshape {
            dims: vec![&n * &2.into()],
        },
        float(vec![&n * &2.into()]),
        Data::float(&[6], &[1.0, -2.0, 3.0, 4.0, -5.0, 6.0]),
    );
    all.matrix(
        "permute",
        ShapeOp::Permute { axes: vec![1, 0] },
        float(vec![2.into(), n.clone()]),
        Data::float(&[2, 3], &[1.0, 3.0, -5.0, -2.0, 4.0, 6.0]),
    );
    all.matrix(
        "slice",
        ShapeOp::Slice {
            ranges: vec![(1.into(), n.clone()), (0.into(), 2.into())],
        },
        float(vec![&n + &(-1).into(), 2.into()]),
        Data::float(&[2, 2], &[3.0, 4.0, -5.0, 6.0]),
    );
    all.matrix(
        "slice_columns",
        ShapeOp::Slice {
            ranges: vec![(0.into(), n.clone()), (1.into(), 2.into())],
        },
        float(vec![n.clone(), 1.into()]),
        Data::float(&[3, 1], &[-2.0, 4.0, 6.0]),
    );
    let half = Size::floor_div(&n, &2.into()).unwrap();
    all.matrix(
        "slice_half",
        ShapeOp::Slice {
            ranges: vec![(0.into(), half.clone()), (0.into(), 2.into())],
        },
        float(vec![half, 2.into()]),
        Data::float(&[1, 2], &[1.0, -2.0]),
    );
    let at_most_two = Size::min(&n, &2.into());
    all.matrix(
        "slice_at_most",
        ShapeOp::Slice {
            ranges: vec![(0.into(), at_most_two.clone()), (0.into(), 2.into())],
        },
        float(vec![at_most_two, 2.into()]),
        Data::float(&[2, 2], &[1.0, -2.0, 3.0, 4.0]),
    );
    all.matrix(
        "repeat_dim",
        ShapeOp::RepeatDim {
            dim: 1,
            times: 2.into(),
        },
        float(vec![n.clone(), 4.into()]),
        Data::float(
            &[3, 4],
            &[
                1.0, -2.0, 1.0, -2.0, 3.0, 4.0, 3.0, 4.0, -5.0, 6.0, -5.0, 6.0,
            ],
        ),
    );
    all.add(
        "expand",
        ShapeOp::Expand {
            dims: vec![n.clone(), &n + &k1],
        },
        vec![(
            float(vec![n.clone(), 1.into()]),
            Data::float(&[3, 1], &[1.0, 2.0, 3.0]),
        )],
        vec![(
            float(vec![n.clone(), &n + &k1]),
            Data::float(
                &[3, 4],
                &[1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0],
            ),
        )],
    );
    all.add(
        "cat",
        ShapeOp::Cat { dim: 0 },
        vec![
            (at_n.clone(), x.clone()),
            (
                float(vec![e.clone()]),
                Data::float(&[4], &[4.0, 5.0, 6.0, 7.0]),
            ),
        ],
        vec![(
            float(vec![&n + &e]),
            Data::float(&[7], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
        )],
    );
    let nodes = || {
        (
            float(vec![n.clone(), 2.into()]),
            Data::float(&[3, 2], &[1.0, -2.0, 3.0, 4.0, -5.0, 6.0]),
        )
    };
    let columns = int(vec![e.clone()]);
    all.add(
        "select",
        ShapeOp::Select { dim: 1 },
        vec![nodes(), (columns.clone(), Data::int(&[4], &[1, 0, 0, 1]))],
        vec![(
            float(vec![n.clone(), e.clone()]),
            Data::float(
                &[3, 4],
                &[
                    -2.0, 1.0, 1.0, -2.0, 4.0, 3.0, 3.0, 4.0, 6.0, -5.0, -5.0, 6.0,
                ],
            ),
        )],
    );
    all.add(
        "gather_elements",
        ShapeOp::GatherElements { dim: 1 },
        vec![
            nodes(),
            (
                int(vec![n.clone(), 1.into()]),
                Data::int(&[3, 1], &[1, 0, 1]),
            ),
        ],
        vec![(
            float(vec![n.clone(), 1.into()]),
            Data::float(&[3, 1], &[-2.0, 3.0, 6.0]),
        )],
    );

    let row = || float(vec![1.into(), 2.into()]);
    let all_one = || float(vec![1.into(), 1.into()]);
    all.matrix(
        "reduce_sum",
        ReduceOp::Reduce {
            reduction: Reduction::Sum,
            axes: vec![0],
        },
        row(),
        Data::float(&[1, 2], &[-1.0, 8.0]),
    );
    all.matrix(
        "reduce_sum_all",
        ReduceOp::Reduce {
            reduction: Reduction::Sum,
            axes: vec![0, 1],
        },
        all_one(),
        Data::float(&[1, 1], &[7.0]),
    );
    all.matrix(
        "reduce_mean",
        ReduceOp::Reduce {
            reduction: Reduction::Mean,
            axes: vec![1],
        },
        float(vec![n.clone(), 1.into()]),
        Data::float(&[3, 1], &[-0.5, 3.5, 0.5]),
    );
    all.matrix(
        "reduce_max",
        ReduceOp::Reduce {
            reduction: Reduction::Max,
            axes: vec![0],
        },
        row(),
        Data::float(&[1, 2], &[3.0, 6.0]),
    );
    all.matrix(
        "reduce_min",
        ReduceOp::Reduce {
            reduction: Reduction::Min,
            axes: vec![0, 1],
        },
        all_one(),
        Data::float(&[1, 1], &[-5.0]),
    );
    all.matrix(
        "reduce_prod",
        ReduceOp::Reduce {
            reduction: Reduction::Prod,
            axes: vec![0, 1],
        },
        all_one(),
        Data::float(&[1, 1], &[720.0]),
    );
    all.add(
        "reduce_any",
        ReduceOp::Reduce {
            reduction: Reduction::Any,
            axes: vec![0],
        },
        vec![(mask.clone(), bits.clone())],
        vec![(bool(vec![1.into()]), Data::bool(&[1], &[true]))],
    );
    all.add(
        "reduce_all",
        ReduceOp::Reduce {
            reduction: Reduction::All,
            axes: vec![0],
        },
        vec![(mask.clone(), bits.clone())],
        vec![(bool(vec![1.into()]), Data::bool(&[1], &[false]))],
    );
    all.matrix(
        "argmax",
        ReduceOp::ArgMax { dim: 1 },
        int(vec![n.clone(), 1.into()]),
        Data::int(&[3, 1], &[0, 1, 1]),
    );
    all.unary(
        "softmax",
        ReduceOp::Softmax { dim: 0 },
        [0.0, 0.0, LN_2],
        [0.25, 0.25, 0.5],
    );
    all.unary(
        "log_softmax",
        ReduceOp::LogSoftmax { dim: 0 },
        [0.0, 0.0, LN_2],
        [-1.386_294_4, -1.386_294_4, -LN_2],
    );
    let square = |values: [f32; 4]| {
        (
            float(vec![2.into(), 2.into()]),
            Data::float(&[2, 2], &values),
        )
    };
    let wide = || float(vec![n.clone(), 2.into()]);
    all.add(
        "matmul",
        DenseOp::Matmul,
        vec![nodes(), square([1.0, 2.0, 3.0, 4.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[-5.0, -6.0, 15.0, 22.0, 13.0, 14.0]),
        )],
    );
    all.add(
        "linear",
        DenseOp::Linear,
        vec![nodes(), square([1.0, 3.0, 2.0, 4.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[-5.0, -6.0, 15.0, 22.0, 13.0, 14.0]),
        )],
    );
    let pair = |values: [f32; 2]| (float(vec![2.into()]), Data::float(&[2], &values));
    all.add(
        "linear_bias",
        DenseOp::Linear,
        vec![nodes(), square([1.0, 3.0, 2.0, 4.0]), pair([1.0, -1.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[-4.0, -7.0, 16.0, 21.0, 14.0, 13.0]),
        )],
    );
    all.add(
        "layer_norm",
        DenseOp::LayerNorm {
            epsilon: Float(0.0),
        },
        vec![nodes(), pair([1.0, 2.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[1.0, -2.0, -1.0, 2.0, -1.0, 2.0]),
        )],
    );
    all.add(
        "layer_norm_bias",
        DenseOp::LayerNorm {
            epsilon: Float(0.0),
        },
        vec![nodes(), pair([1.0, 2.0]), pair([0.5, 0.0])],
        vec![(
            wide(),
            Data::float(&[3, 2], &[1.5, -2.0, -0.5, 2.0, -0.5, 2.0]),
        )],
    );
    all.add(
        "batch_norm",
        DenseOp::BatchNorm {
            epsilon: Float(0.0),
            momentum: None,
        },
        vec![
            nodes(),
            pair([1.0, 2.0]),
            pair([0.5, 0.0]),
            pair([1.0, 0.0]),
            pair([4.0, 1.0]),
        ],
        vec![(
            wide(),
            Data::float(&[3, 2], &[0.5, -4.0, 1.5, 8.0, -2.5, 12.0]),
        )],
    );
}
