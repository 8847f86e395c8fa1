//! A token from an OAuth 2.0 issuer, by client credentials (RFC 6749, section 4.4), found by its
//! metadata (OpenID Connect Discovery 1.0).

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt, Shared};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::{address::shown, http, tls::PulsarTls};
use crate::{file_threads::OF_SINKS, sink::SinkError};

/// The most bytes of a key.
const MOST_KEY: u64 = 64 << 10;
/// A token is renewed when so much of its life is left.
const MARGIN: f64 = 0.1;
/// How long one counts that says nothing of it.
const USUAL_LIFE: Duration = Duration::from_secs(60);

/// Who gives tokens, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulsarOAuth2 {
    /// The issuer: `https://HOST/…`.
    pub issuer_url: String,
    /// JSON with `client_id` and `client_secret`, as Pulsar's other clients take it.
    pub key_file: PathBuf,
    /// The authorities that the issuer's certificate may be of; those of the system where absent.
    pub ca_file: Option<PathBuf>,
    /// Whom the token is for, where the issuer wants to know.
    pub audience: Option<String>,
    /// What the token is for, where the issuer wants to know.
    pub scope: Option<String>,
}

/// See the module.
pub(super) struct TokenSource(Arc<Issuer>);

struct Issuer {
    settings: PulsarOAuth2,
    kept: Mutex<Kept>,
}

/// A token, and the asking for the next one.
#[derive(Default)]
struct Kept {
    token: Option<(String, Instant)>,
    asking: Option<Asking>,
}

/// Goes on whether or not anybody waits: who waits for a broker's messages may give up at any moment.
type Asking = Shared<BoxFuture<'static, Result<String, SinkError>>>;

#[derive(Deserialize)]
struct Key {
    client_id: String,
    client_secret: String,
}

#[derive(Deserialize)]
struct Metadata {
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<Seconds>,
}

/// A number; some issuers write it as text.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
struct Seconds(u64);

impl TryFrom<Value> for Seconds {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, &'static str> {
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.map(Self).ok_or("expected seconds")
    }
}

/// RFC 6749, section 5.2.
#[derive(Deserialize)]
struct Denied {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl TokenSource {
    pub(super) fn new(settings: PulsarOAuth2) -> Self {
        Self(Arc::new(Issuer { settings, kept: Mutex::default() }))
    }

    /// Whether tokens can be asked for there.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(issuer: &str) -> Result<(), SinkError> {
        let parsed = Url::parse(issuer).ok().filter(|url| {
            let is_local = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
            let is_open = url.scheme() == "http" && is_local;
            let is_bare = url.username().is_empty() && url.password().is_none();
            (url.scheme() == "https" || is_open) && is_bare
        });
        parsed.map(drop).ok_or_else(|| SinkError::Unfit {
            place: shown(issuer),
            problem: "it is not where tokens are given".to_owned(),
            remedy: "write the issuer's address as https://HOST",
        })
    }

    /// A token that is valid, as far as is known. May be dropped, and then asked again.
    pub(super) async fn token(&self) -> Result<String, SinkError> {
        let asking = {
            let mut kept = self.0.kept.lock();
            match &kept.token {
                Some((token, until)) if Instant::now() < *until => return Ok(token.clone()),
                _ => kept.asking.get_or_insert_with(|| ask(Arc::clone(&self.0))).clone(),
            }
        };
        asking.await
    }

    /// The broker does not want the token: another is asked for next time.
    pub(super) fn forget(&self) {
        self.0.kept.lock().token = None;
    }
}

fn ask(issuer: Arc<Issuer>) -> Asking {
    let asking = tokio::spawn(async move {
        let granted = issuer.grant().await;
        let mut kept = issuer.kept.lock();
        kept.asking = None;
        let Granted { access_token, expires_in } = granted?;
        let lasts = expires_in.map_or(USUAL_LIFE, |Seconds(seconds)| Duration::from_secs(seconds));
        let until = Instant::now().checked_add(lasts.mul_f64(1.0 - MARGIN));
        kept.token = until.map(|until| (access_token.clone(), until));
        Ok(access_token)
    });
    let lost = |panic: tokio::task::JoinError| SinkError::Unavailable {
        place: "the issuer".to_owned(),
        problem: panic.to_string(),
        remedy: "look at the node's log; it is tried again by itself",
    };
    async move { asking.await.unwrap_or_else(|panic| Err(lost(panic))) }.boxed().shared()
}

