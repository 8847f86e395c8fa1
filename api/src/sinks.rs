//! Where events go: how far behind each sink is, and from where on one is sent events again.

mod hook;
mod list;
mod reset;
mod subscriptions;

pub use hook::{
    SubscriptionAction, SubscriptionCall, SubscriptionFault, SubscriptionHook, SubscriptionStatus,
};
pub(crate) use list::*;
pub(crate) use reset::*;
pub(crate) use subscriptions::*;
