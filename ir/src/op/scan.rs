//! Loops whose number of steps is known before they begin.

use crate::{id::FunctionId, size::Size};

/// A loop over a function, its *body*, which runs once for each step.
///
/// Operands of the node and inputs of the body correspond in this order:
///
/// | | operand of the node | input of the body |
/// |---|---|---|
/// | carried | the first value | what the step before left |
/// | scanned | a sequence, `[times, ..]` | the row of this step, `[..]` |
/// | captured | a value | the same value in each step |
///
/// and so do results of the body and of the node:
///
/// | | result of the body | result of the node |
/// |---|---|---|
/// | carried | what the next step gets, of the type that it has | what the last step left |
/// | stacked | a value, `[..]` | those of all steps, `[times, ..]` |
///
/// Without steps, carried values are the first ones and stacked results are empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// The body; it stands before the function of the node.
    pub body: FunctionId,
    /// Number of steps.
    pub times: Size,
    /// Number of carried values.
    pub carried: u32,
    /// Number of scanned sequences.
    pub scanned: u32,
    /// Whether the steps go through sequences and stacked results from the last row to the first.
    pub reverse: bool,
}

/// What an operand of a [`Scan`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOperand {
    /// The first of values that go from step to step.
    Carried,
    /// A sequence with a row for each step.
    Scanned,
    /// The same for all steps.
    Captured,
}

impl Scan {
    /// What the operand at a position is.
    pub fn operand(&self, position: usize) -> ScanOperand {
        let [carried, scanned] = [self.carried, self.scanned].map(|count| count as usize);
        if position < carried {
            ScanOperand::Carried
        } else if position - carried < scanned {
            ScanOperand::Scanned
        } else {
            ScanOperand::Captured
        }
    }

    /// Whether the result at a position is that of the last step, and not those of all.
    pub fn is_carried(&self, result: usize) -> bool {
        self.operand(result) == ScanOperand::Carried
    }
}
