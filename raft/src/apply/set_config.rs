//! `SetConfig`: `meta` records a document under a new version, by compare-and-set (SEMANTICS 19).

use super::Context;
use crate::{
    command::{ConfigDocument, Refusal, Reply},
    state::StoredConfig,
    store::keys::Kind,
};

/// How many former versions are kept for rollback and diff.
const KEPT: u64 = 20;

pub(super) fn apply(context: &mut Context<'_>, document: &ConfigDocument) -> Reply {
    let present = context.state.config.as_ref().map_or(0, |config| config.version);
    if document.replaces != present {
        return Reply::Refused(Refusal::Version(present));
    }
    let version = present + 1;
    let stored = StoredConfig { version, loaded_at: context.wall(), document: document.clone() };
    context.put(context.keys.number(Kind::Config, version), &stored);
    if version > KEPT {
        let (first, _) = context.keys.all(Kind::Config);
        context.delete_range(first, context.keys.number(Kind::Config, version - KEPT + 1));
    }
    context.state.head.config_version = version;
    context.state.config = Some(stored);
    Reply::Version(version)
}
