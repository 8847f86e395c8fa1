//! Reads a database's logs before it is opened, for what RocksDB does not take well.
//!
//! A power cut may leave blocks behind the last sync that the file system had given to the file
//! and not written yet. They read as zeros. RocksDB takes a log that ends within a record, but
//! not one whose last record goes on in zeros: it would not open. And a damaged byte that says
//! what kind a record is can let RocksDB 11.8 read that record for ever.
//!
//! Invariant: only zeros are cut, from the end, behind the last whole record: they were never
//! synced. A file that ends within a record is left as it is. Any other damage is an error that
//! names file and place.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::RangeInclusive,
    path::Path,
};

use tracing::warn;

/// Layout of a log: blocks of 32 KiB, in which each record has a header of its checksum, its
/// length and its type (RocksDB, `db/log_format.h`). The same holds for the manifest.
const BLOCK: u64 = 32 << 10;
const HEADER: u64 = 7;
/// Whole, first, middle, last. Others need options that this store does not set.
const KINDS: RangeInclusive<u8> = 1..=4;
/// Devices write whole sectors.
const SECTOR: u64 = 512;

/// Mends the logs and manifests of a database that is not open.
pub(super) fn mend(directory: &Path) -> io::Result<()> {
    let files = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for file in files {
        let path = file?.path();
        if is_log(&path) {
            mend_file(&path)?;
        }
    }
    Ok(())
}

fn is_log(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("MANIFEST-") || path.extension().is_some_and(|end| end == "log")
}

fn mend_file(path: &Path) -> io::Result<()> {
    let mut len = fs::metadata(path)?.len();
    let mut ending = read_through(path, len)?;
    if let Ending::Torn(at) | Ending::Damaged(at) = ending
        && let Some(end) = written_until(path, at, len)?
    {
        warn!(path = %path.display(), bytes = len - end, "cut off what was never written");
        let file = File::options().write(true).open(path)?;
        file.set_len(end)?;
        file.sync_all()?;
        len = end;
        ending = read_through(path, len)?;
    }
    match ending {
        Ending::Whole | Ending::Torn(_) => Ok(()),
        Ending::Damaged(at) => {
            let what = format!("{}: the record at byte {at} is damaged", path.display());
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        }
    }
}

/// Where zeros begin that were never written, given where the whole records end. They begin
/// there, or with one of the sectors behind it.
fn written_until(path: &Path, whole: u64, len: u64) -> io::Result<Option<u64>> {
    let zeros = zeros_from(&File::open(path)?, len)?;
    let explained = zeros <= whole || zeros.next_multiple_of(SECTOR) < len;
    Ok((explained && whole.max(zeros) < len).then_some(whole.max(zeros)))
}

/// Where the zeros at the end begin.
fn zeros_from(mut file: &File, len: u64) -> io::Result<u64> {
    let mut end = len;
    while end > 0 {
        let start = (end - 1) / BLOCK * BLOCK;
        let mut block = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        if let Some(last) = block.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// How a log ends: the place is where its whole records do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// With a whole record.
    Whole,
    /// Within one.
    Torn(u64),
    /// One that is none, whatever comes behind it.
    Damaged(u64),
}

fn read_through(path: &Path, len: u64) -> io::Result<Ending> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut at = 0;
    while at < len {
        let left = BLOCK - at % BLOCK;
        if left < HEADER {
            // What is left of a block is filled up with zeros.
            io::copy(&mut reader.by_ref().take(left), &mut io::sink())?;
            at += left;
            continue;
        }
        match record(&mut reader, left - HEADER)? {
            Found::Whole(length) => at += length,
            Found::Torn => return Ok(Ending::Torn(at)),
            Found::Damaged => return Ok(Ending::Damaged(at)),
        }
    }
    Ok(Ending::Whole)
}

enum Found {
    /// With its header it is so long.
    Whole(u64),
    Torn,
    Damaged,
}

