//! Why a command did not do what was asked, and which exit code says so.

use std::{io, process::ExitCode};

use reqwest::StatusCode;
use serde_json::Value;

/// How a command that ran to its end turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All is as it should be.
    Good,
    /// What was looked at is not: exit 1, without a message of its own.
    Bad,
}

/// Why a command did not get to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The node refused.
    #[error("{0}")]
    Refused(Refusal),
    /// What was typed contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// Something failed here, such as reading a file.
    #[error("{0}")]
    Failed(String),
    /// Nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// Standard output is closed: the reader has seen enough.
    #[error("standard output is closed")]
    Closed(#[source] io::Error),
}

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// What the node says, and what to do.
    pub(crate) detail: String,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Good => Self::SUCCESS,
            Verdict::Bad => Self::FAILURE,
        }
    }
}

impl CliError {
    /// The exit code of INTERFACE.md.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Refused(_) | Self::Failed(_) => ExitCode::FAILURE,
            Self::Usage(_) => ExitCode::from(2),
            Self::Unreachable(_) => ExitCode::from(3),
            Self::Closed(_) => ExitCode::SUCCESS,
        }
    }
}

impl Refusal {
    /// Reads a problem document (RFC 9457); other bodies are quoted in part.
    pub(crate) fn read(status: StatusCode, retry_after: Option<&str>, body: &[u8]) -> Self {
        let problem: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let mut detail = match problem["detail"].as_str().or(problem["title"].as_str()) {
            Some(detail) => detail.to_owned(),
            None => format!(
                "the answer is {status} and no problem document; is this a bellwether node?"
            ),
        };
        for error in problem["errors"].as_array().into_iter().flatten() {
            let text = |key: &str| error[key].as_str().unwrap_or_default();
            detail.push_str(&format!("\n  {}: {}", text("pointer"), text("detail")));
        }
        if let Some(seconds) = retry_after {
            detail.push_str(&format!("\ntry again in {seconds} s"));
        }
        if let Some(id) = problem["request_id"].as_str().filter(|_| status.is_server_error()) {
            detail.push_str(&format!("\nthe node's log has more under request {id}"));
        }
        Self { status, detail: super::text::printable_lines(&detail) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_becomes_what_to_do() {
        let body =
            br#"{"detail":"2 fields are wrong","errors":[{"pointer":"/a","detail":"is bad"}]}"#;
        let refusal = Refusal::read(StatusCode::BAD_REQUEST, None, body);
        assert_eq!(refusal.to_string(), "2 fields are wrong\n  /a: is bad");
        let body = br#"{"detail":"no quorum","request_id":"r1"}"#;
        let refusal = Refusal::read(StatusCode::SERVICE_UNAVAILABLE, Some("1"), body);
        assert_eq!(
            refusal.to_string(),
            "no quorum\ntry again in 1 s\nthe node's log has more under request r1"
        );
        let refusal = Refusal::read(StatusCode::NOT_FOUND, None, b"<html>");
        assert!(refusal.to_string().contains("is this a bellwether node?"));
    }
}
