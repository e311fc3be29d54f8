//! Gradients: against finite differences in `f64` on the CPU, and against hand-computed values on
//! every backend.

use burn::tensor::{Device, Tensor};
use kiln_ops::Reduce;
use proptest::prelude::*;

use crate::support::{Case, assert_close, cases, device, fine, floats, ints, is_flex, read};

/// Numbers between 0 and 1 that differ by position, to weigh outputs with.
pub(crate) fn cotangent(count: usize) -> Vec<f64> {
    (0..count)
        .map(|i| (f64::from(u32::try_from(i).unwrap()) * 0.7548).fract() + 0.1)
        .collect()
}

/// The gradient of `Σ c · f(x)` on the device under test, and by central differences in `f64` on
/// the CPU.
pub(crate) fn check<const D: usize, const O: usize>(
    what: &str,
    x: &[f64],
    shape: [usize; D],
    f: impl Fn(Tensor<D>, &Device) -> Tensor<O>,
) {
    let device = device().autodiff();
    let tensor = floats(x, shape, &device).require_grad();
    let out = f(tensor.clone(), &device);
    let (dims, count) = (out.dims(), out.dims().iter().product());
    if count == 0 || x.is_empty() {
        // Burn cuts slices and concatenations of nothing off from gradients.
        return;
    }
    let c = cotangent(count);
    let grads = (out * floats(&c, dims, &device)).backward();
    let got = tensor.grad(&grads);
    let got = read(got.unwrap_or_else(|| panic!("{what}: no gradient")));
    let cpu = Device::flex();
    let loss = |x: &[f64]| -> f64 {
        let out = read(f(floats(x, shape, &cpu), &cpu));
        out.iter().zip(&c).map(|(out, c)| out * c).sum()
    };
    let step = 1e-5;
    let expected: Vec<f64> = (0..x.len())
        .map(|i| {
            let at = |delta: f64| {
                let mut x = x.to_vec();
                x[i] += delta;
                loss(&x)
            };
            (at(step) - at(-step)) / (2.0 * step)
        })
        .collect();
    assert_close(what, &got, &expected, if is_flex() { 1e3 } else { 10.0 });
}

fn check_all(case: &Case) {
    let (edges, width) = (case.num_edges(), case.width);
    let messages_shape = [edges, width];
    let x_shape = [case.num_src, width];
    let (ptr, perm) = case.csr();
    let src = |d: &Device| ints(&case.src, d);
    let dst = |d: &Device| ints(&case.dst, d);
    let rowptr = |d: &Device| ints(&ptr, d);
    let cols: Vec<usize> = perm.iter().map(|&e| case.src[e]).collect();
    let col = |d: &Device| ints(&cols, d);

    check("gather", &case.x, x_shape, |x, d| {
        kiln_ops::gather(x, src(d))
    });
    check("segment_softmax", &case.messages, messages_shape, |x, d| {
        kiln_ops::segment_softmax(x, dst(d), case.num_dst)
    });
    for reduce in Reduce::ALL {
        let name = reduce.name();
        check(
            &format!("scatter {name}"),
            &case.messages,
            messages_shape,
            |x, d| kiln_ops::scatter(x, dst(d), case.num_dst, reduce),
        );
        check(
            &format!("segment_reduce {name}"),
            &case.messages,
            messages_shape,
            |x, d| kiln_ops::segment_reduce(x, rowptr(d), reduce),
        );
        check(&format!("spmm {name}"), &case.x, x_shape, |x, d| {
            kiln_ops::spmm(x, src(d), dst(d), None, case.num_dst, reduce)
        });
        check(&format!("spmm_csr {name}"), &case.x, x_shape, |x, d| {
            kiln_ops::spmm_csr(x, rowptr(d), col(d), None, reduce)
        });
        check(
            &format!("weighted spmm {name}, x"),
            &case.x,
            x_shape,
            |x, d| {
                let weight = floats(&case.weight, [edges], d);
                kiln_ops::spmm(x, src(d), dst(d), Some(weight), case.num_dst, reduce)
            },
        );
        check(
            &format!("weighted spmm {name}, weight"),
            &case.weight,
            [edges],
            |weight, d| {
                let x = floats(&case.x, x_shape, d);
                kiln_ops::spmm(x, src(d), dst(d), Some(weight), case.num_dst, reduce)
            },
        );
        check(
            &format!("weighted spmm_csr {name}, x"),
            &case.x,
            x_shape,
            |x, d| {
                let value = floats(&case.weight, [edges], d);
                kiln_ops::spmm_csr(x, rowptr(d), col(d), Some(value), reduce)
            },
        );
        check(
            &format!("weighted spmm_csr {name}, value"),
            &case.weight,
            [edges],
            |value, d| {
                let x = floats(&case.x, x_shape, d);
                kiln_ops::spmm_csr(x, rowptr(d), col(d), Some(value), reduce)
            },
        );
    }
}

