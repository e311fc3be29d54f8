//! Panics of forward passes as errors.
//!
//! A layer panics where shapes disagree, and Burn panics where a value is read while recording. The
//! recorder returns such a panic as an error, so nothing should be printed for it; other panics
//! keep the hook that the program has.

use core::any::Any;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

use kiln_ops::scope;

/// Runs `f`; a panic inside is returned as its message.
pub(super) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if !scope::is_recording() {
                previous(info);
            }
        }));
    });
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| message(&*payload))
}

/// The text of a panic.
fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        })
        .unwrap_or_else(|| "no message".to_owned())
}
