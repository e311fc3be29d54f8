//! A program with its weights: what is saved, loaded, executed and exported.

use crate::{
    validate::Valid,
    weights::{Weights, WeightsError},
};

/// A valid program and the values of the weights that it declares.
///
/// ```no_run
/// use kiln_ir::Model;
///
/// let model = Model::load("net.kiln")?;
/// println!("{}", kiln_ir::print(&model.program));
/// # Ok::<(), kiln_ir::NativeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Model {
    /// The program.
    pub program: Valid,
    /// Its weights, and no others.
    pub weights: Weights,
}

impl Model {
    /// Joins a program and its weights.
    ///
    /// # Errors
    /// If a weight is missing, of another type, or unknown to the program.
    pub fn new(program: Valid, weights: Weights) -> Result<Self, WeightsError> {
        weights.fit(&program)?;
        Ok(Self { program, weights })
    }
}
