//! Programs as version 3 of the format has them: operations and attributes by their names.
//!
//! Names stand once, in a table of strings, and so do sizes. A variant that is added to an enum
//! here goes last, and programs that have it say so in [`Requirements`].

use serde::{Deserialize, Serialize};

use crate::program::{FunctionId, ModuleId, SymbolId, ValueId, WeightId};

/// Names of what a reader must know: operations, `operation.attribute` for each attribute that has
/// another value than its default, and [`FEATURES`]. They stand before the program, in ascending
/// order.
pub(super) type Requirements = Vec<String>;

/// What readers of version 3 did not know from the beginning, other than operations and attributes.
pub(super) const FEATURES: &[&str] = &[
    OPTIONAL_RESULTS,
    "scan",
    "type.dict",
    "type.float",
    "type.i32",
    "type.int",
    "type.list",
    "type.literal",
    "type.u8",
    TIED,
];

/// The requirement of programs behind which [`Ties`] stand.
pub(super) const TIED: &str = "weight.tied";

/// Tied weights, and the weights whose tensors they are.
pub(super) type Ties = Vec<(WeightId, WeightId)>;

/// The requirement of programs behind which [`Results`] stand.
pub(super) const OPTIONAL_RESULTS: &str = "result.optional";

/// Of cases, by module and positions of method and case, which optional leaves of the result are
/// present.
pub(super) type Results = Vec<(ModuleId, u32, u32, Vec<bool>)>;

/// Number of a string.
pub(super) type Text = u32;

/// Number of a size.
pub(super) type SizeNumber = u32;

#[derive(Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) strings: Vec<String>,
    /// Each is a sum, and has only sizes before it inside.
    pub(super) sizes: Vec<Vec<Term>>,
    /// Their names.
    pub(super) symbols: Vec<Text>,
    pub(super) weights: Vec<Weight>,
    pub(super) modules: Vec<Module>,
    pub(super) functions: Vec<Function>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Term {
    pub(super) coefficient: i64,
    pub(super) factors: Vec<Factor>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Factor {
    Symbol(SymbolId),
    Min([SizeNumber; 2]),
    FloorDiv([SizeNumber; 2]),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Tensor {
    /// Word of the element type.
    pub(super) elem: Text,
    pub(super) dims: Vec<SizeNumber>,
}

/// A part of a type, which is written as the list of its parts in preorder.
#[derive(Serialize, Deserialize)]
pub(super) enum TypePart {
    Tensor(Tensor),
    Adjacency([Tensor; 3]),
    Optional,
    /// With the number of its items.
    Tuple(u32),
    Size([SymbolId; 2]),
    Flag,
    /// With its keys.
    Dict(Vec<Text>),
    Int(SymbolId),
    /// With the word of the element type.
    Float(Text),
    Bool(bool),
    Text(Text),
    /// With the number of its items.
    List(u32),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Weight {
    pub(super) name: Text,
    /// `parameter`, `buffer` or `constant`.
    pub(super) role: Text,
    pub(super) elem: Text,
    pub(super) shape: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Module {
    pub(super) path: Text,
    pub(super) kind: Text,
    pub(super) children: Vec<ModuleId>,
    pub(super) weights: Vec<WeightId>,
    pub(super) methods: Vec<Method>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Method {
    pub(super) name: Text,
    /// Names and types.
    pub(super) params: Vec<(Text, Vec<TypePart>)>,
    pub(super) result: Vec<TypePart>,
    /// Which optional leaves are present, and the function.
    pub(super) cases: Vec<(Vec<bool>, FunctionId)>,
    pub(super) defaults: Vec<(SymbolId, SymbolId)>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Function {
    pub(super) name: Text,
    pub(super) module: ModuleId,
    /// Name of the record that its arguments are, if they are one.
    pub(super) record: Option<Text>,
    pub(super) input_names: Vec<Text>,
    pub(super) inputs: Vec<ValueId>,
    pub(super) values: Vec<Value>,
    pub(super) nodes: Vec<Node>,
    pub(super) outputs: Vec<ValueId>,
}

/// The type of a value.
#[derive(Serialize, Deserialize)]
pub(super) enum Value {
    Tensor(Tensor),
    Int(SymbolId),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) operation: Operation,
    pub(super) inputs: Vec<ValueId>,
    pub(super) outputs: Vec<ValueId>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Operation {
    Weight(WeightId),
    Call(FunctionId),
    Symbol(SymbolId),
    /// Its name, and names and values of the attributes that are not at their defaults.
    Named(Text, Vec<(Text, Attribute)>),
    Scan(Scan),
}

/// A loop over a function.
#[derive(Serialize, Deserialize)]
pub(super) struct Scan {
    pub(super) body: FunctionId,
    pub(super) times: SizeNumber,
    pub(super) carried: u32,
    pub(super) scanned: u32,
    pub(super) reverse: bool,
}

/// The value of an attribute.
#[derive(Serialize, Deserialize)]
pub(super) enum Attribute {
    /// Nothing, where that is permitted.
    None,
    Bool(bool),
    Integer(u32),
    Integers(Vec<u32>),
    Float(f64),
    Word(Text),
    Size(SizeNumber),
    Sizes(Vec<SizeNumber>),
    /// The first element of each, and the first behind it.
    Ranges(Vec<(SizeNumber, SizeNumber)>),
}
