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

    /// A boolean tensor of the given dimensions, such as a mask.
    pub fn bool<const D: usize>(dims: [Dim; D]) -> Self {
        Self::Tensor {
            kind: Kind::Bool,
            dtype: None,
            dims: Vec::from(dims),
        }
    }

    /// The same type with other dimensions.
    pub fn map_dims(&self, dim: &impl Fn(&Dim) -> Dim) -> Self {
        let each = |items: &[Self]| items.iter().map(|item| item.map_dims(dim)).collect();
        match self {
            Self::Tensor { kind, dtype, dims } => Self::Tensor {
                kind: *kind,
                dtype: *dtype,
                dims: dims.iter().map(dim).collect(),
            },
            Self::EdgeIndex { src, dst, edges } => Self::EdgeIndex {
                src: dim(src),
                dst: dim(dst),
                edges: dim(edges),
            },
            Self::Adjacency { src, dst, edges } => Self::Adjacency {
                src: dim(src),
                dst: dim(dst),
                edges: dim(edges),
            },
            Self::Size { src, dst } => Self::Size {
                src: dim(src),
                dst: dim(dst),
            },
            Self::Optional(inner) => inner.map_dims(dim).optional(),
            Self::Tuple(items) => Self::Tuple(each(items)),
            Self::List(items) => Self::List(each(items)),
            Self::Dict(entries) => {
                let entry = |(key, ty): &(String, Self)| (key.clone(), ty.map_dims(dim));
                Self::Dict(entries.iter().map(entry).collect())
            }
            Self::Int(size) => Self::Int(dim(size)),
            Self::Flag | Self::Float | Self::OneOf(_) => self.clone(),
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
    /// `None` stands for a form that the layer's widths rule out.
    Nodes(Vec<Option<NodeForm>>),
    /// Edges, as many as the dimension says.
    Edges(Dim),
    /// A flag that is absent or there.
    Choice,
    /// One of several lists of inputs.
    OneOf(Vec<Vec<Param>>),
    /// A boolean that is true or false.
    Switch,
}

/// One of the forms in which a layer takes what it knows of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeForm {
    /// Features or numbers of one node set, `[N, ..]`.
    One(Type),
    /// Those of sources, `[N, ..]`, and of targets, `[M, ..]`.
    Pair(Type, Type),
    /// Nothing: there are so many nodes, and each is known by its place.
    Absent(usize),
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
        let widths_agree = matches!(dst, Dim::Symbol(_)) || src == dst;
        let one = NodeForm::One(Type::float(["N".into(), src.clone()]));
        let (src, dst) = (["N".into(), src], ["M".into(), dst]);
        let dst = Type::float(dst);
        let dst = if needs_dst { dst } else { dst.optional() };
        let pair = NodeForm::Pair(Type::float(src), dst);
        Self::conv_of_forms([widths_agree.then_some(one), Some(pair)])
    }

    /// The same where `x` has the forms given. A form that the layer's widths rule out is `None`,
    /// so that the numbers of the others do not depend on widths.
    pub fn conv_of_forms(forms: impl Into<Vec<Option<NodeForm>>>) -> Self {
        let nodes = Arg::Nodes(forms.into());
        Self::new().arg("x", nodes).edges("edge_index", "E")
    }

    /// The same for convolutions on one node set alone.
    pub fn conv_of_one_set(width: impl Into<Dim>) -> Self {
        let x = Type::float(["N".into(), width.into()]);
        Self::new().with("x", x).edges("edge_index", "E")
    }

    /// Adds node features in the forms of [`conv_of_both`](Self::conv_of_both), without edges.
    pub fn nodes_of_both(width: impl Into<Dim>) -> Self {
        let width = width.into();
        let mut args = Self::conv_of(width.clone(), width, true);
        args.args.retain(|(_, arg)| matches!(arg, Arg::Nodes(_)));
        args
    }

    /// Adds edges in COO or CSR form, as many as the symbol says. All edges have the same form.
    pub fn edges(self, name: impl Into<String>, symbol: impl Into<Dim>) -> Self {
        self.arg(name, Arg::Edges(symbol.into()))
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

    /// Adds a type per edge, the number of a relation, that must be there: `edge_type`.
    pub fn needed_edge_type(self) -> Self {
        self.with("edge_type", Type::int(["E".into()]))
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

    /// Adds inputs that come together, in one of several ways; the name stands for all of them.
    pub fn alternatives(self, name: impl Into<String>, forms: Vec<Signature>) -> Self {
        let forms = forms.into_iter().map(|form| form.params);
        self.arg(name, Arg::OneOf(forms.collect()))
    }

    /// Adds the group of each node, `batch`, and their number under the given name: neither where
    /// there is one group, both, or the first alone, so that the greatest group tells their number.
    pub fn groups(self, number: &str) -> Self {
        let batch = Signature::new().with("batch", Type::int(["N".into()]));
        let both = batch.clone().with(number, Type::Int("graphs".into()));
        self.alternatives("batch", vec![Signature::new(), both, batch])
    }

    /// Adds a boolean that is true unless a call says otherwise, such as PyG's `add_loop`.
    pub fn switch(self, name: impl Into<String>) -> Self {
        self.arg(name, Arg::Switch)
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

    /// Names of the inputs, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(|(name, _)| name.as_str())
    }

    /// Whether a call must have an input: it is neither optional, nor a choice, nor a number that
    /// others show.
    pub fn is_needed(&self, name: &str) -> bool {
        let arg = self.args.iter().find(|(other, _)| other == name);
        arg.is_some_and(|(_, arg)| match arg {
            Arg::One(ty) => !matches!(
                ty,
                Type::Optional(_) | Type::Size { .. } | Type::Int(_) | Type::Flag
            ),
            Arg::Nodes(forms) => !forms
                .iter()
                .flatten()
                .any(|form| matches!(form, NodeForm::Absent(_))),
            Arg::Edges(_) => true,
            Arg::Choice | Arg::Switch | Arg::OneOf(_) => false,
        })
    }

    /// The number of edges of an input that is edges.
    pub fn num_edges(&self, name: &str) -> Option<&Dim> {
        self.args.iter().find_map(|(other, arg)| match arg {
            Arg::Edges(edges) if other == name => Some(edges),
            _ => None,
        })
    }

    /// Adds an input `name` like the one that another forward pass has under the name `of`, with
    /// one node set and other symbols; without `optional` it must be there. `None` if the other has
    /// no such input.
    pub fn with_like(
        self,
        name: impl Into<String>,
        (other, of): (&Self, &str),
        optional: bool,
        symbol: impl Fn(&str) -> String,
    ) -> Option<Self> {
        let (_, arg) = other.args.iter().find(|(other, _)| other == of)?;
        let dim = |dim: &Dim| match dim {
            Dim::Symbol(name) => symbol(name).into(),
            Dim::Fixed(_) => dim.clone(),
        };
        let one = Form {
            nodes: None,
            alternative: 0,
            chosen: false,
            csr: false,
        };
        let ty = match arg {
            Arg::Edges(edges) => return Some(self.arg(name, Arg::Edges(dim(edges)))),
            Arg::One(ty) => ty.clone(),
            Arg::Nodes(forms) => forms.iter().flatten().find_map(|form| match form {
                NodeForm::One(ty) => Some(ty.clone()),
                _ => None,
            })?,
            Arg::OneOf(alternatives) => {
                let mut params = alternatives.iter().flatten();
                params.find(|param| param.name == of)?.ty.clone().optional()
            }
            Arg::Choice | Arg::Switch => return None,
        };
        let ty = match ty {
            Type::Optional(inner) if !optional => *inner,
            ty => ty,
        };
        Some(self.with(name, one.renamed(&ty).map_dims(&dim)))
    }

    /// Whether an input has several forms.
    pub fn is_overloaded(&self) -> bool {
        self.args.iter().any(|(_, arg)| !matches!(arg, Arg::One(_)))
    }

    /// One signature for each combination of forms, in PyG's order: node sets change slowest, then
    /// alternatives, and edges fastest. The number of a signature counts those that widths rule out
    /// too.
    pub fn variants(&self) -> Vec<(usize, Signature)> {
        let has = |found: fn(&Arg) -> bool| self.args.iter().any(|(_, arg)| found(arg));
        let both = |two: bool| if two { &[false, true][..] } else { &[false] };
        let forms = self.args.iter().find_map(|(_, arg)| match arg {
            Arg::Nodes(forms) => Some(forms.iter().map(Option::as_ref).map(Some).collect()),
            _ => None,
        });
        let forms: Vec<Option<Option<&NodeForm>>> = forms.unwrap_or_else(|| vec![None]);
        let alternatives = self.args.iter().find_map(|(_, arg)| match arg {
            Arg::OneOf(alternatives) => Some(alternatives.len()),
            _ => None,
        });
        let mut variants = Vec::new();
        let mut number = 0;
        for nodes in forms {
            for alternative in 0..alternatives.unwrap_or(1) {
                for &chosen in both(has(|arg| matches!(arg, Arg::Choice | Arg::Switch))) {
                    for &csr in both(has(|arg| matches!(arg, Arg::Edges(_)))) {
                        if nodes != Some(None) {
                            let form = Form {
                                nodes: nodes.flatten(),
                                alternative,
                                chosen,
                                csr,
                            };
                            variants.push((number, self.variant(form)));
                        }
                        number += 1;
                    }
                }
            }
        }
        variants
    }

    fn variant(&self, form: Form<'_>) -> Signature {
        let mut params = Vec::new();
        for (name, arg) in &self.args {
            if let Arg::OneOf(alternatives) = arg {
                let chosen = alternatives.get(form.alternative).into_iter().flatten();
                params.extend(
                    chosen.map(|param| Param::new(param.name.clone(), form.renamed(&param.ty))),
                );
            } else if let Some(ty) = form.ty(arg) {
                params.push(Param::new(name.clone(), ty));
            }
        }
        Signature { params }
    }
}

/// A choice among forms.
#[derive(Clone, Copy)]
struct Form<'a> {
    /// Of the nodes, where they have several.
    nodes: Option<&'a NodeForm>,
    /// Which of alternative inputs there are.
    alternative: usize,
    chosen: bool,
    csr: bool,
}

