//! Operations on lists of edges: they are those along sorted edges, forward and backward.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use kiln_core::{EdgeIndex, Flow};
use kiln_ops::{Endpoints, Reduce};

use crate::support::{Numbers, device, floats, ints, is_flex, read};

/// Edges in no order, 700 of which go to destination 1 and as many come from source 2.
struct Lists {
    src: Vec<usize>,
    dst: Vec<usize>,
    dtype: DType,
    device: Device,
}

const NODES: [usize; 2] = [23, 17];
const WIDTH: usize = 5;

impl Lists {
    fn new(dtype: DType, device: Device) -> Self {
        let mut numbers = Numbers(7);
        let (mut src, mut dst) = (Vec::new(), Vec::new());
        for edge in 0..2100 {
            src.push(if edge % 3 == 0 {
                2
            } else {
                numbers.below(NODES[0])
            });
            // The last destination has no edges.
            dst.push(if edge % 3 == 1 {
                1
            } else {
                numbers.below(NODES[1] - 1)
            });
        }
        Self {
            src,
            dst,
            dtype,
            device,
        }
    }

    fn src(&self) -> Tensor<1, Int> {
        ints(&self.src, &self.device)
    }

    fn dst(&self) -> Tensor<1, Int> {
        ints(&self.dst, &self.device)
    }

    fn ends(&self) -> Endpoints {
        let rows = [self.src(), self.dst()].map(|end| end.reshape([1, -1]));
        let edges = EdgeIndex::new_unchecked(Tensor::cat(rows.to_vec(), 0), NODES[0], NODES[1]);
        Endpoints::new(edges, Flow::SourceToTarget)
    }

    /// Numbers near 1, whose products are numbers too.
    fn leaf<const D: usize>(&self, shape: [usize; D], salt: u64) -> Tensor<D> {
        let count = shape.iter().product();
        let numbers = Numbers(salt).floats(count);
        let values: Vec<f64> = numbers.iter().map(|value| 1.0 + value / 1024.0).collect();
        let tensor = floats(&values, shape, &self.device);
        tensor.cast(self.dtype).require_grad()
    }
}

/// A result, and the gradients of its entries' weighted sum.
fn with_gradients<const D: usize>(
    out: Tensor<D>,
    x: &Tensor<2>,
    weight: Option<&Tensor<1>>,
) -> [Vec<f64>; 3] {
    let count = out.dims().iter().product();
    let cotangent = floats(&Numbers(3).floats(count), out.dims(), &out.device());
    let grads = (out.clone() * cotangent.cast(out.dtype())).sum().backward();
    [
        read(out),
        read(x.grad(&grads).unwrap()),
        weight.map_or_else(Vec::new, |weight| read(weight.grad(&grads).unwrap())),
    ]
}

/// Requires results with the same bits on the CPU, where the same walks are taken. Gradients at
/// sources may be added up in another order, and on GPUs there is another kernel: then errors are
/// small for the type.
#[track_caller]
fn assert_same(what: &str, got: &[Vec<f64>], expected: &[Vec<f64>], dtype: DType) {
    let error = match dtype {
        DType::F64 => 1e-12,
        DType::F32 => 1e-4,
        _ => 2e-2,
    };
    for (part, (got, expected)) in ["result", "dx", "dw"].iter().zip(got.iter().zip(expected)) {
        assert_eq!(got.len(), expected.len(), "{what}, {part}");
        for (&got, &expected) in got.iter().zip(expected) {
            let near = if is_flex() && *part != "dx" {
                got.to_bits() == expected.to_bits()
            } else {
                (got - expected).abs() <= error * expected.abs().max(1.0)
            };
            assert!(near, "{what}, {part}: {got}, expected {expected}");
        }
    }
}

