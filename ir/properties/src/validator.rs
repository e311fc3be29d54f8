//! The validator and the passes.

use kiln_ir::{
    Op, Program, ValueId, ValueType,
    pass::{self, CSE, DCE, INLINE, LINEAR, LOWER, Pass},
    validate,
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{choices::Choices, strategy, valid};

/// Every pass.
const PASSES: [Pass; 5] = [INLINE, CSE, DCE, LINEAR, LOWER];

/// Validates a program: a valid one with some changes, or one of any operations, most of which are
/// wrong. A valid one stays valid by every pass.
///
/// # Panics
/// If the validator or a pass does, or a pass makes an invalid program.
pub fn validator(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let program = if choices.once_in(4) {
        any(bytes)
    } else {
        let (changes, rest) = bytes.split_at(bytes.len().min(16));
        let mut program = valid::program(&mut Choices::new(rest));
        change(&mut program, &mut Choices::new(changes));
        program
    };
    let Ok(valid) = validate(program) else {
        return;
    };
    for pass in PASSES {
        if let Err(error) = pass::run(valid.clone(), &[pass]) {
            panic!("{error}: {}\n{}", error.invalid, kiln_ir::print(&valid));
        }
    }
}

/// A program of any operations.
fn any(bytes: &[u8]) -> Program {
    // Bytes themselves would run out, and then strategies that try again would never end.
    let mut choices = Choices::new(bytes);
    let seed: [u8; 32] = core::array::from_fn(|_| choices.byte());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let tree = strategy::program().new_tree(&mut runner);
    tree.map(|tree| tree.current()).unwrap_or_default()
}

/// Changes parts of a program.
fn change(program: &mut Program, choices: &mut Choices<'_>) {
    for _ in 0..choices.below(4) {
        let symbols = program.symbols.len();
        let function = choices.below(program.functions.len());
        let function = &mut program.functions[function];
        let values = function.values.len();
        let mut value = || {
            let id = choices.below(values + 1);
            ValueId(u32::try_from(id).unwrap_or_default())
        };
        let id = value();
        let other = value();
        let at = choices.below(function.nodes.len().max(1));
        let Some(node) = function.nodes.get_mut(at) else {
            continue;
        };
        match choices.below(8) {
            0 => node.inputs.extend([id]),
            1 => {
                node.inputs.pop();
            }
            2 => node.inputs = vec![id, other],
            3 => {
                if let Some(input) = node.inputs.first_mut() {
                    *input = id;
                }
            }
            4 => function.outputs.push(id),
            5 => {
                if let (Some(ValueType::Tensor(ty)), true) =
                    (function.values.get_mut(id.index()), symbols > 0)
                {
                    let symbol = u32::try_from(choices.below(symbols + 1)).unwrap_or_default();
                    let size = kiln_ir::Size::symbol(kiln_ir::SymbolId(symbol));
                    ty.dims.insert(0, size);
                }
            }
            6 => {
                function.nodes.remove(at);
            }
            _ => node.op = Op::Symbol(kiln_ir::SymbolId(0)),
        }
    }
}
