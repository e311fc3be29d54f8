//! Where features of nodes and edges come from.

use std::fmt;

use rayon::prelude::*;

use super::FeatureError;

/// Fewer values than this are gathered by one thread.
const PARALLEL: usize = 1 << 18;

/// Values that one task gathers.
const TASK: usize = 1 << 15;

/// Rows of features that are read by number: PyG's `FeatureStore`, for one tensor.
///
/// Workers share a store and read from it at the same time.
pub trait FeatureStore: fmt::Debug + Send + Sync {
    /// Number of rows.
    fn num_rows(&self) -> usize;

    /// Number of features of a row, `F`.
    fn num_features(&self) -> usize;

    /// Reads rows, in the order given.
    ///
    /// # Shapes
    /// - rows: `[R]`, in `0..num_rows`
    /// - out: `[R, F]`, every value is written
    ///
    /// # Errors
    /// If a row is out of range, `out` has another size, or the rows cannot be read.
    fn gather(&self, rows: &[u32], out: &mut [f32]) -> Result<(), FeatureError>;
}

/// Features in memory.
///
/// # Examples
/// ```
/// use kiln_core::loader::{FeatureStore, MemoryFeatures};
///
/// let x = MemoryFeatures::new(vec![0.0, 0.5, 1.0, 1.5], 2)?;
/// let mut out = [0.0; 2];
/// x.gather(&[1], &mut out)?;
/// assert_eq!(out, [1.0, 1.5]);
/// # Ok::<(), kiln_core::loader::FeatureError>(())
/// ```
#[derive(Clone)]
pub struct MemoryFeatures {
    values: Vec<f32>,
    num_features: usize,
}

impl fmt::Debug for MemoryFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.num_rows(), self.num_features];
        write!(f, "MemoryFeatures({shape:?})")
    }
}

impl MemoryFeatures {
    /// Features row by row, `[rows, num_features]`.
    ///
    /// # Errors
    /// If `num_features` is 0 or does not divide the number of values.
    pub fn new(values: Vec<f32>, num_features: usize) -> Result<Self, FeatureError> {
        if num_features == 0 || !values.len().is_multiple_of(num_features) {
            return Err(FeatureError::Size {
                what: "the list of features".to_owned(),
                expected: format!("rows of {num_features}"),
                got: values.len(),
            });
        }
        Ok(Self {
            values,
            num_features,
        })
    }
}

impl FeatureStore for MemoryFeatures {
    fn num_rows(&self) -> usize {
        self.values.len() / self.num_features
    }

    fn num_features(&self) -> usize {
        self.num_features
    }

    fn gather(&self, rows: &[u32], out: &mut [f32]) -> Result<(), FeatureError> {
        let width = self.num_features;
        check(rows, out, self, || "the memory of features".to_owned())?;
        gather_rows(rows, out, width, |row, out| {
            out.copy_from_slice(&self.values[row * width..(row + 1) * width]);
        });
        Ok(())
    }
}

/// Checks what [`FeatureStore::gather`] is asked for; `name` is the store's, for the message.
pub(super) fn check(
    rows: &[u32],
    out: &[f32],
    store: &dyn FeatureStore,
    name: impl Fn() -> String,
) -> Result<(), FeatureError> {
    let expected = rows.len() * store.num_features();
    if out.len() != expected {
        return Err(FeatureError::Size {
            what: "the output".to_owned(),
            expected: expected.to_string(),
            got: out.len(),
        });
    }
    let num_rows = store.num_rows();
    match rows.iter().find(|&&row| row as usize >= num_rows) {
        Some(&row) => Err(FeatureError::RowOutOfRange {
            store: name(),
            row,
            num_rows,
        }),
        None => Ok(()),
    }
}

/// Calls `read` with each row and its place in `out`, on all threads if there is much to read.
pub(super) fn gather_rows(
    rows: &[u32],
    out: &mut [f32],
    width: usize,
    read: impl Fn(usize, &mut [f32]) + Sync,
) {
    if width == 0 {
        return;
    }
    if out.len() < PARALLEL {
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width)) {
            read(row as usize, out);
        }
        return;
    }
    let task = (TASK / width).max(1);
    let tasks = rows.par_chunks(task).zip(out.par_chunks_mut(task * width));
    tasks.for_each(|(rows, out)| {
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(width)) {
            read(row as usize, out);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_are_the_same_as_few() {
        let (rows, width) = (3000_u16, 7);
        let values = (0..rows * width).map(f32::from).collect();
        let store = MemoryFeatures::new(values, width.into()).unwrap();
        let asked: Vec<u32> = (0..60_000).map(|at| at * 7919 % u32::from(rows)).collect();
        let mut out = vec![0.0; asked.len() * 7];
        assert!(out.len() > PARALLEL);
        store.gather(&asked, &mut out).unwrap();
        for (row, out) in asked.iter().zip(out.chunks(7)) {
            let mut alone = [0.0; 7];
            store.gather(&[*row], &mut alone).unwrap();
            assert_eq!(out, alone);
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let text = |result: Result<(), FeatureError>| result.unwrap_err().to_string();
        let store = MemoryFeatures::new(vec![0.0; 6], 2).unwrap();
        assert_eq!(
            text(store.gather(&[0, 3], &mut [0.0; 4])),
            "the memory of features has 3 rows, none with number 3"
        );
        assert_eq!(
            text(store.gather(&[0], &mut [0.0; 4])),
            "the output has 4 values, expected 2"
        );
        assert_eq!(
            text(MemoryFeatures::new(vec![0.0; 5], 2).map(|_| ())),
            "the list of features has 5 values, expected rows of 2"
        );
        assert!(MemoryFeatures::new(vec![], 0).is_err());
    }
}
