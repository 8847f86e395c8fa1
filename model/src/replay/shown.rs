//! How an input is shown: an object whose `kind` says what happened.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Metrics, Outcome, health::Input};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Shown {
    Observed { outcome: Outcome, metrics: Metrics },
    Silent { reason: String },
    Parked { reason: String },
    MaintenanceBegan { window: String },
    MaintenanceEnded {},
    Redeclared {},
}

pub(super) fn serialize<S: Serializer>(input: &Input, serializer: S) -> Result<S::Ok, S::Error> {
    Shown::from(input.clone()).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Input, D::Error> {
    Shown::deserialize(deserializer).map(Input::from)
}

impl From<Input> for Shown {
    fn from(input: Input) -> Self {
        match input {
            Input::Observed(outcome, metrics) => Self::Observed { outcome, metrics },
            Input::Silent(reason) => Self::Silent { reason },
            Input::Parked(reason) => Self::Parked { reason },
            Input::MaintenanceBegan(window) => Self::MaintenanceBegan { window },
            Input::MaintenanceEnded => Self::MaintenanceEnded {},
            Input::Redeclared => Self::Redeclared {},
        }
    }
}

impl From<Shown> for Input {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Observed { outcome, metrics } => Self::Observed(outcome, metrics),
            Shown::Silent { reason } => Self::Silent(reason),
            Shown::Parked { reason } => Self::Parked(reason),
            Shown::MaintenanceBegan { window } => Self::MaintenanceBegan(window),
            Shown::MaintenanceEnded {} => Self::MaintenanceEnded,
            Shown::Redeclared {} => Self::Redeclared,
        }
    }
}
