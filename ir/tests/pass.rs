//! Passes keep programs valid and make them smaller.

use kiln_ir::{parse, pass, print, validate};

/// The functions of a program after passes, as text.
fn after(text: &str, passes: &[pass::Pass]) -> String {
    let program = validate(parse(text).unwrap()).unwrap();
    let text = print(&pass::run(program, passes).unwrap());
    text.split_once("\nfn")
        .map_or_else(String::new, |(_, functions)| format!("fn{functions}"))
}

const TEXT: &str = "kiln 1
symbols $N, $K
module @ = Net {
  method forward(x: f32[$N], mask: bool[$N]) -> f32[$K] {
    case () -> @forward
  }
}
fn @unused(x %0: f32[$N]) -> (%0) {
}
fn @select(x %0: f32[$N], mask %1: bool[$N], n %2: int $N) -> (%4, %3) {
  %3: i64[$K] = nonzero(%1)
  %4: f32[$K] = gather(%0, %3)
}
fn @forward(x %0: f32[$N], mask %1: bool[$N]) -> (%8) {
  %2: int $N = symbol $N
  %3: f32[$K], %4: i64[$K] = call @select(%0, %1, %2)
  %5: f32[$K] = exp(%3)
  %6: f32[$K] = exp(%3)
  %7: f32[$K] = log(%5)
  %8: f32[$K] = add(%5, %6)
}
";

#[test]
fn inlining_common_nodes_and_dead_code() {
    let expected = "fn @forward(x %0: f32[$N], mask %1: bool[$N]) -> (%5) {
  %2: i64[$K] = nonzero(%1)
  %3: f32[$K] = gather(%0, %2)
  %4: f32[$K] = exp(%3)
  %5: f32[$K] = add(%4, %4)
}
";
    assert_eq!(after(TEXT, &pass::EXECUTION), expected);
}

#[test]
fn a_symbol_that_a_living_size_needs_keeps_its_node() {
    let text = "kiln 1
symbols $N, $K
module @ = Net {
  method forward(mask: bool[$N]) -> f32[$K] {
    case () -> @forward
  }
}
fn @forward(mask %0: bool[$N]) -> (%3) {
  %1: bool[$N] = not(%0)
  %2: i64[$K] = nonzero(%1)
  %3: f32[$K] = full{value=1.0, elem=f32, dims=[$K]}()
}
";
    let unchanged = text.split_once("fn").unwrap().1;
    assert_eq!(after(text, &[pass::DCE]), format!("fn{unchanged}"));
}

/// Nothing else shows `N*E + 1`: the inputs give the product of its symbols alone.
#[test]
fn a_size_that_nothing_else_shows_keeps_its_node() {
    let text = "kiln 1
symbols $N, $E
module @ = Net {
  method forward(a: f32[$N*$E], s: size($N, $E)) -> f32[$N*$E + 1] {
    case () -> @forward
  }
}
fn @forward(a %0: f32[$N*$E]) -> (%3) {
  %1: f32[1] = full{value=1.0, elem=f32, dims=[1]}()
  %2: f32[$N*$E + 1] = cat{dim=0}(%0, %1)
  %3: f32[$N*$E + 1] = full{value=2.0, elem=f32, dims=[$N*$E + 1]}()
}
";
    let unchanged = text.split_once("fn").unwrap().1;
    assert_eq!(after(text, &pass::EXECUTION), format!("fn{unchanged}"));
}

/// Each draws a mask of its own.
#[test]
fn running_statistics_are_taken_as_they_are() {
    let text = "kiln 1
symbols $N
module @ = Net {
  method forward(outside: f32[$N], x: f32[$N]) -> f32[$N] {
    case () -> @forward
  }
}
fn @forward(outside %0: f32[$N], x %1: f32[$N]) -> (%4) {
  %2: f32[$N] = exp(%1)
  %3: f32[$N] = running_statistic{momentum=0.1, counts=false}(%0, %2, %2, %0)
  %4: f32[$N] = add(%3, %1)
}
";
    let expected = "fn @forward(outside %0: f32[$N], x %1: f32[$N]) -> (%2) {
  %2: f32[$N] = add(%0, %1)
}
";
    assert_eq!(after(text, &pass::EXECUTION), expected);
}

#[test]
fn attention_with_dropout_is_not_merged() {
    let text = |dropout: &str| {
        format!(
            "kiln 1
symbols $N, $E
module @ = Net {{
  method forward(x: f32[$N, 1, 2], src: i64[$E], dst: i64[$E], a: f32[$N, 1]) -> f32[$N, 1, 2] {{
    case () -> @forward
  }}
}}
fn @forward(x %0: f32[$N, 1, 2], src %1: i64[$E], dst %2: i64[$E], a %3: f32[$N, 1]) -> (%6) {{
  %4: f32[$N, 1, 2] = edge_attention{{slope=0.2, self_loops=false, dropout={dropout}, size=$N}}(%0, %1, %2, %3, %3)
  %5: f32[$N, 1, 2] = edge_attention{{slope=0.2, self_loops=false, dropout={dropout}, size=$N}}(%0, %1, %2, %3, %3)
  %6: f32[$N, 1, 2] = add(%4, %5)
}}
"
        )
    };
    let nodes = |dropout| {
        after(&text(dropout), &pass::EXECUTION)
            .matches("edge_attention")
            .count()
    };
    assert_eq!(nodes("0.5"), 2);
    assert_eq!(nodes("0.0"), 1);
}

#[test]
fn dropout_and_nonzero_are_not_merged() {
    let text = "kiln 1
symbols $N, $K0, $K1
module @ = Net {
  method forward(x: f32[$N], mask: bool[$N]) -> (f32[$N], i64[$K0], i64[$K1]) {
    case () -> @forward
  }
}
fn @forward(x %0: f32[$N], mask %1: bool[$N]) -> (%6, %4, %5) {
  %2: f32[$N] = dropout{prob=0.5}(%0)
  %3: f32[$N] = dropout{prob=0.5}(%0)
  %4: i64[$K0] = nonzero(%1)
  %5: i64[$K1] = nonzero(%1)
  %6: f32[$N] = add(%2, %3)
}
";
    let unchanged = text.split_once("fn").unwrap().1;
    assert_eq!(after(text, &pass::EXECUTION), format!("fn{unchanged}"));
}
