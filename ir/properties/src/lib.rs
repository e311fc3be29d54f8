//! Properties of `kiln-ir` that hold whatever the bytes.
//!
//! Each function takes bytes and panics where its property does not hold. The fuzz targets in
//! `fuzz` call them with what libFuzzer makes up, the tests of `kiln-ir` with a bounded number of
//! seeded bytes.
//!
//! | function | of the bytes it makes | and checks |
//! |---|---|---|
//! | [`native`] | a `.kiln` file with checksums that fit | reading gives a model, which is written and read again as it was, or an error |
//! | [`text`] | a program in text form | the same for parsing and printing |
//! | [`validator`] | a program that is likely to be wrong | a valid one stays valid by every pass |
//! | [`passes`] | a valid program, and inputs | results do not change by passes |
//! | [`executor`] | a valid program, and inputs | running it gives results of its types, or an error |

mod choices;
mod inputs;
mod mutated;
mod native;
mod run;
pub mod strategy;
mod text;
mod valid;
mod validator;

pub use choices::Choices;
pub use mutated::mutated;
pub use native::native;
pub use run::{executor, passes};
pub use text::text;
pub use valid::program;
pub use validator::validator;
