//! Errors as a user sees them: what failed, why, and what to do next.
//!
//! ```text
//! error: cannot load net.kiln
//!   cause: the program's checksum is wrong
//!   hint: the file is damaged; make it again
//! ```

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Mutex,
};

use anyhow::{Error, anyhow};

/// What to do next, attached to an error as context.
#[derive(Debug)]
struct Hint(String);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Attaches a [`Hint`] to errors.
pub(crate) trait WithHint<T> {
    /// Says what to do next, unless something closer to the cause did.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<Error>> WithHint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| {
            let error = error.into();
            if error.downcast_ref::<Hint>().is_some() {
                error
            } else {
                error.context(Hint(hint.into()))
            }
        })
    }
}

/// Writes an error to standard error.
pub(crate) fn report(error: &Error) {
    // There is nowhere to report to if standard error is closed.
    let _ = std::io::stderr().lock().write_all(text(error).as_bytes());
}

fn text(error: &Error) -> String {
    let hint = error.downcast_ref::<Hint>().map(|Hint(hint)| hint.as_str());
    let mut text = String::new();
    let mut last = String::new();
    let mut is_hint_seen = false;
    for cause in error.chain() {
        let cause = cause.to_string();
        if !is_hint_seen && Some(cause.as_str()) == hint {
            is_hint_seen = true;
            continue;
        }
        // Some libraries repeat the cause in their own message.
        if last.ends_with(&cause) && !last.is_empty() {
            continue;
        }
        let lead = if last.is_empty() { "error" } else { "  cause" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{lead}: {}", cause.replace('\n', "\n  "));
        last = cause;
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "  hint: {}", hint.replace('\n', "\n  "));
    }
    text
}

/// Message and place of the last panic.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Keeps panics from printing; [`catch`] reports them. With `RUST_BACKTRACE` they print as usual.
pub(crate) fn quiet_panics() {
    if std::env::var_os("RUST_BACKTRACE").is_none_or(|value| value == "0") {
        panic::set_hook(Box::new(|info| remember(&describe(info))));
    }
}

fn remember(message: &str) {
    if let Ok(mut last) = LAST_PANIC.lock() {
        *last = Some(message.to_owned());
    }
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(place) => format!("{message} ({}:{})", place.file(), place.line()),
        None => message.to_owned(),
    }
}

/// Runs a command; a panic becomes an error.
pub(crate) fn catch<T>(command: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    match guard(command) {
        Ok(result) => result,
        Err(message) => Err(anyhow!("internal error: {message}")).hint(
            "this is a bug in kiln; please report it with the command line, \
             and set RUST_BACKTRACE=1 to see where it happened",
        ),
    }
}

/// Runs something that may panic, such as the driver of a GPU that is not there; gives the message.
pub(crate) fn guard<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let last = LAST_PANIC.lock().ok().and_then(|mut last| last.take());
        let payload = payload
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
        last.or(payload).unwrap_or_else(|| "no message".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_its_causes_and_the_innermost_hint() {
        let error = Err::<(), _>(anyhow!("the checksum is wrong"))
            .hint("make it again")
            .map_err(|error| error.context("cannot load net.kiln"))
            .hint("read the manual");
        assert_eq!(
            text(&error.unwrap_err()),
            "error: cannot load net.kiln\n  cause: the checksum is wrong\n  hint: make it again\n"
        );
    }

    #[test]
    fn a_cause_that_its_error_repeats_is_said_once() {
        let error = anyhow!("no such file").context("cannot read x.pt: no such file");
        assert_eq!(text(&error), "error: cannot read x.pt: no such file\n");
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = catch::<()>(|| panic!("index 7")).unwrap_err();
        assert!(text(&error).starts_with("error: internal error: index 7"));
        assert!(text(&error).contains("hint: this is a bug"));
    }
}
