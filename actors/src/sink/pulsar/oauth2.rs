//! A token from an OAuth 2.0 issuer, by client credentials (RFC 6749, section 4.4), found by its
//! metadata (OpenID Connect Discovery 1.0).

use std::{
    fs::File,
    io::Read,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded};

use super::http;
use crate::sink::SinkError;

/// The most bytes of a key.
const MOST_KEY: u64 = 64 << 10;
/// A token is renewed when so much of its life is left.
const MARGIN: f64 = 0.1;

/// Who gives tokens, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulsarOAuth2 {
    /// The issuer: `https://HOST/…`.
    pub issuer_url: String,
    /// JSON with `client_id` and `client_secret`, as Pulsar's other clients take it.
    pub key_file: PathBuf,
    /// Whom the token is for, where the issuer wants to know.
    pub audience: Option<String>,
    /// What the token is for, where the issuer wants to know.
    pub scope: Option<String>,
}

/// See the module.
pub(super) struct TokenSource {
    settings: PulsarOAuth2,
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    token: String,
    until: Instant,
}

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
    expires_in: Option<u64>,
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
        Self { settings, kept: Mutex::default() }
    }

    /// Whether tokens can be asked for there.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(issuer: &str) -> Result<(), SinkError> {
        let parsed = Url::parse(issuer).ok().filter(|url| {
            let is_local = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
            let is_open = url.scheme() == "http" && is_local;
            (url.scheme() == "https" || is_open) && url.username().is_empty()
        });
        parsed.map(drop).ok_or_else(|| SinkError::Unfit {
            place: issuer.to_owned(),
            problem: "it is not where tokens are given".to_owned(),
            remedy: "write the issuer's address as https://HOST",
        })
    }

    /// A token that is valid, as far as is known.
    pub(super) async fn token(&self) -> Result<String, SinkError> {
        let mut kept = self.kept.lock().await;
        if let Some(Kept { token, until }) = &*kept
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let Granted { access_token, expires_in } = self.grant().await?;
        let lasts = Duration::from_secs(expires_in.unwrap_or(0)).mul_f64(1.0 - MARGIN);
        let until = Instant::now().checked_add(lasts);
        *kept = until.map(|until| Kept { token: access_token.clone(), until });
        Ok(access_token)
    }

    /// The broker does not want the token: another is asked for next time.
    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    async fn grant(&self) -> Result<Granted, SinkError> {
        let client = http::client(None).map_err(|problem| self.failed(problem))?;
        let issuer = self.settings.issuer_url.trim_end_matches('/');
        let at = format!("{issuer}/.well-known/openid-configuration");
        let asked = client.get(&at).send().await;
        let metadata: Metadata = self.understood(asked).await?;
        Self::check(&metadata.token_endpoint)?;
        let asked = client
            .post(&metadata.token_endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(self.form()?)
            .send();
        self.understood(asked.await).await
    }

    fn form(&self) -> Result<String, SinkError> {
        let Key { client_id, client_secret } = self.key()?;
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

    fn key(&self) -> Result<Key, SinkError> {
        let path = &self.settings.key_file;
        let unfit = |problem: String| SinkError::Unfit {
            place: path.display().to_string(),
            problem,
            remedy: "have JSON with client_id and client_secret in the file that key_file names",
        };
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MOST_KEY).read_to_string(&mut text));
        read.map_err(|error| unfit(format!("it cannot be read: {error}")))?;
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
            remedy: "check the issuer, and the key that oauth2.key_file names; it is tried again by itself",
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        sync::mpsc,
        task::JoinHandle,
    };

    use super::*;

    /// An issuer that says the same to all who ask for a token, and tells what it is asked.
    struct Issuer {
        url: String,
        asked: mpsc::UnboundedReceiver<String>,
        server: JoinHandle<()>,
    }

    impl Issuer {
        async fn start(status: &'static str, granted: &'static str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            let metadata = format!(r#"{{"issuer": "{url}", "token_endpoint": "{url}/token"}}"#);
            let (tell, asked) = mpsc::unbounded_channel();
            let server = tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let request = read(&mut stream).await;
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
            let (issuer_url, audience) = (self.url.clone(), Some("urn:us".to_owned()));
            TokenSource::new(PulsarOAuth2 { issuer_url, key_file, audience, scope: None })
        }
    }

    impl Drop for Issuer {
        fn drop(&mut self) {
            self.server.abort();
        }
    }

    /// A request with its body.
    async fn read(stream: &mut TcpStream) -> String {
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
            Issuer::start("200 OK", r#"{"access_token": "abc", "expires_in": 3600}"#).await;
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
        source.forget().await;
        source.token().await.unwrap();
        assert!(issuer.asked.try_recv().is_ok(), "it was asked for again");
    }

    #[tokio::test]
    async fn a_refusal_says_what_the_issuer_says_and_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let denied = r#"{"error": "invalid_client", "error_description": "who is that"}"#;
        let issuer = Issuer::start("401 Unauthorized", denied).await;
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
        for url in ["http://issuer.example", "issuer", "https://me@issuer"] {
            assert!(TokenSource::check(url).unwrap_err().to_string().contains("https://HOST"));
        }
    }
}
