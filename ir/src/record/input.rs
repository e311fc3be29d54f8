//! Declaring the inputs of a method: `tensor!(f32["N", 1433])`, `edge_index!("N", "E")`.

use core::marker::PhantomData;
use std::collections::BTreeMap;

use burn::tensor::{Bool, DType, Float, Int, Tensor};
use kiln_core::{
    Adjacency, EdgeIndex, Kind, Value,
    signature::{Dim, Literal, Param, Signature, Type},
};

/// An input of a method: its type in the program and in Rust.
pub trait Input {
    /// What the closure given to [`Recorder::overload`](crate::Recorder::overload) receives.
    type Value;

    /// Name, if one was given, and type.
    fn declare(&self) -> (Option<String>, Type);

    /// The name where none was given.
    fn default_name(&self) -> String;

    /// The value of the declared type.
    ///
    /// # Panics
    /// If the value has another type, which a recorder never passes.
    fn take(value: Value) -> Self::Value;
}

/// All inputs of a method: a tuple of [`Input`]s.
pub trait Inputs {
    /// What the closure receives.
    type Values;

    /// The signature.
    fn signature(&self) -> Signature;

    /// The values of the declared types.
    fn take(values: Vec<Value>) -> Self::Values;
}

/// A dense tensor; see [`tensor!`](crate::tensor).
#[derive(Clone, Debug)]
pub struct TensorInput<const D: usize, K> {
    name: Option<String>,
    dtype: Option<DType>,
    dims: [Dim; D],
    kind: PhantomData<K>,
}

impl<const D: usize, K> TensorInput<D, K> {
    /// A tensor of the given dimensions; its floats are as the module's parameters, its integers
    /// have 64 bits.
    pub fn new(dims: [Dim; D]) -> Self {
        Self {
            name: None,
            dtype: None,
            dims,
            kind: PhantomData,
        }
    }

    /// A tensor of the given element type, which must be of the kind.
    pub fn of(dtype: DType, dims: [Dim; D]) -> Self {
        Self {
            dtype: Some(dtype),
            ..Self::new(dims)
        }
    }

    /// Names the input; without a name it is called `x`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

macro_rules! tensor_input {
    ($kind:ident, $take:ident, $name:literal) => {
        impl<const D: usize> Input for TensorInput<D, $kind> {
            type Value = Tensor<D, $kind>;

            fn declare(&self) -> (Option<String>, Type) {
                let dims = self.dims.to_vec();
                (
                    self.name.clone(),
                    Type::Tensor {
                        kind: Kind::$kind,
                        dtype: self.dtype,
                        dims,
                    },
                )
            }

            fn default_name(&self) -> String {
                $name.to_owned()
            }

            fn take(value: Value) -> Self::Value {
                match value {
                    Value::Tensor(tensor) => tensor.$take(),
                    other => panic!("expected a tensor, got {other:?}"),
                }
            }
        }
    };
}

tensor_input!(Float, float, "x");
tensor_input!(Int, int, "index");
tensor_input!(Bool, bool, "mask");

/// Edges in COO form; see [`edge_index!`](crate::edge_index).
#[derive(Clone, Debug)]
pub struct EdgeIndexInput {
    name: Option<String>,
    src: Dim,
    dst: Dim,
    edges: Dim,
}

impl EdgeIndexInput {
    /// Edges from `src` to `dst` nodes.
    pub fn new(src: impl Into<Dim>, dst: impl Into<Dim>, edges: impl Into<Dim>) -> Self {
        Self {
            name: None,
            src: src.into(),
            dst: dst.into(),
            edges: edges.into(),
        }
    }

    /// Names the input; without a name it is called `edge_index`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl Input for EdgeIndexInput {
    type Value = EdgeIndex;

    fn declare(&self) -> (Option<String>, Type) {
        let (src, dst, edges) = (self.src.clone(), self.dst.clone(), self.edges.clone());
        (self.name.clone(), Type::EdgeIndex { src, dst, edges })
    }

    fn default_name(&self) -> String {
        "edge_index".to_owned()
    }

    fn take(value: Value) -> Self::Value {
        match value {
            Value::EdgeIndex(edges) => edges,
            other => panic!("expected an edge index, got {other:?}"),
        }
    }
}

/// Edges in CSR form; see [`adjacency!`](crate::adjacency).
#[derive(Clone, Debug)]
pub struct AdjacencyInput(EdgeIndexInput);

impl AdjacencyInput {
    /// Edges from `src` to `dst` nodes, sorted by target.
    pub fn new(src: impl Into<Dim>, dst: impl Into<Dim>, edges: impl Into<Dim>) -> Self {
        Self(EdgeIndexInput::new(src, dst, edges))
    }

