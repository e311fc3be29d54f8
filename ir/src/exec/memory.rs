//! How much memory the values of a run take, by their sizes, before they are made.

use super::{
    ExecError,
    eval::{Eval, Site},
};
use crate::{
    op::Op,
    program::{ValueId, ValueType},
};

/// The memory that values of a run may take together, and what they take.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Most bytes, if they are limited.
    limit: Option<u64>,
    /// By value.
    values: Vec<u64>,
    sum: u64,
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

impl Eval<'_> {
    /// Counts the results of a node, before they are made, as far as their sizes are known.
    pub(super) fn reserve(&mut self, site: Site<'_>) -> Result<(), ExecError> {
        if self.memory.limit.is_none() || matches!(site.op(), Op::Weight(_)) {
            return Ok(());
        }
        if let Op::Graph(op) = site.op() {
            // Kernels sort by row: where each starts, and the next place in it.
            for rows in op.sizes() {
                let rows = self.symbols.evaluate(rows).unwrap_or(0);
                let rows = u64::try_from(rows).unwrap_or(0);
                self.check_memory(site, rows.saturating_mul(16))?;
            }
        }
        for &id in site.outputs() {
            let Some(ValueType::Tensor(ty)) = site.function.values.get(id.index()) else {
                continue;
            };
            let size = |dim| self.symbols.evaluate(dim);
            let Some(sizes) = ty.dims.iter().map(size).collect::<Option<Vec<i64>>>() else {
                // A size that the node itself makes is counted once it is known; others are too
                // large for a number.
                if site.op().effects().makes_size {
                    continue;
                }
                return self.check_memory(site, u64::MAX);
            };
            let elements = sizes
                .into_iter()
                .map(|size| u64::try_from(size).unwrap_or(0));
            let bytes = elements.fold(ty.elem.size_bytes(), u64::saturating_mul);
            self.check_memory(site, bytes)?;
            self.memory.free(id);
            self.memory.sum += bytes;
            if let Some(slot) = self.memory.values.get_mut(id.index()) {
                *slot = bytes;
            }
        }
        Ok(())
    }

    /// Whether so many more bytes may be made as a result of a node.
    pub(super) fn check_memory(&self, site: Site<'_>, bytes: u64) -> Result<(), ExecError> {
        match self.memory.limit {
            Some(limit) if self.memory.sum.saturating_add(bytes) > limit => {
                Err(ExecError::Memory {
                    method: self.method.to_owned(),
                    node: self.text(site),
                    bytes,
                    used: self.memory.sum,
                    limit,
                })
            }
            Some(_) | None => Ok(()),
        }
    }
}
