//! The text form.

use kiln_ir::{parse, print, validate};

/// Parses a text, and prints and parses the program again; validates it.
///
/// # Panics
/// If parser, printer or validator do, or the program that is parsed again is another.
pub fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(program) = parse(&text) else {
        return;
    };
    let printed = print(&program);
    assert_eq!(parse(&printed).as_ref(), Ok(&program), "{printed}");
    let _ = validate(program);
}
