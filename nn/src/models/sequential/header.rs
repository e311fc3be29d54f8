//! PyG's notation of what is passed to a module of a [`GraphSequential`](super::GraphSequential)
//! and what becomes of its results: `x, edge_index -> x`.

/// Names of arguments and of results.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Of what the module takes, in order.
    pub(super) args: Vec<String>,
    /// Of what the module returns.
    pub(super) results: Vec<String>,
}

impl Header {
    /// Reads `x, edge_index -> x`; `None` if the text is no header.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (args, results) = text.split_once("->")?;
        let names = |list: &str| {
            let names = list.split(',').map(str::trim);
            names
                .map(|name| is_name(name).then(|| name.to_owned()))
                .collect::<Option<Vec<_>>>()
        };
        Some(Self {
            args: names(args)?,
            results: names(results)?,
        })
    }
}

/// An input of the whole model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Input {
    pub(super) name: String,
    /// Whether its type says that it may be absent.
    pub(super) is_optional: bool,
}

impl Input {
    /// Reads `x, edge_index, edge_weight: OptTensor -> Tensor`; `None` if the text is no list of
    /// names.
    ///
    /// Of the types, which the modules know, counts only whether they are optional.
    pub(super) fn parse_all(text: &str) -> Option<Vec<Self>> {
        let list = text.split_once("->").map_or(text, |(args, _)| args);
        let one = |argument: &str| {
            let (name, ty) = argument.split_once(':').unwrap_or((argument, ""));
            let (name, ty) = (name.trim().to_owned(), ty.trim());
            let is_optional = ["Optional[", "OptTensor", "OptPairTensor"]
                .iter()
                .any(|start| ty.starts_with(start))
                || ty.split('|').any(|part| part.trim() == "None");
            is_name(&name).then_some(Self { name, is_optional })
        };
        split(list).into_iter().map(one).collect()
    }
}

/// The parts between commas that are outside of brackets.
fn split(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, next) in list.char_indices() {
        match next {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.extend(list.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(list.get(start..));
    parts
}

fn is_name(text: &str) -> bool {
    let is_word = |next: char| next.is_ascii_alphanumeric() || next == '_';
    text.chars().all(is_word) && text.starts_with(|first: char| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_names_on_both_sides() {
        let header = Header::parse("x1, edge_index -> x2, weights").unwrap();
        assert_eq!(header.args, ["x1", "edge_index"]);
        assert_eq!(header.results, ["x2", "weights"]);
        for wrong in ["", "x", "x ->", "-> x", "x, -> x", "x y -> x", "2 -> x"] {
            assert!(Header::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn types_of_inputs_say_whether_they_are_optional() {
        let text =
            "x: Tensor, a: Optional[Tuple[int, int]], b: OptTensor, c: Tensor | None, d -> Tensor";
        let inputs = Input::parse_all(text).unwrap();
        let optional = inputs
            .iter()
            .map(|input| (input.name.as_str(), input.is_optional));
        let expected = [
            ("x", false),
            ("a", true),
            ("b", true),
            ("c", true),
            ("d", false),
        ];
        assert_eq!(optional.collect::<Vec<_>>(), expected);
        assert!(Input::parse_all("x, ").is_none());
    }
}
