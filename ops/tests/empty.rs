//! Tensors without elements beside others, which GPUs must not lose.

use burn::tensor::Tensor;

use crate::support::{device, read};

#[test]
fn parts_without_elements_leave_the_others_as_they_are() {
    let device = device();
    let none = Tensor::<1>::ones([0], &device) * 2.0;
    let ones = Tensor::<1>::ones([3], &device);
    for parts in [vec![none.clone(), ones.clone()], vec![ones, none]] {
        assert_eq!(read(Tensor::cat(parts, 0) * 3.0), [3.0; 3]);
    }
}

/// As the entries of a graph without edges beside those of its nodes.
#[test]
fn what_is_computed_of_nothing_leaves_the_rest_as_it_is() {
    let device = device();
    let weight = Tensor::<1>::ones([0], &device);
    let negative = -(weight * Tensor::<1>::ones([0], &device));
    let diagonal = Tensor::<1>::ones([3], &device);
    let all = Tensor::cat(vec![negative.clone(), diagonal.clone()], 0);
    assert_eq!(read(all.clone()), [1.0; 3]);
    let largest = all.max();
    let scaled = |x: Tensor<1>| {
        let scaled = x * 2.0 / largest.clone();
        let is_infinite = scaled.clone().equal_elem(f32::INFINITY);
        scaled.mask_fill(is_infinite, 0.0)
    };
    let (of_none, of_all) = (scaled(negative), scaled(diagonal));
    assert_eq!(read(of_all), [2.0; 3]);
    assert_eq!(read(of_none), [0.0; 0]);
}
