//! Attacks on the `.kiln` format: whatever the bytes, reading gives the model or an error.

use std::{fs, time::Duration};

use kiln_ir::{ElemType, Model, NativeError, Weights, WeightsError, parse, validate};

use crate::files::files;

const TEXT: &str = "kiln 1
symbols $N
weight @conv.lin.weight: parameter f32[2, 3]
weight @conv.bias: parameter f32[2]
weight @order: constant i64[2]
weight @mask: constant bool[3]
module @ = Net {
  child @conv
  method forward(x: f32[$N, 3], y: (f32[$N, 2]?,)) -> (f32[$N, 2],) {
    case (absent) -> @forward
  }
}
module @conv = GCNConv {
  weight @conv.bias
  child @conv.lin
}
module @conv.lin = Linear {
  weight @conv.lin.weight
}
fn @forward(x %0: f32[$N, 3]) -> (%4) {
  %1: f32[2, 3] = weight @conv.lin.weight
  %2: f32[2] = weight @conv.bias
  %3: f32[$N, 2] = linear(%0, %1, %2)
  %4: f32[$N, 2] = add_scalar{rhs=nan}(%3)
}
";

fn model() -> Model {
    let floats = |count: u8| {
        (0..count)
            .flat_map(|x| f32::from(x).to_le_bytes())
            .collect::<Vec<_>>()
    };
    let mut weights = Weights::new();
    weights
        .insert("conv.lin.weight", ElemType::F32, [2, 3], floats(6))
        .unwrap();
    weights
        .insert("conv.bias", ElemType::F32, [2], floats(2))
        .unwrap();
    weights
        .insert("order", ElemType::I64, [2], vec![7; 16])
        .unwrap();
    weights
        .insert("mask", ElemType::Bool, [3], vec![0, 1, 1])
        .unwrap();
    Model::new(validate(parse(TEXT).unwrap()).unwrap(), weights).unwrap()
}

fn bytes() -> Vec<u8> {
    model().to_bytes().unwrap()
}

/// The header as JSON, and the tensors.
fn open(bytes: &[u8]) -> (serde_json::Value, Vec<u8>) {
    let end = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    (
        serde_json::from_slice(&bytes[8..end]).unwrap(),
        bytes[end..].to_vec(),
    )
}

fn close_text(header: &str, tensors: &[u8]) -> Vec<u8> {
    let length = u64::try_from(header.len()).unwrap();
    [&length.to_le_bytes(), header.as_bytes(), tensors].concat()
}

fn close(header: &serde_json::Value, tensors: &[u8]) -> Vec<u8> {
    close_text(&header.to_string(), tensors)
}

/// The file with another program and a fitting checksum.
pub(crate) fn change_program(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let (mut header, tensors) = open(bytes);
    let offsets = |entry: &serde_json::Value| {
        let offset = |index: usize| entry["data_offsets"][index].as_u64().unwrap();
        [0, 1].map(|index| usize::try_from(offset(index)).unwrap())
    };
    let [begin, end] = offsets(&header["kiln.program"]);
    let mut program = tensors[begin..end].to_vec();
    change(&mut program);
    let crc = format!("{:08x}", crc32fast::hash(&program));
    header["__metadata__"]["crc32.kiln.program"] = crc.into();
    header["kiln.program"]["shape"] = serde_json::json!([program.len()]);
    for (name, entry) in header.as_object_mut().unwrap() {
        if name == "__metadata__" {
            continue;
        }
        let shift = |at: usize| {
            if at >= end {
                at + program.len() - (end - begin)
            } else {
                at
            }
        };
        let [first, last] = offsets(entry);
        let first = if name == "kiln.program" {
            begin
        } else {
            shift(first)
        };
        entry["data_offsets"] = serde_json::json!([first, shift(last)]);
    }
    close(
        &header,
        &[&tensors[..begin], &program, &tensors[end..]].concat(),
    )
}

fn with_program(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change_program(&bytes(), change)
}

