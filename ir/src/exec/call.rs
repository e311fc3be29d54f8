//! What is to be run: a function and its arguments.

use burn::backend::DispatchTensor;

use crate::{program::FunctionId, validate::SymbolValues};

/// A function with its arguments.
pub(super) struct Call {
    pub(super) function: FunctionId,
    /// Names of the inputs that are tensors, which are the function's first.
    pub(super) names: Vec<String>,
    /// Whether their integers are indices of 32 bits.
    pub(super) indices: Vec<bool>,
    /// One for each input of the function; `None` for integers.
    pub(super) arguments: Vec<Option<DispatchTensor>>,
    pub(super) symbols: SymbolValues,
}
