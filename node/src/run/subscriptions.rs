//! What the API asks of a sink's subscriptions, done by the sink.

use std::sync::Arc;

use actors::{
    Actors,
    sink::{EventSink, Subscription, SubscriptionChange, SubscriptionError},
};
use api::{
    SubscriptionAction, SubscriptionCall, SubscriptionFault, SubscriptionHook, SubscriptionStatus,
};

pub(super) fn hook(actors: &Arc<Actors>) -> SubscriptionHook {
    let find = actors.sink_source();
    Arc::new(move |SubscriptionCall { sink: name, action }| {
        let sink = find(&name);
        Box::pin(async move {
            let Some(sink) = sink else {
                let detail = format!(
                    "this node runs no sink {name:?}; ask one that does: `bellwether sinks -o json` names them"
                );
                return Err(SubscriptionFault::NotFound(detail));
            };
            act(sink.as_ref(), action).await
        })
    })
}

async fn act(
    sink: &dyn EventSink,
    action: SubscriptionAction,
) -> Result<Vec<SubscriptionStatus>, SubscriptionFault> {
    let Some(subscriptions) = sink.subscriptions() else {
        let (name, kind) = (sink.name(), sink.kind());
        let detail = format!("{name} is a sink of kind {kind}, which has no subscriptions");
        return Err(SubscriptionFault::Conflict(detail));
    };
    let (name, change) = match action {
        SubscriptionAction::List => {
            let found = subscriptions.list().await.map_err(|error| fault(&error))?;
            return Ok(found.into_iter().map(status).collect());
        }
        SubscriptionAction::Create(name, from) => (name, SubscriptionChange::Create(from)),
        SubscriptionAction::Reset(name, to) => (name, SubscriptionChange::Reset(to)),
        SubscriptionAction::Delete(name) => (name, SubscriptionChange::Delete),
    };
    subscriptions.change(&name, change).await.map_err(|error| fault(&error))?;
    Ok(Vec::new())
}

fn status(found: Subscription) -> SubscriptionStatus {
    let Subscription { name, kind, consumers, backlog, last_acknowledged } = found;
    SubscriptionStatus { name, kind, consumers, backlog, last_acknowledged }
}

fn fault(error: &SubscriptionError) -> SubscriptionFault {
    let detail = error.to_string();
    match error {
        SubscriptionError::NoSuch(_) => SubscriptionFault::NotFound(detail),
        SubscriptionError::Conflict { .. } => SubscriptionFault::Conflict(detail),
        SubscriptionError::Sink(_) => SubscriptionFault::Unavailable(detail),
    }
}
