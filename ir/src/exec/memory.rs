//! How much memory the values of a run take, by their sizes, before they are made.

use crate::program::ValueId;

/// The memory that values of a run may take together, and what they take.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Most bytes, if they are limited.
    pub(super) limit: Option<u64>,
    /// By value.
    values: Vec<u64>,
    /// Bytes of all values.
    pub(super) sum: u64,
}

impl Memory {
    pub(super) fn new(limit: Option<u64>, values: usize) -> Self {
        let values = if limit.is_some() { values } else { 0 };
        Self {
            limit,
            values: vec![0; values],
            sum: 0,
        }
    }

    /// For the values of a function that runs while these are there.
    pub(super) fn inside(&self, values: usize) -> Self {
        Self {
            sum: self.sum,
            ..Self::new(self.limit, values)
        }
    }

    /// Counts a value.
    pub(super) fn count(&mut self, id: ValueId, bytes: u64) {
        self.free(id);
        self.sum += bytes;
        if let Some(slot) = self.values.get_mut(id.index()) {
            *slot = bytes;
        }
    }

    /// Counts a value no longer.
    pub(super) fn free(&mut self, id: ValueId) {
        if let Some(bytes) = self.values.get_mut(id.index()) {
            self.sum -= core::mem::take(bytes);
        }
    }

    /// Counts no values but these.
    pub(super) fn keep(&mut self, kept: &[ValueId]) {
        let mut values = vec![0; self.values.len()];
        for id in kept {
            if let (Some(to), Some(from)) =
                (values.get_mut(id.index()), self.values.get(id.index()))
            {
                *to = *from;
            }
        }
        self.sum = values.iter().sum();
        self.values = values;
    }
}

/// Whether so many elements of any type can be in memory.
pub(super) fn is_addressable(elements: usize) -> bool {
    let bytes = elements.checked_mul(size_of::<i64>());
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}
