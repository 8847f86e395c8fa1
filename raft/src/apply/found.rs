//! `Found`: a group learns which cluster it belongs to. The first command of its log.

use super::Context;
use crate::command::{Founding, Refusal, Reply};

pub(super) fn apply(context: &mut Context<'_>, founding: &Founding) -> Reply {
    let head = &mut context.state.head;
    match &head.cluster {
        None => {
            head.cluster = Some(founding.cluster.clone());
            head.shards = founding.shards;
            Reply::Done
        }
        Some(cluster) if *cluster == founding.cluster => Reply::Done,
        Some(_) => Reply::Refused(Refusal::WrongGroup),
    }
}
