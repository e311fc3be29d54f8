//! How near products and sums are, at each precision that a device can have.
//!
//! The tests change the precision of the device, so they run one after the other, and by
//! themselves. They run on any compiled-in backend: `KILN_TEST_BACKEND=vulkan` and so on; `flex` if
//! unset.

#![expect(clippy::unwrap_used, reason = "a missing value fails the test")]

use std::sync::{Mutex, PoisonError};

use burn::tensor::{Device, Int, Tensor, TensorData};
use kiln_core::{MatmulPrecision, set_matmul_precision};
use kiln_ops::Reduce;

/// Largest relative error at the highest precision. Factors of TF32 or two of `bf16` are off by ten
/// times as much.
const EXACT: f64 = 3e-6;

/// The same for sums of many equal numbers, which all lose the same bits.
const EXACT_SUM: f64 = 1e-5;

/// Rows, depth and columns of products that GPUs may compute in other formats: in whole vectors,
/// and not; and in ranges of rows, where gradients are.
const LARGE: [[usize; 3]; 4] = [
    [260, 132, 128],
    [257, 129, 130],
    [6001, 24, 32],
    [6001, 23, 31],
];

/// And those that they compute as they are: long sums, narrow and small ones.
const OTHERS: [[usize; 3]; 4] = [[42, 5000, 20], [45, 5001, 19], [3000, 64, 8], [40, 24, 12]];

fn device() -> Device {
    let name = std::env::var("KILN_TEST_BACKEND").unwrap_or_else(|_| "flex".to_owned());
    kiln_core::backend::device(&name).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs `f` on the device under test while that has a precision.
fn at<T>(precision: MatmulPrecision, f: impl FnOnce(&Device) -> T) -> T {
    static LOCK: Mutex<()> = Mutex::new(());
    let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let device = device();
    set_matmul_precision(&device, precision).unwrap();
    let result = f(&device);
    set_matmul_precision(&device, MatmulPrecision::Highest).unwrap();
    result
}

/// Numbers between 1 and 2 whose last bits add up: those that TF32 has no room for, and those that
/// two numbers of `bf16` have none for.
fn numbers(count: usize, salt: u32) -> Vec<f32> {
    let number = |i: u32| {
        let upper = i.wrapping_add(salt).wrapping_mul(0x9e37_79b9) >> 25;
        f32::from_bits(0x3f80_7f3f | upper << 16)
    };
    (0..u32::try_from(count).unwrap()).map(number).collect()
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn read<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// `a · b` for `a [n, k]` and `b [k, m]`.
fn product(a: &[f32], b: &[f32], [n, k, m]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; n * m];
    for (out, a) in out.chunks_exact_mut(m).zip(a.chunks_exact(k)) {
        for (&a, b) in a.iter().zip(b.chunks_exact(m)) {
            for (out, &b) in out.iter_mut().zip(b) {
                *out += f64::from(a) * f64::from(b);
            }
        }
    }
    out
}

fn transposed(a: &[f32], [n, k]: [usize; 2]) -> Vec<f32> {
    let column = |l: usize| (0..n).map(move |i| a[i * k + l]);
    (0..k).flat_map(column).collect()
}

/// Requires values of the same kind, and numbers within a relative error.
#[track_caller]
fn assert_near(what: &str, got: &[f64], expected: &[f64], error: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: number of values");
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let near = if expected.is_finite() {
            (got - expected).abs() <= error * expected.abs()
        } else {
            got.total_cmp(&expected).is_eq() || (got.is_nan() && expected.is_nan())
        };
        assert!(near, "{what}: value {i} is {got}, expected {expected}");
    }
}

/// Products to try at a precision.
fn shapes(precision: MatmulPrecision) -> Vec<[usize; 3]> {
    let others = if precision == MatmulPrecision::Highest {
        &OTHERS[..]
    } else {
        &[]
    };
    [&LARGE, others].concat()
}

