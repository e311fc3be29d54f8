//! Sums and order along axes, places in sorted sequences, and elements by index.

use kiln_ir::{GraphOp, Reduce, ReduceOp, ShapeOp, Size, TensorType};

use super::Operations;
use crate::{
    builder::{float, int},
    expectation::Data,
};

/// Adds sums and order along axes.
pub(super) fn add(all: &mut Operations) {
    let (n, e) = (all.n.clone(), all.e.clone());
    let wide = || float(vec![n.clone(), 2.into()]);
    let ints = || int(vec![e.clone()]);
    for (dim, name, out) in [
        (0, "cumsum", [1.0, -2.0, 4.0, 2.0, -1.0, 8.0]),
        (1, "cumsum_rows", [1.0, -1.0, 3.0, 7.0, -5.0, 1.0]),
    ] {
        all.matrix(
            name,
            ReduceOp::CumSum { dim },
            wide(),
            Data::float(&[3, 2], &out),
        );
    }
    let huge = 1 << 40;
    all.add(
        "cumsum_int",
        ReduceOp::CumSum { dim: 0 },
        vec![(ints(), Data::int(&[3], &[huge, 1, -2]))],
        vec![(ints(), Data::int(&[3], &[huge, huge + 1, huge - 1]))],
    );

    // Ties, zeros of both signs, infinities and NaN.
    let (nan, inf) = (f32::NAN, f32::INFINITY);
    let row = float(vec![1.into(), e.clone()]);
    let at = int(vec![1.into(), e.clone()]);
    let x = Data::float(&[1, 8], &[2.0, nan, 0.0, 2.0, -0.0, -inf, inf, nan]);
    let sorted = [-inf, 0.0, -0.0, 2.0, 2.0, inf, nan, nan];
    let reversed = [nan, nan, inf, 2.0, 2.0, 0.0, -0.0, -inf];
    for (name, descending, out, positions) in [
        ("sort", false, sorted, [5, 2, 4, 0, 3, 6, 1, 7]),
        ("sort_descending", true, reversed, [1, 7, 6, 0, 3, 2, 4, 5]),
    ] {
        all.add(
            name,
            ReduceOp::Sort { dim: 1, descending },
            vec![(row.clone(), x.clone())],
            vec![
                (row.clone(), Data::float(&[1, 8], &out)),
                (at.clone(), Data::int(&[1, 8], &positions)),
            ],
        );
    }
    for (name, largest, out, positions) in [
        ("top_k", true, [nan, nan, inf, 2.0], [1, 7, 6, 0]),
        ("top_k_least", false, [-inf, 0.0, -0.0, 2.0], [5, 2, 4, 0]),
    ] {
        let of = |ty: &TensorType| TensorType {
            dims: vec![1.into(), 4.into()],
            ..ty.clone()
        };
        all.add(
            name,
            ReduceOp::TopK {
                dim: 1,
                k: 4.into(),
                largest,
            },
            vec![(row.clone(), x.clone())],
            vec![
                (of(&row), Data::float(&[1, 4], &out)),
                (of(&at), Data::int(&[1, 4], &positions)),
            ],
        );
    }
    let half = Size::floor_div(&e, &2.into()).unwrap();
    all.add(
        "top_k_size",
        ReduceOp::TopK {
            dim: 0,
            k: half.clone(),
            largest: true,
        },
        vec![(ints(), Data::int(&[4], &[1, huge, huge + 1, huge]))],
        vec![
            (int(vec![half.clone()]), Data::int(&[2], &[huge + 1, huge])),
            (int(vec![half]), Data::int(&[2], &[2, 1])),
        ],
    );
    all.add(
        "sort_empty",
        ReduceOp::Sort {
            dim: 0,
            descending: false,
        },
        vec![(ints(), Data::int(&[0], &[]))],
        vec![
            (ints(), Data::int(&[0], &[])),
            (ints(), Data::int(&[0], &[])),
        ],
    );
    let sequence = || {
        (
            float(vec![e.clone()]),
            Data::float(&[4], &[1.0, 2.0, 2.0, 5.0]),
        )
    };
    let values = || {
        (
            wide(),
            Data::float(&[3, 2], &[2.0, 5.5, -inf, 1.5, nan, 5.0]),
        )
    };
    for (name, right, out) in [
        ("searchsorted", false, [1, 4, 0, 1, 4, 3]),
        ("searchsorted_right", true, [3, 4, 0, 1, 4, 4]),
    ] {
        all.add(
            name,
            ReduceOp::Searchsorted { right },
            vec![sequence(), values()],
            vec![(int(vec![n.clone(), 2.into()]), Data::int(&[3, 2], &out))],
        );
    }
    let one = |values: &[i64]| Data::int(&[values.len()], values);
    all.add(
        "searchsorted_int",
        ReduceOp::Searchsorted { right: false },
        vec![
            (ints(), one(&[-huge, huge, huge + 1])),
            (int(vec![n.clone()]), one(&[huge + 1, 0])),
        ],
        vec![(int(vec![n.clone()]), one(&[2, 1]))],
    );
    all.add(
        "searchsorted_empty",
        ReduceOp::Searchsorted { right: true },
        vec![(ints(), one(&[])), (int(vec![n.clone()]), one(&[1, 2]))],
        vec![(int(vec![n.clone()]), one(&[0, 0]))],
    );
    scattered(all);
}

