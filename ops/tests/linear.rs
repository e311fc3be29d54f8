//! Linear maps and their gradients against plain loops, at sizes for which GPUs cut them in ranges.

use burn::tensor::{DType, Device, Tensor, activation};

use crate::support::{assert_close, device, floats, is_flex, read};

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
        [700, 132, 260],
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
        assert_close(&what("output"), &read(out.clone()), &expected, 1.0);

        let grads = (out * tensor(&grad, [n, m])).sum().backward();
        let got = read(x_tensor.grad(&grads).unwrap());
        let expected = product(&grad, &transposed(&weight, [k, m]), [n, m, k]);
        assert_close(&what("gradient of x"), &got, &expected, 1.0);

        let got = read(weight_tensor.grad(&grads).unwrap());
        let expected = product(&transposed(&x, [n, k]), &grad, [k, n, m]);
        // Sums of as many numbers of both signs are small against their terms.
        let terms = f64::from(u32::try_from(n).unwrap()).sqrt();
        assert_close(&what("gradient of W"), &got, &expected, terms);

        let got = read(bias_tensor.grad(&grads).unwrap());
        let expected: Vec<f64> = (0..m)
            .map(|j| grad.iter().skip(j).step_by(m).sum())
            .collect();
        assert_close(&what("gradient of b"), &got, &expected, terms);
    }
}

/// Large ones in whole vectors, which GPUs compute in other formats.
#[test]
fn products_have_the_range_of_single_precision() {
    let [n, k, m] = [300, 132, 260];
    let device = device();
    let (mut x, weight) = (numbers(n * k, 1), numbers(k * m, 2));
    let small: Vec<f64> = weight.iter().map(|value| value * 1e-30).collect();
    let large: Vec<f64> = x.iter().map(|value| value * 1e30).collect();
    let multiply = |x: &[f64]| {
        let weight = floats(&small, [k, m], &device);
        read::<2>(kiln_ops::linear(floats(x, [n, k], &device), weight, None))
    };
    let expected = product(&x, &weight, [n, k, m]);
    assert_close("1e30 x 1e-30", &multiply(&large), &expected, 1.0);
    // What is not a number is not in other rows.
    x[5 * k + 3] = f64::NAN;
    let got = multiply(&x);
    let (before, rest) = got.split_at(5 * m);
    let (row, behind) = rest.split_at(m);
    assert!(row.iter().all(|value| value.is_nan()));
    assert!(
        [before, behind]
            .concat()
            .iter()
            .all(|value| value.is_finite())
    );
}

#[test]
fn products_and_relu() {
    for [n, k, m] in [[1, 1, 1], [7, 5, 3], [1300, 33, 20], [700, 132, 260]] {
        let device = device().autodiff();
        let (mut x, weight, bias) = (numbers(n * k, 1), numbers(k * m, 2), numbers(m, 3));
        let grad = numbers(n * m, 4);
        let tensor = |values: &[f64], shape| floats(values, shape, &device);
        let run = |x: &[f64], fused: bool| {
            let x: Tensor<2> = tensor(x, [n, k]).require_grad();
            let weight: Tensor<2> = tensor(&weight, [k, m]).require_grad();
            let bias: Tensor<1> = floats(&bias, [m], &device).require_grad();
            let given = (x.clone(), weight.clone(), Some(bias.clone()));
            let out = if fused {
                kiln_ops::linear_relu(given.0, given.1, given.2)
            } else {
                activation::relu(kiln_ops::linear(given.0, given.1, given.2))
            };
            let grads = (out.clone() * tensor(&grad, [n, m])).sum().backward();
            let grads = [
                read(x.grad(&grads).unwrap()),
                read(weight.grad(&grads).unwrap()),
                read(bias.grad(&grads).unwrap()),
            ];
            (read(out), grads)
        };
        let ((out, grads), (expected, expected_grads)) = (run(&x, true), run(&x, false));
        let what = |part: &str| format!("{part} of [{n}, {k}] x [{k}, {m}]");
        assert!(out.iter().all(|&value| value >= 0.0));
        assert_close(&what("output"), &out, &expected, 1.0);
        for ((name, grad), expected) in ["x", "W", "b"].iter().zip(grads).zip(expected_grads) {
            assert_close(&what(name), &grad, &expected, 1.0);
        }
        // What is not a number stays so.
        x[0] = f64::NAN;
        let (out, _) = run(&x, true);
        assert!(out[..m].iter().all(|value| value.is_nan()));
        assert!(out[m..].iter().all(|value| value.is_finite()));
    }
}

#[test]
fn relu_is_burns() {
    let device = device().autodiff();
    let mut values = numbers(7 * 33, 5);
    values[..4].copy_from_slice(&[0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY]);
    let run = |relu: fn(Tensor<2>) -> Tensor<2>| {
        let x: Tensor<2> = floats(&values, [7, 33], &device).require_grad();
        let given = read(x.clone());
        let out = relu(x.clone());
        let grads = (out.clone() * floats(&numbers(7 * 33, 6), [7, 33], &device)).backward();
        assert_eq!(read(x.clone()), given, "what others hold stays");
        (read(out), read(x.grad(&grads).unwrap()))
    };
    assert_eq!(run(kiln_ops::relu), run(activation::relu));
}

