//! What is wrong with a certificate, in words, and when it ends.

use std::time::{SystemTime, UNIX_EPOCH};

use model::{Outcome, WallTime};
use rustls::{
    CertificateError, Error,
    pki_types::{CertificateDer, UnixTime},
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

const SECONDS_A_DAY: f64 = 86_400.0;
/// How many of a certificate's names are shown.
const NAMES_SHOWN: usize = 3;

/// When a certificate ends, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Expiry(i64);

impl Expiry {
    /// Reads `notAfter` (RFC 5280, section 4.1.2.5).
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        Some(Self(parsed.validity().not_after.timestamp()))
    }

    /// Days from now; negative once it has ended.
    pub(crate) fn days_left(self) -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "seconds of a date are far below 2^53")]
        let end = self.0 as f64;
        (end - now.as_secs_f64()) / SECONDS_A_DAY
    }

    /// Whether it lasts for so many more days.
    pub(crate) fn verdict(self, min_days: u32) -> Outcome {
        let days = self.days_left();
        if days >= f64::from(min_days) {
            return Outcome::passed();
        }
        let ends = day(self.0);
        if days < 0.0 {
            return Outcome::warning(format!("certificate expired on {ends}"));
        }
        let whole = days.floor();
        let unit = if whole == 1.0 { "day" } else { "days" };
        Outcome::warning(format!("certificate expires in {whole} {unit}, on {ends}"))
    }
}

/// Why a certificate is not acceptable.
pub(super) fn describe(error: &Error, leaf: &CertificateDer<'_>, expected: &str) -> String {
    let Error::InvalidCertificate(error) = error else {
        return describe_session(error);
    };
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("TLS: certificate expired on {}", unix_day(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("TLS: certificate is not valid before {}", unix_day(*not_before))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("TLS: certificate is for {}, not for {expected}", names(leaf))
        }
        CertificateError::UnknownIssuer => "TLS: issuer is unknown".to_owned(),
        CertificateError::BadSignature => {
            "TLS: certificate is not signed by the issuer that it names".to_owned()
        }
        CertificateError::BadEncoding => "TLS: certificate is malformed".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "TLS: certificate is not meant for servers".to_owned()
        }
        other => format!("TLS: certificate is not acceptable: {other}"),
    }
}

/// Why a session could not be set up or went wrong.
pub(super) fn describe_session(error: &Error) -> String {
    match error {
        Error::InvalidMessage(_) => "TLS: the answer is not TLS".to_owned(),
        Error::AlertReceived(alert) => format!("TLS: the server sent the alert {alert:?}"),
        Error::PeerIncompatible(what) => {
            format!("TLS: no version or cipher in common ({what:?})")
        }
        Error::NoApplicationProtocol => "TLS: the server does not speak HTTP/1.1".to_owned(),
        other => format!("TLS: {other}"),
    }
}

/// The names that a certificate is for, those beyond the first few only counted.
fn names(leaf: &CertificateDer<'_>) -> String {
    let mut names = alternative_names(leaf).unwrap_or_default();
    if names.is_empty() {
        return "no host".to_owned();
    }
    let more = names.len().saturating_sub(NAMES_SHOWN);
    names.truncate(NAMES_SHOWN);
    let shown = names.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn alternative_names(leaf: &CertificateDer<'_>) -> Option<Vec<String>> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let extension = parsed.subject_alternative_name().ok()??;
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    Some(names.collect())
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(v6).to_string())
}

fn unix_day(time: UnixTime) -> String {
    day(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

/// The UTC date of a moment in seconds since 1970.
fn day(seconds: i64) -> String {
    let text = WallTime(seconds.saturating_mul(1_000)).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use model::Severity;
    use proptest::prelude::*;

    use super::*;

    fn in_days(days: f64) -> Expiry {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a date fit")]
        Expiry((now.as_secs_f64() + days * SECONDS_A_DAY) as i64)
    }

    #[test]
    fn a_certificate_that_ends_soon_is_a_warning_with_the_day() {
        let expiry = in_days(6.5);
        let Outcome::Failed { severity: Severity::Warning, reason } = expiry.verdict(14) else {
            panic!("6 days are fewer than 14");
        };
        assert_eq!(reason, format!("certificate expires in 6 days, on {}", day(expiry.0)));
        assert!(in_days(14.5).verdict(14).is_passed());
        assert!(in_days(0.5).verdict(0).is_passed());
        assert!(!in_days(-1.0).verdict(0).is_passed());
    }

    #[test]
    fn days_are_written_as_dates() {
        assert_eq!(day(1_767_225_600), "2026-01-01");
        assert_eq!(day(i64::MAX), "9999-12-31");
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reading_of_certificates(bytes: Vec<u8>) {
            let certificate = CertificateDer::from(bytes);
            prop_assert_eq!(Expiry::of(&certificate), None);
            prop_assert_eq!(names(&certificate), "no host");
        }
    }
}
