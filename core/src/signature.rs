//! Typed forward variants: the signature of each, and how to call it.
//!
//! PyTorch Geometric declares `forward(x: Tensor | (Tensor, Tensor | None), edge_index: Adj, ..)`,
//! one method for many types. TorchScript, and Kiln's own IR, need one method for each combination.
//! A layer therefore lists its variants as [`Overload`]s: a name, a [`Signature`] and a function
//! that calls the typed Rust `forward`. Recorder, command line and tests all work from that list.

use core::fmt;

use crate::value::{Kind, Value};

/// One dimension of a declared input: a named size or a fixed one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A size that differs from call to call, such as `N` (nodes) or `E` (edges).
    Symbol(String),
    /// A size that is part of the model, such as the number of input features.
    Fixed(usize),
}

impl Dim {
    /// The symbol's name, if this is one.
    pub fn symbol(&self) -> Option<&str> {
        match self {
            Self::Symbol(name) => Some(name),
            Self::Fixed(_) => None,
        }
    }
}

impl From<&str> for Dim {
    fn from(name: &str) -> Self {
        Self::Symbol(name.to_owned())
    }
}

impl From<String> for Dim {
    fn from(name: String) -> Self {
        Self::Symbol(name)
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Self::Fixed(size)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symbol(name) => write!(f, "${name}"),
            Self::Fixed(size) => write!(f, "{size}"),
        }
    }
}

/// The type of a declared input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A dense tensor.
    Tensor {
        /// Element kind; floats are `f32` and integers 32 or 64 bits wide unless a device says otherwise.
        kind: Kind,
        /// One entry an axis.
        dims: Vec<Dim>,
    },
    /// Edges in COO form: an integer tensor `[2, edges]`, sources first.
    EdgeIndex {
        /// Number of source nodes.
        src: Dim,
        /// Number of destination nodes.
        dst: Dim,
        /// Number of edges.
        edges: Dim,
    },
    /// Edges in CSR form by destination: `(rowptr [dst + 1], col [edges], value [edges] or absent)`.
    Adjacency {
        /// Number of source nodes.
        src: Dim,
        /// Number of destination nodes.
        dst: Dim,
        /// Number of edges.
        edges: Dim,
    },
    /// A value that may be absent.
    Optional(Box<Type>),
    /// Several values, such as the features of a bipartite pair of node sets.
    Tuple(Vec<Type>),
    /// The numbers of source and destination nodes, `(int, int)`; binds symbols that no tensor shows.
    Size {
        /// Number of source nodes.
        src: Dim,
        /// Number of destination nodes.
        dst: Dim,
    },
    /// A boolean that only selects the variant (PyG's `return_attention_weights`); it has no tensor.
    Flag,
}

impl Type {
    /// A float tensor of the given dimensions.
    pub fn float<const D: usize>(dims: [Dim; D]) -> Self {
        Self::Tensor {
            kind: Kind::Float,
            dims: Vec::from(dims),
        }
    }

    /// An integer tensor of the given dimensions.
    pub fn int<const D: usize>(dims: [Dim; D]) -> Self {
        Self::Tensor {
            kind: Kind::Int,
            dims: Vec::from(dims),
        }
    }

    /// This type, or nothing.
    pub fn optional(self) -> Self {
        Self::Optional(Box::new(self))
    }
}

/// A named input of a forward variant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Param {
    /// PyG's name of the argument.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

impl Param {
    /// A parameter of the given name and type.
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        Self {
            name: name.into(),
            ty,
        }
    }
}

/// The inputs of one forward variant, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Signature {
    /// The inputs.
    pub params: Vec<Param>,
}

impl Signature {
    /// An empty signature; add inputs with [`with`](Self::with).
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input.
    pub fn with(mut self, name: impl Into<String>, ty: Type) -> Self {
        self.params.push(Param::new(name, ty));
        self
    }
}

/// One typed forward variant of a module of type `M`.
pub struct Overload<M: ?Sized> {
    /// Method name. Variants of one overloaded method are `forward__0`, `forward__1`, ... in the
    /// order in which PyG lists them; a method with one variant has its plain name.
    pub name: String,
    /// Inputs.
    pub signature: Signature,
    /// Calls the typed method: one [`Value`] for each entry of the signature, in order;
    /// [`Value::None`] where an optional input is absent.
    #[expect(clippy::type_complexity, reason = "a boxed closure, named only here")]
    pub call: Box<dyn Fn(&M, Vec<Value>) -> Value + Send + Sync>,
}

impl<M: ?Sized> Overload<M> {
    /// A variant of the given name and signature.
    pub fn new(
        name: impl Into<String>,
        signature: Signature,
        call: impl Fn(&M, Vec<Value>) -> Value + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            signature,
            call: Box::new(call),
        }
    }
}

impl<M: ?Sized> fmt::Debug for Overload<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overload")
            .field("name", &self.name)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// A module that lists its typed forward variants.
pub trait Overloads {
    /// The variants, in PyG's order.
    fn overloads(&self) -> Vec<Overload<Self>>;

    /// PyG's name of the operator, such as `GCNConv`; the class name in exported programs.
    fn kind(&self) -> &'static str;
}
