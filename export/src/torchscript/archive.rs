//! The zip container of an archive.
//!
//! All entries are stored (no compression) under one root folder, tensor data at multiples of 64
//! bytes so that PyTorch may map it, with fixed dates: the same program gives the same bytes.

use std::io::{self, Seek, Write};

use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::error::Error;

/// Alignment of tensor data within the file, in bytes.
const TENSOR_ALIGNMENT_BYTES: u16 = 64;

/// Writes the entries of an archive.
pub(super) struct Archive<W: Write + Seek> {
    zip: ZipWriter<W>,
    root: String,
}

impl<W: Write + Seek> Archive<W> {
    /// An archive whose entries lie in the folder `root`.
    pub(super) fn new(sink: W, root: &str) -> Self {
        Self {
            zip: ZipWriter::new(sink),
            root: root.to_owned(),
        }
    }

    /// Adds the raw data of a tensor.
    pub(super) fn tensor(&mut self, entry: &str, bytes: &[u8]) -> Result<(), Error> {
        self.entry(entry, bytes, TENSOR_ALIGNMENT_BYTES)
    }

    /// Adds code, a pickle or another small entry.
    pub(super) fn file(&mut self, entry: &str, bytes: &[u8]) -> Result<(), Error> {
        self.entry(entry, bytes, 1)
    }

    /// Writes the directory and gives the sink back.
    pub(super) fn finish(self) -> Result<W, Error> {
        self.zip.finish().map_err(|source| Error::Archive {
            entry: "directory".to_owned(),
            source: source.into(),
        })
    }

    fn entry(&mut self, entry: &str, bytes: &[u8], alignment: u16) -> Result<(), Error> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(u32::try_from(bytes.len()).is_err())
            .with_alignment(alignment);
        let name = format!("{}/{entry}", self.root);
        self.zip
            .start_file(name, options)
            .map_err(io::Error::from)
            .and_then(|()| self.zip.write_all(bytes))
            .map_err(|source| Error::Archive {
                entry: entry.to_owned(),
                source,
            })
    }
}
