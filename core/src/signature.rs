//! The types of what a layer's forward pass takes.
//!
//! PyTorch Geometric declares `forward(x: Tensor | (Tensor, Tensor | None), edge_index: Adj, ..)`,
//! one method for many types. A layer declares the same in its [`Signatures`], which have arguments
//! of several forms. TorchScript, and Kiln's own IR, need one method for each combination of forms,
//! with a [`Signature`] of its own: [`Signatures::variants`] lists them.

use core::fmt;

use burn::tensor::DType;

use crate::{any_tensor::Kind, leaves::quoted};

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
        /// Element kind.
        kind: Kind,
        /// Element type, if it is not the usual one of the kind: floats are as the module's
        /// parameters, integers have 64 bits.
        dtype: Option<DType>,
        /// One entry an axis.
        dims: Vec<Dim>,
    },
    /// Edges in COO form: an integer tensor `[2, edges]`, sources first.
    EdgeIndex {
        /// Number of source nodes.
        src: Dim,
        /// Number of target nodes.
        dst: Dim,
        /// Number of edges.
        edges: Dim,
    },
    /// Edges in CSR form by target: `(rowptr [dst + 1], col [edges], value [edges] or absent)`.
    Adjacency {
        /// Number of source nodes.
        src: Dim,
        /// Number of target nodes.
        dst: Dim,
        /// Number of edges.
        edges: Dim,
    },
    /// A value that may be absent.
    Optional(Box<Type>),
    /// Several values, such as the features of a bipartite pair of node sets.
    Tuple(Vec<Type>),
    /// Values by key: a dictionary by node type or edge type. Keys are any text, and each stands
    /// once.
    Dict(Vec<(String, Type)>),
    /// So many values of one type, such as the outputs of all layers.
    List(Vec<Type>),
    /// The numbers of source and target nodes, `(int, int)`; binds symbols that no tensor shows.
    Size {
        /// Number of source nodes.
        src: Dim,
        /// Number of target nodes.
        dst: Dim,
    },
    /// A boolean that only selects the variant (PyG's `return_attention_weights`); it has no
    /// tensor.
    Flag,
    /// An integer that is a size, such as PyG's `batch_size` or `num_nodes`.
    Int(Dim),
    /// A float, such as a temperature; the forward pass gets it as a tensor of one element.
    Float,
    /// One of several booleans or texts, each of which selects a variant.
    OneOf(Vec<Literal>),
}

/// A boolean or a text that selects among the variants of a forward pass.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// A boolean.
    Bool(bool),
    /// A text.
    Text(String),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Text(text) => f.write_str(&quoted(text)),
        }
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Type {
    /// A float tensor of the given dimensions.
    pub fn float<const D: usize>(dims: [Dim; D]) -> Self {
        Self::Tensor {
            kind: Kind::Float,
            dtype: None,
            dims: Vec::from(dims),
        }
    }

    /// An integer tensor of the given dimensions.
    pub fn int<const D: usize>(dims: [Dim; D]) -> Self {
        Self::Tensor {
            kind: Kind::Int,
            dtype: None,
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

    /// The same inputs with a second node set that must be there, wherever there is a pair: what
    /// messages that run from target to source start from.
    pub fn with_both_node_sets(mut self) -> Self {
        for param in &mut self.params {
            if let Type::Tuple(pair) = &mut param.ty
                && let Some(Type::Optional(dst)) = pair.get(1)
            {
                pair[1] = (**dst).clone();
            }
        }
        self
    }

    /// Adds an input.
    pub fn with(mut self, name: impl Into<String>, ty: Type) -> Self {
        self.params.push(Param::new(name, ty));
        self
    }
}

/// The inputs of a forward pass that is overloaded: some have several forms, and each combination
/// is a [`Signature`].
///
/// Symbols are the same everywhere: `N` nodes (of a pair: sources), `M` targets of a pair, `E`
/// edges.
///
/// ```
/// use kiln_core::Signatures;
///
/// // One node set or a pair, edges in COO or CSR form.
/// let signatures = Signatures::conv(8, 8).edge_weight().size();
/// assert_eq!(signatures.variants().len(), 4);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Signatures {
    args: Vec<(String, Arg)>,
}

/// An input of one or several forms.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Arg {
    One(Type),
    Nodes { src: Dim, dst: Dim, needs_dst: bool },
    Edges,
    Choice,
}

