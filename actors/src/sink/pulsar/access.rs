//! How a sink gets in: whom it trusts, and as who it comes. All of it is asked for anew for each
//! connection.

use std::{
    fmt::Display,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::ClientConfig;

use super::{
    oauth2::{PulsarOAuth2, TokenSource},
    tls::PulsarTls,
};
use crate::{file_threads::OF_SINKS, sink::SinkError};

/// The most bytes of a token.
const MOST_TOKEN: u64 = 64 << 10;

/// How a sink says who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PulsarAuth {
    /// Not at all, or by the certificate of [`PulsarTls`].
    #[default]
    None,
    /// By the token in a file.
    TokenFile(PathBuf),
    /// By a token that an issuer gives.
    OAuth2(PulsarOAuth2),
}

/// See the module.
pub(super) struct Access {
    tls: PulsarTls,
    who: Who,
}

enum Who {
    Nobody,
    Certificate,
    File(PathBuf),
    Issued(TokenSource),
}

/// What a broker is shown.
pub(super) enum Shown {
    Nothing,
    /// It was shown when TLS began.
    Certificate,
    Token(String),
}

impl Access {
    pub(super) fn new(tls: PulsarTls, auth: PulsarAuth) -> Self {
        let who = match auth {
            PulsarAuth::None if tls.cert_file.is_some() => Who::Certificate,
            PulsarAuth::None => Who::Nobody,
            PulsarAuth::TokenFile(path) => Who::File(path),
            PulsarAuth::OAuth2(settings) => Who::Issued(TokenSource::new(settings)),
        };
        Self { tls, who }
    }

    pub(super) async fn tls(&self) -> Result<Arc<ClientConfig>, SinkError> {
        self.tls.load().await
    }

    /// What is to be shown now: a token may be replaced while the node runs.
    pub(super) async fn shown(&self) -> Result<Shown, SinkError> {
        Ok(match &self.who {
            Who::Nobody => Shown::Nothing,
            Who::Certificate => Shown::Certificate,
            Who::File(path) => Shown::Token(token_in(path).await?),
            Who::Issued(source) => Shown::Token(source.token().await?),
        })
    }

    /// What was shown is not wanted.
    pub(super) fn refused(&self) {
        if let Who::Issued(source) = &self.who {
            source.forget();
        }
    }
}

impl Shown {
    /// As the protocol calls it.
    pub(super) fn method(&self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Certificate => Some("tls"),
            Self::Token(_) => Some("token"),
        }
    }

    pub(super) fn token(&self) -> Option<&str> {
        match self {
            Self::Token(token) => Some(token),
            Self::Nothing | Self::Certificate => None,
        }
    }
}

async fn token_in(path: &Path) -> Result<String, SinkError> {
    let file = path.to_owned();
    let read = OF_SINKS.run(move || token(&file)).await;
    read.unwrap_or_else(|panic| Err(unreadable(path, &panic)))
}

fn unreadable(path: &Path, error: &dyn Display) -> SinkError {
    SinkError::Unfit {
        place: path.display().to_string(),
        problem: format!("the token cannot be read: {error}"),
        remedy: "let the node's user read the file that token_file names",
    }
}

fn token(path: &Path) -> Result<String, SinkError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST_TOKEN).read_to_string(&mut text));
    read.map_err(|error| unreadable(path, &error))?;
    Ok(text.trim().to_owned())
}
