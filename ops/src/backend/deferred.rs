//! Backends that write operations down: run lazily ([`fusion`](super)), recorded or sent away
//! ([`router`](super)). The rows of [`table`](super::table) say what they write.

use burn::backend::{Backend, DType};

use crate::wire::run::Run;

/// A backend that writes operations down.
pub(crate) trait Deferred: Backend {
    /// A tensor of any kind.
    type Tensor;

    /// Writes `op` down and returns its results, which have shapes but no values yet. `dtype` is
    /// their type where inputs do not give it.
    fn defer<const M: usize>(
        op: impl Run,
        inputs: Vec<Self::Tensor>,
        dtype: Option<DType>,
    ) -> [Self::Tensor; M];
}