/// Whether two messages of one row are so close that a difference step could swap them.
fn has_near_ties(case: &Case) -> bool {
    let close = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values.windows(2).any(|pair| pair[1] - pair[0] < 1e-3)
    };
    let products: Vec<f64> = (0..case.num_edges())
        .flat_map(|e| {
            let row = &case.x[case.src[e] * case.width..][..case.width];
            row.iter().map(move |x| x * case.weight[e])
        })
        .collect();
    close(&case.x) || close(&case.messages) || close(&products)
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_global_rejects: 100_000,
        ..ProptestConfig::with_cases(if is_flex() { 40 } else { 6 })
    })]

    #[test]
    fn gradients_match_differences(case in cases(4, 6, 2, fine())) {
        prop_assume!(!has_near_ties(&case) || case.num_edges() == 0);
        check_all(&case);
    }
}

/// The gradient at `x` of the sum of the outputs.
fn gradient<const D: usize, const O: usize>(
    x: &[f64],
    shape: [usize; D],
    f: impl Fn(Tensor<D>) -> Tensor<O>,
) -> Vec<f64> {
    let x = floats(x, shape, &device().autodiff()).require_grad();
    let grads = f(x.clone()).backward();
    read(x.grad(&grads).unwrap())
}

#[test]
fn extrema_share_the_gradient_among_ties() {
    let device = device().autodiff();
    let index = || ints(&[0, 0, 0, 1], &device);
    let x = [2.0, 2.0, 1.0, 5.0];
    let max = gradient(&x, [4], |x| kiln_ops::scatter(x, index(), 3, Reduce::Max));
    assert_close("max", &max, &[0.5, 0.5, 0.0, 1.0], 1.0);
    let ptr = || ints(&[0, 3, 4, 4], &device);
    let min = gradient(&[1.0, 1.0, 1.0, 0.0], [4], |x| {
        kiln_ops::segment_reduce(x, ptr(), Reduce::Min)
    });
    let third = 1.0 / 3.0;
    assert_close("min", &min, &[third, third, third, 1.0], 1.0);

    // Node 0 meets destination 0 twice, node 1 once, all with the same value.
    let (src, dst) = (
        || ints(&[0, 1, 0, 2], &device),
        || ints(&[0, 0, 0, 1], &device),
    );
    let x = [3.0, 3.0, 1.0];
    let expected = [2.0 / 3.0, third, 1.0];
    let got = gradient(&x, [3, 1], |x| {
        kiln_ops::spmm(x, src(), dst(), None, 2, Reduce::Max)
    });
    assert_close("spmm max", &got, &expected, 1.0);
    let rowptr = || ints(&[0, 3, 4], &device);
    let got = gradient(&x, [3, 1], |x| {
        kiln_ops::spmm_csr(x, rowptr(), src(), None, Reduce::Max)
    });
    assert_close("spmm_csr max", &got, &expected, 1.0);
    let got = gradient(&x, [3, 1], |x| {
        let ones = floats(&[1.0; 4], [4], &device);
        kiln_ops::spmm(x, src(), dst(), Some(ones), 2, Reduce::Max)
    });
    assert_close("weighted spmm max", &got, &expected, 1.0);
}

