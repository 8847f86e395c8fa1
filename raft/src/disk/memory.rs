//! A disk in memory that forgets what was not synced when it crashes.

use std::{
    collections::BTreeMap,
    io,
    ops::{Bound, ControlFlow},
};

use parking_lot::RwLock;

use super::{Batch, Disk, Space, View, Visit, Write};

type Keys = BTreeMap<(Space, Vec<u8>), Vec<u8>>;

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    content: RwLock<Content>,
}

/// So many batches that are applied are written out by themselves, as a full memory table is.
const TABLE: usize = 300;

#[derive(Debug, Default)]
struct Content {
    keys: Keys,
    /// What is not written out, in order.
    recent: Vec<(Fate, Batch)>,
    /// What is.
    durable: Keys,
}

/// What a crash does to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is lost.
    Unsynced,
    /// It is in the log of writes.
    Synced,
    /// It is lost: it was never logged.
    Unlogged,
}

impl Content {
    fn write(&mut self, fate: Fate, batch: &Batch) {
        apply(&mut self.keys, batch);
        self.recent.push((fate, batch.clone()));
    }

    fn sync(&mut self) {
        for (fate, _) in &mut self.recent {
            if *fate == Fate::Unsynced {
                *fate = Fate::Synced;
            }
        }
    }

    /// Everything becomes durable: what is logged is synced before what comes of it is written out.
    fn flush(&mut self) {
        for (_, batch) in self.recent.drain(..) {
            apply(&mut self.durable, &batch);
        }
    }

    /// Of what was not synced, so many batches have reached the device all the same.
    fn crash(&mut self, mut luck: u64) {
        for (fate, batch) in self.recent.drain(..) {
            let there = match fate {
                Fate::Synced => true,
                Fate::Unlogged => false,
                Fate::Unsynced => {
                    let lucky = luck > 0;
                    luck = luck.saturating_sub(1);
                    lucky
                }
            };
            if there {
                apply(&mut self.durable, &batch);
            }
        }
        self.keys = self.durable.clone();
    }
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses everything that was not synced or written out, as a power cut does.
    pub fn crash(&self) {
        self.content.write().crash(0);
    }

    /// The same, but the first so many batches that were not synced are there: what was written is
    /// durable after a sync, and at any moment before it.
    pub fn crash_with_luck(&self, batches: u64) {
        self.content.write().crash(batches);
    }

    /// Flips one bit of a stored value, as a failing device does. `false` where the key is absent.
    pub fn flip_bit(&self, space: Space, key: &[u8], bit: usize) -> bool {
        let mut content = self.content.write();
        let place = (space, key.to_vec());
        let flip = |keys: &mut Keys| {
            keys.get_mut(&place).is_some_and(|value| {
                let at = bit / 8 % value.len().max(1);
                value[at] ^= 1 << (bit % 8);
                true
            })
        };
        // What was synced is not all in `durable` yet.
        content.flush();
        let content = &mut *content;
        flip(&mut content.durable) | flip(&mut content.keys)
    }
}

fn apply(keys: &mut Keys, batch: &Batch) {
    for write in &batch.0 {
        match write {
            Write::Put(space, key, value) => {
                keys.insert((*space, key.clone()), value.clone());
            }
            Write::Delete(space, key) => {
                keys.remove(&(*space, key.clone()));
            }
            Write::DeleteRange(space, from, to) => {
                let range = (*space, from.clone())..(*space, to.clone());
                let doomed: Vec<_> = keys.range(range).map(|(key, _)| key.clone()).collect();
                for key in doomed {
                    keys.remove(&key);
                }
            }
        }
    }
}

fn range<'a>(
    keys: &'a Keys,
    space: Space,
    from: &[u8],
    to: &[u8],
) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a [u8])> {
    let bounds = if from < to {
        (Bound::Included((space, from.to_vec())), Bound::Excluded((space, to.to_vec())))
    } else {
        (Bound::Included((space, Vec::new())), Bound::Excluded((space, Vec::new())))
    };
    keys.range(bounds).map(|((_, key), value)| (key.as_slice(), value.as_slice()))
}

impl View for Keys {
    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(BTreeMap::get(self, &(space, key.to_vec())).cloned())
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> io::Result<()> {
        for (key, value) in range(self, space, from, to) {
            if visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, space: Space, from: &[u8], to: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        Ok(range(self, space, from, to).next_back().map(|(k, v)| (k.to_vec(), v.to_vec())))
    }
}

impl View for MemoryDisk {
    fn get(&self, space: Space, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        View::get(&self.content.read().keys, space, key)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: Visit<'_>) -> io::Result<()> {
        self.content.read().keys.scan(space, from, to, visit)
    }

    fn last(&self, space: Space, from: &[u8], to: &[u8]) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        View::last(&self.content.read().keys, space, from, to)
    }
}

impl Disk for MemoryDisk {
    fn write(&self, batch: &Batch) -> io::Result<()> {
        self.content.write().write(Fate::Unsynced, batch);
        Ok(())
    }

    fn write_applied(&self, batch: &Batch) -> io::Result<()> {
        let mut content = self.content.write();
        content.write(Fate::Unlogged, batch);
        if content.recent.len() >= TABLE {
            content.flush();
        }
        Ok(())
    }

    fn flush_applied(&self) -> io::Result<()> {
        self.content.write().flush();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.content.write().sync();
        Ok(())
    }

    fn view(&self) -> Box<dyn View + '_> {
        Box::new(self.content.read().keys.clone())
    }
}
