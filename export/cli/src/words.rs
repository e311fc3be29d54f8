//! Signatures, sizes and tables as text.

use std::fmt::Write as _;

use kiln::ir::{
    Program, Size,
    leaf::entry_name,
    program::{Method, TensorType, Type},
};

/// Names in a list, or `none`.
pub(crate) fn or_none<S: AsRef<str>>(names: &[S]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names
        .iter()
        .map(AsRef::as_ref)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A number of bytes: `512 B`, `1.5 KiB`, `2.0 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is printed")]
    let mut value = count as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{count} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// `1 weight`, `2 weights`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A shape: `[34, 4]`.
pub(crate) fn shape<T: ToString>(dims: &[T]) -> String {
    format!(
        "[{}]",
        dims.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
    )
}

/// A size: `N + 1`, `4*E`.
pub(crate) fn size(program: &Program, size: &Size) -> String {
    size.text(&|symbol| program.symbol_name(symbol).into_owned())
}

/// A tensor's type: `f32[N, 8]`.
pub(crate) fn tensor(program: &Program, ty: &TensorType) -> String {
    let dims: Vec<String> = ty.dims.iter().map(|dim| size(program, dim)).collect();
    format!("{}{}", ty.elem, shape(&dims))
}

/// A type: `(f32[N, 8], f32[M, 8]?)`.
pub(crate) fn ty(program: &Program, ty: &Type) -> String {
    match ty {
        Type::Tensor(ty) => tensor(program, ty),
        Type::Adjacency(parts) => {
            let [rowptr, col, value] = parts.each_ref().map(|part| tensor(program, part));
            format!("csr({rowptr}, {col}, {value}?)")
        }
        Type::Optional(inner) => format!("{}?", self::ty(program, inner)),
        Type::Tuple(items) => {
            let items: Vec<String> = items.iter().map(|item| self::ty(program, item)).collect();
            format!("({})", items.join(", "))
        }
        Type::Size([src, dst]) => {
            format!(
                "size({}, {})?",
                program.symbol_name(*src),
                program.symbol_name(*dst)
            )
        }
        Type::List(items) => {
            let items: Vec<String> = items.iter().map(|item| self::ty(program, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Type::Dict(entries) => {
            let entry = |(key, ty): &(String, Type)| {
                format!("{}: {}", entry_name("", key), self::ty(program, ty))
            };
            format!(
                "{{{}}}",
                entries.iter().map(entry).collect::<Vec<_>>().join(", ")
            )
        }
        Type::Flag => "flag".to_owned(),
        Type::Int(symbol) => format!("int {}", program.symbol_name(*symbol)),
        Type::Float(_) => "float".to_owned(),
        Type::Literal(literal) => literal.to_string(),
    }
}

/// A method's signature: `forward(x: f32[N, 8], edge_index: i64[2, E]) -> f32[N, 4]`.
pub(crate) fn signature(program: &Program, method: &Method) -> String {
    let params: Vec<String> = method
        .params
        .iter()
        .map(|param| format!("{}: {}", param.name, ty(program, &param.ty)))
        .collect();
    format!(
        "{}({}) -> {}",
        method.name,
        params.join(", "),
        ty(program, &method.result)
    )
}

/// Names of what a caller passes: `x, edge_index, edge_weight (optional)`.
pub(crate) fn inputs(method: &Method) -> String {
    let optional = |name: &str| format!("{name} (optional)");
    let leaves = method.leaves();
    let mut names: Vec<String> = leaves
        .iter()
        .map(|leaf| {
            if leaf.optional {
                optional(&leaf.name)
            } else {
                leaf.name.clone()
            }
        })
        .collect();
    names.extend(method.sizes().map(|one| {
        if one.optional {
            optional(one.name)
        } else {
            one.name.to_owned()
        }
    }));
    names.extend(
        method
            .literals()
            .map(|(name, literal)| format!("{name} = {literal}")),
    );
    or_none(&names)
}

/// Lines of cells, each column as wide as its widest cell, indented by two spaces.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(column) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string does not fail.
            let _ = write!(line, "  {cell:<width$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use kiln::ir::program::{Symbol, SymbolId};

    use super::*;

    #[test]
    fn sizes_read_as_sums() {
        let symbols = ["N", "E"]
            .map(|name| Symbol {
                name: name.to_owned(),
            })
            .to_vec();
        let program = Program {
            symbols,
            ..Program::default()
        };
        let (n, e) = (Size::symbol(SymbolId(0)), Size::symbol(SymbolId(1)));
        assert_eq!(size(&program, &(&n + &1.into())), "N + 1");
        assert_eq!(
            size(&program, &(&(&e * &4.into()) + &(-2).into())),
            "4*E - 2"
        );
        assert_eq!(size(&program, &(&n * &e)), "N*E");
        assert_eq!(size(&program, &0.into()), "0");
    }

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3 << 20), "3.0 MiB");
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["a".to_owned(), "b".to_owned()],
            vec!["long".to_owned(), "c".to_owned()],
        ];
        assert_eq!(table(&rows), "  a     b\n  long  c\n");
    }
}