impl Signatures {
    /// No inputs; add some with [`with`](Self::with).
    pub fn new() -> Self {
        Self::default()
    }

    /// Node features `x` and edges `edge_index` in all forms: what most convolutions take.
    ///
    /// Features are `[N, src]`, or a pair `([N, src], [M, dst])` whose second may be absent. Only
    /// where the widths agree, or that of the targets is a symbol, one node set will do. Edges are
    /// in COO or CSR form.
    pub fn conv(src: impl Into<Dim>, dst: impl Into<Dim>) -> Self {
        Self::conv_of(src.into(), dst.into(), false)
    }

    /// The same where the second of a pair must be there.
    pub fn conv_of_both(src: impl Into<Dim>, dst: impl Into<Dim>) -> Self {
        Self::conv_of(src.into(), dst.into(), true)
    }

    fn conv_of(src: Dim, dst: Dim, needs_dst: bool) -> Self {
        let nodes = Arg::Nodes {
            src,
            dst,
            needs_dst,
        };
        Self::new().arg("x", nodes).arg("edge_index", Arg::Edges)
    }

    /// The same for convolutions on one node set alone.
    pub fn conv_of_one_set(width: impl Into<Dim>) -> Self {
        Self::new()
            .with("x", Type::float(["N".into(), width.into()]))
            .arg("edge_index", Arg::Edges)
    }

    /// Adds an optional weight per edge, `edge_weight`.
    pub fn edge_weight(self) -> Self {
        self.with("edge_weight", Type::float(["E".into()]).optional())
    }

    /// Adds optional features of edges, `edge_attr`.
    pub fn edge_attr(self, width: impl Into<Dim>) -> Self {
        let ty = Type::float(["E".into(), width.into()]);
        self.with("edge_attr", ty.optional())
    }

    /// Adds features of edges that must be there, `edge_attr`.
    pub fn needed_edge_attr(self, width: impl Into<Dim>) -> Self {
        self.with("edge_attr", Type::float(["E".into(), width.into()]))
    }

    /// Adds the numbers of nodes on both sides, `size`.
    pub fn size(self) -> Self {
        let (src, dst) = ("N".into(), "M".into());
        self.with("size", Type::Size { src, dst })
    }

    /// Adds a flag that is there or not.
    pub fn choice(self, name: impl Into<String>) -> Self {
        self.arg(name, Arg::Choice)
    }

    /// Adds an input of one form before another.
    pub fn with_before(mut self, other: &str, name: impl Into<String>, ty: Type) -> Self {
        let position = self.args.iter().position(|(name, _)| name == other);
        let position = position.unwrap_or(self.args.len());
        self.args.insert(position, (name.into(), Arg::One(ty)));
        self
    }

    /// Adds an input of one form. `M` becomes `N` where there is one node set.
    pub fn with(self, name: impl Into<String>, ty: Type) -> Self {
        self.arg(name, Arg::One(ty))
    }

    fn arg(mut self, name: impl Into<String>, arg: Arg) -> Self {
        self.args.push((name.into(), arg));
        self
    }

    /// Adds the inputs of one form that another forward pass has and that are kept.
    pub fn with_those_of(mut self, other: Self, keep: impl Fn(&str) -> bool) -> Self {
        let more = other.args.into_iter();
        self.args
            .extend(more.filter(|(name, arg)| matches!(arg, Arg::One(_)) && keep(name)));
        self
    }

    /// Whether an input has several forms.
    pub fn is_overloaded(&self) -> bool {
        self.args.iter().any(|(_, arg)| !matches!(arg, Arg::One(_)))
    }