/// The largest relative error of a precision.
fn error_of(precision: MatmulPrecision) -> f64 {
    match precision {
        MatmulPrecision::Highest => EXACT,
        MatmulPrecision::High => 2e-3,
        MatmulPrecision::Medium => 1e-2,
    }
}

#[test]
fn products_and_gradients_have_the_precision() {
    for precision in MatmulPrecision::ALL {
        for [n, k, m] in shapes(precision) {
            let (x, weight, bias) = (numbers(n * k, 1), numbers(k * m, 2), numbers(m, 3));
            let grad = numbers(n * m, 4);
            let [out, dx, dweight, dbias] = at(precision, |device| {
                let device = device.clone().autodiff();
                let x = tensor(&x, [n, k], &device).require_grad();
                let weight = tensor(&weight, [k, m], &device).require_grad();
                let bias: Tensor<1> = tensor(&bias, [m], &device).require_grad();
                let out = kiln_ops::linear(x.clone(), weight.clone(), Some(bias.clone()));
                let grads = (out.clone() * tensor(&grad, [n, m], &device)).backward();
                [
                    read(out),
                    read(x.grad(&grads).unwrap()),
                    read(weight.grad(&grads).unwrap()),
                    read(bias.grad(&grads).unwrap()),
                ]
            });
            let error = error_of(precision);
            let what = |part: &str| format!("{part} of [{n}, {k}] x [{k}, {m}], {precision}");
            let mut expected = product(&x, &weight, [n, k, m]);
            for (value, &bias) in expected.iter_mut().zip(bias.iter().cycle()) {
                *value += f64::from(bias);
            }
            assert_near(&what("output"), &out, &expected, error);
            let expected = product(&grad, &transposed(&weight, [k, m]), [n, m, k]);
            assert_near(&what("gradient of x"), &dx, &expected, error);
            let expected = product(&transposed(&x, [n, k]), &grad, [k, n, m]);
            assert_near(&what("gradient of W"), &dweight, &expected, error);
            // Sums have no factors.
            let expected = product(&vec![1.0; n], &grad, [1, n, m]);
            assert_near(&what("gradient of b"), &dbias, &expected, EXACT_SUM);
        }
    }
}

/// A sum of terms that all lose the same last bit is off by as many of them.
#[test]
fn long_sums_keep_the_last_bits() {
    for [n, k, m] in [[64, 5000, 20], [65, 5001, 19], [3, 100_000, 5]] {
        let (x, weight) = (vec![1.0 + 2.0_f32.powi(-12); n * k], vec![1.0; k * m]);
        let (out, dweight) = at(MatmulPrecision::Highest, |device| {
            let device = device.clone().autodiff();
            let weight = tensor(&weight, [k, m], &device).require_grad();
            let out = kiln_ops::linear(tensor(&x, [n, k], &device), weight.clone(), None);
            // The gradient of the weights of a linear map that goes the other way.
            let map = tensor(&vec![1.0; n * m], [n, m], &device).require_grad();
            let back: Tensor<2> = kiln_ops::linear(
                tensor(&transposed(&x, [n, k]), [k, n], &device),
                map.clone(),
                None,
            );
            let grads = back.backward();
            (read(out), read(map.grad(&grads).unwrap()))
        });
        let expected = vec![f64::from(x[0]) * f64::from(u32::try_from(k).unwrap()); n * m];
        let what = format!("[{n}, {k}] x [{k}, {m}]");
        assert_near(&what, &out, &expected, EXACT);
        assert_near(&what, &dweight, &expected, EXACT);
    }
}

