//! Passes: functions from a valid program to a better one with the same meaning.
//!
//! A pass is one file with one function. It returns a new program, which may be anything; [`run`]
//! validates it and names the pass if it is not valid.
//!
//! | pass | does |
//! |---|---|
//! | [`INLINE`] | replaces calls by the nodes of what they call |
//! | [`CSE`] | computes equal things once |
//! | [`INFER`] | takes what training alone needs away |
//! | [`LINEAR`] | recognises linear layers in the pieces that Burn records |
//! | [`LOWER`] | puts the parts of attention, and of sums with loops, in their place |
//! | [`DCE`] | drops nodes that nothing reads, and functions that nothing runs |
//!
//! ```
//! # let text = "kiln 1\nsymbols $N\nmodule @ = Net {\n  method forward(x: f32[$N]) -> f32[$N] {\n    case () -> @forward\n  }\n}\nfn @twice(x %0: f32[$N]) -> (%1) {\n  %1: f32[$N] = add(%0, %0)\n}\nfn @forward(x %0: f32[$N]) -> (%1) {\n  %1: f32[$N] = call @twice(%0)\n}\n";
//! use kiln_ir::{parse, pass, validate};
//!
//! let program = validate(parse(text)?)?;
//! let program = pass::run(program, &pass::EXECUTION)?;
//! assert_eq!(program.functions.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cse;
mod dce;
mod infer;
mod inline;
mod linear;
mod lower;
mod rebuild;

use crate::{
    program::Program,
    validate::{Invalid, Valid, validate},
};

/// A transformation of programs.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Name, for errors.
    pub name: &'static str,
    /// The transformation.
    pub run: fn(&Valid) -> Program,
}

/// Replaces calls by the nodes of what they call. Afterwards no function calls another; bodies of
/// loops stay functions of their own.
pub const INLINE: Pass = Pass {
    name: "inline",
    run: inline::inline,
};

/// Computes nodes with the same operation and inputs once.
pub const CSE: Pass = Pass {
    name: "cse",
    run: cse::merge_common_nodes,
};

/// Drops nodes whose results nothing reads, and functions that no method runs. Inputs stay.
pub const DCE: Pass = Pass {
    name: "dce",
    run: dce::drop_dead_code,
};

/// Takes running statistics as they are: what only training needs is dead code then.
pub const INFER: Pass = Pass {
    name: "infer",
    run: infer::without_training,
};

/// Makes one operation of a product with a transposed weight and the bias added to it.
pub const LINEAR: Pass = Pass {
    name: "linear",
    run: linear::recognise_linear,
};

/// Puts the parts of operations that are several in one in their place:
/// [`EdgeAttention`](crate::GraphOp::EdgeAttention),
/// [`SpmmNormalized`](crate::GraphOp::SpmmNormalized) and
/// [`SpmmWithLoops`](crate::GraphOp::SpmmWithLoops). Results stay the same, also where numbers are
/// not finite.
pub const LOWER: Pass = Pass {
    name: "lower",
    run: lower::lower,
};

/// What the recorder runs on a program.
pub const RECORDING: [Pass; 2] = [LINEAR, DCE];

/// What the executor runs before a program.
pub const EXECUTION: [Pass; 4] = [INLINE, INFER, CSE, DCE];

/// A pass that made an invalid program of a valid one: a mistake in the pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pass {pass} gave an invalid program")]
pub struct PassError {
    /// The pass.
    pub pass: &'static str,
    /// What is wrong with the program.
    #[source]
    pub invalid: Invalid,
}

/// Runs passes in order and validates after each.
///
/// # Errors
/// If a pass gives an invalid program.
pub fn run(program: Valid, passes: &[Pass]) -> Result<Valid, PassError> {
    passes.iter().try_fold(program, |program, pass| {
        validate((pass.run)(&program)).map_err(|invalid| PassError {
            pass: pass.name,
            invalid,
        })
    })
}