#[test]
fn lists_are_sorted_edges() {
    let dtypes: &[DType] = if is_flex() {
        &[DType::F64, DType::F32, DType::F16]
    } else {
        &[DType::F32]
    };
    for &dtype in dtypes {
        let lists = Lists::new(dtype, device().autodiff());
        let (ends, edges) = (lists.ends(), lists.src.len());
        let x = lists.leaf([NODES[0], WIDTH], 1);
        let weight = lists.leaf([edges], 2);
        let messages = lists.leaf([edges, WIDTH], 3);
        let (rowptr, order) = kiln_ops::coo_to_csr(lists.dst(), NODES[1]);
        let col = lists.src().select(0, order.clone());
        let size = NODES[1];
        for reduce in [Reduce::Sum, Reduce::Mean, Reduce::Max, Reduce::Min] {
            for given in [None, Some(&weight)] {
                let what = format!("{} of {dtype:?}, {}", reduce.name(), given.is_some());
                let out = kiln_ops::aggregate(x.clone(), given.cloned(), &ends, reduce);
                let expected = with_gradients(out, &x, given);
                let (src, dst) = (lists.src(), lists.dst());
                let out = kiln_ops::spmm(x.clone(), src, dst, given.cloned(), size, reduce);
                assert_same(&what, &with_gradients(out, &x, given), &expected, dtype);

                // Weights stay leaves where they are put in order.
                let value = given.map(|weight| weight.clone().select(0, order.clone()));
                let out = kiln_ops::spmm_csr(x.clone(), rowptr.clone(), col.clone(), value, reduce);
                assert_same(
                    &format!("csr {what}"),
                    &with_gradients(out, &x, given),
                    &expected,
                    dtype,
                );
            }
            let what = format!("{} of messages of {dtype:?}", reduce.name());
            let expected = with_gradients(ends.collect(messages.clone(), reduce), &messages, None);
            let out = kiln_ops::scatter(messages.clone(), lists.dst(), size, reduce);
            assert_same(
                &what,
                &with_gradients(out, &messages, None),
                &expected,
                dtype,
            );
            let sorted = messages.clone().select(0, order.clone());
            let out = kiln_ops::segment_reduce(sorted, rowptr.clone(), reduce);
            let what = format!("sorted {what}");
            assert_same(
                &what,
                &with_gradients(out, &messages, None),
                &expected,
                dtype,
            );
        }
        let expected = with_gradients(ends.softmax(messages.clone()), &messages, None);
        let out = kiln_ops::segment_softmax(messages.clone(), lists.dst(), size);
        assert_same(
            "softmax",
            &with_gradients(out, &messages, None),
            &expected,
            dtype,
        );
    }
}

#[test]
fn products_of_long_rows() {
    let lists = Lists::new(DType::F32, device().autodiff());
    let x = lists.leaf([NODES[0], WIDTH], 1);
    let weight = lists.leaf([lists.src.len()], 2);
    let [factors, weights] = [read(x.clone()), read(weight.clone())];
    let out = kiln_ops::spmm(
        x.clone(),
        lists.src(),
        lists.dst(),
        Some(weight.clone()),
        NODES[1],
        Reduce::Mul,
    );
    let mut expected = vec![1.0; NODES[1] * WIDTH];
    for (edge, (&src, &dst)) in lists.src.iter().zip(&lists.dst).enumerate() {
        for f in 0..WIDTH {
            expected[dst * WIDTH + f] *= weights[edge] * factors[src * WIDTH + f];
        }
    }
    let [got, dx, dw] = with_gradients(out.clone(), &x, Some(&weight));
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-3, "{got}, expected {expected}");
    }
    // The product without a factor, times the cotangent.
    let cotangent = Numbers(3).floats(expected.len());
    let shares: Vec<f64> = expected
        .iter()
        .zip(&cotangent)
        .map(|(a, b)| a * b)
        .collect();
    let (mut expected_dx, mut expected_dw) = (vec![0.0; dx.len()], vec![0.0; dw.len()]);
    for (edge, (&src, &dst)) in lists.src.iter().zip(&lists.dst).enumerate() {
        for f in 0..WIDTH {
            expected_dx[src * WIDTH + f] += shares[dst * WIDTH + f] / factors[src * WIDTH + f];
            expected_dw[edge] += shares[dst * WIDTH + f] / weights[edge];
        }
    }
    for (got, expected) in dx
        .iter()
        .chain(&dw)
        .zip(expected_dx.iter().chain(&expected_dw))
    {
        let error = (got - expected).abs();
        assert!(
            error < 2e-3 * expected.abs().max(1.0),
            "{got}, expected {expected}"
        );
    }
}

/// The message of the panic that `f` raises.
fn message<T>(f: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| drop(f()))).expect_err("a panic");
    *payload.downcast::<String>().expect("a message")
}

