//! Linear maps and their gradients against plain loops, at sizes for which GPUs cut them in ranges.

use burn::tensor::{Device, Tensor};

use crate::support::{assert_close, device, floats, read};

/// Numbers between -1 and 1, the same in each run.
fn numbers(count: usize, salt: usize) -> Vec<f64> {
    (0..count)
        .map(|i| {
            let phase = f64::from(u32::try_from((i * 7919 + salt * 104_729) % 1_000_003).unwrap());
            (phase * 0.618_033_988_7).fract() * 2.0 - 1.0
        })
        .collect()
}

/// `a · b` for `a [n, k]` and `b [k, m]`.
fn product(a: &[f64], b: &[f64], [n, k, m]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; n * m];
    for i in 0..n {
        for l in 0..k {
            for j in 0..m {
                out[i * m + j] += a[i * k + l] * b[l * m + j];
            }
        }
    }
    out
}

fn transposed(a: &[f64], [n, k]: [usize; 2]) -> Vec<f64> {
    (0..k)
        .flat_map(|l| (0..n).map(move |i| a[i * k + l]))
        .collect()
}

/// On CUDA factors are rounded to TF32.
const SCALE: f64 = 50.0;

#[test]
fn products_and_gradients() {
    for [n, k, m] in [
        [1, 1, 1],
        [7, 5, 3],
        [300, 16, 7],
        [301, 130, 7],
        [1000, 257, 16],
        [50, 64, 32],
        [1300, 33, 20],
        [3000, 64, 48],
        [5003, 20, 16],
        [2 * 66 * 512 + 1, 4, 4],
    ] {
        let device = device().autodiff();
        let (x, weight, bias) = (numbers(n * k, 1), numbers(k * m, 2), numbers(m, 3));
        let grad = numbers(n * m, 4);
        let tensor = |values: &[f64], shape| floats(values, shape, &device);
        let x_tensor = tensor(&x, [n, k]).require_grad();
        let weight_tensor = tensor(&weight, [k, m]).require_grad();
        let bias_tensor: Tensor<1> = floats(&bias, [m], &device).require_grad();
        let out = kiln_ops::linear(
            x_tensor.clone(),
            weight_tensor.clone(),
            Some(bias_tensor.clone()),
        );
        let what = |part: &str| format!("{part} of [{n}, {k}] x [{k}, {m}]");
        let mut expected = product(&x, &weight, [n, k, m]);
        for row in expected.chunks_exact_mut(m) {
            for (value, bias) in row.iter_mut().zip(&bias) {
                *value += bias;
            }
        }
        assert_close(&what("output"), &read(out.clone()), &expected, SCALE);

        let grads = (out * tensor(&grad, [n, m])).sum().backward();
        let got = read(x_tensor.grad(&grads).unwrap());
        let expected = product(&grad, &transposed(&weight, [k, m]), [n, m, k]);
        assert_close(&what("gradient of x"), &got, &expected, SCALE);

        let got = read(weight_tensor.grad(&grads).unwrap());
        let expected = product(&transposed(&x, [n, k]), &grad, [k, n, m]);
        // Sums of as many numbers of both signs are small against their terms.
        let terms = f64::from(u32::try_from(n).unwrap()).sqrt();
        assert_close(&what("gradient of W"), &got, &expected, SCALE * terms);

        let got = read(bias_tensor.grad(&grads).unwrap());
        let expected: Vec<f64> = (0..m)
            .map(|j| grad.iter().skip(j).step_by(m).sum())
            .collect();
        assert_close(&what("gradient of b"), &got, &expected, SCALE * terms);
    }
}

#[test]
fn views_are_read_in_order() {
    let device = device();
    let (x, weight) = (numbers(40 * 12, 1), numbers(12 * 9, 2));
    let expected = product(&x, &weight, [40, 12, 9]);
    let transpose = |values: &[f64], [n, k]: [usize; 2], device: &Device| -> Tensor<2> {
        floats(&transposed(values, [n, k]), [k, n], device).transpose()
    };
    let x = transpose(&x, [40, 12], &device);
    let weight = transpose(&weight, [12, 9], &device);
    let out = kiln_ops::linear(x, weight, None);
    assert_close("transposed", &read(out), &expected, SCALE);
}

#[test]
fn without_rows() {
    let device = device().autodiff();
    let weight: Tensor<2> = floats(&[1.0, 2.0], [1, 2], &device).require_grad();
    let bias: Tensor<1> = floats(&[3.0, 4.0], [2], &device).require_grad();
    let x = floats(&[], [0, 1], &device);
    let out = kiln_ops::linear(x, weight.clone(), Some(bias.clone()));
    assert_eq!(out.dims(), [0, 2]);
    let grads = out.sum().backward();
    assert_eq!(read(weight.grad(&grads).unwrap()), [0.0, 0.0]);
    assert_eq!(read(bias.grad(&grads).unwrap()), [0.0, 0.0]);
}

#[test]
#[should_panic(expected = "linear: expected `weight` with 2 rows, as many as `x` has columns")]
fn widths_that_disagree_are_named() {
    let device = device();
    let x = Tensor::<2>::zeros([3, 2], &device);
    drop(kiln_ops::linear(x, Tensor::zeros([3, 4], &device), None));
}
