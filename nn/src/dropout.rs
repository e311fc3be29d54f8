//! Dropout that a recording keeps.

use burn::{
    module::{Flag, Module, Param},
    tensor::Tensor,
};

/// Zeroes elements at random while training and scales the others to keep the mean.
///
/// Active on an autodiff device, unless the module is frozen
/// ([`Module::freeze`](burn::module::Module::freeze)). Unlike Burn's module of the same name, a
/// recording keeps it as an operation, so an exported model can go on training.
///
/// # Shapes
/// Any; the output has the shape of the input.
#[derive(Module, Debug)]
pub struct Dropout {
    /// Probability that an element becomes zero.
    pub prob: f64,
    /// Whether to behave as during training.
    pub is_training: Param<Flag>,
}

impl Dropout {
    /// Dropout with the given probability.
    ///
    /// # Panics
    /// If the probability is not in `[0, 1)`.
    pub fn new(prob: f64) -> Self {
        assert!(
            (0.0..1.0).contains(&prob),
            "expected a probability in [0, 1), got {prob}"
        );
        Self {
            prob,
            is_training: Param::from_bool(true),
        }
    }

    /// Applies dropout.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self.probability() {
            0.0 => x,
            prob => kiln_ops::dropout(x, prob),
        }
    }

    /// For operations that do the dropout themselves, on autodiff devices: the probability, 0 if
    /// the module is frozen.
    pub(crate) fn probability(&self) -> f64 {
        if self.is_enabled() { self.prob } else { 0.0 }
    }

    fn is_enabled(&self) -> bool {
        self.prob > 0.0 && self.is_training.is_enabled()
    }
}