    /// Names the input; without a name it is called `adj_t`.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self(self.0.named(name))
    }
}

impl Input for AdjacencyInput {
    type Value = Adjacency;

    fn declare(&self) -> (Option<String>, Type) {
        let EdgeIndexInput {
            name,
            src,
            dst,
            edges,
        } = self.0.clone();
        (name, Type::Adjacency { src, dst, edges })
    }

    fn default_name(&self) -> String {
        "adj_t".to_owned()
    }

    fn take(value: Value) -> Self::Value {
        match value {
            Value::Adjacency(adjacency) => adjacency,
            other => panic!("expected an adjacency, got {other:?}"),
        }
    }
}

/// An integer that is a size, such as the number of graphs in a batch.
///
/// The forward pass gets it as a number, and may do with it what it may do with sizes of tensors.
/// The program has the right results for each integer that it is run with.
///
/// ```
/// use kiln_ir::{record::IntInput, tensor};
///
/// let num_graphs = IntInput::new("num_graphs", "B");
/// let inputs = (tensor!(f32["N", 16]), tensor!(i64["N"]).named("batch"), num_graphs);
/// ```
#[derive(Clone, Debug)]
pub struct IntInput {
    name: String,
    symbol: Dim,
}

impl IntInput {
    /// An integer of the name that is the value of a symbol.
    pub fn new(name: impl Into<String>, symbol: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            symbol: Dim::Symbol(symbol.into()),
        }
    }
}

impl Input for IntInput {
    type Value = usize;

    fn declare(&self) -> (Option<String>, Type) {
        (Some(self.name.clone()), Type::Int(self.symbol.clone()))
    }

    fn default_name(&self) -> String {
        self.name.clone()
    }

    fn take(value: Value) -> Self::Value {
        match value {
            Value::Int(value) => value,
            other => panic!("expected an integer, got {other:?}"),
        }
    }
}

/// A float, such as a temperature. The forward pass gets it as a tensor of one element, since an
/// attribute of an operation is a number of the model.
#[derive(Clone, Debug)]
pub struct FloatInput(String);

impl FloatInput {
    /// A float of the name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl Input for FloatInput {
    type Value = Tensor<1>;

    fn declare(&self) -> (Option<String>, Type) {
        (Some(self.0.clone()), Type::Float)
    }

    fn default_name(&self) -> String {
        self.0.clone()
    }

    fn take(value: Value) -> Self::Value {
        match value {
            Value::Tensor(tensor) => tensor.float(),
            other => panic!("expected a float, got {other:?}"),
        }
    }
}

/// A text or a boolean that is one of several. There is a variant of the method for each.
///
/// ```
/// use kiln_ir::record::{OneOf, Recorder};
///
/// let mode = OneOf::new("mode", ["mean", "max"]); // the forward pass gets a `String`
/// let return_scores = OneOf::new("return_scores", [false, true]);
/// ```
#[derive(Clone, Debug)]
pub struct OneOf<T> {
    name: String,
    values: Vec<T>,
}

impl<T> OneOf<T> {
    /// An input of the name that is one of these.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = T>) -> Self {
        let name = name.into();
        let values: Vec<T> = values.into_iter().collect();
        assert!(!values.is_empty(), "expected at least one value");
        Self { name, values }
    }
}

macro_rules! one_of {
    ($($ty:ty => $value:ty, $variant:ident;)*) => {
        $(impl Input for OneOf<$ty> {
            type Value = $value;

            fn declare(&self) -> (Option<String>, Type) {
                let values = self.values.iter().cloned().map(Literal::from);
                (Some(self.name.clone()), Type::OneOf(values.collect()))
            }

            fn default_name(&self) -> String {
                self.name.clone()
            }

            fn take(value: Value) -> Self::Value {
                match value {
                    Value::Literal(Literal::$variant(value)) => value,
                    other => panic!("expected a value of a choice, got {other:?}"),
                }
            }
        })*
    };
}

one_of! {
    &str => String, Text;
    String => String, Text;
    bool => bool, Bool;
}

/// An input that may be absent.
#[derive(Clone, Debug)]
pub struct Optional<I>(pub I);

