//! Batch normalisation against Burn's, which transposes and takes means.

use burn::tensor::{
    Tensor,
    module::{self, BatchNormTrainOutput},
};

use crate::support::{Numbers, assert_close, device, floats, read};

#[test]
fn batch_norm_is_burns() {
    for [rows, width] in [[1, 1], [5, 3], [700, 20], [1300, 33]] {
        let device = device().autodiff();
        let mut numbers = Numbers(rows as u64);
        let values = [rows * width, width, width, rows * width].map(|count| numbers.floats(count));
        let run = |batch_norm: fn(Tensor<2>, Tensor<1>, Tensor<1>, f64) -> _| {
            let x: Tensor<2> = floats(&values[0], [rows, width], &device).require_grad();
            let [gamma, beta] = [1, 2].map(|at| {
                let row: Tensor<1> = floats(&values[at], [width], &device);
                row.require_grad()
            });
            let batch: BatchNormTrainOutput<2> =
                batch_norm(x.clone() + 3.0, gamma.clone(), beta.clone(), 1e-3);
            let weighted = batch.output.clone() * floats(&values[3], [rows, width], &device);
            let grads = weighted.backward();
            [
                ("output", read(batch.output)),
                ("mean", read(batch.mean)),
                ("variance", read(batch.variance)),
                ("x", read(x.grad(&grads).unwrap())),
                ("gamma", read(gamma.grad(&grads).unwrap())),
                ("beta", read(beta.grad(&grads).unwrap())),
            ]
        };
        let (ours, burns) = (run(kiln_ops::batch_norm), run(module::batch_norm_train));
        for ((name, got), (_, expected)) in ours.iter().zip(burns) {
            let what = format!("{name} of [{rows}, {width}]");
            assert_close(&what, got, &expected, 30.0);
        }
    }
}

#[test]
#[should_panic(expected = "expected `gamma` and `beta` with 2 entries")]
fn other_widths_are_named() {
    let device = device();
    let row = || Tensor::<1>::ones([3], &device);
    kiln_ops::batch_norm(Tensor::ones([4, 2], &device), row(), row(), 1e-5);
}
