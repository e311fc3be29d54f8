//! Arguments of a typed forward variant, by name.

use burn::tensor::{Bool, Int, Tensor};

use crate::{
    EdgeForm, Edges, Flow, Leaves, Nodes, any_tensor::AnyTensor, leaves::part, signature::Literal,
    value::Value,
};

/// The values of a call, by the names of the signature's parameters.
#[derive(Clone, Debug, Default)]
pub struct Named {
    values: Vec<(String, Value)>,
    flow: Flow,
}

impl Named {
    /// Values with the names of the parameters that they belong to.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, values: Vec<Value>) -> Self {
        let names = names.into_iter().map(str::to_owned);
        Self {
            values: names.zip(values).collect(),
            flow: Flow::default(),
        }
    }

    /// The same values, with edges whose messages run the given way.
    pub fn with_flow(self, flow: Flow) -> Self {
        Self { flow, ..self }
    }

    /// All values, in order.
    pub fn into_values(self) -> Vec<Value> {
        self.values.into_iter().map(|(_, value)| value).collect()
    }

    /// Puts a value in the place of the one that a name has, or adds it.
    pub fn put(&mut self, name: &str, value: impl Into<Value>) {
        let found = self.values.iter_mut().find(|(other, _)| other == name);
        match found {
            Some((_, place)) => *place = value.into(),
            None => self.values.push((name.to_owned(), value.into())),
        }
    }

    /// The value of a name, if there is one and it is not [`Value::None`].
    pub fn get(&self, name: &str) -> Option<&Value> {
        let mut found = self.values.iter().filter(|(other, _)| other == name);
        let (_, value) = found.next()?;
        (!matches!(value, Value::None)).then_some(value)
    }

    /// The value of a name; [`Value::None`] if there is none.
    pub fn take(&mut self, name: &str) -> Value {
        let found = self.values.iter_mut().find(|(other, _)| other == name);
        found.map_or(Value::None, |(_, value)| {
            core::mem::replace(value, Value::None)
        })
    }

    /// Whether a flag, which has no value, is among the arguments.
    pub fn has_flag(&self, name: &str) -> bool {
        self.values.iter().any(|(other, _)| other == name)
    }

    /// A float tensor.
    ///
    /// # Panics
    /// If there is none of the name and rank.
    pub fn tensor<const D: usize>(&mut self, name: &str) -> Tensor<D> {
        self.optional(name)
            .unwrap_or_else(|| panic!("expected a tensor as `{name}`, got none"))
    }

    /// A float tensor, if there is one.
    ///
    /// # Panics
    /// If what is there is no float tensor of the rank.
    pub fn optional<const D: usize>(&mut self, name: &str) -> Option<Tensor<D>> {
        match self.take(name) {
            Value::Tensor(x) => Some(x.float()),
            Value::None => None,
            other => panic!("expected a tensor as `{name}`, got {other:?}"),
        }
    }

    /// A tensor of integers, if there is one.
    ///
    /// # Panics
    /// If what is there is no tensor of integers of the rank.
    pub fn integers<const D: usize>(&mut self, name: &str) -> Option<Tensor<D, Int>> {
        match self.take(name) {
            Value::Tensor(x) => Some(x.int()),
            Value::None => None,
            other => panic!("expected a tensor of integers as `{name}`, got {other:?}"),
        }
    }

    /// A tensor of booleans, if there is one.
    ///
    /// # Panics
    /// If what is there is no tensor of booleans of the rank.
    pub fn booleans<const D: usize>(&mut self, name: &str) -> Option<Tensor<D, Bool>> {
        match self.take(name) {
            Value::Tensor(x) => Some(x.bool()),
            Value::None => None,
            other => panic!("expected a tensor of booleans as `{name}`, got {other:?}"),
        }
    }

    /// Whether a boolean is true, which it is unless it is given and false.
    ///
    /// # Panics
    /// If what is there is no boolean.
    pub fn switch(&mut self, name: &str) -> bool {
        match self.take(name) {
            Value::Literal(Literal::Bool(value)) => value,
            Value::None => true,
            other => panic!("expected a boolean as `{name}`, got {other:?}"),
        }
    }

    /// An integer that is a size, if there is one.
    ///
    /// # Panics
    /// If what is there is no integer.
    pub fn size(&mut self, name: &str) -> Option<usize> {
        match self.take(name) {
            Value::Int(size) => Some(size),
            Value::None => None,
            other => panic!("expected an integer as `{name}`, got {other:?}"),
        }
    }

    /// Features of one node set or of a pair.
    ///
    /// # Panics
    /// If the value is something else.
    pub fn nodes(&mut self, name: &str) -> Nodes {
        match self.take(name) {
            Value::None => Nodes::none(),
            Value::Tensor(x) => x.into(),
            Value::Tuple(pair) => match <[Value; 2]>::try_from(pair) {
                Ok([Value::Tensor(src), Value::Tensor(dst)]) => (src, dst).into(),
                Ok([Value::Tensor(src), Value::None]) => (src, None).into(),
                Ok([Value::None, Value::Tensor(dst)]) => Nodes::targets(dst),
                other => panic!("expected a pair of node sets as `{name}`, got {other:?}"),
            },
            other => panic!("expected node features as `{name}`, got {other:?}"),
        }
    }

    /// Edges in either form, with the values of `edge_weight`, `edge_attr` and `edge_type`. As in
    /// PyG, a weight has no effect beside an adjacency, whose values are its weights.
    ///
    /// # Panics
    /// If the value is something else.
    pub fn edges(&mut self, name: &str) -> Edges {
        let weight = self.optional::<1>("edge_weight");
        let edges = match self.take(name) {
            Value::EdgeIndex(edges) => Edges::from(edges).with_weight(weight),
            Value::Adjacency(adjacency) => adjacency.into(),
            other => panic!("expected edges as `{name}`, got {other:?}"),
        };
        let attr = self.optional::<2>("edge_attr");
        let ty = self.integers::<1>("edge_type");
        edges.with_attr(attr).with_type(ty).with_flow(self.flow)
    }
}

