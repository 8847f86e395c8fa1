//! Reads the `secrets:` map and looks whether the files that a configuration names can be read.

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use model::{
    CheckSpec, ResourceSpec,
    check::SecretRef,
    decode::{Fields, Problems, text},
};

/// The most secrets of a node.
const MAX_SECRETS: usize = 1_000;
/// The largest secret or certificate file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What a certificate begins with in PEM.
pub(super) const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// And one of a private key, of whatever kind.
pub(super) const PEM_KEY: &str = "PRIVATE KEY-----";

/// Where a secret is kept. The secret itself is read by whoever needs it, and never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    /// The file that holds it.
    pub(crate) file: PathBuf,
}

/// Reads the map. `place` says where a relative path starts.
pub(super) fn decode(
    root: &mut Fields<'_>,
    place: &dyn Fn(&str, &str) -> PathBuf,
    problems: &Problems,
) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    for (pointer, name, value) in root.entries("secrets", MAX_SECRETS) {
        let Some(mut fields) = Fields::new(value, &pointer, problems) else { continue };
        let path = fields.required("file", text(1_000));
        fields.finish();
        if name.is_empty() || name.len() > 100 {
            problems.report(pointer, "a secret's name has 1 to 100 bytes");
        } else if let Some(path) = path {
            let pointer = format!("{pointer}/file");
            let file = place(&pointer, &path);
            if let Err(detail) = readable(&file, None) {
                problems.report(pointer, detail);
            }
            secrets.insert(name.to_owned(), Secret { file });
        }
    }
    secrets
}

/// Gives the files that a check names their place, and remembers which ones were looked at.
#[derive(Default)]
pub(super) struct NamedFiles(HashMap<(PathBuf, bool), Option<String>>);

impl NamedFiles {
    /// Resolves and checks the files of one resource.
    pub(super) fn resolve(
        &mut self,
        spec: &mut ResourceSpec,
        pointer: &str,
        place: &dyn Fn(&str, &str) -> PathBuf,
        problems: &Problems,
    ) {
        let (check, ca_file, token) = match &mut spec.check {
            CheckSpec::Http(http) => ("http", &mut http.ca_file, http.bearer_token.as_mut()),
            CheckSpec::Tls(tls) => ("tls", &mut tls.ca_file, None),
            _ => return,
        };
        if let Some(path) = ca_file {
            self.one(path, true, &format!("{pointer}/check/{check}/ca_file"), place, problems);
        }
        if let Some(SecretRef::File(path)) = token {
            let at = format!("{pointer}/check/{check}/bearer_token_file");
            self.one(path, false, &at, place, problems);
        }
    }

    fn one(
        &mut self,
        written: &mut String,
        certificates: bool,
        pointer: &str,
        place: &dyn Fn(&str, &str) -> PathBuf,
        problems: &Problems,
    ) {
        let path = place(pointer, written);
        let marker = certificates.then_some(PEM_CERTIFICATE);
        let result = self
            .0
            .entry((path.clone(), certificates))
            .or_insert_with(|| readable(&path, marker).err());
        if let Some(detail) = result {
            problems.report(pointer, detail.clone());
        }
        *written = path.to_string_lossy().into_owned();
    }
}

/// Reads the whole file, so that what passes here is what a check will find.
pub(super) fn readable(path: &Path, marker: Option<&str>) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut content = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut content)
        .map_err(failed)?;
    if content.len() as u64 > MAX_FILE {
        return Err(format!("{} is larger than {MAX_FILE} bytes", path.display()));
    }
    if content.trim_ascii().is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    match marker {
        Some(marker) if !String::from_utf8_lossy(&content).contains(marker) => {
            let what = if marker == PEM_CERTIFICATE { "certificate" } else { "private key" };
            Err(format!("{} holds no PEM {what}", path.display()))
        }
        _ => Ok(()),
    }
}
