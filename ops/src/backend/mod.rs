//! The operations as one extension of Burn's backends, and the list of those backends.
//!
//! [`GraphOps`] is implemented once for each kind of backend, in the files of this folder:
//!
//! ```text
//!   flex.rs      kernels on the CPU                cube.rs    kernels in CubeCL
//!   autodiff.rs  gradients, for any of the others
//!   deferred.rs  written down                      fusion.rs  to run later, in front of cube
//!                                                  router.rs  in a recording, or sent away
//! ```
//!
//! They only call what is in the folder of an operation, and most do it alike: [`table`] has a row
//! per operation, from which its methods follow. Burn's macro adds the implementation for its
//! run-time `Dispatch` backend, which picks one of them by the tensors.

mod autodiff;
#[cfg(feature = "cube")]
mod cube;
mod deferred;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "cube")]
mod fusion;
mod router;
mod table;

use burn::backend::{
    Backend, Dispatch, ExtensionType, backend_extension,
    tensor::{BoolTensor, FloatTensor, IntTensor},
};
use burn::tensor::FloatDType;
use kiln_core::Csr;

use crate::{Reduce, SavedAttention, Score, Terms, batch_norm, linear::composed, nonzero, size_of};

/// The tensors of a [`Csr`] on a backend.
#[derive(Clone, Debug, ExtensionType)]
pub struct CsrTensors<B: Backend> {
    /// See [`Csr::ptr`].
    pub ptr: IntTensor<B>,
    /// See [`Csr::col`].
    pub col: IntTensor<B>,
    /// See [`Csr::edge`].
    pub edge: IntTensor<B>,
    /// See [`Csr::chunk`].
    pub chunk: IntTensor<B>,
    /// See [`Csr::hub`]. A single number where nothing has looked for long rows: then they are
    /// walked like others.
    pub hub: IntTensor<B>,
}

impl From<Csr> for CsrTensors<Dispatch> {
    fn from(csr: Csr) -> Self {
        Self {
            ptr: csr.ptr.into_dispatch(),
            col: csr.col.into_dispatch(),
            edge: csr.edge.into_dispatch(),
            chunk: csr.chunk.into_dispatch(),
            hub: csr.hub.into_dispatch(),
        }
    }
}

/// A tensor or none: what an `Option` is to the operations of a backend, since Burn's macro knows
/// those of tensors only in types of their own.
#[derive(Clone, Debug, ExtensionType)]
pub enum OptionalTensor<B: Backend> {
    /// None.
    None,
    /// A tensor.
    Some(FloatTensor<B>),
}

impl<B: Backend> OptionalTensor<B> {
    /// The tensor, if there is one.
    pub fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::None => None,
            Self::Some(tensor) => Some(tensor),
        }
    }
}

impl<B: Backend> From<Option<FloatTensor<B>>> for OptionalTensor<B> {
    fn from(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::None, Self::Some)
    }
}

/// Message-passing operations of a backend.
///
/// Axis 0 counts nodes or edges; the methods take any rank and shapes are checked by the callers in
/// [`crate::dispatch`]. Users call the functions of the crate root.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Capture,
    Autodiff,
)]
pub trait GraphOps: Backend {
    /// See [`crate::gather`].
    fn gather(x: FloatTensor<Self>, index: IntTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::scatter`].
    fn scatter(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self>;

    /// See [`crate::segment_reduce`].
    fn segment_reduce(
        x: FloatTensor<Self>,
        ptr: IntTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self>;

    /// See [`crate::segment_softmax`].
    fn segment_softmax(
        x: FloatTensor<Self>,
        index: IntTensor<Self>,
        size: usize,
    ) -> FloatTensor<Self>;

    /// See [`crate::spmm`].
    fn spmm(
        x: FloatTensor<Self>,
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        #[extension_type] weight: OptionalTensor<Self>,
        size: usize,
        reduce: Reduce,
    ) -> FloatTensor<Self>;

    /// See [`crate::spmm_csr`].
    fn spmm_csr(
        x: FloatTensor<Self>,
        rowptr: IntTensor<Self>,
        col: IntTensor<Self>,
        #[extension_type] value: OptionalTensor<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self>;

    /// See [`crate::degree`]; `dtype` is the type of the result.
    fn degree(index: IntTensor<Self>, size: usize, dtype: FloatDType) -> FloatTensor<Self>;

    /// See [`crate::coo_to_csr`].
    fn coo_to_csr(index: IntTensor<Self>, size: usize) -> (IntTensor<Self>, IntTensor<Self>);

    /// See [`crate::ptr_to_index`].
    fn ptr_to_index(ptr: IntTensor<Self>, entries: usize) -> IntTensor<Self>;

    /// See [`crate::nonzero`].
    fn nonzero(mask: BoolTensor<Self>) -> IntTensor<Self> {
        nonzero::composed::read_back::<Self>(mask)
    }

    /// The positions below the integer in a tensor; see [`crate::size_of()`].
    fn positions_below(size: IntTensor<Self>) -> IntTensor<Self> {
        size_of::composed::read_back::<Self>(size)
    }

    /// See [`crate::self_loop_position`].
    fn self_loop_position(
        src: IntTensor<Self>,
        dst: IntTensor<Self>,
        size: usize,
    ) -> IntTensor<Self>;

    /// See [`crate::dropout`]: nothing where nothing is trained.
    fn dropout(x: FloatTensor<Self>, prob: f64) -> FloatTensor<Self> {
        let _ = prob;
        x
    }

    /// See [`crate::detach`](crate::detach()).
    fn detached(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_detach(x)
    }

    /// See [`crate::relu`].
    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::relu(x)
    }

    /// See [`crate::matmul`](crate::matmul()): batches of matrices, of equal ranks.
    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(lhs, rhs)
    }

    /// See [`crate::linear`]: the product of `x [N, d_input]` and `weight [d_input, d_output]`, and
    /// a term, `[N, d_output]`, or `[1, d_output]` for all rows. ReLU comes with a term of one row.
    fn linear_map(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] term: OptionalTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;

    /// The gradient of [`linear_map`](Self::linear_map) for its weights, `xᵀ · grad`. Not
    /// differentiable itself.
    fn linear_map_weight(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::heads_dot`].
    fn heads_dot(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::heads_dot::<Self>(x, weight)
    }

