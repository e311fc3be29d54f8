//! The text form of programs: [`print`](print()) and [`parse`](parse()).
//!
//! `docs/ir.md` has the grammar. The printer emits one normal form, and for every valid program
//! `parse(&print(&program))` gives the same program. The parser resolves names and nothing more:
//! what it returns is checked by [`validate`](crate::validate()) like any other program. It never
//! panics, and its depth and memory are bounded by the text.
//!
//! ```
//! let text = r"kiln 1
//!
//! symbols $N
//!
//! weight @lin.weight: parameter f32[4, 8]
//!
//! module @ = Net {
//!   child @lin
//!   method forward(x: f32[$N, 8]) -> f32[$N, 4] {
//!     case () -> @forward
//!   }
//! }
//! module @lin = Linear {
//!   weight @lin.weight
//! }
//!
//! fn @forward(x %0: f32[$N, 8]) -> (%2) {
//!   %1: f32[4, 8] = weight @lin.weight
//!   %2: f32[$N, 4] = linear(%0, %1)
//! }
//! ";
//! let program = kiln_ir::parse(text)?;
//! assert_eq!(kiln_ir::print(&program), text);
//! kiln_ir::validate(program)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod cursor;
mod error;
mod lex;
mod parse;
mod parse_op;
mod print;
mod print_op;
mod words;

pub use error::{ParseError, ParseErrorKind};
pub use parse::{Lines, parse, parse_with_lines};
pub use print::print;
pub use words::TEXT_VERSION;
pub(crate) use words::Words;
