//! The sinks of a node, opened once and shared by the publishers of all its shards.

use std::{path::PathBuf, sync::Arc};

use raft::Shards;

use crate::{
    publisher::{PublishMetrics, SinkHealth, SinkMonitor},
    sink::{EventSink, FileSettings, FileSink, SinkError},
};

/// A sink as configured.
#[derive(Debug, Clone)]
pub struct SinkSetting {
    /// Its name, under which its cursors are kept.
    pub name: String,
    /// The file to write to.
    pub path: PathBuf,
    /// When to begin a new file, in bytes; a default where absent.
    pub rotate_bytes: Option<u64>,
    /// How many former files to keep; a default where absent.
    pub keep: Option<usize>,
}

/// A sink and what is known of it.
#[derive(Clone)]
pub(crate) struct SinkHandle {
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) monitor: Arc<SinkMonitor>,
    file: Arc<FileSink>,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Sinks {
    handles: Arc<Vec<SinkHandle>>,
    metrics: PublishMetrics,
}

impl Sinks {
    pub(crate) async fn open(
        settings: Vec<SinkSetting>,
        shards: &Shards,
        metrics: PublishMetrics,
    ) -> Result<Self, SinkError> {
        let mut handles = Vec::new();
        for setting in settings {
            let mut file = FileSettings::new(setting.name, setting.path);
            file.rotate_bytes = setting.rotate_bytes.unwrap_or(file.rotate_bytes);
            file.keep = setting.keep.unwrap_or(file.keep);
            let file = Arc::new(FileSink::open(file, shards.cluster().clone()).await?);
            let monitor = Arc::new(SinkMonitor::new(file.as_ref()));
            let sink: Arc<dyn EventSink> = Arc::clone(&file) as Arc<dyn EventSink>;
            handles.push(SinkHandle { sink, monitor, file });
        }
        Ok(Self { handles: Arc::new(handles), metrics })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SinkHandle> {
        self.handles.iter()
    }

    pub(crate) fn get(&self, number: usize) -> Option<&SinkHandle> {
        self.handles.get(number)
    }

    pub(crate) fn metrics(&self) -> &PublishMetrics {
        &self.metrics
    }

    pub(crate) fn health(&self) -> Vec<SinkHealth> {
        self.handles.iter().map(|handle| handle.monitor.health()).collect()
    }

    pub(crate) async fn close(&self) {
        for handle in self.handles.iter() {
            handle.file.close().await;
        }
    }
}
