//! Order of rows within their groups.

use burn::tensor::{Int, Tensor, TensorData};

use crate::scope;

/// For each column the rows sorted by group, and within a group by value.
///
/// Equal values stay as they stand, zeros are equal, and NaN counts as greater than all numbers.
/// Not differentiable: gather values by the result. Sorts on the host, also where `x` is on a GPU.
///
/// # Shapes
/// x: `[E, F]` · index: `[E]`, the group of each row · output: `[E, F]`, values in `0..E`
///
/// # Panics
/// If there is not one group for each row.
///
/// # Examples
/// ```
/// use burn::tensor::{Device, Int, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<2>::from_floats([[2.0], [5.0], [1.0]], &device);
/// let index = Tensor::<1, Int>::from_ints([1, 0, 1], &device);
/// let order = kiln_ops::group_argsort(x, index, false).into_data();
/// assert_eq!(order.iter::<i64>().collect::<Vec<_>>(), [1, 2, 0]);
/// ```
pub fn group_argsort(x: Tensor<2>, index: Tensor<1, Int>, descending: bool) -> Tensor<2, Int> {
    let ([rows, columns], [entries]) = (x.dims(), index.dims());
    assert!(
        rows == entries,
        "group_argsort: `index` has length {entries}, expected {rows}"
    );
    if scope::is_recorded(&x) {
        // By value, and then by group.
        let by_value = if descending {
            x.argsort_descending(0)
        } else {
            x.argsort(0)
        };
        let groups = index.unsqueeze_dim::<2>(1).expand([rows, columns]);
        let by_group = groups.gather(0, by_value.clone()).argsort(0);
        return by_value.gather(0, by_group);
    }
    let (device, dtype) = (index.device(), index.dtype());
    let keys: Vec<i64> = x.into_data().iter::<f64>().map(float_key).collect();
    let groups: Vec<i64> = index.into_data().iter::<i64>().collect();
    let mut order = vec![0_i64; keys.len()];
    let mut column = Vec::with_capacity(rows);
    for at in 0..columns {
        let keys = keys.iter().skip(at).step_by(columns);
        let keys = keys.map(|&key| if descending { !key } else { key });
        column.clear();
        column.extend(groups.iter().zip(keys).zip(0_i64..));
        column.sort_unstable();
        for (place, &(_, row)) in order.iter_mut().skip(at).step_by(columns).zip(&column) {
            *place = row;
        }
    }
    let order = TensorData::new(order, [rows, columns]).convert_dtype(dtype);
    Tensor::from_data(order, (&device, dtype))
}

/// An integer in the order of floats: zeros are equal, and NaN is the greatest.
pub fn float_key(value: f64) -> i64 {
    if value.is_nan() {
        return i64::MAX;
    }
    // The sum has no negative zero.
    let bits = (value + 0.0).to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn keys_have_the_order_of_floats() {
        let floats = [
            f64::NEG_INFINITY,
            f64::MIN,
            -1.5,
            -f64::MIN_POSITIVE,
            0.0,
            5e-324,
            1.5,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
        ];
        assert!(floats.map(float_key).is_sorted_by(|a, b| a < b));
        assert_eq!(float_key(-0.0), float_key(0.0));
        assert_eq!(float_key(-f64::NAN), float_key(f64::NAN));
    }

    #[test]
    fn equal_values_stay_as_they_stand() {
        let device = Device::default();
        let x = [[1.0, f32::NAN], [0.0, 2.0], [-0.0, -f32::NAN], [1.0, 2.0]];
        let x = Tensor::<2>::from_floats(x, &device);
        let index = Tensor::<1, Int>::from_ints([3, 0, 0, 3], &device);
        for (descending, expected) in [
            (false, [1, 1, 2, 2, 0, 3, 3, 0]),
            (true, [1, 2, 2, 1, 0, 0, 3, 3]),
        ] {
            let order = group_argsort(x.clone(), index.clone(), descending).into_data();
            assert_eq!(order.iter::<i64>().collect::<Vec<_>>(), expected);
        }
    }
}
