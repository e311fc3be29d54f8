//! Consecutive integers, recordable.
//!
//! Burn's `Tensor::arange` makes its values on the host; in a recorded graph that is a constant
//! with the recording's sizes. Here the end points are recorded, so a graph keeps its meaning for
//! other sizes.

use core::ops::Range;

use burn::backend::{
    Capture, DispatchDevice,
    ir::{OperationIr, OperationOutput as _},
};
use burn::tensor::{Device, Int, Tensor};
use burn_capture::CaptureChannel;
use burn_router::{RouterClient as _, get_client};

use kiln_core::int_dtype;

use crate::wire::{GraphOp, record::Record as _};

/// The integers `start, start + 1, .., end - 1`.
///
/// # Shapes
/// output: `[end - start]` int, of the device's default integer type, or of 64 bits where `end`
/// does not fit; empty if `end ≤ start`
///
/// # Examples
/// ```
/// let ids = kiln_ops::arange(2..5, &Default::default()).into_data();
/// assert_eq!(ids.iter::<i64>().collect::<Vec<_>>(), [2, 3, 4]);
/// ```
pub fn arange(range: Range<usize>, device: &Device) -> Tensor<1, Int> {
    if let DispatchDevice::Capture(capture) = device.as_dispatch().clone().inner() {
        let client = get_client::<CaptureChannel>(&capture);
        let op = GraphOp::Arange {
            start: range.start,
            end: range.end,
        };
        let dtype = device.settings().int_dtype;
        let desc = op.describe(&[], Some(dtype.into()), || client.create_empty_handle());
        return Tensor::from_primitive::<Capture>(
            client.register(OperationIr::Custom(desc)).output(),
        );
    }
    let dtype = int_dtype(device.settings().int_dtype.into(), range.end);
    Tensor::arange(signed(range), (device, dtype))
}

/// The range as Burn's operations take it, never decreasing.
///
/// # Panics
/// If an end does not fit `i64`.
pub(crate) fn signed(range: Range<usize>) -> Range<i64> {
    let convert =
        |value| i64::try_from(value).unwrap_or_else(|_| panic!("arange: {value} does not fit i64"));
    convert(range.start)..convert(range.end.max(range.start))
}
