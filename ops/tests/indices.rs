//! Operations on indices, and what happens with bad ones.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{Bool, DType, Tensor, TensorData};
use kiln_ops::Reduce;
use proptest::prelude::*;

use crate::{
    forward::{config, large},
    support::{Case, assert_close, cases, coarse, device, floats, ints, is_flex, read, read_ints},
};

fn check_conversions(case: &Case) {
    let device = device();
    let dst = || ints(&case.dst, &device);
    let (ptr, perm) = case.csr();

    let (got_ptr, got_perm) = kiln_ops::coo_to_csr(dst(), case.num_dst);
    assert_eq!(read_ints(got_ptr.clone()), ptr);
    assert_eq!(read_ints(got_perm), perm);

    let rows: Vec<usize> = perm.iter().map(|&e| case.dst[e]).collect();
    assert_eq!(
        read_ints(kiln_ops::ptr_to_index(got_ptr, case.num_edges())),
        rows
    );

    let count = |i| f64::from(u32::try_from(case.dst.iter().filter(|&&d| d == i).count()).unwrap());
    let expected: Vec<f64> = (0..case.num_dst).map(count).collect();
    assert_close(
        "degree",
        &read(kiln_ops::degree(dst(), case.num_dst)),
        &expected,
        1.0,
    );

    let nodes = case.num_src.max(case.num_dst);
    let last = |i| {
        (0..case.num_edges())
            .rev()
            .find(|&e| case.src[e] == i && case.dst[e] == i)
            .unwrap_or(case.num_edges())
    };
    let expected: Vec<usize> = (0..nodes).map(last).collect();
    let got = kiln_ops::self_loop_position(ints(&case.src, &device), dst(), nodes);
    assert_eq!(read_ints(got), expected);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn conversions_match_loops(case in cases(9, 40, 1, coarse())) {
        check_conversions(&case);
    }

    #[test]
    fn nonzero_matches_loops(mask in prop::collection::vec(any::<bool>(), 0..50)) {
        let expected: Vec<usize> = (0..mask.len()).filter(|&i| mask[i]).collect();
        let shape = [mask.len()];
        let mask = Tensor::<1, Bool>::from_data(TensorData::new(mask, shape), &device());
        prop_assert_eq!(read_ints(kiln_ops::nonzero(mask)), expected);
    }

    #[test]
    fn arange_counts_beyond_32_bits(start in 0_usize..20, length in 1_usize..20) {
        prop_assume!(device().supports_dtype(DType::I64));
        let start = start + (1 << 31) - 10;
        let got = kiln_ops::arange(start..start + length, &device());
        prop_assert_eq!(read_ints(got), (start..start + length).collect::<Vec<_>>());
    }

    #[test]
    fn arange_counts(start in 0_usize..20, length in 0_usize..20) {
        let got = kiln_ops::arange(start..start + length, &device());
        prop_assert_eq!(read_ints(got), (start..start + length).collect::<Vec<_>>());
    }
}

#[test]
fn large_graph_converts() {
    check_conversions(&large());
}

#[test]
fn sizes_beyond_one_block_scan_right() {
    let device = device();
    for size in [255, 256, 257, 1023, 1025, 70_000] {
        let index = ints(&[0, size - 1, size / 2, 0], &device);
        let (ptr, perm) = kiln_ops::coo_to_csr(index, size);
        let ptr = read_ints(ptr);
        assert_eq!(ptr.len(), size + 1);
        assert_eq!((ptr[0], ptr[1], ptr[size / 2 + 1], ptr[size]), (0, 2, 3, 4));
        assert_eq!(read_ints(perm), [0, 3, 2, 1]);
    }
}

/// The message of the panic that `f` raises.
fn message(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&str>().expect("a message")).to_owned(),
    }
}

/// A call whose result is read.
type Check<'a> = Box<dyn Fn() -> Vec<f64> + 'a>;

#[test]
fn bad_indices_are_named_or_harmless() {
    let device = device();
    let x = || floats(&[1.0, 2.0], [2, 1], &device);
    let good = || ints(&[0, 1], &device);
    let bad = || ints(&[0, 5], &device);
    let negative = || good() - 1;
    let ptr = || ints(&[0, 2], &device);
    let checks: Vec<(&str, Check)> = vec![
        (
            "gather: index 5 in `index` is outside 0..2",
            Box::new(|| read(kiln_ops::gather(x(), bad()))),
        ),
        (
            "gather: index -1 in `index` is outside 0..2",
            Box::new(|| read(kiln_ops::gather(x(), negative()))),
        ),
        (
            "scatter: index 5 in `index` is outside 0..2",
            Box::new(|| read(kiln_ops::scatter(x(), bad(), 2, Reduce::Sum))),
        ),
        (
            "segment_softmax: index 5 in `index` is outside 0..2",
            Box::new(|| read(kiln_ops::segment_softmax(x(), bad(), 2))),
        ),
        (
            "spmm: index 5 in `src` is outside 0..2",
            Box::new(|| read(kiln_ops::spmm(x(), bad(), good(), None, 2, Reduce::Sum))),
        ),
        (
            "spmm: index 5 in `dst` is outside 0..2",
            Box::new(|| read(kiln_ops::spmm(x(), good(), bad(), None, 2, Reduce::Max))),
        ),
        (
            "spmm_csr: index 5 in `col` is outside 0..2",
            Box::new(|| read(kiln_ops::spmm_csr(x(), ptr(), bad(), None, Reduce::Sum))),
        ),
        (
            "spmm_csr: `rowptr` has 5 after 0",
            Box::new(|| read(kiln_ops::spmm_csr(x(), bad(), good(), None, Reduce::Sum))),
        ),
        (
            "segment_reduce: `ptr` has 5 after 0",
            Box::new(|| read(kiln_ops::segment_reduce(x(), bad(), Reduce::Min))),
        ),
        (
            "degree: index -1 in `index` is outside 0..2",
            Box::new(|| read(kiln_ops::degree(negative(), 2))),
        ),
    ];
    for (expected, check) in checks {
        if is_flex() {
            let got = message(|| drop(check()));
            assert!(got.contains(expected), "expected {expected:?}, got {got:?}");
        } else {
            // Unspecified values, but the device is still usable afterwards.
            check();
            assert_eq!(read(kiln_ops::gather(x(), good())), [1.0, 2.0]);
        }
    }
}

#[test]
fn wrong_shapes_are_named() {
    let device = device();
    let x = || floats(&[1.0, 2.0], [2, 1], &device);
    let one = || ints(&[0], &device);
    let two = || ints(&[0, 1], &device);
    let none = || ints(&[], &device);
    let got = message(|| drop(kiln_ops::scatter(x(), one(), 2, Reduce::Sum)));
    assert_eq!(got, "scatter: expected 2 entries in `index`, got 1");
    let got = message(|| drop(kiln_ops::spmm(x(), two(), one(), None, 2, Reduce::Sum)));
    assert_eq!(got, "spmm: expected 2 entries in `dst`, got 1");
    let got = message(|| drop(kiln_ops::segment_reduce(x(), none(), Reduce::Sum)));
    assert_eq!(
        got,
        "segment_reduce: expected at least one entry in `ptr`, got none"
    );
    let got = message(|| drop(kiln_ops::dropout(x(), 1.5)));
    assert_eq!(
        got,
        "dropout: expected a probability between 0 and 1, got 1.5"
    );
}
