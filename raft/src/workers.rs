//! The threads that work on the store, for all groups of a node.

use std::{io, sync::Arc};

use crate::{
    applier::Applier,
    disk::Disk,
    error::OpenError,
    node::Options,
    store::{shorten::Shortener, sync::SyncQueue},
};

/// See the module. Clones share them.
#[derive(Clone)]
pub(crate) struct Workers {
    pub(crate) applier: Applier,
    pub(crate) sync: SyncQueue,
    pub(crate) shortener: Shortener,
}

impl Workers {
    pub(crate) fn start(options: &Options, disk: &Arc<dyn Disk>) -> Result<Self, OpenError> {
        let fatal = Arc::clone(&options.fatal);
        #[cfg(test)]
        if let Some(simulated) = options.simulated {
            let sync = SyncQueue::simulated(Arc::clone(disk), fatal, simulated.fsync);
            let (disk, after) = (Arc::clone(disk), sync.clone());
            let shortener = Shortener::simulated(disk, after, simulated.apply);
            return Ok(Self { applier: Applier::simulated(simulated.apply), sync, shortener });
        }
        let no_thread = |e: io::Error| {
            let detail = format!("no thread to sync or apply: {e}");
            OpenError::Consensus { group: 0, detail }
        };
        let applier = Applier::start().map_err(no_thread)?;
        let sync = SyncQueue::start(Arc::clone(disk), fatal).inspect_err(|_| applier.close());
        let sync = sync.map_err(no_thread)?;
        let shortener = Shortener::start(Arc::clone(disk), sync.clone()).inspect_err(|_| {
            applier.close();
            sync.close();
        });
        Ok(Self { applier, sync, shortener: shortener.map_err(no_thread)? })
    }

    /// Does what is queued, and ends them: a process that ends beside one that still works on the
    /// store would crash. Blocks until they have.
    pub(crate) fn close(&self) {
        self.applier.close();
        self.shortener.close();
        self.sync.close();
    }
}
