//! Files that checks name: tokens and certificates. They are read when a probe runs, so
//! that a file that appears or is renewed counts at once.
//!
//! Invariant: what a secret file holds never reaches a message.

use std::{
    fs::Metadata,
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

use hyper::header::HeaderValue;
use model::{Miss, check::SecretRef};

use super::{Shared, budget::Budget, fault::Fault};
use crate::file_threads::OF_CHECKS;

const MAX_SECRET: u64 = 64 * 1024;
const MAX_CERTIFICATES: u64 = 4 * 1024 * 1024;

/// Tells whether a file is still the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Stamp {
    /// The stamp of a file now; `None` where it cannot be seen.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|metadata| Self::from(&metadata))
    }

    /// The same, where the file may be another host's.
    pub(crate) async fn of_distant(path: &Path) -> Option<Self> {
        let path = path.to_owned();
        OF_CHECKS.run(move || Self::of(&path)).await.ok().flatten()
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), length: metadata.len() }
    }
}

/// The value of the `Authorization` header for a bearer token (RFC 6750).
pub(crate) async fn bearer(
    shared: &Shared,
    secret: &SecretRef,
    budget: Budget,
) -> Result<HeaderValue, Fault> {
    let path = match secret {
        SecretRef::File(path) => PathBuf::from(path),
        SecretRef::Named(name) => {
            shared.settings.secrets.get(name).cloned().ok_or_else(|| no_entry(name))?
        }
    };
    let text = in_time(read(path.clone(), MAX_SECRET), budget).await?;
    let token = std::str::from_utf8(&text).unwrap_or_default().trim();
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    match header {
        Ok(mut header) if !token.is_empty() => {
            header.set_sensitive(true);
            Ok(header)
        }
        _ => Err(Fault::missed(
            Miss::Secret,
            format!("{} does not hold a token on one line", path.display()),
        )),
    }
}

/// The contents of a file of certificates in PEM.
pub(crate) async fn certificates(path: &Path) -> Result<Vec<u8>, Fault> {
    read(path.to_owned(), MAX_CERTIFICATES).await
}

/// Awaits work with files, which may hang where they are another host's.
pub(crate) async fn in_time<T>(
    work: impl Future<Output = Result<T, Fault>>,
    budget: Budget,
) -> Result<T, Fault> {
    let late =
        || Fault::missed(Miss::Secret, "a file that the check needs could not be read in time");
    budget.run(work, late).await
}

async fn read(path: PathBuf, limit: u64) -> Result<Vec<u8>, Fault> {
    let name = path.display().to_string();
    let content = OF_CHECKS.run(move || read_up_to(&path, limit)).await;
    let content = content.unwrap_or_else(|join| Err(io::Error::other(join)));
    content.map_err(|error| Fault::missed(Miss::Secret, format!("cannot read {name}: {error}")))
}

fn read_up_to(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        // Opening a pipe would wait for somebody to write into it.
        return Err(io::Error::other("it is not a file"));
    }
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(content)
}

fn no_entry(name: &str) -> Fault {
    Fault::missed(Miss::Secret, format!("the node's `secrets:` map has no `{name}`"))
}
