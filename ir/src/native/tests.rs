//! The tables of version 3, and sizes of version 2: what no text can say.

use std::{fs, path::Path};

use bincode::config::standard;
use serde::Serialize;

use super::{
    NativeError, VERSION, decode,
    encode::Encoded,
    error::Malformed,
    positional::Nested,
    read,
    schema::{self, Attribute, Factor, Operation, Program, Term, TypePart},
};
use crate::{
    op::NamedError,
    parse,
    program::{self, SymbolId},
    size::{MAX_NESTING, Size},
};

const TEXT: &str = "kiln 1
symbols $N, $E
weight @weight: parameter f32[3]
module @ = Net {
  weight @weight
  method forward(x: f32[$N, 3], y: (f32[$N]?,)) -> f32[$N, 3] {
    case (absent) -> @forward
  }
}
fn @forward(x %0: f32[$N, 3]) -> (%4) {
  %1: f32[3] = weight @weight
  %2: f32[$N, 3] = batch_norm{epsilon=1e-5, momentum=none}(%0, %1, %1, %1, %1)
  %3: f32[$N, 3] = batch_norm{epsilon=1e-5, momentum=0.5}(%0, %1, %1, %1, %1)
  %4: f32[$N, 3] = clamp{min=none, max=min($E, 2*$N)}(%3)
  %5: i64[$E] = full{value=true, elem=i64, dims=[$E]}()
}
";

fn encoded(text: &str) -> Encoded {
    Encoded::new(&parse(text).expect("a program"))
}

/// The program that a file with these tables has.
fn read_tables(program: &Program) -> Result<program::Program, NativeError> {
    let bytes = bincode::serde::encode_to_vec(program, standard()).expect("a program");
    let (program, used) = bincode::serde::decode_from_slice(&bytes, standard()).expect("a program");
    assert_eq!(used, bytes.len());
    decode::program(program, bytes.len())
}

/// What is wrong with the program, changed so, and where.
fn problem(change: impl FnOnce(&mut Program)) -> (String, Malformed) {
    let mut program = encoded(TEXT).program;
    change(&mut program);
    match read_tables(&program) {
        Err(NativeError::Malformed { place, problem }) => (place, problem),
        other => panic!("{other:?}"),
    }
}

/// The attributes of a node of the only function.
fn attributes(program: &mut Program, node: usize) -> &mut Vec<(u32, Attribute)> {
    match &mut program.functions[0].nodes[node].operation {
        Operation::Named(_, attributes) => attributes,
        _ => panic!("an operation without a name"),
    }
}

#[test]
fn a_tied_weight_is_one_of_the_program() {
    let mut encoded = encoded(TEXT);
    encoded.requirements.push(schema::TIED.to_owned());
    encoded.ties = vec![(program::WeightId(1), program::WeightId(0))];
    let found = read::program(&encoded.bytes().expect("the bytes"), VERSION);
    let error = found.expect_err("a tied weight that is not there");
    assert_eq!(
        error.to_string(),
        "the tied weights of the program: there is no weight 1; there are 1"
    );
}

#[test]
fn results_are_those_of_a_case_of_the_program() {
    for (place, expected) in [
        (
            (program::ModuleId(9), 0, 0),
            "there is no module 9; there are 1",
        ),
        (
            (program::ModuleId(0), 9, 0),
            "there is no method 9; there are 1",
        ),
        (
            (program::ModuleId(0), 0, 9),
            "there is no case 9; there are 1",
        ),
    ] {
        let mut encoded = encoded(TEXT);
        encoded
            .requirements
            .push(schema::OPTIONAL_RESULTS.to_owned());
        let (module, method, case) = place;
        encoded.results = vec![(module, method, case, vec![true])];
        let found = read::program(&encoded.bytes().expect("the bytes"), VERSION);
        let error = found.expect_err("a case that is not there").to_string();
        assert_eq!(error, format!("the results of the program: {expected}"));
    }
}

#[test]
fn programs_come_back_valid_or_not() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let mut read_programs = 0;
    for folder in ["exec", "fused", "parts", "validate"] {
        for entry in fs::read_dir(files.join(folder)).expect("a folder") {
            let path = entry.expect("a file").path();
            let text = fs::read_to_string(&path).expect("a text");
            let Ok(program) = parse(&text) else { continue };
            let bytes = Encoded::new(&program).bytes().expect("the bytes");
            let again = read::program(&bytes, VERSION);
            assert_eq!(again.expect("the program"), program, "{}", path.display());
            read_programs += 1;
        }
    }
    assert!(read_programs > 60);
}

