//! The sinks of a node, opened once and shared by the publishers of all its shards.

use std::{path::PathBuf, sync::Arc};

use raft::{Shards, SinkHealth};

use crate::{
    publisher::{PublishMetrics, SinkMonitor},
    sink::{
        EventSink, FileSettings, FileSink, PulsarSettings, PulsarSink, PulsarTarget, SinkError,
    },
};

/// A sink as configured.
#[derive(Debug, Clone)]
pub struct SinkSetting {
    /// Its name, under which its cursors are kept.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
}

/// The kinds of sink.
#[derive(Debug, Clone)]
pub enum SinkKind {
    /// A file of this node.
    File {
        /// The file to write to.
        path: PathBuf,
        /// When to begin a new file, in bytes; a default where absent.
        rotate_bytes: Option<u64>,
        /// How many former files to keep; a default where absent.
        keep: Option<usize>,
    },
    /// A topic of Apache Pulsar.
    Pulsar(Box<PulsarTarget>),
}

/// A sink and what is known of it.
#[derive(Clone)]
pub(crate) struct SinkHandle {
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) monitor: Arc<SinkMonitor>,
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
            let sink = open(setting, shards).await?;
            let monitor = Arc::new(SinkMonitor::new(sink.as_ref()));
            handles.push(SinkHandle { sink, monitor });
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

    pub(crate) fn named(&self, name: &str) -> Option<Arc<dyn EventSink>> {
        let mut handles = self.handles.iter();
        handles.find(|handle| handle.sink.name() == name).map(|handle| Arc::clone(&handle.sink))
    }

    pub(crate) fn health(&self) -> Vec<SinkHealth> {
        self.handles.iter().map(|handle| handle.monitor.health()).collect()
    }

    pub(crate) async fn close(&self) {
        for handle in self.handles.iter() {
            handle.sink.close().await;
        }
    }
}

async fn open(setting: SinkSetting, shards: &Shards) -> Result<Arc<dyn EventSink>, SinkError> {
    let (name, cluster) = (setting.name, shards.cluster().clone());
    Ok(match setting.kind {
        SinkKind::File { path, rotate_bytes, keep } => {
            let mut file = FileSettings::new(name, path);
            file.rotate_bytes = rotate_bytes.unwrap_or(file.rotate_bytes);
            file.keep = keep.unwrap_or(file.keep);
            Arc::new(FileSink::open(file, cluster).await?)
        }
        SinkKind::Pulsar(target) => {
            let settings = PulsarSettings { name, target: *target, shards: shards.shard_count() };
            Arc::new(PulsarSink::new(settings, cluster)?)
        }
    })
}
