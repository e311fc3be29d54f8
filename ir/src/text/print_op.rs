//! The text form of operations: `name{attribute=value, ...}(operands)`.

use super::{
    Words,
    words::{at, float, list},
};
use crate::op::{Op, Scan, attribute::Value};

/// An operation with its operands.
pub(super) fn print_op(words: Words<'_>, op: &Op, inputs: &str) -> String {
    match op {
        Op::Weight(id) => return format!("weight {}", words.weight(*id)),
        Op::Call(id) => return format!("call {}({inputs})", at(&words.function(*id))),
        Op::Symbol(symbol) => return format!("symbol {}", words.symbol(*symbol)),
        Op::Scan(scan) => return print_scan(words, scan, inputs),
        _ => {}
    }
    let attributes = list(&op.attributes(), |(attribute, value)| {
        format!("{}={}", attribute.name, value_text(words, value))
    });
    let name = op.name();
    if attributes.is_empty() {
        format!("{name}({inputs})")
    } else {
        format!("{name}{{{attributes}}}({inputs})")
    }
}

fn print_scan(words: Words<'_>, scan: &Scan, inputs: &str) -> String {
    let Scan {
        body,
        times,
        carried,
        scanned,
        reverse,
    } = scan;
    let (body, times) = (at(&words.function(*body)), words.size(times));
    format!(
        "scan {body}{{times={times}, carried={carried}, scanned={scanned}, \
         reverse={reverse}}}({inputs})"
    )
}

/// The value of an attribute.
fn value_text(words: Words<'_>, value: &Value) -> String {
    let none = || "none".to_owned();
    match value {
        Value::Word(word) => (*word).to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Integers(values) => format!("[{}]", list(values, u32::to_string)),
        Value::Float(value) => float(*value),
        Value::OptionalFloat(value) => value.map_or_else(none, float),
        Value::Scalar(scalar) => words.scalar(scalar),
        Value::OptionalScalar(scalar) => scalar.as_ref().map_or_else(none, |one| words.scalar(one)),
        Value::Size(size) => words.size(size),
        Value::Sizes(sizes) => format!("[{}]", words.sizes(sizes)),
        Value::Ranges(ranges) => {
            let range = |(start, end): &_| format!("{}..{}", words.size(start), words.size(end));
            format!("[{}]", list(ranges, range))
        }
    }
}
