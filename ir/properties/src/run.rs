//! Running valid programs.

use std::collections::BTreeMap;

use burn::{
    backend::{
        Dispatch,
        ops::{BoolTensorOps, FloatTensorOps, IntTensorOps},
    },
    tensor::{Bool, Device, Int, Shape, Tensor, TensorData},
};
use kiln_core::{AnyTensor, Kind};
use kiln_ir::{
    ElemType, ExecError, Model, Session, Type,
    exec::MAX_NODES,
    pass::{EXECUTION, INLINE, Pass},
    validate,
};

use crate::{choices::Choices, inputs, unroll::unrolled, valid};

/// Most bytes of the values of a run.
const MEMORY: u64 = 16 << 20;

/// The method of the programs.
const METHOD: &str = "forward";

/// Results by name.
type Results = Vec<(String, AnyTensor)>;

/// Runs a program, and prepares and runs it again. Results have the types of the program, and those
/// of the prepared call are the same bits. Whether the program was valid.
///
/// # Panics
/// If the executor does, or results are others.
pub fn executor(bytes: &[u8]) -> bool {
    let Some((model, inputs)) = case(bytes) else {
        return false;
    };
    let session = session(&model, &EXECUTION);
    let Ok(results) = session.run(METHOD, inputs.clone()) else {
        // Prepared, it must not panic either.
        let _ = session.prepare(METHOD, inputs);
        return true;
    };
    check_types(&model, &results);
    let prepared = session.prepare(METHOD, inputs).and_then(|mut call| {
        call.run()?;
        call.run()
    });
    match prepared {
        Ok(again) => check_same(&model, &results, &again),
        // What is computed once stays in memory.
        Err(ExecError::Memory { .. }) => {}
        Err(error) => panic!("prepared: {error}\n{}", kiln_ir::print(&model.program)),
    }
    true
}

/// Runs a program as it is but for its calls, and by all passes of the executor: the results are
/// the same bits. Whether the program was valid.
///
/// # Panics
/// If the executor does, or results are others.
pub fn passes(bytes: &[u8]) -> bool {
    let Some((model, inputs)) = case(bytes) else {
        return false;
    };
    let plain = session(&model, &[INLINE]).run(METHOD, inputs.clone());
    let better = session(&model, &EXECUTION).run(METHOD, inputs);
    match (plain, better) {
        (Ok(plain), Ok(better)) => check_same(&model, &plain, &better),
        (Ok(_), Err(error)) => panic!("by passes: {error}\n{}", kiln_ir::print(&model.program)),
        // What nothing reads is not executed.
        (Err(_), _) => {}
    }
    true
}

/// Runs a program as it is, and with a call for each step of its loops: the results are the same
/// bits. How many loops there were.
///
/// # Panics
/// If the executor does, or results are others.
pub fn loops(bytes: &[u8]) -> usize {
    let Some((model, inputs)) = case(bytes) else {
        return 0;
    };
    let (program, count) = unrolled(&model.program);
    let text = || kiln_ir::print(&model.program);
    let program = validate(program).unwrap_or_else(|invalid| panic!("{invalid}\n{}", text()));
    let plain = Model::new(program, model.weights.clone()).expect("the same weights");
    let run = |model: &Model| session(model, &[INLINE]).run(METHOD, inputs.clone());
    match (run(&plain), run(&model)) {
        (Ok(plain), Ok(looped)) => check_same(&model, &plain, &looped),
        // A step counts what it leaves in another way.
        (_, Err(ExecError::Memory { .. })) | (Err(_), _) => {}
        (Ok(_), Err(error)) => panic!("with loops: {error}\n{}", text()),
    }
    count
}

/// A model and inputs of its method, if the program is valid.
fn case(bytes: &[u8]) -> Option<(Model, BTreeMap<String, AnyTensor>)> {
    let (values, program) = bytes.split_at(bytes.len() / 4);
    let program = validate(valid::program(&mut Choices::new(program))).ok()?;
    let mut choices = Choices::new(values);
    let inputs = inputs::inputs(&mut choices, &program, &Device::flex());
    let weights = inputs::weights(&mut choices, &program);
    let model = Model::new(program, weights).expect("weights of these types");
    Some((model, inputs))
}

fn session(model: &Model, passes: &[Pass]) -> Session {
    let session = Session::with_passes(model, &Device::flex(), passes, MAX_NODES);
    let session = session.expect("a small program is prepared");
    session.with_memory(MEMORY)
}

/// Checks that results have the element types, ranks and known sizes of the program.
fn check_types(model: &Model, results: &Results) {
    let method = model.program.method(METHOD).expect("the method");
    let Type::Tuple(types) = &method.result else {
        panic!("expected a tuple");
    };
    assert_eq!(types.len(), results.len());
    for (ty, (name, tensor)) in types.iter().zip(results) {
        let Type::Tensor(ty) = ty else { continue };
        let kind = match ty.elem {
            ElemType::I64 | ElemType::I32 | ElemType::U8 => Kind::Int,
            ElemType::Bool => Kind::Bool,
            ElemType::F32 | ElemType::F64 | ElemType::F16 | ElemType::BF16 => Kind::Float,
        };
        assert_eq!(tensor.kind(), kind, "{name}");
        let shape = tensor.shape();
        assert_eq!(shape.num_dims(), ty.dims.len(), "{name}");
        for (size, dim) in shape.iter().zip(&ty.dims) {
            let expected = dim.as_fixed().and_then(|size| usize::try_from(size).ok());
            assert!(expected.is_none_or(|expected| expected == *size), "{name}");
        }
    }
}

fn check_same(model: &Model, expected: &Results, got: &Results) {
    for ((name, expected), (_, got)) in expected.iter().zip(got) {
        let (a, b) = (data(expected), data(got));
        assert_eq!(expected.shape(), got.shape(), "{name}");
        let values = a.iter::<f64>().zip(b.iter::<f64>());
        let mut differing =
            values.filter(|(a, b)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan()));
        if let Some((a, b)) = differing.next() {
            let text = kiln_ir::print(&model.program);
            panic!("{name}: expected {a}, got {b}\n{text}");
        }
    }
}

fn data(tensor: &AnyTensor) -> TensorData {
    let shape = Shape::new([tensor.shape().num_elements()]);
    let (kind, tensor) = (tensor.kind(), tensor.clone().into_dispatch());
    match kind {
        Kind::Float => {
            Tensor::<1>::from_dispatch(Dispatch::float_reshape(tensor, shape)).into_data()
        }
        Kind::Int => {
            Tensor::<1, Int>::from_dispatch(Dispatch::int_reshape(tensor, shape)).into_data()
        }
        Kind::Bool => {
            Tensor::<1, Bool>::from_dispatch(Dispatch::bool_reshape(tensor, shape)).into_data()
        }
    }
}
