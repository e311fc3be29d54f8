//! How much a program may grow when it is read: names and sizes stand once in a file, and
//! everywhere that they are used in memory.

use super::error::Malformed;
use crate::size::{Factor, Size};

/// Most parts of the names and sizes of a program, whatever its length.
const MOST: usize = 1 << 24;

/// Parts that every program may have, and those that it may have for each byte.
const SMALL: usize = 1 << 20;
const EACH_BYTE: usize = 16;

/// Bytes of a name that count as a part.
const PART_BYTES: usize = 16;

/// Parts of names and sizes.
#[derive(Default)]
pub(super) struct Parts(usize);

impl Parts {
    /// Adds a use of a name.
    pub(super) fn text(&mut self, text: &str) {
        let rest = text.len().checked_div(PART_BYTES).unwrap_or_default();
        self.size(rest.saturating_add(1));
    }

    /// Adds a use of a size with so many parts.
    pub(super) fn size(&mut self, parts: usize) {
        self.0 = self.0.saturating_add(parts);
    }

    /// Whether a program of so many bytes may have them.
    pub(super) fn check(&self, bytes: usize) -> Result<(), Malformed> {
        let limit = bytes.saturating_mul(EACH_BYTE).saturating_add(SMALL);
        let limit = limit.min(MOST);
        if self.0 > limit {
            return Err(Malformed::Parts {
                parts: self.0,
                limit,
            });
        }
        Ok(())
    }
}

/// Parts of a size: itself, its terms, their factors, and those of the sizes inside.
pub(super) fn parts(size: &Size) -> usize {
    let mut sum = 1_usize;
    for term in size.terms() {
        sum = sum.saturating_add(1);
        for factor in &term.factors {
            let inside = match factor {
                Factor::Symbol(_) => 0,
                Factor::Min(sizes) | Factor::FloorDiv(sizes) => {
                    sizes.iter().map(parts).fold(0, usize::saturating_add)
                }
            };
            sum = sum.saturating_add(1).saturating_add(inside);
        }
    }
    sum
}
