//! RocksDB, opened so that damage is found rather than served.

use std::{io, ops::ControlFlow, path::Path};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRawIteratorWithThreadMode, DBRecoveryMode, Direction, IteratorMode, Options, ReadOptions,
    SnapshotWithThreadMode, WriteBatch, WriteOptions, properties,
};

use super::{Batch, Disk, Space, View, Visit, Write, cause::Cause, current, torn};
use crate::{bug, failpoint};

const LOG: &str = "log";
const STATE: &str = "state";
const BLOCK_CACHE: usize = 64 << 20;
const WRITE_BUFFER: usize = 32 << 20;

/// See the module. The write-ahead log is flushed by [`Disk::sync`] alone.
pub struct RocksDisk {
    db: DB,
    cause: Cause,
}

impl RocksDisk {
    /// Opens or creates the database below `path`.
    ///
    /// # Errors
    /// What RocksDB says: locked, damaged, no space, no permission.
    pub fn open(path: &Path) -> io::Result<Self> {
        let cache = Cache::new_lru_cache(BLOCK_CACHE);
        let families = [LOG, STATE]
            .map(|name| ColumnFamilyDescriptor::new(name, family_options(name, &cache)));
        current::check(path)?;
        torn::mend(path)?;
        let db = DB::open_cf_descriptors(&database_options(), path, families).map_err(other)?;
        Ok(Self { db, cause: Cause::default() })
    }

    fn family(&self, space: Space) -> &ColumnFamily {
        let name = match space {
            Space::Log => LOG,
            Space::State => STATE,
        };
        self.db.cf_handle(name).expect("both families are opened with the database")
    }

    fn write_with(&self, batch: &Batch, options: &WriteOptions) -> io::Result<()> {
        let mut writes = WriteBatch::default();
        for write in &batch.0 {
            match write {
                Write::Put(space, key, value) => writes.put_cf(self.family(*space), key, value),
                Write::Delete(space, key) => writes.delete_cf(self.family(*space), key),
                Write::DeleteRange(space, from, to) => {
                    writes.delete_range_cf(self.family(*space), from, to);
                }
            }
        }
        let written = self.db.write_opt(writes, options);
        written.map_err(|error| self.cause.explain(other(error)))
    }
}

/// Without the write-ahead log. Before RocksDB finishes a table of one family it syncs the logs of
/// that time for the others, so that what was applied is not there without the entries that had
/// been written by then.
fn unlogged() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    options.set_manual_wal_flush(true);
    // A torn tail is what a crash leaves; anything damaged before it is an error.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_max_background_jobs(2);
    options.set_max_total_wal_size(256 << 20);
    options.set_keep_log_file_num(4);
    options
}

fn family_options(name: &str, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_bloom_filter(10.0, false);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(WRITE_BUFFER);
    options.set_compression_type(match name {
        // The log lives for minutes; compressing it would cost more than it saves.
        LOG => DBCompressionType::None,
        _ => DBCompressionType::Lz4,
    });
    options
}

/// Damage is told apart, because it wants another remedy than a device that fails.
fn other(error: rocksdb::Error) -> io::Error {
    match error.kind() {
        rocksdb::ErrorKind::Corruption => {
            io::Error::new(io::ErrorKind::InvalidData, error.into_string())
        }
        _ => io::Error::other(error.into_string()),
    }
}

fn scan_rows<'a>(
    rows: impl Iterator<Item = Result<(Box<[u8]>, Box<[u8]>), rocksdb::Error>> + 'a,
    visit: Visit<'_>,
) -> io::Result<()> {
    for row in rows {
        let (key, mut value) = row.map_err(other)?;
        corrupt(&mut value);
        if visit(&key, &value) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

/// The fail point of a disk that returns other bytes than were written.
fn corrupt(value: &mut [u8]) {
    let middle = value.len() / 2;
    if failpoint!("corrupt-record").is_some()
        && let Some(byte) = value.get_mut(middle)
    {
        *byte ^= 4;
    }
}

fn reading() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(!bug!("bug-bad-checksum"));
    options
}

fn bounded(from: &[u8], to: &[u8]) -> ReadOptions {
    let mut options = reading();
    options.set_iterate_lower_bound(from);
    options.set_iterate_upper_bound(to);
    options
}

fn last_row(
    mut rows: DBRawIteratorWithThreadMode<'_, DB>,
) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
    rows.seek_to_last();
    rows.status().map_err(other)?;
    Ok(rows.item().map(|(key, value)| (key.to_vec(), value.to_vec())))
}

impl View for RocksDisk {
    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut found = self.db.get_cf_opt(self.family(space), key, &reading()).map_err(other)?;
        corrupt(found.as_deref_mut().unwrap_or_default());
        Ok(found)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> io::Result<()> {
        let start = IteratorMode::From(from, Direction::Forward);
        let rows = self.db.iterator_cf_opt(self.family(space), bounded(from, to), start);
        scan_rows(rows, visit)
    }

    fn last(&self, space: Space, from: &[u8], to: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        last_row(self.db.raw_iterator_cf_opt(self.family(space), bounded(from, to)))
    }
}

struct RocksView<'a> {
    disk: &'a RocksDisk,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

impl View for RocksView<'_> {
    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let found = self.snapshot.get_cf_opt(self.disk.family(space), key, reading());
        let mut found = found.map_err(other)?;
        corrupt(found.as_deref_mut().unwrap_or_default());
        Ok(found)
    }

    /// What a start or a snapshot reads, it reads whole and once: it leaves the cache to others.
    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> io::Result<()> {
        let start = IteratorMode::From(from, Direction::Forward);
        let family = self.disk.family(space);
        let mut reading = bounded(from, to);
        reading.fill_cache(false);
        scan_rows(self.snapshot.iterator_cf_opt(family, reading, start), visit)
    }

    fn last(&self, space: Space, from: &[u8], to: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let family = self.disk.family(space);
        last_row(self.snapshot.raw_iterator_cf_opt(family, bounded(from, to)))
    }
}

impl Disk for RocksDisk {
    fn write(&self, batch: &Batch) -> io::Result<()> {
        self.write_with(batch, &WriteOptions::default())
    }

    fn write_applied(&self, batch: &Batch) -> io::Result<()> {
        self.write_with(batch, &unlogged())
    }

    fn flush_applied(&self) -> io::Result<()> {
        self.db.flush_cf(self.family(Space::State)).map_err(other)
    }

    fn sync(&self) -> io::Result<()> {
        self.cause.of_sync(|| self.db.flush_wal(true).map_err(other))
    }

    fn unflushed(&self) -> u64 {
        let held = |space| {
            let family = self.family(space);
            self.db.property_int_value_cf(family, properties::CUR_SIZE_ALL_MEM_TABLES)
        };
        [Space::Log, Space::State].map(held).into_iter().filter_map(Result::ok).flatten().sum()
    }

    fn flush(&self) -> io::Result<()> {
        let families = [Space::Log, Space::State].map(|space| self.family(space));
        families.into_iter().try_for_each(|family| self.db.flush_cf(family)).map_err(other)
    }

    fn view(&self) -> Box<dyn View + '_> {
        Box::new(RocksView { disk: self, snapshot: self.db.snapshot() })
    }
}