impl<I: Input> Input for Optional<I> {
    type Value = Option<I::Value>;

    fn declare(&self) -> (Option<String>, Type) {
        let (name, ty) = self.0.declare();
        (name, ty.optional())
    }

    fn default_name(&self) -> String {
        self.0.default_name()
    }

    fn take(value: Value) -> Self::Value {
        match value {
            Value::None => None,
            value => Some(I::take(value)),
        }
    }
}

/// Inputs by key, such as the features of each node type. All are tensors of one rank, or all are
/// edges; one that is [`Optional`] may be missing, and is `None` in what the closure receives.
///
/// ```
/// use kiln_ir::{edge_index, record::Dict, tensor};
///
/// let x = Dict::new([("paper", tensor!(f32["P", 16])), ("author", tensor!(f32["A", 8]))]);
/// let edges = [
///     (("author", "writes", "paper"), edge_index!("A", "P", "W")),
///     (("paper", "cites", "paper"), edge_index!("P", "C")),
/// ];
/// let inputs = (x, Dict::new(edges)); // `x_dict` and `edge_index_dict`
/// ```
#[derive(Clone, Debug)]
pub struct Dict<I> {
    name: Option<String>,
    entries: Vec<(String, I)>,
}

impl<I: Input> Dict<I> {
    /// Inputs of these keys.
    ///
    /// # Panics
    /// If there are none, or a key stands twice.
    pub fn new<K: Key>(entries: impl IntoIterator<Item = (K, I)>) -> Self {
        let mut list: Vec<(String, I)> = Vec::new();
        for (key, input) in entries {
            let key = key.into_text();
            assert!(
                list.iter().all(|(other, _)| *other != key),
                "the key {key:?} stands twice"
            );
            list.push((key, input));
        }
        assert!(!list.is_empty(), "expected at least one key");
        let entries = list;
        Self {
            name: None,
            entries,
        }
    }

    /// Names the input; without a name it is called as its first value, and `_dict`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<I: Input> Input for Dict<I> {
    type Value = BTreeMap<String, I::Value>;

    fn declare(&self) -> (Option<String>, Type) {
        let entry = |(key, input): &(String, I)| (key.clone(), input.declare().1);
        let entries = self.entries.iter().map(entry).collect();
        (self.name.clone(), Type::Dict(entries))
    }

    fn default_name(&self) -> String {
        let first = self.entries.first();
        let first = first.map(|(_, input)| input.default_name());
        format!("{}_dict", first.unwrap_or_default())
    }

    fn take(value: Value) -> Self::Value {
        match value {
            Value::Dict(entries) => entries
                .into_iter()
                .map(|(key, value)| (key, I::take(value)))
                .collect(),
            other => panic!("expected a dictionary, got {other:?}"),
        }
    }
}

/// Inputs of one type in order, such as the outputs of all layers (PyG's `xs: List[Tensor]`). The
/// program takes as many as were recorded.
///
/// ```
/// use kiln_ir::{record::List, tensor};
///
/// let xs = List::new([tensor!(f32["N", 16]), tensor!(f32["N", 8])]).named("xs");
/// ```
#[derive(Clone, Debug)]
pub struct List<I> {
    name: Option<String>,
    items: Vec<I>,
}

impl<I: Input> List<I> {
    /// So many inputs.
    pub fn new(items: impl IntoIterator<Item = I>) -> Self {
        let items = items.into_iter().collect();
        Self { name: None, items }
    }

    /// Names the input; without a name it is called as its first item, and `s`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl<I: Input> Input for List<I> {
    type Value = Vec<I::Value>;

    fn declare(&self) -> (Option<String>, Type) {
        let items = self.items.iter().map(|item| item.declare().1);
        (self.name.clone(), Type::List(items.collect()))
    }

    fn default_name(&self) -> String {
        let first = self.items.first();
        let first = first.map(Input::default_name);
        format!("{}s", first.unwrap_or_default())
    }

    fn take(value: Value) -> Self::Value {
        match value {
            Value::List(items) => items.into_iter().map(I::take).collect(),
            other => panic!("expected a list, got {other:?}"),
        }
    }
}

/// A key of a [`Dict`]: a node type, or an edge type, which becomes the text
/// `source__relation__target`, as PyG's `to_hetero` writes it.
pub trait Key {
    /// The key as text.
    fn into_text(self) -> String;
}

impl Key for &str {
    fn into_text(self) -> String {
        self.to_owned()
    }
}

