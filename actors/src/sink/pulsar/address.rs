//! Where a broker is: `pulsar://HOST:PORT`, or `pulsar+ssl://HOST:PORT` behind TLS.

use url::Url;

use crate::sink::SinkError;

const PLAIN_PORT: u16 = 6650;
const TLS_PORT: u16 = 6651;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_secure: bool,
}

impl Address {
    /// # Errors
    /// It is none.
    pub(super) fn parse(url: &str) -> Result<Self, SinkError> {
        let unfit = |problem: String| SinkError::Unfit {
            place: shown(url),
            problem,
            remedy: "write the broker's address as pulsar://HOST:PORT or pulsar+ssl://HOST:PORT",
        };
        let parsed = Url::parse(url).map_err(|error| unfit(error.to_string()))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(SinkError::Unfit {
                place: "the broker's address".to_owned(),
                problem: "it holds a user or password".to_owned(),
                remedy: "put a token into a file, and name it as token_file",
            });
        }
        if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
            return Err(unfit("it has more than a host and a port".to_owned()));
        }
        let (is_secure, usual_port) = match parsed.scheme() {
            "pulsar" => (false, PLAIN_PORT),
            "pulsar+ssl" => (true, TLS_PORT),
            other => return Err(unfit(format!("{other}:// is not spoken"))),
        };
        let host = parsed.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| unfit("it names no host".to_owned()))?.to_owned();
        Ok(Self { host, port: parsed.port().unwrap_or(usual_port), is_secure })
    }

    /// The host as a name or an IP address, without the brackets of IPv6.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }
}

/// An address without what may be a password in it.
pub(super) fn shown(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port_and_show_no_secret() {
        let of = |url| {
            let Address { host, port, is_secure } = Address::parse(url).unwrap();
            format!("{host} {port} {is_secure}")
        };
        assert_eq!(of("pulsar://b.example:6651"), "b.example 6651 false");
        assert_eq!(of("pulsar://b.example"), "b.example 6650 false");
        assert_eq!(of("pulsar+ssl://b.example"), "b.example 6651 true");
        assert_eq!(of("pulsar://[::1]:1"), "[::1] 1 false");
        assert_eq!(Address::parse("pulsar://[::1]:1").unwrap().bare_host(), "::1");
        for url in
            ["b.example:6650", "http://b.example", "pulsar://", "pulsar://b/c", "pulsar://b?c"]
        {
            let refused = Address::parse(url).unwrap_err().to_string();
            assert!(refused.contains("pulsar://HOST:PORT"), "{url}: {refused}");
        }
        let refused = Address::parse("pulsar://me:hush@b").unwrap_err().to_string();
        assert!(refused.contains("token_file") && !refused.contains("hush"), "{refused}");
        let refused = Address::parse("pulsar://me:hush@b:99999").unwrap_err().to_string();
        assert!(!refused.contains("hush"), "{refused}");
    }
}