/// Adds rows of integers and elements by index.
fn scattered(all: &mut Operations) {
    let (n, e) = (all.n.clone(), all.e.clone());
    let huge: i64 = (1 << 60) + 1;
    let one = |values: &[i64]| (int(vec![e.clone()]), Data::int(&[values.len()], values));
    let x = || one(&[huge, -huge, huge - 1, 3]);
    all.add(
        "gather_int",
        GraphOp::Gather,
        vec![x(), one(&[1, 1, 3, 0])],
        vec![one(&[-huge, -huge, 3, huge])],
    );
    for (reduce, name, out) in [
        (Reduce::Sum, "scatter_sum_int", [2 * huge - 1, 0, 3 - huge]),
        (Reduce::Max, "scatter_max_int", [huge, 0, 3]),
        (Reduce::Min, "scatter_min_int", [huge - 1, 0, -huge]),
        (
            Reduce::Mul,
            "scatter_mul_int",
            [huge.wrapping_mul(huge - 1), 1, -3 * huge],
        ),
    ] {
        all.add(
            name,
            GraphOp::Scatter {
                reduce,
                size: 3.into(),
            },
            vec![x(), one(&[0, 2, 0, 2])],
            vec![(int(vec![3.into()]), Data::int(&[3], &out))],
        );
    }
    all.add(
        "scatter_max_int_empty",
        GraphOp::Scatter {
            reduce: Reduce::Max,
            size: 2.into(),
        },
        vec![one(&[]), one(&[])],
        vec![(int(vec![2.into()]), Data::int(&[2], &[0, 0]))],
    );

    let nan = f32::NAN;
    let wide = |values: &[f32]| {
        (
            float(vec![n.clone(), 2.into()]),
            Data::float(&[3, 2], values),
        )
    };
    let by = |values: &[f32]| {
        (
            float(vec![e.clone(), 2.into()]),
            Data::float(&[2, 2], values),
        )
    };
    let index = || {
        (
            int(vec![e.clone(), 2.into()]),
            Data::int(&[2, 2], &[0, 2, 0, 0]),
        )
    };
    for (reduce, name, out) in [
        (
            Reduce::Sum,
            "scatter_elements_sum",
            [12.0, 1.0, 3.0, 4.0, nan, 14.0],
        ),
        (
            Reduce::Mean,
            "scatter_elements_mean",
            [4.0, 0.5, 3.0, 4.0, nan, 7.0],
        ),
        (
            Reduce::Max,
            "scatter_elements_max",
            [7.0, 2.0, 3.0, 4.0, nan, 8.0],
        ),
        (
            Reduce::Min,
            "scatter_elements_min",
            [1.0, -1.0, 3.0, 4.0, nan, 6.0],
        ),
        (
            Reduce::Mul,
            "scatter_elements_mul",
            [28.0, -2.0, 3.0, 4.0, nan, 48.0],
        ),
    ] {
        all.add(
            name,
            ShapeOp::ScatterElements { dim: 0, reduce },
            vec![
                wide(&[1.0, 2.0, 3.0, 4.0, nan, 6.0]),
                index(),
                by(&[4.0, 8.0, 7.0, -1.0]),
            ],
            vec![wide(&out)],
        );
    }
    for (reduce, name, out) in [
        (Reduce::Sum, "scatter_elements_int", [huge, 4]),
        (Reduce::Max, "scatter_elements_max_int", [huge, 7]),
    ] {
        let row = |size: &Size, values: &[i64]| {
            let ty = int(vec![1.into(), size.clone()]);
            (ty, Data::int(&[1, values.len()], values))
        };
        all.add(
            name,
            ShapeOp::ScatterElements { dim: 1, reduce },
            vec![row(&n, &[huge, 7]), row(&e, &[1, 1]), row(&e, &[-4, 1])],
            vec![row(&n, &out)],
        );
    }
    let k = all.k.clone();
    let of =
        |size: &Size, values: &[i64]| (int(vec![size.clone()]), Data::int(&[values.len()], values));
    for (name, op, input, out) in [
        (
            "repeat_interleave",
            GraphOp::RepeatInterleave,
            of(&n, &[2, 0, 1]),
            of(&k, &[0, 0, 2]),
        ),
        (
            "repeat_interleave_empty",
            GraphOp::RepeatInterleave,
            of(&n, &[]),
            of(&k, &[]),
        ),
        (
            "size_of",
            GraphOp::SizeOf,
            of(&1.into(), &[3]),
            of(&k, &[0, 1, 2]),
        ),
        (
            "size_of_scalar",
            GraphOp::SizeOf,
            (int(vec![]), Data::int(&[], &[0])),
            of(&k, &[]),
        ),
    ] {
        all.add(name, op, vec![input], vec![out]);
    }
}
