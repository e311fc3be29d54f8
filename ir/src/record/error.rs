//! What can stop a recording.

use core::fmt;

use thiserror::Error;

use crate::{pass::PassError, validate::Invalid, weights::WeightsError};

/// Where in a model something went wrong: the layers around it, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Method that was being recorded.
    pub method: String,
    /// Open layers as `path (Kind)`, outermost first.
    pub layers: Vec<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in `{}`", self.method)?;
        for layer in &self.layers {
            write!(f, " > {layer}")?;
        }
        Ok(())
    }
}

/// Why a module could not be recorded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The forward pass uses a Burn operation that the IR does not have.
    #[error(
        "{place}: operation `{operation}` cannot be recorded; express it with operations that `docs/ir.md` lists"
    )]
    Unsupported {
        /// Where.
        place: Place,
        /// The operation's name.
        operation: String,
    },
    /// The forward pass read the values of a tensor.
    #[error(
        "{place}: the values of a tensor were read while recording; a recorded forward pass may depend on sizes, not on values"
    )]
    ReadsValue {
        /// Where.
        place: Place,
    },
    /// The forward pass does different things for different sizes.
    #[error("{place}: control flow depends on a size: {difference}")]
    SizeDependent {
        /// Where.
        place: Place,
        /// The first difference between recordings at different sizes.
        difference: String,
    },
    /// Nothing that the declared sizes can be combined to explains a size.
    #[error(
        "{place}: {what} of `{operation}` is no sum, product, minimum, maximum, quotient or remainder of the declared sizes that could be found: {observed}"
    )]
    SizeNotFound {
        /// Where.
        place: Place,
        /// Which size, such as `axis 0`.
        what: String,
        /// The operation.
        operation: String,
        /// What was seen at which sizes.
        observed: String,
    },
    /// The operands of an operation do not fit it for all sizes, or it does not take their type.
    #[error("{place}: `{operation}` cannot be recorded: {problem}")]
    Unproven {
        /// Where.
        place: Place,
        /// The operation.
        operation: String,
        /// What does not fit.
        problem: String,
    },
    /// A layer does something in training that a recording cannot see.
    #[error(
        "what `{layers}` does in training cannot be recorded: use Kiln's `Dropout`, which can, freeze the layer, or record with `Recorder::inference_only`"
    )]
    UnseenTraining {
        /// Paths of the layers.
        layers: String,
    },
    /// The forward pass does something in training that a program cannot say.
    #[error(
        "method `{method}`: training changes more than dropout and batch normalisation: {difference}; `Recorder::inference_only` records the forward pass as it is outside training"
    )]
    ModeDependent {
        /// The method.
        method: String,
        /// The first difference.
        difference: String,
    },
    /// A number that is no size depends on a size.
    #[error(
        "{place}: a number of `{operation}` depends on a size ({observed}); compute it from tensors instead"
    )]
    FloatDependsOnSize {
        /// Where.
        place: Place,
        /// The operation.
        operation: String,
        /// What was seen.
        observed: String,
    },
    /// A constant tensor has a size or values that depend on a symbol.
    #[error(
        "{place}: a constant tensor of shape {shape} depends on a size; use `kiln_ops::arange`, `Tensor::zeros` or `Tensor::full`"
    )]
    BakedConstant {
        /// Where.
        place: Place,
        /// Its shapes in two recordings.
        shape: String,
    },
    /// The forward pass panicked.
    #[error("{place}: the forward pass panicked: {message}")]
    Panicked {
        /// Where.
        place: Place,
        /// The panic's message.
        message: String,
    },
    /// The forward pass never used a declared size in a way that the recording can see.
    #[error("method `{method}`: {problem}")]
    Signature {
        /// The method.
        method: String,
        /// What is wrong with its declaration.
        problem: String,
    },
    /// A buffer cannot have the type that was asked for.
    #[error("buffer `{name}`: {problem}")]
    Buffer {
        /// Its `state_dict` name.
        name: String,
        /// Why not.
        problem: String,
    },
    /// Two methods have one name.
    #[error("method `{0}` is declared twice")]
    DuplicateMethod(String),
    /// The recorder has nothing to record.
    #[error("no method is declared; add one with `Recorder::overload`")]
    NoMethods,
    /// Burn's capture failed.
    #[error("{place}: capture failed: {message}")]
    Capture {
        /// Where.
        place: Place,
        /// Burn's message.
        message: String,
    },
    /// The recorded program does not validate: a defect of the recorder.
    #[error("the recorded program is not valid: {0}")]
    Invalid(#[from] Invalid),
    /// A pass over the recorded program failed: a defect of the pass.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The recorded weights do not fit the program: a defect of the recorder.
    #[error("the recorded weights do not fit: {0}")]
    Weights(#[from] WeightsError),
}
