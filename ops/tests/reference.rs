//! The operations as plain loops over `f64`, written from their formulas.

use kiln_ops::Reduce;

/// `out[e] = x[index[e]]`
pub(crate) fn gather(x: &[f64], width: usize, index: &[usize]) -> Vec<f64> {
    index
        .iter()
        .flat_map(|&i| x[i * width..][..width].to_vec())
        .collect()
}

/// `out[i] = ⊕ { x[e] : index[e] = i }`
pub(crate) fn scatter(
    x: &[f64],
    width: usize,
    index: &[usize],
    size: usize,
    reduce: Reduce,
) -> Vec<f64> {
    let mut members = vec![Vec::new(); size];
    for (e, &i) in index.iter().enumerate() {
        members[i].push(e);
    }
    let row = |members: &Vec<usize>| {
        let feature = |f| {
            members
                .iter()
                .map(|&e| x[e * width + f])
                .collect::<Vec<_>>()
        };
        (0..width)
            .map(|f| reduced(&feature(f), reduce))
            .collect::<Vec<_>>()
    };
    members.iter().flat_map(row).collect()
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn reduced(members: &[f64], reduce: Reduce) -> f64 {
    match reduce {
        Reduce::Mul => members.iter().product(),
        _ if members.is_empty() => 0.0,
        Reduce::Sum => members.iter().sum(),
        Reduce::Mean => members.iter().sum::<f64>() / members.len() as f64,
        Reduce::Max => members.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Reduce::Min => members.iter().copied().fold(f64::INFINITY, f64::min),
    }
}

/// `out[i] = ⊕ { w[e] · x[src[e]] : dst[e] = i }`
pub(crate) fn spmm(
    x: &[f64],
    width: usize,
    src: &[usize],
    dst: &[usize],
    weight: Option<&[f64]>,
    size: usize,
    reduce: Reduce,
) -> Vec<f64> {
    let mut messages = gather(x, width, src);
    if let Some(weight) = weight {
        for (e, &w) in weight.iter().enumerate() {
            messages[e * width..][..width]
                .iter_mut()
                .for_each(|value| *value *= w);
        }
    }
    scatter(&messages, width, dst, size, reduce)
}

/// Softmax among equal indices.
pub(crate) fn segment_softmax(x: &[f64], width: usize, index: &[usize], size: usize) -> Vec<f64> {
    let max = scatter(x, width, index, size, Reduce::Max);
    let max = gather(&max, width, index);
    let exp: Vec<f64> = x.iter().zip(max).map(|(x, max)| (x - max).exp()).collect();
    let sum = scatter(&exp, width, index, size, Reduce::Sum);
    let sum = gather(&sum, width, index);
    exp.iter()
        .zip(sum)
        .map(|(exp, sum)| exp / (sum + 1e-16))
        .collect()
}
