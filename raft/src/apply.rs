//! Turns committed entries into state: the only place where anything is decided.
//!
//! Invariant: the result depends on the state and the entry alone. There is no clock, no
//! randomness, no I/O but the reading of records that are due to be forgotten, no hash order.

mod adopt_config;
mod changes;
mod context;
mod events;
mod found;
mod maintenance;
mod nodes;
mod observe;
mod push;
mod register;
mod remove;
mod set_config;
mod sinks;
mod term;
mod tick;
mod trim;

#[cfg(test)]
mod tests;

use model::{Revision, Term};

use crate::{
    command::{Command, Envelope, Proposal, Refusal, Reply},
    disk::{Batch, View},
    state::{State, StoredRequest},
    store::keys::Keys,
};
pub(crate) use context::Context;
pub(crate) use nodes::left;

/// Whether the next entry looks for old records first: `view` must then hold everything that
/// was applied, so that every replica forgets the same.
pub(crate) fn reads_the_store(state: &State) -> bool {
    trim::is_due(state)
}

/// Applies one entry. What it changes in the store is added to `batch`.
pub(crate) fn apply(
    state: &mut State,
    view: &dyn View,
    keys: Keys,
    batch: &mut Batch,
    at: (Term, Revision),
    proposal: &Proposal,
) -> std::io::Result<Vec<Reply>> {
    let mut context = Context::new(state, view, keys, batch, at);
    if trim::is_due(context.state) {
        trim::trim(&mut context)?;
    }
    term::advance(&mut context, &proposal.stamp);
    tick::fire_due(&mut context);
    let mut replies = Vec::with_capacity(proposal.envelopes.len());
    for envelope in proposal.envelopes.iter() {
        replies.push(once(&mut context, envelope)?);
    }
    context.finish();
    Ok(replies)
}

/// Answers a repeated request from its kept outcome (SEMANTICS 17).
fn once(context: &mut Context<'_>, envelope: &Envelope) -> std::io::Result<Reply> {
    let Some(request) = &envelope.request else {
        return Ok(dispatch(context, &envelope.command));
    };
    if let Some(reply) = context.answered(request)? {
        return Ok(reply);
    }
    let reply = dispatch(context, &envelope.command);
    let outcome = StoredRequest { at: context.now(), reply };
    context.keep_request(request, &outcome);
    Ok(outcome.reply)
}

fn dispatch(context: &mut Context<'_>, command: &Command) -> Reply {
    let founded = context.state.head.cluster.is_some();
    if !founded && !matches!(command, Command::Found(_) | Command::TermStarted | Command::Tick) {
        return Reply::Refused(Refusal::WrongGroup);
    }
    if context.is_meta() != is_for_meta(command) && !is_for_all(command) {
        return Reply::Refused(Refusal::WrongGroup);
    }
    match command {
        Command::Found(founding) => found::apply(context, founding),
        Command::TermStarted | Command::Tick => Reply::Done,
        Command::Register(registration) => register::apply(context, registration),
        Command::Remove(removal) => remove::apply(context, removal),
        Command::Observe(reports) => observe::apply(context, reports),
        Command::Push(push) => push::apply(context, push),
        Command::SinkCursor(advance) => sinks::advance(context, advance),
        Command::ChangeSink(change) => sinks::change(context, change),
        Command::SetMaintenance { name, window } => {
            maintenance::set(context, name, window.as_ref())
        }
        Command::AdoptMaintenance { name, version, window } => {
            maintenance::adopt(context, name, *version, window.as_ref())
        }
        Command::SetConfig(document) => set_config::apply(context, document),
        Command::StageConfig { version, part, specs } => {
            adopt_config::stage(context, *version, *part, specs)
        }
        Command::AdoptConfig { version, parts } => adopt_config::adopt(context, *version, *parts),
        Command::AdmitNode { key, facts } => nodes::admit(context, key, facts),
        Command::DescribeNode { node, facts } => nodes::describe(context, *node, facts),
        Command::StandNode { node, standing, left } => {
            nodes::stand(context, *node, *standing, *left)
        }
    }
}

fn is_for_meta(command: &Command) -> bool {
    matches!(
        command,
        Command::SetMaintenance { .. }
            | Command::SetConfig(_)
            | Command::AdmitNode { .. }
            | Command::DescribeNode { .. }
            | Command::StandNode { .. }
    )
}

fn is_for_all(command: &Command) -> bool {
    matches!(command, Command::Found(_) | Command::TermStarted | Command::Tick)
}
