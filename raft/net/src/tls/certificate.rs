//! What a certificate says of itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::{
    prelude::{FromDer, GeneralName, X509Certificate},
    time::ASN1Time,
};

/// The DNS names in a peer's certificate, the first of its chain; none where it cannot be read.
///
/// Written for `connection.peer_certificates()`, after the handshake has judged the chain.
#[must_use]
pub fn names_of(chain: &[CertificateDer<'_>]) -> Vec<String> {
    chain.first().and_then(alternative_names).unwrap_or_default()
}

/// When a certificate ends (`notAfter` of RFC 5280, section 4.1.2.5); none where it cannot be read.
#[must_use]
pub fn expires(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let seconds = parsed.validity().not_after.timestamp();
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// The UTC date of a moment.
pub(super) fn day(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match ASN1Time::from_timestamp(seconds) {
        Ok(time) => time.to_datetime().date().to_string(),
        Err(_) => "a day that no calendar has".to_owned(),
    }
}

fn alternative_names(leaf: &CertificateDer<'_>) -> Option<Vec<String>> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let extension = parsed.subject_alternative_name().ok()??;
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    Some(names.collect())
}