impl Form<'_> {
    /// The type of an input in this form; `None` if it is left out.
    fn ty(self, arg: &Arg) -> Option<Type> {
        Some(match arg {
            Arg::One(ty) => self.renamed(ty),
            Arg::Nodes(_) => match self.nodes? {
                NodeForm::One(ty) => ty.clone(),
                NodeForm::Pair(src, dst) => Type::Tuple(vec![src.clone(), dst.clone()]),
                NodeForm::Absent(_) => return None,
            },
            Arg::Edges(edges) => {
                let (src, dst, edges) = ("N".into(), "M".into(), edges.clone());
                self.renamed(&if self.csr {
                    Type::Adjacency { src, dst, edges }
                } else {
                    Type::EdgeIndex { src, dst, edges }
                })
            }
            Arg::Choice if self.chosen => Type::Flag,
            Arg::Choice | Arg::OneOf(_) => return None,
            Arg::Switch => Type::OneOf(vec![(!self.chosen).into()]),
        })
    }

    /// A dimension with the sources' symbol for the targets' where there is one node set, and their
    /// number for both where nothing shows it.
    fn dim(self, dim: &Dim) -> Dim {
        match (dim.symbol(), self.nodes) {
            (Some("N" | "M"), Some(NodeForm::Absent(nodes))) => Dim::Fixed(*nodes),
            (Some("M"), None | Some(NodeForm::One(_))) => "N".into(),
            _ => dim.clone(),
        }
    }

    /// A type with the dimensions of this form.
    fn renamed(self, ty: &Type) -> Type {
        ty.map_dims(&|dim| self.dim(dim))
    }
}