#[test]
fn infinity_and_what_is_no_number_stay_in_their_rows() {
    for precision in MatmulPrecision::ALL {
        for [n, k, m] in shapes(precision) {
            let (mut x, mut weight) = (numbers(n * k, 5), numbers(k * m, 6));
            x[2 * k + 3] = f32::INFINITY;
            x[4 * k + 1] = f32::NEG_INFINITY;
            x[5 * k] = f32::INFINITY;
            x[5 * k + 7] = f32::NEG_INFINITY;
            x[7 * k + 2] = f32::NAN;
            x[9 * k + 11] = f32::INFINITY;
            // Of both signs, and zero, which makes no number of what is infinite.
            weight[11 * m + 4] = 0.0;
            weight[3 * m + 2] = -1.0;
            weight[5 * m + 6] = f32::INFINITY;
            let bias = numbers(m, 7);
            let got = at(precision, |device| {
                let (x, weight) = (tensor(&x, [n, k], device), tensor(&weight, [k, m], device));
                read(kiln_ops::linear(
                    x,
                    weight,
                    Some(tensor(&bias, [m], device)),
                ))
            });
            let mut expected = product(&x, &weight, [n, k, m]);
            for (value, &bias) in expected.iter_mut().zip(bias.iter().cycle()) {
                *value += f64::from(bias);
            }
            let what = format!("[{n}, {k}] x [{k}, {m}], {precision}");
            assert_near(&what, &got, &expected, error_of(precision));
        }
    }
}

#[test]
fn factors_have_the_range_of_single_precision() {
    for [n, k, m] in shapes(MatmulPrecision::Highest) {
        let scaled = |values: Vec<f32>, scale: f32| -> Vec<f32> {
            values.into_iter().map(|value| value * scale).collect()
        };
        // The largest there are, beside small ones; and parts that differ as much within a row.
        let mut x = scaled(numbers(n * k, 8), 1.5e38);
        for row in x.chunks_exact_mut(k) {
            row.iter_mut()
                .skip(1)
                .step_by(2)
                .for_each(|value| *value *= 1e-20);
        }
        let weight = scaled(numbers(k * m, 9), 1e-37);
        for precision in MatmulPrecision::ALL {
            let got = at(precision, |device| {
                let (x, weight) = (tensor(&x, [n, k], device), tensor(&weight, [k, m], device));
                read(kiln_ops::linear(x, weight, None))
            });
            let what = format!("[{n}, {k}] x [{k}, {m}], {precision}");
            let expected = product(&x, &weight, [n, k, m]);
            assert_near(&what, &got, &expected, error_of(precision));
        }
    }
}

#[test]
fn batches_of_products_and_their_gradients() {
    for (lhs_batch, rhs_batch, [n, k, m]) in [
        ([3], [3], [40, 133, 50]),
        ([3], [1], [64, 128, 36]),
        ([1], [2], [5, 6, 7]),
        ([2], [2], [3, 5000, 20]),
    ] {
        let ([left], [right]) = (lhs_batch, rhs_batch);
        let batch = left.max(right);
        let (lhs, rhs) = (numbers(left * n * k, 1), numbers(right * k * m, 2));
        let grad = numbers(batch * n * m, 3);
        let [out, dlhs, drhs] = at(MatmulPrecision::Highest, |device| {
            let device = device.clone().autodiff();
            let lhs = tensor(&lhs, [left, n, k], &device).require_grad();
            let rhs = tensor(&rhs, [right, k, m], &device).require_grad();
            let out = kiln_ops::matmul(lhs.clone(), rhs.clone());
            let grads = (out.clone() * tensor(&grad, [batch, n, m], &device)).backward();
            [
                read(out),
                read(lhs.grad(&grads).unwrap()),
                read(rhs.grad(&grads).unwrap()),
            ]
        });
        let mut expected = Vec::new();
        let (mut expected_dlhs, mut expected_drhs) = (vec![0.0; lhs.len()], vec![0.0; rhs.len()]);
        for at in 0..batch {
            let lhs_start = at % left * n * k;
            let rhs_start = at % right * k * m;
            let (lhs, rhs) = (&lhs[lhs_start..][..n * k], &rhs[rhs_start..][..k * m]);
            let grad = &grad[at * n * m..][..n * m];
            expected.extend(product(lhs, rhs, [n, k, m]));
            let add = |sums: &mut [f64], values: Vec<f64>| {
                sums.iter_mut()
                    .zip(values)
                    .for_each(|(sum, value)| *sum += value);
            };
            let dlhs = product(grad, &transposed(rhs, [k, m]), [n, m, k]);
            add(&mut expected_dlhs[lhs_start..], dlhs);
            let drhs = product(&transposed(lhs, [n, k]), grad, [k, n, m]);
            add(&mut expected_drhs[rhs_start..], drhs);
        }
        let what = |part: &str| format!("{part} of {left} [{n}, {k}] x {right} [{k}, {m}]");
        assert_near(&what("output"), &out, &expected, EXACT);
        assert_near(&what("gradient of the left"), &dlhs, &expected_dlhs, EXACT);
        assert_near(&what("gradient of the right"), &drhs, &expected_drhs, EXACT);
    }
}