#[test]
fn a_model_comes_back_from_bytes_and_from_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.kiln");
    let model = model();
    model.save(&path).unwrap();
    model.save(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no temporary file stays"
    );
    Model::check(&path).unwrap();
    let loaded = Model::load(&path).unwrap();
    assert_eq!(loaded, model);
    assert_eq!(loaded.weights.bytes("mask"), Some([0, 1, 1].as_slice()));
    assert_eq!(Model::from_bytes(&bytes()).unwrap(), model);
}

#[test]
fn other_safetensors_tools_read_the_weights() {
    let bytes = bytes();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let weight = file.tensor("conv.lin.weight").unwrap();
    assert_eq!(
        (weight.dtype(), weight.shape()),
        (safetensors::Dtype::F32, [2, 3].as_slice())
    );
    assert_eq!(&weight.data()[4..8], 1_f32.to_le_bytes());
}

#[test]
fn no_truncated_file_is_read() {
    let bytes = bytes();
    for length in (0..bytes.len()).step_by(64).chain([bytes.len() - 1]) {
        assert!(
            Model::from_bytes(&bytes[..length]).is_err(),
            "{length} bytes"
        );
    }
    assert!(Model::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let model = model();
    let bytes = bytes();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = Model::from_bytes(&flipped) {
            assert_eq!(read, model, "bit {bit}");
        }
    }
}

/// The checksum hides nothing here: the decoder and the validator see each damaged program.
#[test]
fn no_damaged_program_makes_the_reader_panic() {
    let mut length = 0;
    with_program(|program| length = program.len());
    for position in 0..length {
        for change in [0x01, 0x02, 0x10, 0x80, 0xff] {
            let damaged = with_program(|program| program[position] ^= change);
            if let Ok(model) = Model::from_bytes(&damaged) {
                assert!(validate(model.program.into_program()).is_ok());
            }
        }
        let shorter = with_program(|program| program.truncate(position));
        assert!(Model::from_bytes(&shorter).is_err());
    }
}

