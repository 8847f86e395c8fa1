//! One of three nodes whose files are damaged while it is down. It refuses and says where, or it
//! shows what the others show; meanwhile these go on. Then it is replaced by a new one, because
//! what hit nothing that counts today may do so when it is read.

use std::{path::Path, time::Duration};

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt};
use harness::cluster::name;
use rand::{RngExt, rngs::StdRng};

use super::{disk_lost::replace, victim::Harm};
use crate::{
    arena::{Arena, Started},
    history::Damage,
    mechanism::damage::Wound,
    scenario::Fault,
};

/// How long it serves before everything comes to rest.
const SERVES: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Replica {
    /// Chooses the damage to the files below a directory.
    pub(super) wound: fn(&Path, &mut StdRng) -> Result<Wound>,
}

impl Fault for Replica {
    fn round<'a>(&'a mut self, arena: &'a mut Arena) -> BoxFuture<'a, Result<()>> {
        async move {
            let moment = arena.random().random_range(100..2_000);
            arena.run(Duration::from_millis(moment)).await?;
            let n = arena.victim().await?;
            // A start writes tables: there are some from the first round on.
            arena.kill_at(n)?;
            arena.start_at(n).await?;
            arena.kill_at(n)?;
            let disk = arena.nodes()[n].disk();
            let wound = (self.wound)(&disk, arena.random())?;
            wound.inflict(&disk)?;
            arena.fault(format!("kill -9 of {}, {wound}, and a start", name(n)));
            let (refused, differences) = match arena.try_start_at(n).await? {
                Started::Refused(words) => (Some(words), Vec::new()),
                Started::Ready => serve(arena, n).await?,
            };
            if let Some(words) = &refused {
                arena.fault(format!("refused: {words}"));
            }
            let (round, harm) = (arena.round(), Harm::Wound(wound));
            let (what, file, found_by) = (harm.to_string(), harm.file(), None);
            arena.damage(Damage { round, what, file, found_by, refused, differences });
            if arena.nodes()[n].pid().is_some() {
                arena.kill_at(n)?;
            }
            replace(arena, n).await
        }
        .boxed()
    }
}

/// What it refuses, and what it shows that is wrong.
async fn serve(arena: &mut Arena, n: usize) -> Result<(Option<String>, Vec<String>)> {
    if arena.until_it_ends_at(n, SERVES).await.is_ok() {
        return Ok((Some(arena.last_words_of(n)), Vec::new()));
    }
    arena.compare(n).await
}
