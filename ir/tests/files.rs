//! Runs the annotated programs in `tests/files`.
//!
//! The first line says what to do: `; test: parse` or `; test: validate`. A comment `; error: ...`
//! on a line says that exactly this error is reported there. `BLESS=1` rewrites the comments.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use kiln_ir::{parse, print, text::parse_with_lines, validate, validate::INVARIANTS};

pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/files")
        .join(folder);
    let mut files: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The text without error comments, and the errors by line.
fn split(text: &str) -> (String, Vec<(u32, String)>) {
    let mut clean = String::new();
    let mut errors = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let (code, error) = line.split_once(" ; error: ").unwrap_or((line, ""));
        clean += code;
        clean.push('\n');
        errors.extend(
            error
                .split(" ; error: ")
                .filter(|one| !one.is_empty())
                .map(|one| (number, one.to_owned())),
        );
    }
    (clean, errors)
}

fn compare(path: &Path, text: &str, found: &[(u32, String)]) {
    let (clean, expected) = split(text);
    if expected == found {
        return;
    }
    let annotate = |(line, number): (&str, u32)| {
        let errors = found.iter().filter(|(at, _)| *at == number);
        errors.fold(line.to_owned(), |line, (_, error)| {
            format!("{line} ; error: {error}")
        }) + "\n"
    };
    let blessed: String = clean.lines().zip(1..).map(annotate).collect();
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, blessed).unwrap();
        return;
    }
    panic!("{}: expected {expected:#?}, got {found:#?}", path.display());
}

#[test]
fn parse_errors_are_as_annotated() {
    for path in files("parse") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("; test: parse\n"), "{}", path.display());
        let found = match parse(&split(&text).0) {
            Ok(program) => {
                let printed = print(&program);
                assert_eq!(parse(&printed).as_ref(), Ok(&program), "{}", path.display());
                Vec::new()
            }
            Err(error) => vec![(
                error.line,
                format!("column {}: {}", error.column, error.kind),
            )],
        };
        compare(&path, &text, &found);
    }
}

#[test]
fn validation_errors_are_as_annotated() {
    for path in files("validate") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("; test: validate\n"), "{}", path.display());
        let (program, lines) = parse_with_lines(&split(&text).0).unwrap_or_else(|error| {
            panic!("{}: {error}", path.display());
        });
        let mut found: Vec<(u32, String)> = match validate(program) {
            Ok(_) => Vec::new(),
            Err(invalid) => invalid
                .0
                .iter()
                .map(|one| {
                    let line = lines.line(one.place).expect("every place has a line");
                    (line, format!("{}: {}", one.invariant, one.kind))
                })
                .collect(),
        };
        found.sort_by_key(|(line, _)| *line);
        compare(&path, &text, &found);
    }
}

/// Every invariant has a file that keeps it and one that breaks it and only it; the order of
/// values, which text cannot break, is tested in the crate.
#[test]
fn every_invariant_has_a_pass_and_a_fail_file() {
    let mut names = BTreeSet::new();
    for path in files("validate") {
        let (_, errors) = split(&fs::read_to_string(&path).unwrap());
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let (number, kind) = name.split_once('-').unwrap();
        let number: u8 = number.parse().unwrap();
        match kind {
            "pass" => assert!(errors.is_empty(), "{name}"),
            "fail" => {
                assert!(!errors.is_empty(), "{name}");
                for (_, error) in errors {
                    assert!(error.starts_with(&format!("{number}: ")), "{name}: {error}");
                }
            }
            _ => panic!("{name}: expected -pass or -fail"),
        }
        names.insert((number, kind.to_owned()));
    }
    for number in (1..=INVARIANTS).filter(|&number| number != 9) {
        for kind in ["pass", "fail"] {
            assert!(
                names.contains(&(number, kind.to_owned())),
                "{number:02}-{kind}.kir"
            );
        }
    }
}
