//! Loops outside recordings.

use burn::tensor::{Bool, Int, Tensor};
use kiln_ops::{repeat, scan, scan_reversed};

use crate::support::device;

#[test]
fn steps_follow_each_other_in_both_directions() {
    let device = device();
    let x = Tensor::<2>::from_floats([[1.0, 2.0], [4.0, 8.0], [16.0, 32.0]], &device);
    let zero = || Tensor::<1>::zeros([2], &device);
    let step = |sum: Tensor<1>, row: Tensor<1>| (sum.clone() + row, sum);
    let values = |tensor: Tensor<2>| tensor.into_data().try_to_vec::<f32>().unwrap();
    let (sum, before) = scan(3, zero(), x.clone(), step);
    assert_eq!(sum.into_data().try_to_vec::<f32>().unwrap(), [21.0, 42.0]);
    assert_eq!(values(before), [0.0, 0.0, 1.0, 2.0, 5.0, 10.0]);
    let (sum, behind) = scan_reversed(3, zero(), x, step);
    assert_eq!(sum.into_data().try_to_vec::<f32>().unwrap(), [21.0, 42.0]);
    assert_eq!(values(behind), [20.0, 40.0, 16.0, 32.0, 0.0, 0.0]);
}

#[test]
fn without_steps_rows_have_their_lengths() {
    let device = device();
    let x = Tensor::<3>::zeros([0, 2, 3], &device);
    let first = Tensor::<1>::ones([1], &device);
    let step = |value: Tensor<1>, row: Tensor<2>| {
        let kinds = row.clone().int();
        (
            value.clone() + 1.0,
            (row.sum_dim(1), kinds, value.equal_elem(0.0)),
        )
    };
    let (value, (sums, kinds, flags)) = scan(0, first, x, step);
    assert_eq!(value.into_data().try_to_vec::<f32>().unwrap(), [1.0]);
    assert_eq!(sums.dims(), [0, 2, 1]);
    assert_eq!(kinds.dims(), [0, 2, 3]);
    assert_eq!(flags.dims(), [0, 1]);
}

#[test]
fn sequences_of_every_kind_have_rows() {
    let device = device();
    let numbers = Tensor::<2, Int>::from_ints([[1], [2], [3]], &device);
    let flags = Tensor::<2, Bool>::from_data([[true], [false], [true]], &device);
    let first = Tensor::<1, Int>::from_ints([0], &device);
    let step = |sum: Tensor<1, Int>, (number, flag): (Tensor<1, Int>, Tensor<1, Bool>)| {
        (sum + number * flag.clone().int(), flag.bool_not())
    };
    let (sum, opposite) = scan(3, first, (numbers, flags), step);
    assert_eq!(sum.into_data().iter::<i64>().collect::<Vec<_>>(), [4]);
    let opposite: Vec<bool> = opposite.into_data().iter::<bool>().collect();
    assert_eq!(opposite, [false, true, false]);
}

#[test]
fn gradients_flow_through_all_steps() {
    let device = device().autodiff();
    let x = Tensor::<1>::from_floats([1.5], &device).require_grad();
    let cube = repeat(2, x.clone(), |value| value * x.clone());
    let grads = cube.backward();
    // d/dx x³ at 1.5
    let grad = x.grad(&grads).unwrap().into_data();
    assert_eq!(grad.try_to_vec::<f32>().unwrap(), [6.75]);
}

#[test]
#[should_panic(expected = "expected 2 rows, one for each step of a loop, got shape [3, 1]")]
fn sequences_have_a_row_for_each_step() {
    let x = Tensor::<2>::zeros([3, 1], &device());
    let first = Tensor::<1>::zeros([1], &x.device());
    scan(2, first, x, |sum: Tensor<1>, row: Tensor<1>| {
        (sum + row, ())
    });
}
