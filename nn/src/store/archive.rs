//! PyTorch's archives, read at the offsets that they declare.
//!
//! A file of `torch.save` is a zip archive whose end records declare where its directory starts.
//! Burn's reader goes through `zip`, which looks for the directory in front of the last end record,
//! so that it finds archives behind other data. PyTorch writes 76 bytes of other end records
//! (zip64) in between, and where the directory's first entry has 76 bytes, which is that of
//! `data.pkl` under a folder of 21 letters, the second entry is taken for the first. Such an
//! archive is copied to one that holds the same entries and the one end record.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read as _, Seek, SeekFrom, Write as _},
    path::Path,
};

use tempfile::{NamedTempFile, TempPath};
use zip::{
    ZipArchive, ZipWriter,
    read::{ArchiveOffset, Config},
    result::ZipResult,
};

/// How an archive starts: with its first entry, or, if it has none, with its end record.
const MAGIC: [&[u8; 4]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// The same archive in a file whose directory a search finds too. `None` if a search finds that of
/// the file itself, or if the file is no archive.
///
/// # Errors
/// If the file cannot be read, its directory is not where it declares it, or the copy cannot be
/// written.
pub(super) fn copy_for_search(path: &Path) -> ZipResult<Option<TempPath>> {
    let mut file = BufReader::new(File::open(path)?);
    if !is_archive(&mut file)? || is_found(&mut file) {
        return Ok(None);
    }
    let as_declared = Config {
        archive_offset: ArchiveOffset::Known(0),
    };
    let mut archive = ZipArchive::with_config(as_declared, file)?;
    let mut copy = NamedTempFile::new()?;
    let mut writer = ZipWriter::new(BufWriter::new(copy.as_file_mut()));
    for number in 0..archive.len() {
        writer.raw_copy_file(archive.by_index_raw(number)?)?;
    }
    writer.finish()?.flush()?;
    Ok(Some(copy.into_temp_path()))
}

fn is_archive(file: &mut BufReader<File>) -> io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC[0].len());
    file.by_ref().take(4).read_to_end(&mut start)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(MAGIC.iter().any(|magic| start == *magic))
}

/// Whether a search for the directory ends where the archive declares it.
fn is_found(file: &mut (impl io::Read + Seek)) -> bool {
    ZipArchive::new(file).is_ok_and(|archive| archive.offset() == 0)
}
