//! What is wrong with a program, and where.

use core::fmt;

use crate::program::{FunctionId, ModuleId, SymbolId, ValueId, WeightId};

/// Most diagnostics that one validation reports.
pub const MAX_DIAGNOSTICS: usize = 100;

/// Why a program is not valid: at least one diagnostic, at most [`MAX_DIAGNOSTICS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<Diagnostic>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid program: ")?;
        for (position, diagnostic) in self.0.iter().enumerate() {
            if position > 0 {
                write!(f, "; ")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Invalid {}

/// One broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub place: Place,
    /// The place in words, with names: `@conv1.forward, node 3`.
    pub at: String,
    /// Number of the invariant in the documentation of [`validate`](mod@crate::validate).
    pub invariant: u8,
    /// What.
    pub kind: Kind,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.kind)
    }
}

/// A place in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The program as a whole.
    Program,
    /// A symbol.
    Symbol(SymbolId),
    /// A weight.
    Weight(WeightId),
    /// A module.
    Module(ModuleId),
    /// A method, by its position in its module.
    Method(ModuleId, usize),
    /// A case, by the positions of its method and its own.
    Case(ModuleId, usize, usize),
    /// A function.
    Function(FunctionId),
    /// A node, by its position in its function.
    Node(FunctionId, usize),
    /// A value of a function.
    Value(FunctionId, ValueId),
}

/// The ways in which a program can be wrong. Types and sizes are given in text form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// Something is larger than a valid program may have it.
    #[error("{what} {got} is above the limit of {limit}")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// Largest permitted number.
        limit: u64,
        /// Number found.
        got: u64,
    },
    /// A name has characters that names of its kind cannot have, or is empty.
    #[error("expected {expected} as the name of a {what}, got \"{name}\"")]
    Name {
        /// Kind of the named thing.
        what: &'static str,
        /// What the name may be.
        expected: &'static str,
        /// The name.
        name: String,
    },
    /// Two things of one kind have the same name.
    #[error("a second {what} has the name \"{name}\"")]
    DuplicateName {
        /// Kind of the named things.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// An id names nothing.
    #[error("there is no {what} {id}")]
    Missing {
        /// What the id should name.
        what: &'static str,
        /// The id.
        id: u32,
    },
    /// The program has no module.
    #[error("expected a root module, got none")]
    NoRoot,
    /// A module or weight lies at a path that is not its parent's path and one more name.
    #[error("expected a path of one name below \"{parent}\", got \"{path}\"")]
    Path {
        /// Path of the parent.
        parent: String,
        /// The path.
        path: String,
    },
    /// A module or weight belongs to too many modules, or to none.
    #[error("expected one module to own this {what}, got {count}")]
    Owners {
        /// Kind of the owned thing.
        what: &'static str,
        /// Number of owners.
        count: usize,
    },
    /// Something comes in another number than it must.
    #[error("expected {expected} {what}, got {got}")]
    Count {
        /// What is counted.
        what: &'static str,
        /// Number needed.
        expected: String,
        /// Number found.
        got: usize,
    },
    /// Two cases of a method serve the same combination of present inputs.
    #[error("a second case serves the same present inputs")]
    DuplicateCase,
    /// Of the leaves of one optional parameter some are present and some absent.
    #[error("the parts of the optional \"{name}\" are not all present or all absent")]
    SplitOptional {
        /// The parameter.
        name: String,
    },
    /// A case runs a function of another module.
    #[error("the case runs @{function}, which belongs to another module")]
    ForeignFunction {
        /// The function.
        function: String,
    },
    /// A value is not defined where its number says.
    #[error("expected the definition of %{expected}, got %{}", got.0)]
    Definition {
        /// Number of the next definition.
        expected: usize,
        /// The value found.
        got: ValueId,
    },
    /// A value is read before it is defined.
    #[error("%{} is read before its definition", value.0)]
    Undefined {
        /// The value.
        value: ValueId,
    },
    /// A function is called by one that does not stand after it.
    #[error("@{function} is called before its definition")]
    CallOrder {
        /// The callee.
        function: String,
    },
    /// A size is not in normal form.
    #[error("a size is not in normal form")]
    NotNormal,
    /// A fixed size is below zero.
    #[error("expected a size of at least 0, got {size}")]
    NegativeSize {
        /// The size.
        size: String,
    },
    /// An integer value where only tensors may stand.
    #[error("%{} is an integer, and only inputs of functions, results of `symbol`, arguments of calls and what loops capture may be", value.0)]
    IntValue {
        /// The value.
        value: ValueId,
    },
    /// An element type that the operation does not take.
    #[error("expected {expected} as {what}, got {got}")]
    Element {
        /// Which operand.
        what: String,
        /// Permitted element types.
        expected: String,
        /// Element type found.
        got: String,
    },
    /// Shapes that do not fit each other or the operation.
    #[error("expected {what} with {expected}, got {got}")]
    Shape {
        /// Which operand.
        what: &'static str,
        /// What fits.
        expected: String,
        /// Shape found.
        got: String,
    },
    /// An axis that the operand does not have, or that stands twice.
    #[error("expected {expected}, got axis {got}")]
    Axis {
        /// What fits.
        expected: String,
        /// The axis.
        got: u32,
    },
    /// An attribute with a value that it cannot have.
    #[error("expected {expected} as {what}, got {got}")]
    Attribute {
        /// The attribute.
        what: &'static str,
        /// What it can be.
        expected: &'static str,
        /// Its value.
        got: String,
    },
    /// A size grew beyond what sizes can hold.
    #[error("the size of the result is too large or too complex")]
    SizeOverflow,
    /// A declared type is not the one that follows.
    #[error("expected {expected} as the type of {what}, got {got}")]
    Type {
        /// What is typed.
        what: String,
        /// The type that follows.
        expected: String,
        /// The declared type.
        got: String,
    },
    /// A data-dependent size is not a symbol of its own.
    #[error("${symbol} depends on data here, and something else in the function uses it already")]
    Rebound {
        /// The symbol.
        symbol: String,
    },
    /// A result of a loop has a size that one step makes.
    #[error("${symbol} depends on data of one step, and no result of a loop can have it as a size")]
    StepSize {
        /// The symbol.
        symbol: String,
    },
    /// A size that inputs do not show.
    #[error("nothing gives ${symbol} a value here")]
    Unbound {
        /// The symbol.
        symbol: String,
    },
    /// A part of a parameter that must be a parameter itself.
    #[error("{what} is a part of \"{name}\", which only a parameter can be")]
    Part {
        /// What it is.
        what: &'static str,
        /// The parameter.
        name: String,
    },
    /// A type that a result cannot have.
    #[error("a result cannot be {what}")]
    ResultType {
        /// What it is.
        what: &'static str,
    },
}
