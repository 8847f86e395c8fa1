//! What asking over HTTP has in common: no redirect is followed unseen, and no answer is endless.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::{Client, Response, redirect::Policy};
use rustls::ClientConfig;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// The most bytes of a usual answer that are read.
pub(super) const MOST: usize = 64 << 10;

/// One that trusts whom the sink trusts; whom this system trusts where nothing is said.
pub(super) fn client(tls: Option<&Arc<ClientConfig>>) -> Result<Client, String> {
    // reqwest would not take the token along to where it is sent on to.
    let client = Client::builder().timeout(ANSWER).no_proxy().redirect(Policy::none());
    let client = match tls {
        Some(config) => client.tls_backend_preconfigured(ClientConfig::clone(config)),
        None => client,
    };
    client.build().map_err(|error| innermost(&error))
}

/// The text of an answer; none where it is longer than any that is meant for us.
pub(super) async fn text(mut answer: Response, most: usize) -> Result<Option<String>, String> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| innermost(&error))? {
        body.extend_from_slice(&piece);
        if body.len() > most {
            return Ok(None);
        }
    }
    Ok(Some(String::from_utf8_lossy(&body).into_owned()))
}

/// What went wrong in the end: what reqwest says itself names the address, and no cause.
pub(super) fn innermost(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}
