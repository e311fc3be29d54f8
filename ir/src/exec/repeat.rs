//! Positions whose number is in the integers of a tensor, which are read back.

use burn::{
    backend::{Dispatch, DispatchTensor, TensorMetadata, ops::IntTensorOps},
    tensor::{Int, Shape, Tensor},
};

use super::{ExecError, eval::Eval, memory::is_addressable, site::Site};

/// Each position as often as its entry says.
pub(super) fn positions(
    eval: &Eval<'_>,
    site: Site<'_>,
    repeats: DispatchTensor,
) -> Result<DispatchTensor, ExecError> {
    let counts = counts(eval, site, repeats, "repeats of at least 0")?;
    let total = counts
        .iter()
        .try_fold(0_usize, |total, &count| total.checked_add(count));
    let Some(total) = total.filter(|&total| is_addressable(total)) else {
        return Err(eval.undefined(site, FITS, "more".to_owned()));
    };
    check(eval, site, total)?;
    let mut positions = Vec::with_capacity(total);
    for (position, count) in (0_i64..).zip(counts) {
        positions.extend(core::iter::repeat_n(position, count));
    }
    let shape = Shape::new([total]);
    eval.upload(site, positions, shape)
}

/// The positions below the integer of a tensor.
pub(super) fn below(
    eval: &Eval<'_>,
    site: Site<'_>,
    size: DispatchTensor,
) -> Result<DispatchTensor, ExecError> {
    let size = counts(eval, site, size, "a size of at least 0")?;
    // There is one, or none where the tensor is empty.
    let size: usize = size.into_iter().next().unwrap_or_default();
    if !is_addressable(size) {
        return Err(eval.undefined(site, FITS, size.to_string()));
    }
    check(eval, site, size)?;
    let end = i64::try_from(size).unwrap_or(i64::MAX);
    let dtype = eval.int_dtype(site, [0, end])?;
    Ok(Dispatch::int_arange(0..end, eval.device(), dtype))
}

/// Whether so many integers fit the memory of the session.
fn check(eval: &Eval<'_>, site: Site<'_>, count: usize) -> Result<(), ExecError> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    eval.check_memory(site, count.saturating_mul(8))
}

const FITS: &str = "as many positions as memory can hold";

/// The integers of a tensor, none of which may be negative.
fn counts(
    eval: &Eval<'_>,
    site: Site<'_>,
    tensor: DispatchTensor,
    expected: &'static str,
) -> Result<Vec<usize>, ExecError> {
    let shape = Shape::new([tensor.shape().num_elements()]);
    let data = Tensor::<1, Int>::from_dispatch(Dispatch::int_reshape(tensor, shape)).into_data();
    let count = |value: i64| {
        usize::try_from(value).map_err(|_| eval.undefined(site, expected, value.to_string()))
    };
    data.iter::<i64>().map(count).collect()
}