/// The next record, which has a body of at most `room` bytes.
fn record(reader: &mut impl Read, room: u64) -> io::Result<Found> {
    let mut header = Vec::new();
    reader.take(HEADER).read_to_end(&mut header)?;
    let [c0, c1, c2, c3, l0, l1, kind] = header[..] else { return Ok(Found::Torn) };
    let length = u64::from(u16::from_le_bytes([l0, l1]));
    if length > room || !KINDS.contains(&kind) {
        return Ok(Found::Damaged);
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    let stored = u32::from_le_bytes([c0, c1, c2, c3]);
    let sound = |body| stored == masked(crc32c::crc32c_append(crc32c::crc32c(&[kind]), body));
    if (body.len() as u64) < length {
        // A whole record that seems to go on beyond the end: a bit of its length has changed.
        let mut lengths = (0..16).filter_map(|bit| usize::try_from(length ^ (1 << bit)).ok());
        let damaged = lengths.any(|length| body.get(..length).is_some_and(sound));
        return Ok(if damaged { Found::Damaged } else { Found::Torn });
    }
    Ok(if sound(&body) { Found::Whole(HEADER + length) } else { Found::Damaged })
}

/// A checksum as it is stored beside what it covers (RocksDB, `util/crc32c.h`).
fn masked(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::disk::{Batch, Disk, RocksDisk, Space, View};

    const LARGE: usize = 20_000;

    /// A database with a small record, then a large one, each synced; and the log's length
    /// before the large one.
    fn written() -> (TempDir, PathBuf, u64) {
        let directory = tempfile::tempdir().unwrap();
        let disk = RocksDisk::open(directory.path()).unwrap();
        put(&disk, b"small", 100);
        let log = log_of(directory.path());
        let before = fs::metadata(&log).unwrap().len();
        put(&disk, b"large", LARGE);
        drop(disk);
        (directory, log, before)
    }

    fn put(disk: &RocksDisk, key: &[u8], length: usize) {
        let mut batch = Batch::default();
        batch.put(Space::Log, key.to_vec(), vec![7; length]);
        disk.write(&batch).unwrap();
        disk.sync().unwrap();
    }

    fn log_of(directory: &Path) -> PathBuf {
        let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|end| end == "log")).max().unwrap()
    }

    /// As the file system shows blocks that were assigned and not written.
    fn unwritten_from(log: &Path, at: u64) {
        let file = File::options().write(true).open(log).unwrap();
        let len = file.metadata().unwrap().len();
        file.set_len(at).unwrap();
        file.set_len(len).unwrap();
    }

    fn lengths(directory: &Path) -> [Option<usize>; 2] {
        let disk = RocksDisk::open(directory).unwrap();
        let length = |key: &[u8]| disk.get(Space::Log, key).unwrap().map(|value| value.len());
        [length(b"small"), length(b"large")]
    }

    #[test]
    fn a_last_record_that_was_not_written_to_its_end_is_as_if_it_never_was() {
        for written_of_it in [0, 3, 7, 20, 4_000, 19_000] {
            let (directory, log, before) = written();
            unwritten_from(&log, before + written_of_it);
            assert_eq!(lengths(directory.path()), [Some(100), None], "{written_of_it}");
        }
    }

    #[test]
    fn a_record_across_blocks_that_ends_in_zeros_is_taken_back_too() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RocksDisk::open(directory.path()).unwrap();
        put(&disk, b"small", 100);
        put(&disk, b"large", 100_000);
        drop(disk);
        let log = log_of(directory.path());
        unwritten_from(&log, BLOCK);
        assert_eq!(lengths(directory.path()), [Some(100), None]);
    }

    fn record_of(kind: u8, body: &[u8]) -> Vec<u8> {
        let sum = masked(crc32c::crc32c_append(crc32c::crc32c(&[kind]), body));
        let length = u16::try_from(body.len()).unwrap().to_le_bytes();
        [&sum.to_le_bytes()[..], &length, &[kind], body].concat()
    }

    fn mended(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("000004.log");
        fs::write(&log, bytes).unwrap();
        mend(directory.path()).map(|()| fs::read(&log).unwrap())
    }

    #[test]
    fn whole_records_are_kept_whatever_they_end_in() {
        let record = record_of(1, &[0; 3_000]);
        assert_eq!(mended(&record).unwrap(), record);
        for zeros in [1, 10, 5_000] {
            let followed = [&record[..], &vec![0; zeros]].concat();
            assert_eq!(mended(&followed).unwrap(), record, "{zeros}");
        }
    }

    #[test]
    fn zeros_that_are_not_a_sectors_are_damage() {
        let mut record = record_of(1, &[7; 3_000]);
        let len = record.len();
        record[len - 5..].fill(0);
        let refused = mended(&record).unwrap_err().to_string();
        assert!(refused.contains("000004.log: the record at byte 0"), "{refused}");
    }

    #[test]
    fn no_bit_of_a_synced_record_flips_without_an_error_that_names_the_file() {
        let (first, last) = (record_of(1, b"first"), record_of(1, &[7; 600]));
        let sound = [first.clone(), last].concat();
        for bit in 0..first.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let refused = mended(&bytes).unwrap_err().to_string();
            assert!(refused.contains("000004.log: the record at byte 0"), "bit {bit}: {refused}");
        }
    }

    #[test]
    fn a_kind_that_rocksdb_would_read_for_ever_is_refused() {
        let (directory, log, before) = written();
        let kind = usize::try_from(before).unwrap() + 6;
        let mut bytes = fs::read(&log).unwrap();
        assert!(KINDS.contains(&bytes[kind]));
        bytes[kind] |= 4;
        bytes[kind] = bytes[kind].max(5);
        fs::write(&log, bytes).unwrap();
        let refused = RocksDisk::open(directory.path()).err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{refused}");
    }

    #[test]
    fn nothing_is_mended_where_there_is_nothing() {
        mend(Path::new("/nowhere/at/all")).unwrap();
        let empty = tempfile::tempdir().unwrap();
        fs::write(empty.path().join("000004.log"), "").unwrap();
        mend(empty.path()).unwrap();
    }
}