/// The arguments of a layer: what its typed Rust `forward` takes, made of values by name.
pub trait Arguments: Leaves {
    /// The arguments of the values.
    ///
    /// # Panics
    /// If a value is missing or of another type, which a caller that goes by the signature never
    /// passes.
    fn from_named(values: &mut Named) -> Self;
}

/// The values as they are: for layers whose arguments are known at run time only.
impl Arguments for Named {
    fn from_named(values: &mut Named) -> Self {
        core::mem::take(values)
    }
}

impl Leaves for Named {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        let values = self.values.into_iter().map(|(key, value)| {
            let value = value.map_leaves(&part(name, &key), f);
            (key, value)
        });
        Self {
            values: values.collect(),
            flow: self.flow,
        }
    }
}

/// One tensor of features, `x`.
impl<const D: usize> Arguments for Tensor<D> {
    fn from_named(values: &mut Named) -> Self {
        values.tensor("x")
    }
}

/// Node features and edges: what convolutions take.
///
/// The names of the arguments are PyG's: `x`, `edge_index`, and of the edges `edge_weight`,
/// `edge_attr` and `edge_type`.
#[derive(Clone, Debug)]
pub struct ConvArgs {
    /// Features of one node set or of a pair.
    pub x: Nodes,
    /// Edges, with what they carry.
    pub edges: Edges,
}

impl<N: Into<Nodes>, E: Into<Edges>> From<(N, E)> for ConvArgs {
    fn from((x, edges): (N, E)) -> Self {
        Self {
            x: x.into(),
            edges: edges.into(),
        }
    }
}

/// The same arguments by their names.
impl From<ConvArgs> for Named {
    fn from(ConvArgs { x, edges }: ConvArgs) -> Self {
        let one = |x: Option<&AnyTensor>| Value::from(x.cloned());
        let x = if x.is_pair() {
            Value::Tuple(vec![one(x.src()), one(x.dst())])
        } else {
            one(x.src())
        };
        let (index, weight) = match edges.form() {
            EdgeForm::Coo(index) => (Value::EdgeIndex(index.clone()), edges.weight()),
            EdgeForm::Csr(adjacency) => (Value::Adjacency(adjacency.clone()), None),
        };
        let carried = [weight.into(), edges.attr().into(), edges.edge_type().into()];
        let names = ["x", "edge_index"].into_iter().chain(Edges::CARRIED);
        let values = [x, index].into_iter().chain(carried);
        Self::new(names, values.collect()).with_flow(edges.flow())
    }
}

impl Leaves for ConvArgs {
    fn map_leaves(self, name: &str, f: &mut dyn FnMut(String, AnyTensor) -> AnyTensor) -> Self {
        Self {
            x: self.x.map_leaves(&part(name, "x"), f),
            edges: self.edges.map_leaves(&part(name, "edge_index"), f),
        }
    }
}

impl Arguments for ConvArgs {
    fn from_named(values: &mut Named) -> Self {
        Self {
            x: values.nodes("x"),
            edges: values.edges("edge_index"),
        }
    }
}