    /// One signature for each combination of forms, in PyG's order: node sets change slowest, edges
    /// fastest. The number of a signature counts those that widths rule out too.
    pub fn variants(&self) -> Vec<(usize, Signature)> {
        let has = |found: fn(&Arg) -> bool| self.args.iter().any(|(_, arg)| found(arg));
        let both = |two: bool| if two { &[false, true][..] } else { &[false] };
        let has_nodes = has(|arg| matches!(arg, Arg::Nodes { .. }));
        let widths_agree = !has(
            |arg| matches!(arg, Arg::Nodes { src, dst: dst @ Dim::Fixed(_), .. } if src != dst),
        );
        let mut variants = Vec::new();
        let mut number = 0;
        for &pair in both(has_nodes) {
            for &chosen in both(has(|arg| *arg == Arg::Choice)) {
                for &csr in both(has(|arg| *arg == Arg::Edges)) {
                    let form = Form { pair, chosen, csr };
                    if pair || !has_nodes || widths_agree {
                        variants.push((number, self.variant(form)));
                    }
                    number += 1;
                }
            }
        }
        variants
    }

    fn variant(&self, form: Form) -> Signature {
        let args = self.args.iter();
        let params = args.filter_map(|(name, arg)| Some(Param::new(name.clone(), form.ty(arg)?)));
        Signature {
            params: params.collect(),
        }
    }
}

/// A choice among forms.
#[derive(Clone, Copy)]
struct Form {
    pair: bool,
    chosen: bool,
    csr: bool,
}

impl Form {
    /// The type of an input in this form; `None` if it is left out.
    fn ty(self, arg: &Arg) -> Option<Type> {
        let features = |nodes: &str, width: &Dim| Type::float([nodes.into(), width.clone()]);
        Some(match arg {
            Arg::One(ty) => self.renamed(ty),
            Arg::Nodes {
                src,
                dst,
                needs_dst,
            } if self.pair => {
                let dst = features("M", dst);
                let dst = if *needs_dst { dst } else { dst.optional() };
                Type::Tuple(vec![features("N", src), dst])
            }
            Arg::Nodes { src, .. } => features("N", src),
            Arg::Edges => {
                let (src, dst, edges) = ("N".into(), "M".into(), "E".into());
                self.renamed(&if self.csr {
                    Type::Adjacency { src, dst, edges }
                } else {
                    Type::EdgeIndex { src, dst, edges }
                })
            }
            Arg::Choice if self.chosen => Type::Flag,
            Arg::Choice => return None,
        })
    }

    /// A type with the sources' symbol for the targets' where there is one node set.
    fn renamed(self, ty: &Type) -> Type {
        let dim = |dim: &Dim| match dim {
            Dim::Symbol(name) if name == "M" && !self.pair => "N".into(),
            other => other.clone(),
        };
        match ty {
            Type::Tensor { kind, dtype, dims } => Type::Tensor {
                kind: *kind,
                dtype: *dtype,
                dims: dims.iter().map(dim).collect(),
            },
            Type::EdgeIndex { src, dst, edges } => Type::EdgeIndex {
                src: dim(src),
                dst: dim(dst),
                edges: dim(edges),
            },
            Type::Adjacency { src, dst, edges } => Type::Adjacency {
                src: dim(src),
                dst: dim(dst),
                edges: dim(edges),
            },
            Type::Size { src, dst } => Type::Size {
                src: dim(src),
                dst: dim(dst),
            },
            Type::Optional(inner) => self.renamed(inner).optional(),
            Type::Tuple(items) => {
                Type::Tuple(items.iter().map(|item| self.renamed(item)).collect())
            }
            Type::List(items) => Type::List(items.iter().map(|item| self.renamed(item)).collect()),
            Type::Dict(entries) => {
                let entry = |(key, ty): &(String, Type)| (key.clone(), self.renamed(ty));
                Type::Dict(entries.iter().map(entry).collect())
            }
            Type::Int(size) => Type::Int(dim(size)),
            Type::Flag | Type::Float | Type::OneOf(_) => ty.clone(),
        }
    }
}