/// Whether gradients are recorded or not, and whatever 32 bits would make of the index.
#[test]
fn indices_out_of_range_are_named() {
    if !is_flex() {
        return;
    }
    let wrong = (1_i64 << 32) + 1;
    for device in [device(), device().autodiff()] {
        let ids = |values: [i64; 2]| {
            let data = TensorData::from(values);
            Tensor::<1, Int>::from_data(data, (&device, DType::I64))
        };
        let (good, bad) = (|| ids([0, 1]), || ids([0, wrong]));
        let x = || {
            let x: Tensor<2> = floats(&[1.0, 2.0], [2, 1], &device);
            if device.is_autodiff() {
                x.require_grad()
            } else {
                x
            }
        };
        for reduce in Reduce::ALL {
            for (got, expected) in [
                (
                    message(|| kiln_ops::spmm(x(), bad(), good(), None, 2, reduce)),
                    "spmm: index 4294967297 in `src` is outside 0..2",
                ),
                (
                    message(|| kiln_ops::spmm(x(), good(), bad(), None, 2, reduce)),
                    "spmm: index 4294967297 in `dst` is outside 0..2",
                ),
                (
                    message(|| kiln_ops::spmm_csr(x(), ids([0, 2]), bad(), None, reduce)),
                    "spmm_csr: index 4294967297 in `col` is outside 0..2",
                ),
                (
                    message(|| kiln_ops::scatter(x(), bad(), 2, reduce)),
                    "scatter: index 4294967297 in `index` is outside 0..2",
                ),
                (
                    message(|| kiln_ops::segment_softmax(x(), bad(), 2)),
                    "segment_softmax: index 4294967297 in `index` is outside 0..2",
                ),
            ] {
                assert_eq!(got, expected, "{reduce:?}, {device:?}");
            }
            let got = message(|| kiln_ops::segment_reduce(x(), bad(), reduce));
            assert!(got.contains("` has 4294967297 after 0"), "{got}");
        }
    }
}

/// On GPUs, edges with an end out of range do not count, in gradients either.
#[test]
fn edges_out_of_range_do_not_count_on_gpus() {
    if is_flex() {
        return;
    }
    let device = device().autodiff();
    let run = |src: [i32; 4], dst: [i32; 4], kept: usize, reduce: Reduce| {
        let ids = |ids: [i32; 4]| {
            let data = TensorData::new(ids[..kept].to_vec(), [kept]);
            Tensor::<1, Int>::from_data(data, (&device, DType::I32))
        };
        let x: Tensor<2> = floats(&[1.0, 2.0, 3.0, 4.0], [2, 2], &device).require_grad();
        let out = kiln_ops::spmm(x.clone(), ids(src), ids(dst), None, 2, reduce);
        let [out, dx, _] = with_gradients(out, &x, None);
        [out, dx]
    };
    for reduce in [Reduce::Sum, Reduce::Mean, Reduce::Max, Reduce::Min] {
        let expected = run([0, 1, 0, 0], [0, 0, 0, 0], 2, reduce);
        let got = run([0, 1, 1, -1], [0, 0, 7, 1], 4, reduce);
        assert_eq!(got, expected, "{reduce:?}");
    }
}

#[test]
fn lists_without_edges_rows_or_columns() {
    for device in [device(), device().autodiff()] {
        let none = || ints(&[], &device);
        for (rows, width, size) in [(3, 2, 4), (0, 2, 4), (3, 2, 0), (3, 0, 4), (0, 0, 0)] {
            let x = || {
                let x = Tensor::<2>::ones(burn::tensor::Shape::new([rows, width]), &device);
                if device.is_autodiff() {
                    x.require_grad()
                } else {
                    x
                }
            };
            let messages = || x().slice([0..0, 0..width]);
            for reduce in Reduce::ALL {
                let empty = if reduce == Reduce::Mul { 1.0 } else { 0.0 };
                let expected = vec![empty; size * width];
                let out = kiln_ops::spmm(x(), none(), none(), None, size, reduce);
                assert_eq!(read(out), expected);
                let ptr = ints(&vec![0; size + 1], &device);
                let out = kiln_ops::spmm_csr(x(), ptr.clone(), none(), None, reduce);
                assert_eq!(read(out), expected);
                if rows > 0 && width > 0 {
                    let out = kiln_ops::scatter(messages(), none(), size, reduce);
                    assert_eq!(read(out), expected);
                    let out = kiln_ops::segment_reduce(messages(), ptr, reduce);
                    assert_eq!(read(out), expected);
                }
            }
        }
    }
}