#[test]
fn names_and_sizes_stand_once() {
    let Encoded { program, .. } = encoded(TEXT);
    let mut strings = program.strings.clone();
    strings.sort();
    strings.dedup();
    assert_eq!(strings.len(), program.strings.len());
    assert_eq!(program.sizes.len(), 5, "N, 3, E, 2*N and their minimum");
}

#[test]
fn requirements_are_operations_and_attributes_without_their_defaults() {
    let Encoded { requirements, .. } = encoded(TEXT);
    let expected = [
        "batch_norm",
        "batch_norm.momentum",
        "clamp",
        "clamp.max",
        "full",
    ];
    assert_eq!(requirements, expected);
    assert!(decode::unknown(requirements).is_empty());
    let future = [
        "batch_norm.momentum",
        "clamp.period",
        "reduce_sum",
        "reduce_median",
        "unique",
    ];
    let unknown = decode::unknown(future.map(str::to_owned).into());
    assert_eq!(unknown, ["clamp.period", "reduce_median", "unique"]);
}

#[test]
fn a_program_of_the_future_says_what_it_needs() {
    // Nothing behind the requirements has to be readable.
    let requirements = ["add", "switch", "unique"].map(str::to_owned);
    let content = (VERSION, requirements.to_vec(), 250_u8);
    let bytes = bincode::serde::encode_to_vec(content, standard()).expect("bytes");
    let error = read::program(&bytes, VERSION).expect_err("a future");
    assert_eq!(
        error.to_string(),
        "the program needs switch, unique, which this version lacks; a newer Kiln reads it"
    );
}

#[test]
fn an_attribute_that_is_absent_has_its_default() {
    let mut program = encoded(TEXT).program;
    assert_eq!(attributes(&mut program, 1).len(), 1);
    assert_eq!(attributes(&mut program, 2).len(), 2);
    // Their order does not matter.
    attributes(&mut program, 2).reverse();
    assert_eq!(
        read_tables(&program).expect("a program"),
        parse(TEXT).expect("a program")
    );
    let (place, problem) = problem(|program| attributes(program, 1).clear());
    assert_eq!(place, "function 0, node 1");
    assert_eq!(
        problem.to_string(),
        "`batch_norm` has no value of `epsilon`"
    );
}

#[test]
fn what_is_malformed_is_named_with_its_place() {
    let reference = |what, number, count| Malformed::Reference {
        what,
        number,
        count,
    };
    let strings = encoded(TEXT).program.strings.len();
    let (place, found) = problem(|program| program.symbols[1] = 99);
    assert_eq!(
        (&*place, found),
        ("symbol 1", reference("string", 99, strings))
    );
    let (place, found) = problem(|program| program.functions[0].input_names[0] = 99);
    assert_eq!(
        (&*place, found),
        ("function 0", reference("string", 99, strings))
    );
    let (place, found) = problem(|program| {
        attributes(program, 4)[2].1 = Attribute::Sizes(vec![7]);
    });
    assert_eq!(
        (&*place, found),
        ("function 0, node 4", reference("size", 7, 5))
    );
    // A size has only those inside that stand before it.
    let (place, found) = problem(|program| {
        let last = program.sizes.len() - 1;
        program.sizes[last][0].factors[0] = Factor::Min([4, 0]);
    });
    assert_eq!((&*place, found), ("size 4", reference("size", 4, 4)));

    let (place, found) = problem(|program| program.weights[0].role = program.weights[0].elem);
    assert_eq!(place, "weight 0");
    assert_eq!(
        found.to_string(),
        "expected `parameter` or `buffer` or `constant` as a role, got \"f32\""
    );

    for (parts, expected) in [
        (vec![], "a type ends early"),
        (vec![TypePart::Tuple(u32::MAX)], "a type ends early"),
        (
            vec![TypePart::Flag, TypePart::Flag],
            "a type has parts after its end",
        ),
        (
            (0..17).map(|_| TypePart::Optional).collect(),
            "a type nests more than 16 deep",
        ),
    ] {
        let (place, found) = problem(|program| program.modules[0].methods[0].result = parts);
        assert_eq!((&*place, &*found.to_string()), ("module 0", expected));
    }

    let (place, found) = problem(|program| {
        let Operation::Named(name, _) = &mut program.functions[0].nodes[3].operation else {
            panic!("an operation without a name");
        };
        *name = program.modules[0].kind;
    });
    assert_eq!(place, "function 0, node 3");
    let operation = "Net".to_owned();
    assert_eq!(
        found,
        Malformed::Operation(NamedError::Operation { operation })
    );
    let (_, found) = problem(|program| attributes(program, 3)[0].0 = 0);
    assert_eq!(found.to_string(), "`clamp` has no attribute `N`");
    let (_, found) = problem(|program| attributes(program, 3)[0].1 = Attribute::Integer(1));
    assert_eq!(
        found.to_string(),
        "`clamp`: expected a scalar or `none` as `max`"
    );
    let (_, found) = problem(|program| {
        let again = attributes(program, 4)[0].0;
        attributes(program, 4)[1].0 = again;
    });
    assert_eq!(found.to_string(), "`full` has two values of `value`");
}