#[test]
fn huge_lengths_inside_the_program_are_refused_without_allocating() {
    // The second byte is the number of requirements; the first is the version.
    for length in [u64::MAX, 1 << 40, 1 << 32, 1 << 20] {
        let damaged = with_program(|program| {
            let bytes = length.to_le_bytes();
            program.splice(1..2, [[253].as_slice(), &bytes].concat());
        });
        let start = std::time::Instant::now();
        assert!(matches!(
            Model::from_bytes(&damaged),
            Err(NativeError::Decode(_))
        ));
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn deep_types_inside_the_program_are_refused() {
    // A type is a list of parts; 3 is `Tuple` of one item, without an end.
    let damaged = with_program(|program| {
        let tuple = [2, 3, 1, 0].as_slice();
        let position = program.windows(4).position(|window| window == tuple);
        let position = position.expect("the tuple of one tensor in the method's result");
        let nested = [[126].as_slice(), &[3, 1].repeat(125)].concat();
        program.splice(position..position + 3, nested);
    });
    let error = Model::from_bytes(&damaged).unwrap_err();
    assert_eq!(
        error.to_string(),
        "module 0 of the program: a type nests more than 16 deep"
    );
}

/// Files of each version that is written or was: places, changes and their number are made by
/// chance.
#[test]
fn no_file_with_a_changed_program_makes_a_reader_panic() {
    /// One after the other, so that failures come back (xorshift).
    struct Chance(u64);
    impl Chance {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
        }
    }
    let mut originals = vec![bytes()];
    for folder in ["native/v1", "native/v2", "native/v3"] {
        for path in files(folder) {
            let is_small = fs::metadata(&path).unwrap().len() < 8192;
            if path
                .extension()
                .is_some_and(|extension| extension == "kiln")
                && is_small
            {
                originals.push(fs::read(path).unwrap());
            }
        }
    }
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut read, mut refused) = (0, 0);
    for round in 0..300 {
        for original in &originals {
            let changed = change_program(original, |program| {
                for _ in 0..=chance.below(3) {
                    let at = chance.below(program.len());
                    let byte = u8::try_from(chance.below(256)).unwrap();
                    match chance.below(6) {
                        0 => program[at] = byte,
                        1 => program[at] ^= 1 << chance.below(8),
                        2 => program[at] = program[at].wrapping_add(1),
                        3 => program.insert(at, byte),
                        4 => drop(program.remove(at)),
                        // A piece once more, elsewhere.
                        _ => {
                            let length = chance.below(16).min(program.len() - at);
                            let piece = program[at..at + length].to_vec();
                            let to = chance.below(program.len());
                            program.splice(to..to, piece);
                        }
                    }
                    if program.is_empty() {
                        program.push(byte);
                    }
                }
            });
            match Model::from_bytes(&changed) {
                Ok(model) => {
                    let again = Model::from_bytes(&model.to_bytes().unwrap());
                    assert_eq!(again.unwrap(), model, "round {round}");
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(
        read > 100 && refused > 5000,
        "{read} read, {refused} refused"
    );
}

#[test]
fn bytes_after_the_program_are_refused() {
    let damaged = with_program(|program| program.push(0));
    assert!(matches!(
        Model::from_bytes(&damaged),
        Err(NativeError::Trailing { bytes: 1 })
    ));
}

#[test]
fn an_invalid_program_is_not_loaded() {
    let text = TEXT.replace("%4: f32[$N, 2] = add", "%4: f32[$N, 9] = add");
    assert!(validate(parse(&text).unwrap()).is_err());
    let damaged = with_program(|program| {
        let name = b"forward".as_slice();
        let position = program
            .windows(7)
            .position(|window| window == name)
            .unwrap();
        program[position] = b'1';
    });
    assert!(matches!(
        Model::from_bytes(&damaged),
        Err(NativeError::Invalid(_))
    ));
}

#[test]
fn the_program_must_be_a_vector_of_bytes() {
    let (mut header, tensors) = open(&bytes());
    let length = header["kiln.program"]["shape"][0].as_u64().unwrap();
    header["kiln.program"]["dtype"] = "I8".into();
    let error = Model::from_bytes(&close(&header, &tensors)).unwrap_err();
    assert!(matches!(error, NativeError::ProgramType { .. }), "{error}");
    header["kiln.program"]["dtype"] = "U8".into();
    header["kiln.program"]["shape"] = serde_json::json!([1, length]);
    let error = Model::from_bytes(&close(&header, &tensors)).unwrap_err();
    assert!(matches!(error, NativeError::ProgramType { .. }), "{error}");
}

/// A file with the given weights beside the program; everything else fits.
fn with_weights(change: impl FnOnce(&mut serde_json::Value, &mut Vec<u8>)) -> NativeError {
    let (mut header, mut tensors) = open(&bytes());
    change(&mut header, &mut tensors);
    Model::from_bytes(&close(&header, &tensors)).unwrap_err()
}

#[test]
fn weights_must_be_those_of_the_program() {
    let renamed = |header: &mut serde_json::Value, old: &str, new: &str| {
        let entry = header.as_object_mut().unwrap().remove(old).unwrap();
        header[new] = entry;
        let crc = header["__metadata__"][format!("crc32.{old}")].clone();
        header["__metadata__"][format!("crc32.{new}")] = crc;
    };
    let error = with_weights(|header, _| renamed(header, "conv.bias", "conv.bios"));
    assert!(
        matches!(error, NativeError::Weights(WeightsError::Missing { .. })),
        "{error}"
    );
    let error = with_weights(|header, tensors| {
        let end = tensors.len();
        tensors.extend([0; 3]);
        header["more"] =
            serde_json::json!({"dtype": "BOOL", "shape": [3], "data_offsets": [end, end + 3]});
        header["__metadata__"]["crc32.more"] = format!("{:08x}", crc32fast::hash(&[0; 3])).into();
    });
    assert!(
        matches!(error, NativeError::Weights(WeightsError::Extra { .. })),
        "{error}"
    );
    let error = with_weights(|header, _| header["conv.bias"]["shape"] = serde_json::json!([1, 2]));
    assert!(
        matches!(error, NativeError::Weights(WeightsError::Type { .. })),
        "{error}"
    );
    let error = with_weights(|header, _| header["conv.bias"]["dtype"] = "U32".into());
    assert!(matches!(error, NativeError::WeightType { .. }), "{error}");
}

#[test]
fn damaged_weights_are_found_by_check_and_not_by_load() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.kiln");
    let (header, mut tensors) = open(&bytes());
    tensors[3] ^= 1;
    fs::write(&path, close(&header, &tensors)).unwrap();
    Model::load(&path).unwrap();
    let error = Model::check(&path).unwrap_err();
    assert!(
        matches!(&error, NativeError::Checksum { tensor, .. } if tensor == "order"),
        "{error}"
    );
}

#[test]
fn overlaps_holes_and_duplicates_are_refused() {
    let error = with_weights(|header, _| {
        let offsets = header["order"]["data_offsets"].clone();
        header["conv.bias"]["data_offsets"] = offsets;
    });
    assert!(matches!(error, NativeError::Container(_)), "{error}");
    let (header, tensors) = open(&bytes());
    let text = header.to_string();
    let entry = format!("\"order\":{}", header["order"]);
    let twice = text.replacen(&entry, &format!("{entry},{entry}"), 1);
    let error = Model::from_bytes(&close_text(&twice, &tensors)).unwrap_err();
    assert!(
        matches!(error, NativeError::DuplicateName { .. }),
        "{error}"
    );
    let twice = text.replacen(
        "\"version\":\"3\"",
        "\"version\":\"9\",\"version\":\"3\"",
        1,
    );
    let error = Model::from_bytes(&close_text(&twice, &tensors)).unwrap_err();
    assert!(
        matches!(error, NativeError::DuplicateName { .. }),
        "{error}"
    );
}

#[test]
fn huge_header_lengths_are_refused() {
    for length in [u64::MAX, 1 << 62, 1 << 40, 100_000_001] {
        let mut bytes = bytes();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(
            Model::from_bytes(&bytes),
            Err(NativeError::Container(_))
        ));
    }
    let error = with_weights(|header, _| {
        header["conv.bias"]["shape"] = serde_json::json!([u64::MAX, u64::MAX]);
    });
    assert!(matches!(error, NativeError::Container(_)), "{error}");
}

#[test]
fn other_files_say_what_they_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.kiln");
    let missing = Model::load(&path).unwrap_err();
    assert!(
        matches!(missing, NativeError::Io { action: "open", .. }),
        "{missing}"
    );
    for content in [
        "",
        "PK\u{3}\u{4}",
        "not a model at all, but long enough for a length",
    ] {
        fs::write(&path, content).unwrap();
        assert!(Model::load(&path).is_err());
    }
    let error =
        with_weights(|header, _| drop(header.as_object_mut().unwrap().remove("__metadata__")));
    assert!(
        matches!(error, NativeError::NotKiln { got: None }),
        "{error}"
    );
    let error = with_weights(|header, _| header["__metadata__"]["format"] = "pt".into());
    assert!(
        matches!(error, NativeError::NotKiln { got: Some(_) }),
        "{error}"
    );
    let error = with_weights(|header, _| header["__metadata__"]["version"] = "4".into());
    assert_eq!(
        error.to_string(),
        "the file has version 4, and only versions up to 3 are known; a newer Kiln reads it"
    );
    for other in ["0", "1", "2"] {
        let error = with_weights(|header, _| header["__metadata__"]["version"] = other.into());
        assert!(matches!(error, NativeError::Metadata { .. }), "{error}");
    }
    let error = with_weights(|header, _| header["__metadata__"]["version"] = "one".into());
    assert!(matches!(error, NativeError::Metadata { .. }), "{error}");
}