    /// See [`crate::add_bias`].
    fn add_bias(x: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::add_bias::<Self>(x, bias)
    }

    /// See [`crate::column_sum`]; also the gradient of a bias.
    fn column_sum(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`crate::batch_norm`]: the normalised rows, and mean and variance of each column.
    fn standardize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        batch_norm::composed::standardize::<Self>(x, gamma, beta, epsilon, Self::column_sum)
    }

    // The operations below walk edges in sorted order. `transposed` holds the same edges sorted by
    // the other end; only gradients read it.

    /// Sorts edges by `row`: `ptr`, `col` and `edge` of a [`Csr`]. `sizes` are the numbers of rows
    /// and columns. On GPUs edges with an end out of range belong to no row; on the CPU such an end
    /// is a panic, for which `names` has the operation's, the rows' and the columns'.
    fn sort_edges(
        row: IntTensor<Self>,
        col: IntTensor<Self>,
        sizes: [usize; 2],
        names: [&'static str; 3],
    ) -> (IntTensor<Self>, IntTensor<Self>, IntTensor<Self>);

    /// See [`crate::aggregate`] and [`crate::aggregate_heads`]; not with [`Reduce::Mul`]. Terms
    /// other than [`Terms::Ones`] and [`Terms::Edges`] are summed.
    fn aggregate(
        x: FloatTensor<Self>,
        #[extension_type] terms: Terms<Self>,
        #[extension_type] csr: CsrTensors<Self>,
        #[extension_type] transposed: CsrTensors<Self>,
        reduce: Reduce,
    ) -> FloatTensor<Self>;

    /// See [`crate::edge_dot`](crate::edge_dot()): `[n, H, C]` and `[N, H, C]` to `[E, H]`, or `[n,
    /// F]` and `[N, F]` to `[E]`.
    fn edge_dot_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        #[extension_type] csr: CsrTensors<Self>,
        #[extension_type] transposed: CsrTensors<Self>,
    ) -> FloatTensor<Self>;

    /// Sums where two rows agree, with `a [n, F]` of the rows and `b, v [N, F]` of the columns:
    /// `out[i, f] = Σ { v[j, f] : edge j → i, a[i, f] = b[j, f] }`. Counts and collects ties in the
    /// gradient of [`aggregate`](Self::aggregate) with max and min. NaN where either side of the
    /// comparison is. Not differentiable itself.
    fn match_sum_csr(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        v: FloatTensor<Self>,
        #[extension_type] csr: CsrTensors<Self>,
    ) -> FloatTensor<Self>;

    /// See [`crate::Endpoints::softmax`].
    fn edge_softmax(
        x: FloatTensor<Self>,
        #[extension_type] csr: CsrTensors<Self>,
    ) -> FloatTensor<Self>;

    /// The gradient of [`edge_softmax`](Self::edge_softmax) with the result `out`. Not
    /// differentiable itself.
    fn edge_softmax_backward(
        out: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        #[extension_type] csr: CsrTensors<Self>,
    ) -> FloatTensor<Self>;

    /// Attention by a [`Score`], whose inputs are the first three: the output, and the logarithm of
    /// the sum of exponentials per target and head, `[n, H]`, with 32 bits at least where scores
    /// compare rows. The first number of `seed` is read if weights are dropped.
    fn edge_attention(
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        seed: IntTensor<Self>,
        #[extension_type] csr: CsrTensors<Self>,
        #[extension_type] transposed: CsrTensors<Self>,
        score: Score,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradients of [`edge_attention`](Self::edge_attention) for the three inputs. Not
    /// differentiable itself.
    fn edge_attention_backward(
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        #[extension_type] saved: SavedAttention<Self>,
        #[extension_type] csr: CsrTensors<Self>,
        #[extension_type] transposed: CsrTensors<Self>,
        score: Score,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}
