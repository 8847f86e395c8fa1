//! A topic of Apache Pulsar.

use serde_json::{Value, json};

use super::{object, text};

pub(super) fn topic() -> Value {
    object(
        "A topic of Apache Pulsar.",
        &["url", "topic"],
        json!({
            "url": text("The broker or proxy, pulsar://HOST:PORT, or pulsar+ssl://HOST:PORT behind TLS.", 1_000),
            "admin_url": text("Its administrative interface; where absent http://HOST:8080 of the same \
                host, or https://HOST:8443 behind TLS.", 1_000),
            "topic": text("persistent://TENANT/NAMESPACE/NAME; created with a partition a shard where \
                it does not exist.", 1_000),
            "tls": tls(),
            "token_file": text("The file with the token that the node shows; read for each \
                connection.", 1_000),
            "oauth2": oauth2(),
            "compression": {"description": "How the bodies of messages are compressed.",
                "type": "string", "enum": ["none", "zstd"], "default": "none"},
        }),
    )
}

fn tls() -> Value {
    let file = |what: &str| text(&format!("{what}; read for each connection."), 1_000);
    object(
        "Whom the sink trusts, and by which certificate it is known.",
        &[],
        json!({
            "ca_file": file("The authorities that are trusted, as PEM, instead of the system's"),
            "cert_file": file("The certificate that the node shows, as PEM"),
            "key_file": file("Its private key, as PEM"),
        }),
    )
}

fn oauth2() -> Value {
    object(
        "An issuer of tokens for the node, by client credentials.",
        &["issuer_url", "key_file"],
        json!({
            "issuer_url": text("The issuer, https://HOST.", 1_000),
            "key_file": text("JSON with client_id and client_secret.", 1_000),
            "ca_file": text("The authorities that the issuer's certificate may be of, as PEM, instead of the system's.", 1_000),
            "audience": text("Whom the token is for, where the issuer wants to know.", 1_000),
            "scope": text("What the token is for, where the issuer wants to know.", 1_000),
        }),
    )
}
