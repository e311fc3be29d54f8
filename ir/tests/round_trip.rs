//! `parse(print(program)) == program`, for programs with every operation and attribute, valid or
//! not.

use kiln_ir::{parse, print};
use kiln_ir_properties::strategy::program;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn printed_programs_parse_to_themselves(program in program()) {
        let text = print(&program);
        prop_assert_eq!(parse(&text), Ok(program), "{}", text);
    }

    #[test]
    fn validation_never_panics(program in program()) {
        let _ = kiln_ir::validate(program);
    }

    #[test]
    fn parsing_never_panics(text in ".{0,200}", tail in "[%$@a-z0-9(){}\\[\\],.:=*+?> -]{0,80}") {
        let _ = parse(&text);
        let _ = parse(&format!("kiln 1\n{tail}"));
        let _ = parse(&format!("kiln 1\nsymbols $N\nmodule @ = A {{}}\nfn @f(x %0: f32[{tail}"));
    }
}

#[test]
fn the_normal_form_is_as_recorded() {
    let program = parse(include_str!("files/parse/sample.kir")).unwrap();
    insta::assert_snapshot!(print(&program));
}

#[test]
fn the_example_of_the_documentation_is_valid_and_in_normal_form() {
    let page = include_str!("../../docs/ir.md");
    let (_, rest) = page.split_once("```text\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let program = parse(example).unwrap();
    assert_eq!(print(&program), example);
    kiln_ir::validate(program).unwrap();
}
