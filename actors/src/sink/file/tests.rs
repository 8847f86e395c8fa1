//! The file sink on real files, with disks that fail where a test says so.

mod crashes;
mod faults;
mod restart;
mod rotation;
mod torn;

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use model::{Offset, ShardId};
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;

use super::{FileSettings, FileSink, medium::Medium, medium::System};
use crate::sink::{
    Batch, EventSink, Held, SinkError,
    testing::{self, cluster},
};

/// A directory with a sink's file in it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("events.jsonl")
    }

    fn settings(&self) -> FileSettings {
        FileSettings::new("file", self.path())
    }

    async fn open(&self) -> FileSink {
        self.try_open().await.unwrap()
    }

    async fn try_open(&self) -> Result<FileSink, SinkError> {
        FileSink::open(self.settings(), cluster(1, 1)).await
    }

    async fn open_on(&self, medium: Arc<dyn Medium>) -> FileSink {
        FileSink::open_on(self.settings(), cluster(1, 1), medium).await.unwrap()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }
}

/// The (shard, offset) of each line; every line must be whole.
fn places(path: &Path) -> Vec<(u64, u64)> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the file ends within a line");
    let place = |line: &str| {
        let json: Value = serde_json::from_str(line).unwrap();
        let offset = json["offset"].as_str().unwrap().parse().unwrap();
        (json["shard"].as_u64().unwrap(), offset)
    };
    text.lines().map(place).collect()
}

fn of_shard(shard: u64, offsets: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    offsets.into_iter().map(|offset| (shard, offset)).collect()
}

async fn tail(sink: &FileSink, shard: u32) -> Option<u64> {
    sink.tail(ShardId(shard)).await.unwrap().map(|offset| offset.0)
}

impl FileSink {
    async fn append(&self, batch: &Batch) -> Result<Held, SinkError> {
        testing::append(self, batch).await
    }
}

fn held(offset: u64) -> Held {
    Held { offset: Offset(offset), position: None }
}

/// What a disk does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Writes half, then has no space.
    Full,
    /// Writes all, but the sync fails.
    Sync,
}

/// A disk that fails as told, one entry a write; then it works.
#[derive(Default)]
struct Faulty {
    script: Mutex<VecDeque<Wrong>>,
    now: Mutex<Option<Wrong>>,
    syncs: Mutex<u64>,
}

impl Faulty {
    fn new(script: impl IntoIterator<Item = Wrong>) -> Arc<Self> {
        let script = Mutex::new(script.into_iter().collect());
        Arc::new(Self { script, ..Self::default() })
    }
}

impl Medium for Faulty {
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let wrong = self.script.lock().pop_front();
        *self.now.lock() = wrong;
        if wrong == Some(Wrong::Full) {
            System.write(file, &bytes[..bytes.len() / 2])?;
            return OpenOptions::new().write(true).open("/dev/full")?.write_all(bytes);
        }
        System.write(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        *self.syncs.lock() += 1;
        if self.now.lock().take() == Some(Wrong::Sync) {
            return Err(io::Error::from_raw_os_error(5));
        }
        System.sync(file)
    }
}