#[test]
fn a_call_keeps_the_precision_that_was_set() {
    let [n, k, m] = LARGE[0];
    let (x, weight) = (numbers(n * k, 1), numbers(k * m, 2));
    let got = at(MatmulPrecision::Highest, |device| {
        let (x, weight) = (tensor(&x, [n, k], device), tensor(&weight, [k, m], device));
        let out = kiln_ops::linear(x, weight, None);
        set_matmul_precision(device, MatmulPrecision::Medium).unwrap();
        read(out)
    });
    assert_near("product", &got, &product(&x, &weight, [n, k, m]), EXACT);
}

#[test]
fn sums_of_millions_of_rows() {
    let rows = 1 << 21;
    let values = [0.1, 3.85];
    let data = values.repeat(rows);
    let count = f64::from(u32::try_from(rows).unwrap());
    let means = values.map(f64::from);
    let sums = means.map(|value| value * count);
    let device = device().autodiff();
    let x = tensor(&data, [rows, 2], &device).require_grad();
    let total = kiln_ops::column_sum(x.clone());
    let mean = kiln_ops::column_mean(x.clone());
    assert_eq!((total.dims(), mean.dims()), ([1, 2], [1, 2]));
    assert_near("sum", &read(total.clone()), &sums, EXACT_SUM);
    assert_near("mean", &read(mean.clone()), &means, EXACT_SUM);
    let grads = (total + mean * 1024.0).backward();
    let expected = vec![1.0 + 1024.0 / count; 2 * rows];
    assert_near("gradient", &read(x.grad(&grads).unwrap()), &expected, 1e-6);
}

/// As many as software drivers run in one loop.
#[test]
fn sums_of_many_rows_of_a_segment() {
    let rows: u16 = 60_000;
    let (count, values) = (usize::from(rows), [0.1, 3.85]);
    let means = values.map(f64::from);
    let sums = means.map(|value| value * f64::from(rows));
    let device = device();
    let x = tensor(&values.repeat(count), [count, 2], &device);
    let index = Tensor::<1, Int>::ones([count], &device);
    let ptr = Tensor::<1, Int>::from_ints([0, 0, i32::from(rows)], &device);
    for (reduce, expected) in [(Reduce::Sum, sums), (Reduce::Mean, means)] {
        let out = read(kiln_ops::scatter(x.clone(), index.clone(), 2, reduce));
        assert_near("scatter", &out[2..], &expected, EXACT_SUM);
        assert_eq!(out[..2], [0.0, 0.0]);
        let out = read(kiln_ops::segment_reduce(x.clone(), ptr.clone(), reduce));
        assert_near("segment_reduce", &out[2..], &expected, EXACT_SUM);
    }

    // A source of as many edges gets as many gradients.
    let device = device.autodiff();
    let x = tensor(&[1.0; 4], [2, 2], &device).require_grad();
    let weight = tensor(&vec![values[1]; count], [count], &device);
    let src = Tensor::<1, Int>::ones([count], &device);
    let dst = Tensor::<1, Int>::arange(0..i64::from(rows), &device);
    let out = kiln_ops::spmm(x.clone(), src, dst, Some(weight), count, Reduce::Sum);
    let grad = read(x.grad(&out.backward()).unwrap());
    assert_near("gradient", &grad, &[0.0, 0.0, sums[1], sums[1]], EXACT_SUM);
}
