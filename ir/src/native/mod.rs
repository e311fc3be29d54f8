#![doc = include_str!("spec.md")]
#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions
)]

mod budget;
mod decode;
mod encode;
mod error;
mod positional;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

use safetensors::Dtype;

use crate::program::ElemType;

pub use error::{Malformed, NativeError};

/// Version of the format that is written, and the newest that is read; all before it are read too.
pub const VERSION: u32 = 3;

/// Most bytes of an encoded program.
pub const MAX_PROGRAM_BYTES: usize = 64 << 20;

/// Name of the tensor that holds the program.
pub const PROGRAM: &str = "kiln.program";

const METADATA: &str = "__metadata__";
const FORMAT_KEY: &str = "format";
const FORMAT: &str = "kiln";
const VERSION_KEY: &str = "version";

fn checksum_key(tensor: &str) -> String {
    format!("crc32.{tensor}")
}

/// CRC-32 because it finds every damage within 32 bits for certain and almost every other, is fast
/// enough for any file, and is in the standard library of most languages.
fn checksum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

fn dtype(elem: ElemType) -> Dtype {
    match elem {
        ElemType::F32 => Dtype::F32,
        ElemType::F64 => Dtype::F64,
        ElemType::F16 => Dtype::F16,
        ElemType::BF16 => Dtype::BF16,
        ElemType::I64 => Dtype::I64,
        ElemType::I32 => Dtype::I32,
        ElemType::U8 => Dtype::U8,
        ElemType::Bool => Dtype::BOOL,
    }
}

fn elem(dtype: Dtype) -> Option<ElemType> {
    Some(match dtype {
        Dtype::F32 => ElemType::F32,
        Dtype::F64 => ElemType::F64,
        Dtype::F16 => ElemType::F16,
        Dtype::BF16 => ElemType::BF16,
        Dtype::I64 => ElemType::I64,
        Dtype::I32 => ElemType::I32,
        Dtype::U8 => ElemType::U8,
        Dtype::BOOL => ElemType::Bool,
        _ => return None,
    })
}