/// Numbers of a size whose minimum with itself is taken again and again.
fn nested(depth: u32) -> Vec<Vec<Term>> {
    let term = |factors| Term {
        coefficient: 1,
        factors,
    };
    let first = vec![term(vec![Factor::Symbol(SymbolId(0))])];
    let rest = (0..depth).map(|before| vec![term(vec![Factor::Min([before; 2])])]);
    [first].into_iter().chain(rest).collect()
}

#[test]
fn sizes_nest_no_deeper_than_those_of_programs() {
    let limit = u32::try_from(MAX_NESTING).expect("a small number");
    let with = |depth| Program {
        sizes: nested(depth),
        ..encoded(TEXT).program
    };
    let mut flat = with(limit);
    flat.functions.clear();
    assert!(read_tables(&flat).is_ok());
    let Err(NativeError::Malformed { place, problem }) = read_tables(&with(limit + 1)) else {
        panic!("a size that nests too deep");
    };
    assert_eq!(place, "size 5");
    assert_eq!(problem.to_string(), "a size nests more than 4 deep");
}

#[test]
fn names_and_sizes_that_grow_beyond_memory_are_refused() {
    // Each size has a hundred times the one before it inside.
    let mut bomb = nested(1);
    for before in 1..4 {
        let term = |_| Term {
            coefficient: 1,
            factors: (0..100).map(|_| Factor::Min([before; 2])).collect(),
        };
        bomb.push((0..100).map(term).collect());
    }
    let (place, problem) = problem(|program| program.sizes = bomb);
    assert!(place.starts_with("size "), "{place}");
    assert!(matches!(problem, Malformed::Parts { .. }), "{problem}");
    // A long name for each of many inputs.
    let (place, problem) = self::problem(|program| {
        program.strings[0] = "n".repeat(1 << 20);
        program.functions[0].input_names = vec![0; 1 << 10];
    });
    assert_eq!(place, "function 0");
    assert!(matches!(problem, Malformed::Parts { .. }), "{problem}");
}

#[test]
fn sizes_of_version_2_nest_no_deeper_than_those_of_programs() {
    #[derive(Serialize)]
    #[expect(dead_code, reason = "the numbers of the others must be right")]
    enum Part {
        Size(u32),
        Term(i64, u32),
        Symbol(SymbolId),
        Min,
        FloorDiv,
    }
    fn push(depth: usize, parts: &mut Vec<Part>) {
        parts.extend([Part::Size(1), Part::Term(1, 1)]);
        let Some(below) = depth.checked_sub(1) else {
            parts.push(Part::Symbol(SymbolId(0)));
            return;
        };
        parts.push(Part::Min);
        push(below, parts);
        push(below, parts);
    }
    let read = |depth| {
        let mut parts = Vec::new();
        push(depth, &mut parts);
        let bytes = bincode::serde::encode_to_vec(parts, standard()).expect("bytes");
        let read = bincode::serde::decode_from_slice::<Nested, _>(&bytes, standard());
        read.map(|(size, _)| Size::from(size))
    };
    let deepest = read(MAX_NESTING).expect("a size");
    assert_eq!(deepest.nesting(), MAX_NESTING);
    let error = read(MAX_NESTING + 1).expect_err("too deep");
    assert!(error.to_string().contains("nests too deep"), "{error}");
}
