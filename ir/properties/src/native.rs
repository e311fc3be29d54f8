//! The reader of `.kiln` files.

use kiln_ir::{Model, native::PROGRAM};
use serde_json::{Map, Value, json};

/// Reads a `.kiln` file whose checksums are mended before, so that damage reaches the decoder and
/// the validator. A model that is read is written and read again.
///
/// # Panics
/// If the reader does, or the model that is read again is another.
pub fn native(bytes: &[u8]) {
    let mended = mend(bytes);
    let bytes = mended.as_deref().unwrap_or(bytes);
    let Ok(model) = Model::from_bytes(bytes) else {
        return;
    };
    let written = model.to_bytes().expect("a model that was read is written");
    let again = Model::from_bytes(&written).expect("what was written is read");
    assert_eq!(again.program, model.program);
    assert_eq!(
        again.to_bytes().expect("it is written again"),
        written,
        "the second writing"
    );
}

/// The file with checksums that fit its tensors. The last tensor ends where the file does, as far
/// as its type allows. `None` if the header cannot be read.
fn mend(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (header, tensors) = rest.split_at_checked(length)?;
    let mut header: Map<String, Value> = serde_json::from_slice(header).ok()?;
    if let Some(program) = header.get_mut(PROGRAM) {
        let begin = program.get("data_offsets")?.get(0)?.as_u64()?;
        let length = u64::try_from(tensors.len()).ok()?.checked_sub(begin)?;
        let end = program.get("data_offsets")?.get(1)?.as_u64()?;
        let is_last = header.iter().all(|(name, tensor)| {
            let other = tensor
                .get("data_offsets")
                .and_then(|it| it.get(1)?.as_u64());
            name == PROGRAM || other.is_none_or(|other| other <= begin.min(end))
        });
        if is_last {
            let program = header.get_mut(PROGRAM)?.as_object_mut()?;
            program.insert("shape".into(), json!([length]));
            program.insert("data_offsets".into(), json!([begin, begin + length]));
        }
    }
    let checksums: Vec<(String, Value)> = header
        .iter()
        .filter_map(|(name, tensor)| {
            let offsets = tensor.get("data_offsets")?;
            let offset = |at: usize| usize::try_from(offsets.get(at)?.as_u64()?).ok();
            let checksum = crc32fast::hash(tensors.get(offset(0)?..offset(1)?)?);
            Some((format!("crc32.{name}"), format!("{checksum:08x}").into()))
        })
        .collect();
    let metadata = header.get_mut("__metadata__")?.as_object_mut()?;
    metadata.extend(checksums);
    let header = serde_json::to_vec(&header).ok()?;
    let length = u64::try_from(header.len()).ok()?.to_le_bytes();
    Some([&length, header.as_slice(), tensors].concat())
}
