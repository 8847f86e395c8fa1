//! Reads a topic of Apache Pulsar: where it is, and how the node gets in.

use std::path::PathBuf;

use actors::sink::{
    PulsarAuth, PulsarCompression, PulsarOAuth2, PulsarSettings, PulsarTarget, PulsarTls, SinkError,
};
use model::decode::{Fields, text};
use serde_json::Value;

use crate::config::secrets::{PEM_CERTIFICATE, PEM_KEY, readable};

/// Where a relative path starts, by where it stands.
type Place<'a> = &'a dyn Fn(&str, &str) -> PathBuf;

pub(super) fn decode(mut pulsar: Fields<'_>, place: Place<'_>) -> PulsarTarget {
    let url = pulsar.required("url", checked(PulsarSettings::check_url)).unwrap_or_default();
    let admin_url = pulsar.optional("admin_url", checked(PulsarSettings::check_admin_url));
    let topic = pulsar.required("topic", checked(PulsarSettings::check_topic)).unwrap_or_default();
    let tls = pulsar.object("tls").map(|fields| tls(fields, place)).unwrap_or_default();
    let is_plain = url.starts_with("pulsar://");
    if is_plain
        && tls != PulsarTls::default()
        && !admin_url.iter().any(|url| url.starts_with("https:"))
    {
        pulsar.problem("tls", "nothing goes over TLS; write `url` as pulsar+ssl://HOST:PORT");
    }
    let auth = auth(&mut pulsar, place);
    if auth != PulsarAuth::None && tls.cert_file.is_some() {
        pulsar.problem(
            "tls",
            "a certificate says who the node is, and so does a token; set one of them",
        );
    }
    if auth != PulsarAuth::None && !is_plain && admin_url.iter().any(|url| url.starts_with("http:"))
    {
        pulsar.problem(
            "admin_url",
            "the token would go there in the clear; write it as https://HOST:PORT",
        );
    }
    let compression = pulsar.optional("compression", compression).unwrap_or_default();
    pulsar.finish();
    PulsarTarget { url, admin_url, topic, tls, auth, compression }
}

fn tls(mut fields: Fields<'_>, place: Place<'_>) -> PulsarTls {
    let ca_file = file(&mut fields, "ca_file", Some(PEM_CERTIFICATE), place);
    let cert_file = file(&mut fields, "cert_file", Some(PEM_CERTIFICATE), place);
    let key_file = file(&mut fields, "key_file", Some(PEM_KEY), place);
    match (&cert_file, &key_file) {
        (Some(_), None) => fields.problem("cert_file", "set `key_file`, too"),
        (None, Some(_)) => fields.problem("key_file", "set `cert_file`, too"),
        _ => {}
    }
    fields.finish();
    PulsarTls { ca_file, cert_file, key_file }
}

fn auth(pulsar: &mut Fields<'_>, place: Place<'_>) -> PulsarAuth {
    let token_file = file(pulsar, "token_file", None, place);
    let oauth2 = pulsar.object("oauth2").and_then(|fields| oauth2(fields, place));
    match (token_file, oauth2) {
        (Some(_), Some(_)) => {
            pulsar.problem("oauth2", "set `token_file` or `oauth2`");
            PulsarAuth::None
        }
        (Some(path), None) => PulsarAuth::TokenFile(path),
        (None, Some(oauth2)) => PulsarAuth::OAuth2(oauth2),
        (None, None) => PulsarAuth::None,
    }
}

fn oauth2(mut fields: Fields<'_>, place: Place<'_>) -> Option<PulsarOAuth2> {
    let issuer_url = fields.required("issuer_url", checked(PulsarSettings::check_issuer_url));
    let key = fields.required("key_file", text(1_000));
    let key_file = key.and_then(|path| exists(&mut fields, "key_file", &path, None, place));
    let ca_file = file(&mut fields, "ca_file", Some(PEM_CERTIFICATE), place);
    let audience = fields.optional("audience", text(1_000));
    let scope = fields.optional("scope", text(1_000));
    fields.finish();
    Some(PulsarOAuth2 { issuer_url: issuer_url?, key_file: key_file?, ca_file, audience, scope })
}

fn file(
    fields: &mut Fields<'_>,
    key: &'static str,
    marker: Option<&str>,
    place: Place<'_>,
) -> Option<PathBuf> {
    let path = fields.optional(key, text(1_000))?;
    exists(fields, key, &path, marker, place)
}

/// The file, also where it cannot be read: what else is wrong is told as if it could.
fn exists(
    fields: &mut Fields<'_>,
    key: &'static str,
    path: &str,
    marker: Option<&str>,
    place: Place<'_>,
) -> Option<PathBuf> {
    let path = place(&fields.at(key), path);
    if let Err(detail) = readable(&path, marker) {
        fields.problem(key, detail);
    }
    Some(path)
}

fn compression(value: &Value) -> Result<PulsarCompression, String> {
    match value.as_str() {
        Some("none") => Ok(PulsarCompression::None),
        Some("zstd") => Ok(PulsarCompression::Zstd),
        _ => Err("expected `none` or `zstd`".to_owned()),
    }
}

/// Text that the sink can do something with.
fn checked(
    check: impl Fn(&str) -> Result<(), SinkError>,
) -> impl Fn(&Value) -> Result<String, String> {
    move |value| {
        let text = text(1_000)(value)?;
        check(&text).map(|()| text).map_err(|unfit| unfit.to_string())
    }
}