impl Key for String {
    fn into_text(self) -> String {
        self
    }
}

impl Key for (&str, &str, &str) {
    fn into_text(self) -> String {
        let (source, relation, target) = self;
        format!("{source}__{relation}__{target}")
    }
}

macro_rules! inputs {
    ($($input:ident $field:tt),+) => {
        impl<$($input: Input),+> Inputs for ($($input,)+) {
            type Values = ($($input::Value,)+);

            fn signature(&self) -> Signature {
                let mut signature = Signature::new();
                $(push(&mut signature, &self.$field);)+
                signature
            }

            fn take(values: Vec<Value>) -> Self::Values {
                let mut values = values.into_iter();
                ($($input::take(values.next().unwrap_or(Value::None)),)+)
            }
        }
    };
}

inputs!(A 0);
inputs!(A 0, B 1);
inputs!(A 0, B 1, C 2);
inputs!(A 0, B 1, C 2, D 3);
inputs!(A 0, B 1, C 2, D 3, E 4);
inputs!(A 0, B 1, C 2, D 3, E 4, F 5);

/// Adds an input under its name, or under its default name with a number if that is taken.
fn push(signature: &mut Signature, input: &impl Input) {
    let (name, ty) = input.declare();
    let name = name.unwrap_or_else(|| {
        let base = input.default_name();
        let mut name = base.clone();
        let mut number = 0;
        while signature.params.iter().any(|param| param.name == name) {
            number += 1;
            name = format!("{base}_{number}");
        }
        name
    });
    signature.params.push(Param { name, ty });
}

/// Declares a tensor input: element type (`f32`, `f64`, `f16`, `bf16`, `i64`, `i32`, `u8` or
/// `bool`) and sizes, where a string is a symbol and a number a fixed size.
///
/// ```
/// let x = kiln_ir::tensor!(f32["N", 1433]);
/// let batch = kiln_ir::tensor!(i64["N"]).named("batch");
/// ```
#[macro_export]
macro_rules! tensor {
    (f32[$($dim:expr),* $(,)?]) => { $crate::tensor!(@ Float F32 [$($dim),*]) };
    (f64[$($dim:expr),* $(,)?]) => { $crate::tensor!(@ Float F64 [$($dim),*]) };
    (f16[$($dim:expr),* $(,)?]) => { $crate::tensor!(@ Float F16 [$($dim),*]) };
    (bf16[$($dim:expr),* $(,)?]) => { $crate::tensor!(@ Float BF16 [$($dim),*]) };
    (i64[$($dim:expr),* $(,)?]) => { $crate::tensor!(@ Int I64 [$($dim),*]) };
    (i32[$($dim:expr),* $(,)?]) => { $crate::tensor!(@ Int I32 [$($dim),*]) };
    (u8[$($dim:expr),* $(,)?]) => { $crate::tensor!(@ Int U8 [$($dim),*]) };
    (@ $kind:ident $dtype:ident [$($dim:expr),*]) => {
        $crate::record::TensorInput::<_, $crate::record::$kind>::of(
            $crate::record::DType::$dtype,
            [$($crate::record::Dim::from($dim)),*],
        )
    };
    (bool[$($dim:expr),* $(,)?]) => {
        $crate::record::TensorInput::<_, $crate::record::Bool>::new([$($crate::record::Dim::from($dim)),*])
    };
}

/// Declares edges in COO form: nodes and edges, or sources, targets and edges.
///
/// ```
/// let one_node_set = kiln_ir::edge_index!("N", "E");
/// let bipartite = kiln_ir::edge_index!("N", "M", "E");
/// ```
#[macro_export]
macro_rules! edge_index {
    ($nodes:expr, $edges:expr) => {
        $crate::record::EdgeIndexInput::new($nodes, $nodes, $edges)
    };
    ($src:expr, $dst:expr, $edges:expr) => {
        $crate::record::EdgeIndexInput::new($src, $dst, $edges)
    };
}

/// Declares edges in CSR form: nodes and edges, or sources, targets and edges.
///
/// ```
/// let adjacency = kiln_ir::adjacency!("N", "E");
/// ```
#[macro_export]
macro_rules! adjacency {
    ($nodes:expr, $edges:expr) => {
        $crate::record::AdjacencyInput::new($nodes, $nodes, $edges)
    };
    ($src:expr, $dst:expr, $edges:expr) => {
        $crate::record::AdjacencyInput::new($src, $dst, $edges)
    };
}
