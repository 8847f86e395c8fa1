//! `grpc.health.v1`: whether this node may be asked, of the node as a whole and of each service.

use std::{convert::Infallible, future::pending, time::Duration};

use tokio::time::interval;
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{health::is_ready, state::ApiState};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Tells how the node is. `services` are full names; the node's own is empty.
pub(super) struct Teller<'a> {
    pub(super) api: &'a ApiState,
    pub(super) reporter: HealthReporter,
    pub(super) services: &'static [&'static str],
}

impl Teller<'_> {
    /// Tells it, and says what it told.
    pub(super) async fn tell(&self) -> bool {
        let ready = is_ready(self.api);
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in self.services {
            self.reporter.set_service_status(*service, status).await;
        }
        ready
    }

    /// Tells what changes, for as long as it is polled. Whoever watches is told once that the node stops,
    /// and then let go.
    pub(super) async fn go_on(&self, mut told: bool) -> Infallible {
        let (mut look, stops) = (interval(LOOK), self.api.shutdown().clone());
        while stops.run_until_cancelled(look.tick()).await.is_some() {
            if is_ready(self.api) != told {
                told = self.tell().await;
            }
        }
        self.tell().await;
        for service in self.services {
            self.reporter.clone().clear_service_status(service).await;
        }
        pending().await
    }
}
