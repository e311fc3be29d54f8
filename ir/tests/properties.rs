//! The properties that the fuzz targets check, of a bounded number of seeded bytes.

use std::{collections::BTreeSet, fs};

use kiln_ir::{Op, validate};
use kiln_ir_properties::{self as properties, Choices};
use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};

use crate::files::files;

/// As many seeded inputs; `KILN_FUZZ_CASES` overrides how many.
fn each(count: usize, mut check: impl FnMut(&[u8])) {
    let count = std::env::var("KILN_FUZZ_CASES").map_or(count, |cases| cases.parse().unwrap());
    let mut runner = TestRunner::deterministic();
    let bytes = vec(any::<u8>(), 0..1500);
    for _ in 0..count {
        check(&bytes.new_tree(&mut runner).unwrap().current());
    }
}

/// Files of the folder, each with some of its bytes changed, removed or repeated.
fn each_mutated(folder: &str, count: usize, mut check: impl FnMut(&[u8])) {
    let seeds: Vec<_> = files(folder)
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
    let mut seeds = seeds.iter().cycle();
    each(count, |bytes| {
        let mut choices = Choices::new(bytes);
        check(&properties::mutated(seeds.next().unwrap(), &mut choices));
    });
}

#[test]
fn damaged_native_files_are_read_or_refused() {
    each_mutated("native/v3", 300, properties::native);
    each_mutated("native/v2", 150, properties::native);
    each_mutated("native/v1", 150, properties::native);
}

#[test]
fn damaged_texts_are_parsed_or_refused() {
    for folder in ["exec", "parse", "validate", "parts"] {
        each_mutated(folder, 300, properties::text);
    }
}

#[test]
fn passes_keep_programs_valid() {
    each(300, properties::validator);
}

/// Otherwise tests of the executor and of passes would test little.
#[test]
fn random_programs_are_valid_and_have_every_operation() {
    let (mut count, mut valid) = (0, 0);
    let mut missing: BTreeSet<&str> = Op::specs().map(|spec| spec.name).collect();
    missing.insert("scan");
    each(500, |bytes| {
        let program = properties::program(&mut Choices::new(bytes));
        let nodes = program
            .functions
            .iter()
            .flat_map(|function| &function.nodes);
        for node in nodes {
            let name = node.op.name();
            missing.remove(node.op.spec().map_or(&*name, |spec| spec.name));
        }
        count += 1;
        valid += usize::from(validate(program).is_ok());
    });
    assert!(valid * 100 >= count * 95, "{valid} of {count} are valid");
    assert_eq!(missing, BTreeSet::new());
}

#[test]
fn random_programs_run_or_are_refused() {
    each(300, |bytes| {
        properties::executor(bytes);
    });
}

#[test]
fn loops_are_their_steps_one_by_one() {
    let mut count = 0;
    each(300, |bytes| {
        count += properties::loops(bytes);
    });
    assert!(count > 100, "{count} loops");
}

#[test]
fn passes_change_no_results() {
    each(300, |bytes| {
        properties::passes(bytes);
    });
}
