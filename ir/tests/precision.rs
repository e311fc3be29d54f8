//! Sums and products of programs keep the last bits of single precision.
//!
//! The device is that of `KILN_TEST_BACKEND`.

use burn::tensor::{Device, Tensor, TensorData};
use kiln_core::AnyTensor;
use kiln_ir::Session;

use crate::{
    exec::model,
    support::{Inputs, device},
};

/// Largest relative error; factors of TF32 would be off by twenty times as much.
const EXACT: f64 = 1e-5;

const SUMS: &str = "kiln 1
symbols $N
module @ = Net {
  method forward(x: f32[$N, 2]) -> (f32[1, 2], f32[1, 2], f32[2, 1], f32[1, 1]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 2]) -> (%1, %2, %4, %5) {
  %1: f32[1, 2] = reduce_sum{axes=[0]}(%0)
  %2: f32[1, 2] = reduce_mean{axes=[0]}(%0)
  %3: f32[2, $N] = permute{axes=[1, 0]}(%0)
  %4: f32[2, 1] = reduce_mean{axes=[1]}(%3)
  %5: f32[1, 1] = reduce_sum{axes=[0, 1]}(%0)
}
";

const RUNNING: &str = "kiln 1
symbols $N
module @ = Net {
  method forward(x: f32[$N, 2]) -> (f32[$N, 2], f32[2, $N]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 2]) -> (%1, %3) {
  %1: f32[$N, 2] = cumsum{dim=0}(%0)
  %2: f32[2, $N] = permute{axes=[1, 0]}(%0)
  %3: f32[2, $N] = cumsum{dim=1}(%2)
}
";

const PRODUCTS: &str = "kiln 1
symbols $N
weight @w: parameter f32[132, 128]
module @ = Net {
  weight @w
  method forward(x: f32[$N, 128], y: f32[2, $N, 128], z: f32[1, 128, 36]) -> (f32[$N, 132], f32[2, $N, 36]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N, 128], y %1: f32[2, $N, 128], z %2: f32[1, 128, 36]) -> (%4, %5) {
  %3: f32[132, 128] = weight @w
  %4: f32[$N, 132] = linear(%0, %3)
  %5: f32[2, $N, 36] = matmul(%1, %2)
}
";

fn tensor<const D: usize>(value: f32, shape: [usize; D], device: &Device) -> AnyTensor {
    let data = TensorData::new(vec![value; shape.iter().product()], shape);
    Tensor::<D>::from_data(data, device).into()
}

/// Requires that all values of a result are the same.
fn assert_all<const D: usize>(output: &AnyTensor, shape: [usize; D], expected: f64) {
    let output = output.clone().float::<D>();
    assert_eq!(output.dims(), shape);
    for got in output.into_data().iter::<f64>() {
        let error = (got / expected - 1.0).abs();
        assert!(error < EXACT, "{got}, expected {expected}");
    }
}

#[test]
fn sums_of_many_entries() {
    let (device, _guard) = device();
    let session = Session::new(&model(SUMS), &device).unwrap();
    let (rows, value) = (1 << 21, 0.1_f32);
    let inputs = Inputs::from([("x".to_owned(), tensor(value, [rows, 2], &device))]);
    let outputs = session.run("forward", inputs).unwrap();
    let sum = f64::from(value) * f64::from(1 << 21);
    assert_all(&outputs[0].1, [1, 2], sum);
    assert_all(&outputs[1].1, [1, 2], f64::from(value));
    assert_all(&outputs[2].1, [2, 1], f64::from(value));
    assert_all(&outputs[3].1, [1, 1], 2.0 * sum);
}

#[test]
fn sums_up_to_each_of_many_entries() {
    let (device, _guard) = device();
    let session = Session::new(&model(RUNNING), &device).unwrap();
    for rows in [1, 512, 513, 1 << 19] {
        let value = 0.1_f32;
        let inputs = Inputs::from([("x".to_owned(), tensor(value, [rows, 2], &device))]);
        let outputs = session.run("forward", inputs).unwrap();
        for (dim, (_, output)) in outputs.into_iter().enumerate() {
            let data = output.float::<2>().into_data();
            for (at, got) in data.iter::<f64>().enumerate() {
                let row = if dim == 0 { at / 2 } else { at % rows };
                let count = u32::try_from(row + 1).unwrap();
                let error = (got / (f64::from(value) * f64::from(count)) - 1.0).abs();
                assert!(error < EXACT, "{got} of {count}");
            }
        }
    }
}

#[test]
fn products() {
    let (device, _guard) = device();
    let value = 1.0 + 2.0_f32.powi(-12);
    let text = format!("{PRODUCTS}; weight w ={}\n", " 1.5".repeat(132 * 128));
    let session = Session::new(&model(&text), &device).unwrap();
    let inputs = Inputs::from([
        ("x".to_owned(), tensor(value, [300, 128], &device)),
        ("y".to_owned(), tensor(value, [2, 300, 128], &device)),
        ("z".to_owned(), tensor(1.5, [1, 128, 36], &device)),
    ]);
    let outputs = session.run("forward", inputs).unwrap();
    let expected = f64::from(value) * 1.5 * 128.0;
    assert_all(&outputs[0].1, [300, 132], expected);
    assert_all(&outputs[1].1, [2, 300, 36], expected);
}