impl Issuer {
    async fn grant(&self) -> Result<Granted, SinkError> {
        let trust = PulsarTls { ca_file: self.settings.ca_file.clone(), ..PulsarTls::default() };
        let client = http::client(Some(&trust.load().await?));
        let client = client.map_err(|problem| self.failed(problem))?;
        let issuer = self.settings.issuer_url.trim_end_matches('/');
        let at = format!("{issuer}/.well-known/openid-configuration");
        let asked = client.get(&at).send().await;
        let metadata: Metadata = self.understood(asked).await?;
        if TokenSource::check(&metadata.token_endpoint).is_err() {
            return Err(self.failed("its metadata name no place for tokens behind TLS".to_owned()));
        }
        let asked = client
            .post(&metadata.token_endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(self.form().await?)
            .send();
        self.understood(asked.await).await
    }

    async fn form(&self) -> Result<String, SinkError> {
        let Key { client_id, client_secret } = self.key().await?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", &client_id).append_pair("client_secret", &client_secret);
        let PulsarOAuth2 { audience, scope, .. } = &self.settings;
        for (name, value) in [("audience", audience), ("scope", scope)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        Ok(form.finish())
    }

    async fn key(&self) -> Result<Key, SinkError> {
        let path = self.settings.key_file.clone();
        let unfit = |problem: String| SinkError::Unfit {
            place: self.settings.key_file.display().to_string(),
            problem,
            remedy: "have JSON with client_id and client_secret in the file that key_file names",
        };
        let read = OF_SINKS.run(move || {
            let mut text = String::new();
            let read =
                File::open(path).and_then(|file| file.take(MOST_KEY).read_to_string(&mut text));
            read.map(|_| text)
        });
        let text = read.await.map_err(io::Error::other).flatten();
        let text = text.map_err(|error| unfit(format!("it cannot be read: {error}")))?;
        // What serde says of a file that holds a secret might quote it.
        serde_json::from_str(&text).map_err(|_| unfit("it holds no key".to_owned()))
    }

    async fn understood<T: for<'a> Deserialize<'a>>(
        &self,
        answer: Result<reqwest::Response, reqwest::Error>,
    ) -> Result<T, SinkError> {
        let answer = answer.map_err(|error| self.failed(http::innermost(&error)))?;
        let status = answer.status();
        let text = http::text(answer, http::MOST).await.map_err(|problem| self.failed(problem))?;
        let text = text.unwrap_or_default();
        if !status.is_success() {
            let why = serde_json::from_str(&text)
                .map(|denied: Denied| format!(": {} {}", denied.error, denied.error_description));
            let why = super::wire::short(&why.unwrap_or_default());
            return Err(self.failed(format!("{status}{why}")));
        }
        serde_json::from_str(&text)
            .map_err(|_| self.failed("it answered something that is not understood".to_owned()))
    }

    fn failed(&self, problem: String) -> SinkError {
        SinkError::Unavailable {
            place: self.settings.issuer_url.clone(),
            problem,
            remedy: "check the issuer, whom oauth2.ca_file trusts, and the key that oauth2.key_file names; it is \
                     tried again by itself",
        }
    }
}

#[cfg(test)]
mod tests {
    use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
    use tokio::{
        io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
        net::TcpListener,
        sync::mpsc,
        task::JoinHandle,
    };
    use tokio_rustls::TlsAcceptor;

    use super::*;

    trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
    impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

    /// An issuer that says the same to all who ask for a token, and tells what it is asked.
    struct Server {
        url: String,
        asked: mpsc::UnboundedReceiver<String>,
        server: JoinHandle<()>,
    }

    impl Server {
        async fn start(status: &'static str, granted: &'static str) -> Self {
            Self::behind(None, status, granted).await
        }

        async fn behind(
            tls: Option<TlsAcceptor>,
            status: &'static str,
            granted: &'static str,
        ) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let scheme = if tls.is_some() { "https" } else { "http" };
            let url = format!("{scheme}://{}", listener.local_addr().unwrap());
            let metadata = format!(r#"{{"issuer": "{url}", "token_endpoint": "{url}/token"}}"#);
            let (tell, asked) = mpsc::unbounded_channel();
            let server = tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let mut stream: Box<dyn Stream> = match &tls {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => continue,
                        },
                    };
                    let request = read(&mut *stream).await;
                    let is_metadata = request.starts_with("GET /.well-known/openid-configuration ");
                    let (status, body) =
                        if is_metadata { ("200 OK", &metadata[..]) } else { (status, granted) };
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
                    );
                    stream.write_all((head + body).as_bytes()).await.unwrap();
                    if !is_metadata {
                        tell.send(request).unwrap();
                    }
                }
            });
            Self { url, asked, server }
        }

        fn source(&self, directory: &tempfile::TempDir, key: &str) -> TokenSource {
            let key_file = directory.path().join("key.json");
            std::fs::write(&key_file, key).unwrap();
            TokenSource::new(PulsarOAuth2 {
                issuer_url: self.url.clone(),
                key_file,
                ca_file: Some(directory.path().join("ca.pem")).filter(|path| path.exists()),
                audience: Some("urn:us".to_owned()),
                scope: None,
            })
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.server.abort();
        }
    }

    /// A request with its body.
    async fn read(stream: &mut dyn Stream) -> String {
        let mut text = String::new();
        loop {
            let mut piece = [0; 4096];
            let length = stream.read(&mut piece).await.unwrap();
            text.push_str(std::str::from_utf8(&piece[..length]).unwrap());
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let wanted = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length == 0 || wanted.is_none_or(|wanted| wanted.parse() == Ok(body.len())) {
                return text;
            }
        }
    }

    const KEY: &str =
        r#"{"type": "client_credentials", "client_id": "me", "client_secret": "hu&sh"}"#;

    #[tokio::test]
    async fn a_token_is_asked_for_once_and_again_when_the_broker_does_not_want_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut issuer =
            Server::start("200 OK", r#"{"access_token": "abc", "expires_in": 3600}"#).await;
        let source = issuer.source(&directory, KEY);
        assert_eq!(source.token().await.unwrap(), "abc");
        let form = issuer.asked.recv().await.unwrap();
        assert!(form.starts_with("POST /token "), "{form}");
        assert!(
            form.ends_with(
                "grant_type=client_credentials&client_id=me&client_secret=hu%26sh&audience=urn%3Aus"
            ),
            "{form}"
        );
        assert_eq!(source.token().await.unwrap(), "abc");
        assert!(issuer.asked.try_recv().is_err(), "it was kept");
        source.forget();
        source.token().await.unwrap();
        assert!(issuer.asked.try_recv().is_ok(), "it was asked for again");
    }

    #[tokio::test]
    async fn an_issuer_of_a_private_authority_is_asked_where_that_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let tls = Some(TlsAcceptor::from(Arc::new(config)));
        let issuer = Server::behind(tls, "200 OK", r#"{"access_token": "abc"}"#).await;
        let refused = issuer.source(&directory, KEY).token().await.unwrap_err().to_string();
        assert!(refused.contains("certificate") && refused.contains("oauth2.ca_file"), "{refused}");
        std::fs::write(directory.path().join("ca.pem"), own.cert.pem()).unwrap();
        assert_eq!(issuer.source(&directory, KEY).token().await.unwrap(), "abc");
    }

    #[tokio::test]
    async fn asking_goes_on_although_nobody_waits() {
        let directory = tempfile::tempdir().unwrap();
        let mut issuer =
            Server::start("200 OK", r#"{"access_token": "abc", "expires_in": "3600"}"#).await;
        let source = issuer.source(&directory, KEY);
        // Whoever waits gives up again and again, as one who waits for messages does.
        for _ in 0..50 {
            let _ = tokio::time::timeout(Duration::from_millis(1), source.token()).await;
        }
        assert_eq!(source.token().await.unwrap(), "abc");
        issuer.asked.recv().await.unwrap();
        assert!(issuer.asked.try_recv().is_err(), "it was asked once");
    }

    #[tokio::test]
    async fn a_refusal_says_what_the_issuer_says_and_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let denied = r#"{"error": "invalid_client", "error_description": "who is that"}"#;
        let issuer = Server::start("401 Unauthorized", denied).await;
        let refused = issuer.source(&directory, KEY).token().await.unwrap_err().to_string();
        assert!(
            refused.contains("401") && refused.contains("invalid_client who is that"),
            "{refused}"
        );
        let refused = issuer.source(&directory, "hush").token().await.unwrap_err().to_string();
        assert!(refused.contains("key.json") && !refused.contains("hush"), "{refused}");
    }

    #[test]
    fn secrets_go_over_tls_or_stay_on_this_machine() {
        assert!(TokenSource::check("https://issuer.example/realm").is_ok());
        assert!(TokenSource::check("http://127.0.0.1:8080").is_ok());
        for url in ["http://issuer.example", "issuer", "https://me@issuer", "https://:hush@issuer"]
        {
            let refused = TokenSource::check(url).unwrap_err().to_string();
            assert!(refused.contains("https://HOST") && !refused.contains("hush"), "{refused}");
        }
    }
}
