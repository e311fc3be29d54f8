//! The words of TorchScript: types, literals, names.

use std::collections::BTreeSet;

use kiln_ir::{ElemType, Literal, Type};

/// The number of an element type, as code writes it (`dtype=6`).
pub(super) fn dtype(elem: ElemType) -> &'static str {
    match elem {
        ElemType::U8 => "0",
        ElemType::I32 => "3",
        ElemType::I64 => "4",
        ElemType::F16 => "5",
        ElemType::F32 => "6",
        ElemType::F64 => "7",
        ElemType::Bool => "11",
        ElemType::BF16 => "15",
    }
}

/// The TorchScript type of a parameter or a result.
pub(super) fn type_text(ty: &Type) -> String {
    match ty {
        Type::Tensor(_) => "Tensor".to_owned(),
        Type::Adjacency(_) => "Tuple[Tensor, Tensor, Optional[Tensor]]".to_owned(),
        // Nothing is known of what is always absent.
        Type::Optional(inner) if **inner == Type::Tuple(Vec::new()) => "NoneType".to_owned(),
        Type::Optional(inner) => optional(&type_text(inner)),
        Type::Tuple(items) => {
            let items: Vec<String> = items.iter().map(type_text).collect();
            format!("Tuple[{}]", items.join(", "))
        }
        Type::List(items) => {
            let item = items.first().map(type_text);
            format!("List[{}]", item.unwrap_or_else(|| "Tensor".to_owned()))
        }
        // A value that may be absent has no key then.
        Type::Dict(entries) => {
            let value = entries.first().map(|(_, ty)| type_text(ty));
            let value = value.unwrap_or_else(|| "Tensor".to_owned());
            format!("Dict[str, {}]", required(&value))
        }
        Type::Size(_) => "Optional[Tuple[int, int]]".to_owned(),
        Type::Flag | Type::Literal(Literal::Bool(_)) => "bool".to_owned(),
        Type::Int(_) => "int".to_owned(),
        Type::Float(_) => "float".to_owned(),
        Type::Literal(Literal::Text(_)) => "str".to_owned(),
    }
}

/// Whether the values of each dictionary, and of each list, have one type.
pub(super) fn is_uniform(ty: &Type) -> bool {
    let mut types = ty.parts().map(type_text);
    let has_one = match ty {
        Type::List(_) => types.next().is_none_or(|first| types.all(|ty| ty == first)),
        Type::Dict(_) => {
            let first = types.next().unwrap_or_default();
            types.all(|ty| required(&ty) == required(&first))
        }
        _ => true,
    };
    has_one && ty.parts().all(is_uniform)
}

/// `Optional[ty]`, unless it is optional already.
pub(super) fn optional(ty: &str) -> String {
    if ty.starts_with("Optional[") {
        ty.to_owned()
    } else {
        format!("Optional[{ty}]")
    }
}

/// A type without its `Optional`.
pub(super) fn required(ty: &str) -> &str {
    ty.strip_prefix("Optional[")
        .and_then(|ty| ty.strip_suffix(']'))
        .unwrap_or(ty)
}

/// A float literal: it reads back equal and never looks like an integer.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

/// A string literal in double quotes.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\t' => literal.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                let octal = format!("\\{:03o}", u32::from(control));
                literal.push_str(&octal);
            }
            other => literal.push(other),
        }
    }
    literal.push('"');
    literal
}

/// A list literal.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(", "))
}

/// A boolean or a text.
pub(super) fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Bool(value) => boolean(*value).to_owned(),
        Literal::Text(text) => string(text),
    }
}

/// A boolean literal.
pub(super) fn boolean(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// A tuple literal, or the value itself if there is only one.
pub(super) fn tuple(items: &[String]) -> String {
    match items {
        [item] => item.clone(),
        items => format!("({})", items.join(", ")),
    }
}

/// Words that code cannot use as a name of its own.
const RESERVED: &[&str] = &[
    "and",
    "annotate",
    "Any",
    "as",
    "assert",
    "bool",
    "break",
    "class",
    "CONSTANTS",
    "continue",
    "def",
    "Device",
    "del",
    "Dict",
    "elif",
    "else",
    "except",
    "False",
    "Final",
    "float",
    "for",
    "from",
    "getattr",
    "global",
    "if",
    "import",
    "in",
    "inf",
    "int",
    "is",
    "isinstance",
    "lambda",
    "len",
    "List",
    "nan",
    "None",
    "NoneType",
    "nonlocal",
    "not",
    "number",
    "ops",
    "Optional",
    "or",
    "pass",
    "print",
    "raise",
    "range",
    "return",
    "self",
    "str",
    "Tensor",
    "torch",
    "True",
    "try",
    "Tuple",
    "unchecked_cast",
    "uninitialized",
    "Union",
    "while",
    "with",
    "yield",
    "__torch__",
];

/// Whether code can use the text as a name.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !RESERVED.contains(&text)
}

/// The nearest name that code can use: `x.0` gives `x_0`.
pub(super) fn identifier(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '_'
            }
        })
        .collect();
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        name.insert(0, '_');
    }
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// The names that are taken in a scope.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// A name that is not taken yet: `base`, or `base_1`, `base_2`, ...; a number at the end of
    /// `base` counts on.
    pub(super) fn fresh(&mut self, base: &str) -> String {
        let base = identifier(base);
        if self.taken.insert(base.clone()) {
            return base;
        }
        let (stem, start) = match base.rsplit_once('_') {
            Some((stem, number)) if !stem.is_empty() => number
                .parse::<u64>()
                .map_or((base.as_str(), 0), |number| (stem, number)),
            _ => (base.as_str(), 0),
        };
        let mut number = start.saturating_add(1);
        loop {
            let name = format!("{stem}_{number}");
            if self.taken.insert(name.clone()) {
                return name;
            }
            number = number.saturating_add(1);
        }
    }
}

/// A statement that raises a `ValueError`.
pub(super) fn raise(message: &str) -> String {
    format!(
        "ops.prim.RaiseException({}, \"builtins.ValueError\")",
        string(message)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_back_and_look_like_floats() {
        for value in [1.0, -0.5, 1e-16, 1e20, f64::MAX, 0.1_f32.into()] {
            let text = float(value);
            assert!(text.contains(['.', 'e']), "{text}");
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
        assert_eq!(float(f64::NEG_INFINITY), "-inf");
    }

    #[test]
    fn names_count_on() {
        let mut names = Names::default();
        let fresh: Vec<String> = ["x", "x", "x_1", "x.0", "in", "2"]
            .map(|base| names.fresh(base))
            .into();
        assert_eq!(fresh, ["x", "x_1", "x_2", "x_0", "in_", "_2"]);
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("a \"b\"\r\\"), r#""a \"b\"\015\\""#);
    }
}
