//! Forward results against plain loops.

use burn::tensor::{DType, Int, Tensor, TensorData};
use kiln_ops::Reduce;
use proptest::prelude::*;

use crate::{
    reference,
    support::{Case, assert_close, cases, coarse, device, fine, floats, ints, is_flex, read},
};

fn check_reductions(case: &Case) {
    let device = device();
    let (edges, width) = (case.num_edges(), case.width);
    let messages = || floats(&case.messages, [edges, width], &device);
    let x = || floats(&case.x, [case.num_src, width], &device);
    let weight = || floats(&case.weight, [edges], &device);
    let (src, dst) = (ints(&case.src, &device), ints(&case.dst, &device));
    let (ptr, perm) = case.csr();
    let rowptr = ints(&ptr, &device);
    let by_row = |values: &[usize]| perm.iter().map(|&e| values[e]).collect::<Vec<_>>();
    let col = ints(&by_row(&case.src), &device);
    let value: Vec<f64> = perm.iter().map(|&e| case.weight[e]).collect();
    let sorted_dst = by_row(&case.dst);

    for reduce in Reduce::ALL {
        let name = reduce.name();
        let expected = reference::scatter(&case.messages, width, &case.dst, case.num_dst, reduce);
        let got = kiln_ops::scatter(messages(), dst.clone(), case.num_dst, reduce);
        assert_eq!(got.dims(), [case.num_dst, width]);
        assert_close(&format!("scatter {name}"), &read(got), &expected, 1.0);

        let expected = reference::scatter(&case.messages, width, &sorted_dst, case.num_dst, reduce);
        let got = kiln_ops::segment_reduce(messages(), rowptr.clone(), reduce);
        assert_eq!(got.dims(), [case.num_dst, width]);
        assert_close(
            &format!("segment_reduce {name}"),
            &read(got),
            &expected,
            1.0,
        );

        for weighted in [false, true] {
            let what = format!("spmm {name}, weighted: {weighted}");
            let expected = reference::spmm(
                &case.x,
                width,
                &case.src,
                &case.dst,
                weighted.then_some(case.weight.as_slice()),
                case.num_dst,
                reduce,
            );
            let got = kiln_ops::spmm(
                x(),
                src.clone(),
                dst.clone(),
                weighted.then(weight),
                case.num_dst,
                reduce,
            );
            assert_eq!(got.dims(), [case.num_dst, width]);
            assert_close(&what, &read(got), &expected, 1.0);

            let value = weighted.then(|| floats(&value, [edges], &device));
            let got = kiln_ops::spmm_csr(x(), rowptr.clone(), col.clone(), value, reduce);
            assert_eq!(got.dims(), [case.num_dst, width]);
            assert_close(&format!("csr {what}"), &read(got), &expected, 1.0);
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn reductions_match_loops(case in cases(9, 40, 40, coarse())) {
        check_reductions(&case);
    }

    #[test]
    fn gather_matches_loops(case in cases(9, 40, 40, fine())) {
        let device = device();
        let x = floats(&case.x, [case.num_src, case.width], &device);
        let got = kiln_ops::gather(x, ints(&case.src, &device));
        prop_assert_eq!(got.dims(), [case.num_edges(), case.width]);
        let expected = reference::gather(&case.x, case.width, &case.src);
        assert_close("gather", &read(got), &expected, 1.0);
    }

    #[test]
    fn softmax_matches_loops(case in cases(9, 40, 8, coarse())) {
        let device = device();
        let x = floats(&case.messages, [case.num_edges(), case.width], &device);
        let got = kiln_ops::segment_softmax(x, ints(&case.dst, &device), case.num_dst);
        prop_assert_eq!(got.dims(), [case.num_edges(), case.width]);
        let expected =
            reference::segment_softmax(&case.messages, case.width, &case.dst, case.num_dst);
        assert_close("segment_softmax", &read(got), &expected, 1.0);
    }
}

/// Fewer cases on GPUs, where each one launches dozens of kernels.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig::with_cases(if is_flex() { 128 } else { 24 })
}

/// A graph large enough for several threads, blocks and a hub of a quarter of the edges.
pub(crate) fn large() -> Case {
    let (num_src, num_dst, width, edges) = (700, 1500, 13, 9000);
    let mut state = 1_u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    };
    let src = (0..edges).map(|_| next() % num_src).collect();
    let dst = (0..edges)
        .map(|e| if e % 4 == 0 { 7 } else { next() % num_dst })
        .collect();
    let mut values = |count: usize| -> Vec<f64> {
        (0..count)
            .map(|_| f64::from(u32::try_from(next() % 2001).unwrap()) / 1000.0 - 1.0)
            .collect()
    };
    let (x, weight, messages) = (
        values(num_src * width),
        values(edges),
        values(edges * width),
    );
    Case {
        num_src,
        num_dst,
        width,
        src,
        dst,
        x,
        weight,
        messages,
    }
}