#[test]
fn products_differentiate_through_zeros() {
    let device = device().autodiff();
    let index = || ints(&[0, 0, 1, 1, 1, 2], &device);
    let x = [2.0, 5.0, 0.0, 3.0, 4.0, 7.0];
    let got = gradient(&x, [6], |x| kiln_ops::scatter(x, index(), 3, Reduce::Mul));
    assert_close("one zero", &got, &[5.0, 2.0, 12.0, 0.0, 0.0, 1.0], 1.0);
    let got = gradient(&[0.0, 3.0, 0.0], [3], |x| {
        kiln_ops::scatter(x, ints(&[0, 0, 0], &device), 1, Reduce::Mul)
    });
    assert_close("two zeros", &got, &[0.0, 0.0, 0.0], 1.0);
}

#[test]
fn linear_gradients_are_those_of_the_transpose() {
    let device = device().autodiff();
    let (src, dst) = (|| ints(&[0, 1, 1], &device), || ints(&[0, 0, 1], &device));
    let weight = || floats(&[2.0, 3.0, 5.0], [3], &device);
    let x = [1.0, 10.0, 2.0, 20.0];
    let run = |x, w, reduce| kiln_ops::spmm(x, src(), dst(), Some(w), 2, reduce);
    let got = gradient(&x, [2, 2], |x| run(x, weight(), Reduce::Sum));
    assert_close("dx", &got, &[2.0, 2.0, 8.0, 8.0], 1.0);
    let got = gradient(&[2.0, 3.0, 5.0], [3], |w| {
        run(floats(&x, [2, 2], &device), w, Reduce::Sum)
    });
    assert_close("dw", &got, &[11.0, 22.0, 22.0], 1.0);
    let got = gradient(&x, [2, 2], |x| run(x, weight(), Reduce::Mean));
    assert_close("dx of the mean", &got, &[1.0, 1.0, 6.5, 6.5], 1.0);
}

#[test]
fn frozen_inputs_cost_nothing_and_change_nothing() {
    let device = device().autodiff();
    let x = floats(&[1.0, 2.0], [2, 1], &device);
    let weight = floats(&[3.0, 4.0], [2], &device).require_grad();
    let (src, dst) = (ints(&[0, 1], &device), ints(&[0, 0], &device));
    let out = kiln_ops::spmm(x.clone(), src, dst, Some(weight.clone()), 1, Reduce::Sum);
    let grads = out.backward();
    assert_close("dw", &read(weight.grad(&grads).unwrap()), &[1.0, 2.0], 1.0);
    assert!(x.grad(&grads).is_none());
}

#[test]
fn dropout_is_for_training() {
    let plain = floats(&[1.0; 1000], [1000], &device());
    assert_eq!(read(kiln_ops::dropout(plain, 0.25)), [1.0; 1000]);

    let x = floats(&[1.0; 1000], [1000], &device().autodiff()).require_grad();
    let out = kiln_ops::dropout(x.clone(), 0.25);
    let values = read(out.clone());
    let kept = values.iter().filter(|&&value| value != 0.0).count();
    assert!((650..850).contains(&kept), "{kept} of 1000 values kept");
    let scale = 1.0 / 0.75;
    assert!(
        values
            .iter()
            .all(|&value| value == 0.0 || (value - scale).abs() < 1e-6)
    );
    let grads = out.backward();
    assert_close("mask", &read(x.grad(&grads).unwrap()), &values, 1.0);

    let none = kiln_ops::dropout(floats(&[1.0], [1], &device().autodiff()), 0.0);
    assert_eq!(read(none), [1.0]);
    let all = kiln_ops::dropout(floats(&[1.0], [1], &device().autodiff()), 1.0);
    assert_eq!(read(all), [0.0]);
}

#[test]
fn edges_need_no_autodiff_device() {
    let plain = device();
    let x = floats(&[1.0, 2.0], [2, 1], &plain.clone().autodiff()).require_grad();
    let (src, dst) = (ints(&[0, 1], &plain), ints(&[0, 0], &plain));
    let grads = kiln_ops::spmm(x.clone(), src, dst, None, 1, Reduce::Sum).backward();
    assert_close("dx", &read(x.grad(&grads).unwrap()), &[1.0, 1.0], 1.0);
}
