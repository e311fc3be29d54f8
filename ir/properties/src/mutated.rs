//! Damage.

use crate::choices::Choices;

/// Bytes with some of them changed, removed or repeated.
pub fn mutated(bytes: &[u8], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=choices.below(4) {
        let at = choices.below(bytes.len().max(1));
        let end = (at + 1 + choices.below(8)).min(bytes.len());
        let Some(part) = bytes.get(at..end).map(<[u8]>::to_vec) else {
            continue;
        };
        match choices.below(5) {
            0 => bytes[at] = choices.byte(),
            1 => bytes[at] ^= 1 << choices.below(8),
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, part)),
            // A part of somewhere else.
            _ => {
                let from = choices.below(bytes.len());
                let to = (from + end - at).min(bytes.len());
                let part = bytes[from..to].to_vec();
                drop(bytes.splice(at..end, part));
            }
        }
    }
    bytes
}
