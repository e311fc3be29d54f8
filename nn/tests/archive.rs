//! PyTorch's archives under every name and in every form that the format allows.
//!
//! The archives are made byte by byte from the entries of one that PyTorch wrote. With
//! `KILN_TORCH_SAVED` set to a folder, archives that `torch/save.py` wrote there are read too.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Cursor, Read as _},
    path::Path,
};

use kiln_nn::store::{StateDict, StateDictError};
use zip::ZipArchive;

use crate::fixture::data;

/// How an archive is written, besides its names.
#[derive(Clone, Default)]
struct Form {
    /// Sizes stand behind the data and in the directory, and not before the data.
    descriptors: bool,
    /// Sizes and offsets stand in an extra field of 64-bit numbers.
    wide_entries: bool,
    end: End,
    comment: Vec<u8>,
    /// Bytes before the archive, which its offsets do not count.
    prefix: Vec<u8>,
}

/// Where the number of entries and the place of the directory stand.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    /// In the one end record that every archive has.
    #[default]
    Narrow,
    /// In another of 64-bit numbers (zip64) before it too.
    Both,
    /// In the one of 64-bit numbers alone.
    Wide,
}

impl Form {
    /// As PyTorch writes it.
    fn pytorch() -> Self {
        Self {
            descriptors: true,
            end: End::Both,
            ..Self::default()
        }
    }

    fn write(&self, root: &str, entries: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut directory = Vec::new();
        for (name, data) in entries {
            let name = format!("{root}/{name}");
            let (crc, size, at) = (crc32fast::hash(data), narrow(data.len()), narrow(out.len()));
            let flags: u16 = if self.descriptors { 0x0808 } else { 0x0800 };
            out.extend(b"PK\x03\x04\0\0");
            out.extend(flags.to_le_bytes());
            out.extend([0; 6]);
            let before = if self.descriptors {
                [0; 3]
            } else {
                [crc, size, size]
            };
            out.extend(before.iter().flat_map(|number| number.to_le_bytes()));
            out.extend(short(name.len()));
            let unpadded = out.len() + 2 + name.len() + 4;
            let padding = unpadded.next_multiple_of(64) - unpadded;
            out.extend(short(4 + padding));
            out.extend(name.bytes());
            out.extend(b"FB");
            out.extend(short(padding));
            out.extend(vec![b'Z'; padding]);
            out.extend(data);
            if self.descriptors {
                out.extend(b"PK\x07\x08");
                out.extend(
                    [crc, size, size]
                        .iter()
                        .flat_map(|number| number.to_le_bytes()),
                );
            }
            let mut extra = Vec::new();
            let (mut listed_size, mut listed_at) = (size, at);
            if self.wide_entries {
                extra.extend(b"\x01\0\x18\0");
                extra.extend(
                    [size, size, at]
                        .iter()
                        .flat_map(|&n| u64::from(n).to_le_bytes()),
                );
                (listed_size, listed_at) = (u32::MAX, u32::MAX);
            }
            directory.extend(b"PK\x01\x02\0\0\0\0");
            directory.extend(flags.to_le_bytes());
            directory.extend([0; 6]);
            let numbers = [crc, listed_size, listed_size];
            directory.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            directory.extend(short(name.len()));
            directory.extend(short(extra.len()));
            directory.extend([0; 10]);
            directory.extend(listed_at.to_le_bytes());
            directory.extend(name.bytes());
            directory.extend(extra);
        }
        let (start, length) = (out.len(), directory.len());
        let count = entries.len();
        out.extend(directory);
        if self.end != End::Narrow {
            let end = out.len();
            out.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x1e\x03\x2d\0\0\0\0\0\0\0\0\0");
            out.extend([count, count, length, start].iter().flat_map(|&n| long(n)));
            out.extend(b"PK\x06\x07\0\0\0\0");
            out.extend(long(end));
            out.extend(1_u32.to_le_bytes());
        }
        out.extend(b"PK\x05\x06\0\0\0\0");
        if self.end == End::Wide {
            out.extend([0xff; 12]);
        } else {
            out.extend([short(count), short(count)].concat());
            out.extend(
                [narrow(length), narrow(start)]
                    .iter()
                    .flat_map(|n| n.to_le_bytes()),
            );
        }
        out.extend(short(self.comment.len()));
        out.extend(&self.comment);
        [self.prefix.clone(), out].concat()
    }
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_le_bytes()
}