#[test]
fn large_graph_matches_loops() {
    check_reductions(&large());
}

#[test]
fn results_repeat_bit_by_bit() {
    let (case, device) = (large(), device());
    let run = || {
        let x = floats(&case.x, [case.num_src, case.width], &device);
        let (src, dst) = (ints(&case.src, &device), ints(&case.dst, &device));
        let weight = floats(&case.weight, [case.num_edges()], &device);
        read(kiln_ops::spmm(
            x,
            src,
            dst,
            Some(weight),
            case.num_dst,
            Reduce::Sum,
        ))
    };
    assert_eq!(run(), run());
}

#[test]
fn further_axes_are_carried_along() {
    let device = device();
    let x = floats(&[1., 2., 3., 4., 5., 6., 7., 8.], [2, 2, 2], &device);
    let index = ints(&[1, 1, 0], &device);
    let rows = kiln_ops::gather(x, index.clone());
    assert_eq!(rows.dims(), [3, 2, 2]);
    let sums = kiln_ops::scatter(rows.clone(), index.clone(), 3, Reduce::Sum);
    assert_eq!(sums.dims(), [3, 2, 2]);
    let expected = [1., 2., 3., 4., 10., 12., 14., 16., 0., 0., 0., 0.];
    assert_close("sums", &read(sums), &expected, 1.0);
    let soft = kiln_ops::segment_softmax(rows, index, 2);
    assert_close(
        "soft",
        &read(soft),
        &[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1., 1., 1., 1.],
        1.0,
    );
}

#[test]
fn strided_inputs_are_read_in_order() {
    let device = device();
    let x = floats(&[1., 2., 3., 4., 5., 6.], [2, 3], &device).transpose();
    let edges =
        Tensor::<2, Int>::from_data(TensorData::new(vec![0_i64, 2, 1, 1, 2, 0], [3, 2]), &device)
            .transpose();
    let src = edges.clone().slice([0..1, 0..3]).reshape([3]);
    let dst = edges.slice([1..2, 0..3]).reshape([3]);
    // Edges 0 → 2, 1 → 1, 2 → 0 turn the rows (1, 4), (2, 5), (3, 6) around.
    let out = kiln_ops::spmm(x, src, dst, None, 3, Reduce::Sum);
    assert_close("spmm", &read(out), &[3., 6., 2., 5., 1., 4.], 1.0);
}

#[test]
fn softmax_survives_large_scores() {
    let device = device();
    let x = floats(&[1000.0, 1000.0, -1000.0], [3], &device);
    let out = kiln_ops::segment_softmax(x, ints(&[0, 0, 1], &device), 2);
    assert_close("softmax", &read(out), &[0.5, 0.5, 1.0], 1.0);
}

#[test]
fn element_types_are_kept() {
    let device = device();
    let (floats, ids): (&[DType], &[DType]) = if is_flex() {
        (
            &[DType::F16, DType::BF16, DType::F32, DType::F64],
            &[DType::I32, DType::I64],
        )
    } else {
        (&[DType::F32], &[DType::I32])
    };
    for &dtype in floats {
        let x = Tensor::<2>::from_data(TensorData::from([[1.0], [2.0]]), (&device, dtype));
        for &id in ids {
            let index = Tensor::<1, Int>::from_data(TensorData::from([1_i64, 1]), (&device, id));
            let out = kiln_ops::scatter(x.clone(), index.clone(), 2, Reduce::Sum);
            assert_eq!(out.dtype(), dtype);
            assert_close("scatter", &read(out), &[0.0, 3.0], 1.0);
            let (rowptr, perm) = kiln_ops::coo_to_csr(index, 2);
            assert_eq!((rowptr.dtype(), perm.dtype()), (id, id));
        }
    }
}