#[test]
fn padded_rows_are_read_in_place() {
    // The last columns of a wider matrix, which backends hold as rows with a distance.
    let device = device().autodiff();
    let (n, k, m) = (1400, 36, 12);
    let wide = numbers(n * 100, 1);
    let narrow: Vec<f64> = wide
        .chunks(100)
        .flat_map(|row| row[64..].to_vec())
        .collect();
    let run = |x: Tensor<2>| {
        let weight: Tensor<2> = floats(&numbers(k * m, 2), [k, m], &device).require_grad();
        let out = kiln_ops::linear(x, weight.clone(), None);
        let grads = (out.clone() * floats(&numbers(n * m, 3), [n, m], &device)).backward();
        (read(out), read(weight.grad(&grads).unwrap()))
    };
    let (out, grad) = run(floats::<2>(&wide, [n, 100], &device).slice([0..n, 64..100]));
    let (expected, expected_grad) = run(floats(&narrow, [n, k], &device));
    assert_close("output", &out, &expected, 1.0);
    assert_close("W", &grad, &expected_grad, 1.0);
}

#[test]
fn sums_of_two_products() {
    for [n, k, l, m] in [
        [1, 2, 3, 4],
        [6, 1, 5, 2],
        [1500, 20, 33, 24],
        [700, 132, 64, 260],
    ] {
        let device = device().autodiff();
        let values = [
            (numbers(n * k, 1), [n, k]),
            (numbers(n * l, 2), [n, l]),
            (numbers(k * m, 3), [k, m]),
            (numbers(l * m, 4), [l, m]),
        ];
        let [x, y, v, w] = values
            .each_ref()
            .map(|(values, shape)| -> Tensor<2> { floats(values, *shape, &device).require_grad() });
        let [(x_values, _), (y_values, _), (v_values, _), (w_values, _)] = &values;
        let bias_values = numbers(m, 5);
        let bias: Tensor<1> = floats(&bias_values, [m], &device).require_grad();
        let out = kiln_ops::linear_sum(
            [x.clone(), y.clone()],
            [v.clone(), w.clone()],
            Some(bias.clone()),
        );
        let first = product(x_values, v_values, [n, k, m]);
        let second = product(y_values, w_values, [n, l, m]);
        let sums = first.iter().zip(&second).zip(bias_values.iter().cycle());
        let expected: Vec<f64> = sums.map(|((a, b), c)| a + b + c).collect();
        let what = |part: &str| format!("{part} of [{n}, {k} and {l}] x [.., {m}]");
        assert_close(&what("output"), &read(out.clone()), &expected, 1.0);

        let grad = numbers(n * m, 6);
        let out = out * floats(&grad, [n, m], &device);
        let grads = out.sum().backward();
        let terms = f64::from(u32::try_from(n).unwrap()).sqrt();
        for ((name, tensor, scale), expected) in [
            ("x", x, 1.0),
            ("y", y, 1.0),
            ("V", v, terms),
            ("W", w, terms),
        ]
        .into_iter()
        .zip([
            product(&grad, &transposed(v_values, [k, m]), [n, m, k]),
            product(&grad, &transposed(w_values, [l, m]), [n, m, l]),
            product(&transposed(x_values, [n, k]), &grad, [k, n, m]),
            product(&transposed(y_values, [n, l]), &grad, [l, n, m]),
        ]) {
            let got = read(tensor.grad(&grads).unwrap());
            assert_close(&what(name), &got, &expected, scale);
        }
        let got = read(bias.grad(&grads).unwrap());
        let column = |j: usize| grad.iter().skip(j).step_by(m).sum();
        let expected: Vec<f64> = (0..m).map(column).collect();
        assert_close(&what("b"), &got, &expected, terms);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    if !is_flex() {
        return;
    }
    // Weights that are small, and large, beside the features.
    for [n, k, m] in [[9001, 24, 16], [700, 600, 520]] {
        let device = device().autodiff();
        let leaf = |shape: [usize; 2], salt| {
            let x: Tensor<2> = floats(&numbers(shape[0] * shape[1], salt), shape, &device);
            x.cast(DType::F32).require_grad()
        };
        let (x, weight) = (leaf([n, k], 1), leaf([k, m], 2));
        let bias = leaf([1, m], 3);
        let bits = |threads: usize| -> Vec<Vec<u32>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let row = bias.clone().squeeze();
                let out = kiln_ops::linear(x.clone(), weight.clone(), Some(row));
                let grads = out.clone().powi_scalar(2).sum().backward();
                let inputs = [&x, &weight, &bias].map(|input| input.grad(&grads).unwrap());
                let mut all = vec![out.inner()];
                all.extend(inputs);
                let bits = |x: Tensor<2>| x.into_data().iter::<f32>().map(f32::to_bits).collect();
                all.into_iter().map(bits).collect()
            })
        };
        let one = bits(1);
        assert!(one == bits(2) && one == bits(3) && one == bits(8));
    }
}

#[test]
fn what_others_hold_stays() {
    let device = device();
    let x: Tensor<2> = floats(&[1.0, 2.0], [1, 2], &device);
    let out = kiln_ops::add_bias(x.clone(), floats(&[10.0, 20.0], [2], &device));
    assert_eq!(read(out), [11.0, 22.0]);
    assert_eq!(read(x), [1.0, 2.0]);
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
    assert_close("transposed", &read(out), &expected, 1.0);
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
fn without_columns() {
    let device = device();
    let zeros = |shape| floats(&[], shape, &device);
    let bias: Tensor<1> = floats(&[3.0, 4.0], [2], &device);
    let out = kiln_ops::linear(zeros([2, 0]), zeros([0, 2]), Some(bias));
    assert_eq!(read(out), [3.0, 4.0, 3.0, 4.0]);
    assert_eq!(
        kiln_ops::linear(zeros([2, 0]), zeros([0, 0]), None).dims(),
        [2, 0]
    );
}

#[test]
#[should_panic(expected = "linear: expected `weight` with 2 rows, as many as `x` has columns")]
fn widths_that_disagree_are_named() {
    let device = device();
    let x = Tensor::<2>::zeros([3, 2], &device);
    drop(kiln_ops::linear(x, Tensor::zeros([3, 4], &device), None));
}
