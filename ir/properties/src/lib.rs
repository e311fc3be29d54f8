//! Properties of `kiln-ir` that hold whatever the bytes.
//!
//! Each function takes bytes and panics where its property does not hold. The fuzz targets in
//! `fuzz` call them with what libFuzzer makes up, the tests of `kiln-ir` with a bounded number of
//! seeded bytes.
//!
//! | function | of the bytes it makes | and checks |
//! |---|---|---|
//! | [`native`] | a `.kiln` file with checksums that fit | what is read is written as it was |
//! | [`text`] | a program in text form | what is parsed is printed as it was |
//! | [`validator`] | a program that is likely to be wrong | a valid one stays valid by every pass |
//! | [`passes`] | a valid program, and inputs | results do not change by passes |
//! | [`loops`] | a valid program, and inputs | results are those of the steps one by one |
//! | [`executor`] | a valid program, and inputs | results have its types |
//!
//! An error in place of each is as good; a panic is not.

mod choices;
mod inputs;
mod mutated;
mod native;
mod run;
pub mod strategy;
mod text;
mod unroll;
mod valid;
mod validator;

pub use choices::Choices;
pub use mutated::mutated;
pub use native::native;
pub use run::{executor, loops, passes};
pub use text::text;
pub use valid::program;
pub use validator::validator;
