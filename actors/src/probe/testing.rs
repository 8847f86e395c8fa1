//! What the tests of probes share: declarations, verdicts, and servers that misbehave.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use model::{
    Miss, Outcome, ResourceSpec,
    decode::Problems,
    spec::{Defaults, Origin, SpecDecoder},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{Finding, ProbeSettings, Probes};

/// Long enough for anything on one host.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How late the timers of a busy machine may fire.
const SLACK: Duration = Duration::from_secs(1);
/// Short enough to wait for.
pub(crate) const BRIEF: Duration = Duration::from_millis(300);

pub(crate) fn settings() -> ProbeSettings {
    ProbeSettings { node: "n1".to_owned(), ..ProbeSettings::default() }
}

pub(crate) fn probes() -> Probes {
    Probes::new(settings()).expect("TLS can be set up")
}

/// A declaration with this check.
pub(crate) fn spec(settings: &ProbeSettings, check: &Value) -> ResourceSpec {
    let declaration = json!({"type": "ENDPOINT", "name": "target", "check": check});
    let decoder = SpecDecoder {
        defaults: &Defaults::default(),
        origin: Origin::Config,
        node: &settings.node,
        region: None,
        secrets: &settings.secrets.keys().cloned().collect(),
    };
    let problems = Problems::default();
    let spec = decoder.decode(&declaration, "", None, &problems);
    spec.unwrap_or_else(|| panic!("{declaration}: {:?}", problems.into_vec()))
}

/// What a check finds.
pub(crate) async fn find(check: Value) -> Finding {
    find_within(&probes(), check, PATIENCE).await
}

/// What a check finds within a time, which it must not exceed.
pub(crate) async fn find_within(probes: &Probes, check: Value, time: Duration) -> Finding {
    let probe = probes.build(&spec(&probes.shared.settings, &check));
    let deadline = Instant::now() + time;
    let finding = probe.run(deadline).await;
    assert!(Instant::now() <= deadline + SLACK, "{check} took longer than {time:?}");
    finding
}

/// Why the target failed.
pub(crate) fn reason(finding: Finding) -> String {
    match finding {
        Finding::Concluded { outcome: Outcome::Failed { reason, .. }, .. } => reason,
        other => panic!("the target did not fail: {other:?}"),
    }
}

/// Why the target was not examined.
pub(crate) fn miss(finding: Finding) -> (Miss, String) {
    match finding {
        Finding::Missed { reason, detail } => (reason, detail),
        other @ Finding::Concluded { .. } => panic!("the target was examined: {other:?}"),
    }
}

/// A metric of a finding.
pub(crate) fn metric(finding: &Finding, name: &str) -> Option<f64> {
    match finding {
        Finding::Concluded { metrics, .. } => metrics.get(name),
        Finding::Missed { .. } => None,
    }
}

pub(crate) fn assert_passed(finding: &Finding) {
    let passed = matches!(finding, Finding::Concluded { outcome, .. } if outcome.is_passed());
    assert!(passed, "{finding:?}");
}

/// A server that treats each connection so.
pub(crate) async fn serve<F>(treat: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    address
}

/// A server that reads a request, sends these bytes and closes.
pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer: Arc<[u8]> = answer.into().into();
    serve(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            read_head(&mut stream).await;
            stream.write_all(&answer).await.ok();
            stream.shutdown().await.ok();
            // Until the client has closed: a reset would overtake the answer.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
        }
    })
    .await
}

/// A port that nobody listens on.
pub(crate) async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("it is bound")
}

/// Reads up to the empty line that ends a request's head.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// An answer with a body, its length given.
pub(crate) fn with_body(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

pub(crate) mod certificates {
    //! Certificates good and bad, and servers that show them.

    use std::{io::Write, net::SocketAddr, sync::Arc};

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
    };
    use rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer},
    };
    use tempfile::NamedTempFile;
    use tokio::net::TcpStream;
    use tokio_rustls::{TlsAcceptor, server::TlsStream};

    use super::serve;

    /// An authority of its own, for one test.
    pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

    /// A certificate and its key.
    pub(crate) struct Issued {
        certificate: CertificateDer<'static>,
        key: KeyPair,
    }

    impl Authority {
        pub(crate) fn new() -> Self {
            Self::named("a test's authority")
        }

        pub(crate) fn named(name: &str) -> Self {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().expect("keys can be made");
            Self(CertifiedIssuer::self_signed(params, key).expect("it can sign itself"))
        }

        /// A file that names it as one to trust.
        pub(crate) fn file(&self) -> NamedTempFile {
            let mut file = NamedTempFile::new().expect("a temporary file");
            file.write_all(self.0.pem().as_bytes()).expect("it can be written");
            file
        }

        /// A certificate for a name between two days.
        pub(crate) fn issue(&self, name: &str, days: [(i32, u8, u8); 2]) -> Issued {
            let mut params = CertificateParams::new([name.to_owned()]).expect("a usable name");
            let [(y, m, d), (end_y, end_m, end_d)] = days;
            params.not_before = date_time_ymd(y, m, d);
            params.not_after = date_time_ymd(end_y, end_m, end_d);
            self.sign(&params)
        }

        /// A certificate for a name that ends in so many days.
        pub(crate) fn issue_for_days(&self, name: &str, days: u64) -> Issued {
            let mut params = CertificateParams::new([name.to_owned()]).expect("a usable name");
            let span = std::time::Duration::from_secs(days * 86_400);
            params.not_after = (std::time::SystemTime::now() + span).into();
            self.sign(&params)
        }

        fn sign(&self, params: &CertificateParams) -> Issued {
            let key = KeyPair::generate().expect("keys can be made");
            let certificate = params.signed_by(&key, &self.0).expect("it can be signed");
            Issued { certificate: certificate.der().clone(), key }
        }
    }

    /// A server that shows a certificate and treats each session so.
    pub(crate) async fn serve_tls<F>(
        issued: Issued,
        treat: impl Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static,
    ) -> SocketAddr
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let acceptor = acceptor(issued);
        let treat = Arc::new(treat);
        serve(move |stream| {
            let (acceptor, treat) = (acceptor.clone(), Arc::clone(&treat));
            async move {
                if let Ok(session) = acceptor.accept(stream).await {
                    treat(session).await;
                }
            }
        })
        .await
    }

    fn acceptor(issued: Issued) -> TlsAcceptor {
        let key = PrivateKeyDer::try_from(issued.key.serialize_der()).expect("a usable key");
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("TLS can be set up")
            .with_no_client_auth()
            .with_single_cert(vec![issued.certificate], key)
            .expect("the key is the certificate's");
        TlsAcceptor::from(Arc::new(config))
    }
}