fn long(number: usize) -> [u8; 8] {
    u64::from(narrow(number)).to_le_bytes()
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

/// The entries of an archive that PyTorch wrote, in their order, and what it holds.
fn sample() -> (Vec<(String, Vec<u8>)>, StateDict) {
    let path = data().join("sage_state_dict.pt");
    let mut archive = ZipArchive::new(Cursor::new(fs::read(&path).unwrap())).unwrap();
    let entries = (0..archive.len()).map(|number| {
        let mut entry = archive.by_index(number).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        let name = name.strip_prefix("sage_state_dict/").unwrap();
        (name.to_owned(), data)
    });
    (entries.collect(), StateDict::read(path).unwrap())
}

fn read(folder: &Path, stem: &str, bytes: &[u8]) -> Result<StateDict, StateDictError> {
    let path = folder.join(format!("{stem}.pt"));
    fs::write(&path, bytes).unwrap();
    StateDict::read(path)
}

/// The length of a stem decides where entries of the directory start, and `zip` looks for one.
#[test]
fn reads_archives_under_stems_of_every_length() {
    let folder = tempfile::tempdir().unwrap();
    let (entries, expected) = sample();
    let name = "best_model_state_dict";
    for length in 1..=64 {
        let stem: String = name.chars().cycle().take(length).collect();
        let bytes = Form::pytorch().write(&stem, &entries);
        match read(folder.path(), &stem, &bytes) {
            Ok(got) => assert_eq!(got, expected, "{stem}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn reads_archives_of_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let (entries, expected) = sample();
    let pytorch = Form::pytorch();
    // Longer than what is searched at once, and with what looks like an end record.
    let comment = [b"PK\x05\x06".as_slice(), &[b'.'; 3000]].concat();
    let forms = [
        Form::default(),
        Form {
            comment: comment.clone(),
            ..Form::default()
        },
        Form {
            comment,
            ..pytorch.clone()
        },
        Form {
            descriptors: false,
            ..pytorch.clone()
        },
        Form {
            wide_entries: true,
            ..pytorch.clone()
        },
        Form {
            end: End::Wide,
            ..pytorch.clone()
        },
        Form {
            wide_entries: true,
            end: End::Wide,
            descriptors: false,
            ..pytorch
        },
    ];
    for (number, form) in forms.iter().enumerate() {
        for stem in [
            "model",
            "best_model_state_dic",
            "best_model_state_dict",
            "best_model_state_dicts",
        ] {
            let bytes = form.write(stem, &entries);
            match read(folder.path(), stem, &bytes) {
                Ok(got) => assert_eq!(got, expected, "form {number}, {stem}"),
                Err(error) => panic!("form {number}: {error}"),
            }
        }
    }
}

/// PyTorch refuses such files too.
#[test]
fn refuses_archives_that_are_not_where_they_declare_it() {
    let folder = tempfile::tempdir().unwrap();
    let (entries, _) = sample();
    let other = Form::default().write("other", &entries[..2]);
    for prefix in [vec![0; 76], other, b"PK\x03\x04".to_vec()] {
        for form in [Form::default(), Form::pytorch()] {
            let form = Form {
                prefix: prefix.clone(),
                ..form
            };
            let error = read(folder.path(), "model", &form.write("model", &entries)).unwrap_err();
            assert!(matches!(error, StateDictError::Read { .. }), "{error}");
        }
    }
}

#[test]
fn refuses_archives_that_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let (entries, _) = sample();
    let stem = "best_model_state_dict";
    let bytes = Form::pytorch().write(stem, &entries);
    for length in (0..bytes.len()).step_by(7) {
        let error = read(folder.path(), stem, &bytes[..length]).unwrap_err();
        assert!(matches!(error, StateDictError::Read { .. }), "{error}");
    }
}

/// Every file of `torch/save.py` has the same tensors.
#[test]
fn reads_what_pytorch_saves_under_every_stem() {
    let Some(folder) = env::var_os("KILN_TORCH_SAVED") else {
        eprintln!("KILN_TORCH_SAVED is not set; archives of PyTorch are not read");
        return;
    };
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let mut lengths = BTreeMap::<usize, usize>::new();
    for path in paths {
        let state = StateDict::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let values = |name: &str| state.tensors[name].iter::<f32>().collect::<Vec<_>>();
        assert_eq!(
            values("weight"),
            [0., 1., 2., 3., 4., 5.],
            "{}",
            path.display()
        );
        assert_eq!(values("bias"), [-1., 7.], "{}", path.display());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        *lengths.entry(stem.len()).or_default() += 1;
    }
    assert_eq!(
        lengths.keys().copied().collect::<Vec<_>>(),
        (1..=64).collect::<Vec<_>>()
    );
}
