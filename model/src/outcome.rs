//! What one check concluded, and why a check that should have happened did not.

use serde::{Deserialize, Serialize};

/// The longest reason or message that is kept, in bytes.
pub const MAX_REASON: usize = 300;

/// How bad a failed check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Counts towards WARNING.
    Warning,
    /// Counts towards CRITICAL.
    Critical,
}

/// What a check says about its target (SEMANTICS 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The target did what was asked. The message is for people and may be empty.
    Passed {
        /// A note such as "answered over tcp, icmp is not permitted".
        message: String,
    },
    /// The target did not do what was asked.
    Failed {
        /// How bad that is.
        severity: Severity,
        /// Precisely what was wrong, such as "connection refused by 127.0.0.1:80".
        reason: String,
    },
}

impl Outcome {
    /// A pass with nothing to add.
    #[must_use]
    pub fn passed() -> Self {
        Self::Passed { message: String::new() }
    }

    /// A failure that counts towards CRITICAL.
    #[must_use]
    pub fn critical(reason: impl Into<String>) -> Self {
        Self::Failed { severity: Severity::Critical, reason: reason.into() }
    }

    /// A failure that counts towards WARNING.
    #[must_use]
    pub fn warning(reason: impl Into<String>) -> Self {
        Self::Failed { severity: Severity::Warning, reason: reason.into() }
    }

    /// Whether the target passed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        matches!(self, Self::Passed { .. })
    }

    /// The same with its text cut to the limit and free of control characters, because
    /// targets choose parts of it.
    #[must_use]
    pub fn sanitized(self) -> Self {
        match self {
            Self::Passed { message } => Self::Passed { message: cleaned(message) },
            Self::Failed { severity, reason } => Self::Failed { severity, reason: cleaned(reason) },
        }
    }
}

fn cleaned(text: String) -> String {
    if is_clean(&text) { text } else { clean(&text) }
}

fn is_clean(text: &str) -> bool {
    text.len() <= MAX_REASON && !text.chars().any(char::is_control)
}

/// Cuts a text at a character boundary and replaces control characters.
#[must_use]
pub fn clean(text: &str) -> String {
    if is_clean(text) {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len().min(MAX_REASON));
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if kept.len() + c.len_utf8() > MAX_REASON {
            break;
        }
        kept.push(c);
    }
    kept
}

/// Why a scheduled slot ended without a result: the monitor's own doing, never the
/// target's health (SEMANTICS 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Miss {
    /// The resolver did not answer or could not be reached.
    Resolver,
    /// This host has no route to the target.
    NoRoute,
    /// No file descriptors, ports or memory were left.
    Resources,
    /// The operating system did not permit the probe.
    Permission,
    /// The probe or its actor crashed.
    Crashed,
    /// The probe could not start before its next slot was due.
    Overload,
    /// No live node may run the probe.
    NoProber,
    /// The slot fell into the gap before another node took the shard over.
    Takeover,
    /// The slot fell into the gap before this node was up again.
    Restart,
    /// The resource was declared anew while the probe ran.
    Changed,
    /// A push-fed resource got no report while the slot lasted.
    NoReport,
    /// A secret or a file that the check needs could not be read.
    Secret,
}

impl Miss {
    /// All reasons, in the order of the ledger.
    pub const ALL: [Self; 12] = [
        Self::Resolver,
        Self::NoRoute,
        Self::Resources,
        Self::Permission,
        Self::Crashed,
        Self::Overload,
        Self::NoProber,
        Self::Takeover,
        Self::Restart,
        Self::Changed,
        Self::NoReport,
        Self::Secret,
    ];

    /// The name in the coverage report and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resolver => "resolver",
            Self::NoRoute => "no_route",
            Self::Resources => "resources",
            Self::Permission => "permission",
            Self::Crashed => "crashed",
            Self::Overload => "overload",
            Self::NoProber => "no_prober",
            Self::Takeover => "takeover",
            Self::Restart => "restart",
            Self::Changed => "changed",
            Self::NoReport => "no_report",
            Self::Secret => "secret",
        }
    }
}

impl std::fmt::Display for Miss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_cannot_write_control_characters_or_novels_into_reasons() {
        let Outcome::Failed { reason, .. } =
            Outcome::critical(format!("\u{1b}[31m{}", "é".repeat(1_000))).sanitized()
        else {
            panic!("a failure stays a failure");
        };
        assert!(reason.len() <= MAX_REASON);
        assert!(!reason.contains('\u{1b}'));
    }
}
