//! Why a program does not run.

use crate::{pass::PassError, types::ElemType};

/// Why a method did not run. Types are given in text form, shapes as they came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// A pass before execution failed.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The model has no method of the name.
    #[error("there is no method \"{name}\"; there are: {}", known.join(", "))]
    UnknownMethod {
        /// The name.
        name: String,
        /// Names of the methods.
        known: Vec<String>,
    },
    /// No variant of an overloaded method takes the inputs.
    #[error("no variant of \"{name}\" takes {given}; there are: {}", known.join(", "))]
    NoOverload {
        /// Name of the method.
        name: String,
        /// Names and types of the inputs.
        given: String,
        /// Signatures of the variants.
        known: Vec<String>,
    },
    /// The method has no input of the name.
    #[error("there is no input \"{name}\" of {method}")]
    UnknownInput {
        /// The name.
        name: String,
        /// Signature of the method.
        method: String,
    },
    /// A required input is absent.
    #[error("expected input \"{name}\" of type {expected} for {method}, got none")]
    MissingInput {
        /// Name of the input.
        name: String,
        /// Its type.
        expected: String,
        /// Signature of the method.
        method: String,
    },
    /// An input of a prepared call was absent when it was prepared.
    #[error("expected no input \"{name}\", which was absent when the call was prepared")]
    NotPrepared {
        /// Name of the input.
        name: String,
    },
    /// The model was not recorded for this combination of optional inputs.
    #[error("{method} was not recorded with just {given} of its optional inputs")]
    NoCase {
        /// Signature of the method.
        method: String,
        /// Names of the optional inputs that are present.
        given: String,
    },
    /// An input has another element type or rank.
    #[error("expected input \"{name}\" as {expected}, got {got}")]
    Type {
        /// Name of the input.
        name: String,
        /// The declared type.
        expected: String,
        /// The type of the tensor.
        got: String,
    },
    /// An input has another size, in view of the other inputs.
    #[error("expected size {expected} at axis {axis} of input \"{name}\", {ty}, got {got}")]
    Size {
        /// Name of the input.
        name: String,
        /// The declared type.
        ty: String,
        /// The axis.
        axis: usize,
        /// What it should be.
        expected: String,
        /// What it is.
        got: i64,
    },
    /// An integer is another one than the other inputs show, or negative.
    #[error("expected input \"{name}\" to be {expected}, got {got}")]
    Int {
        /// Name of the input.
        name: String,
        /// What it should be.
        expected: String,
        /// What it is.
        got: i64,
    },
    /// Nothing shows a size that the method needs.
    #[error("nothing shows the size ${symbol} of {method}; pass {}", hint(inputs))]
    Unbound {
        /// The symbol.
        symbol: String,
        /// Signature of the method.
        method: String,
        /// Names of the size parameters.
        inputs: Vec<String>,
    },
    /// A size inside the program has no meaning for these inputs.
    #[error("{what} {size} is {value} here, which cannot be")]
    Attribute {
        /// What it is the size of.
        what: &'static str,
        /// The size in text form.
        size: String,
        /// Its value, or that it leaves 64 bits.
        value: String,
    },
    /// An integer does not fit those of the device: 64 bits, or 32 where it has no others.
    #[error("{what} {value}, but this device computes with integers of {bits} bits")]
    Integer {
        /// What has it, an input or weight, or may give it, an operation in text form.
        what: String,
        /// The integer.
        value: String,
        /// Bits of the device's widest integers.
        bits: u32,
    },
    /// An integer is none of the type that the program says.
    #[error("{what} {value}, which is no {elem}")]
    Range {
        /// What has it, an input, or is it, a scalar.
        what: String,
        /// The integer.
        value: String,
        /// The type.
        elem: ElemType,
    },
    /// A program is too large once its calls are replaced by what they call.
    #[error("the program has {nodes} nodes and operands once calls are inlined, more than {limit}")]
    Nodes {
        /// Nodes and operands.
        nodes: u64,
        /// Most that the session takes.
        limit: u64,
    },
    /// The steps of loops are more than the session takes.
    #[error("{node}: with its steps, {looped} operations are executed in loops, more than {limit}")]
    Looped {
        /// The loop in text form.
        node: String,
        /// Operations in the steps of this loop and of those before it in the run.
        looped: u64,
        /// Most that the session takes.
        limit: u64,
    },
    /// The results of an operation do not fit the memory of the session.
    #[error(
        "{method}: {node} needs {bytes} bytes, but the session may take {limit}, of which {used} \
         are in use"
    )]
    Memory {
        /// Name of the method.
        method: String,
        /// The operation in text form.
        node: String,
        /// Bytes of its results.
        bytes: u64,
        /// Bytes of the values that there are.
        used: u64,
        /// Most bytes of all values.
        limit: u64,
    },
    /// An index is out of range, or a row pointer is none.
    #[error("{node}: expected {expected} in {tensor}, got {got} at position {position}")]
    Index {
        /// The operation in text form.
        node: String,
        /// The tensor that has the index: the name of an input, or a value as in the operation.
        tensor: String,
        /// What it should be.
        expected: String,
        /// What it is.
        got: i64,
        /// Where it stands, in row-major order.
        position: usize,
    },
    /// An operation has no result for these operands.
    #[error("{node}: expected {expected}, got {got}")]
    Undefined {
        /// The operation in text form.
        node: String,
        /// What its operands should be.
        expected: &'static str,
        /// What they are.
        got: String,
    },
    /// A weight is not in the model.
    #[error("there is no weight \"{name}\"")]
    MissingWeight {
        /// Name of the weight.
        name: String,
    },
}

fn hint(inputs: &[String]) -> String {
    match inputs {
        [] => "an input that has it as a dimension".to_owned(),
        names => names.join(" or "),
    }
}
