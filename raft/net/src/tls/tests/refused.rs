//! Whom a node refuses, and what both sides learn of it.

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rustls::{
    client::Resumption,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{pki::Wish, *};

/// A client that shows these files without a look at them, as none of ours would.
fn careless(trusting: &Credentials, files: Option<&Files>) -> Arc<ClientConfig> {
    let mut config = (*trusting.client()).clone();
    config.resumption = Resumption::disabled();
    let Some(files) = files else {
        config.client_auth_cert_resolver = Arc::new(Nobody);
        return Arc::new(config);
    };
    config.client_auth_cert_resolver = Arc::new(shown(files));
    Arc::new(config)
}

fn shown(files: &Files) -> rustls::sign::SingleCertAndKey {
    let paths = files.paths();
    let cert = CertificateDer::from_pem_file(paths.cert).unwrap();
    let key = PrivateKeyDer::from_pem_file(paths.key).unwrap();
    let provider = aws_lc_rs::default_provider();
    rustls::sign::CertifiedKey::from_der(vec![cert], key, &provider).unwrap().into()
}

/// Shows no certificate.
#[derive(Debug)]
struct Nobody;

impl rustls::client::ResolvesClientCert for Nobody {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// What both sides say of a client that a server refuses.
async fn refusals(pki: &Pki, stranger: Option<&Files>) -> (Refusal, Refusal) {
    let node = pki.node("n1").credentials();
    let (at_server, at_client) = meet(node.server(), careless(&node, stranger)).await;
    (Refusal::of(&at_server.unwrap_err()), Refusal::of(&at_client.unwrap_err()))
}

/// Server and client agree on the reason, and each knows who refused.
async fn assert_refused(stranger: Option<&Files>, pki: &Pki, reason: Reason, told: Reason) {
    let (here, there) = refusals(pki, stranger).await;
    assert_eq!(here, Refusal { by: Side::Here, reason });
    assert_eq!(there, Refusal { by: Side::There, reason: told });
    assert!(here.to_string().contains("other side"), "{here}");
    assert!(there.to_string().contains("this node"), "{there}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    assert_refused(None, &Pki::new(), Reason::NoCertificate, Reason::NoCertificate).await;
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused() {
    let pki = Pki::new();
    // With another name, and with the same one, as that of another cluster has.
    for other in [Pki::named("somebody else's"), Pki::new()] {
        let files = other.node("n2");
        let reason = Reason::ForeignAuthority;
        assert_refused(Some(&files), &pki, reason.clone(), reason).await;
    }
}

#[tokio::test]
async fn a_client_whose_certificate_has_ended_or_not_begun_is_refused() {
    let pki = Pki::new();
    let ended = pki.issue(&Wish { from: -2, until: -1, ..Wish::good() });
    assert_refused(Some(&ended), &pki, Reason::Expired, Reason::Expired).await;
    let early = pki.issue(&Wish { from: 1, until: 2, ..Wish::good() });
    assert_refused(Some(&early), &pki, Reason::NotYetValid, Reason::Expired).await;
}

#[tokio::test]
async fn a_client_whose_certificate_is_for_servers_only_is_refused() {
    let pki = Pki::new();
    let files = pki.issue(&Wish { usages: vec![ServerAuth], ..Wish::good() });
    assert_refused(Some(&files), &pki, Reason::WrongUsage, Reason::WrongUsage).await;
}

#[tokio::test]
async fn a_client_refuses_servers_likewise() {
    let pki = Pki::new();
    let node = pki.node("n1").credentials();
    let usages = vec![ClientAuth];
    let cases = [
        (Pki::new().node("n2"), Reason::ForeignAuthority),
        (pki.issue(&Wish { from: -2, until: -1, ..Wish::good() }), Reason::Expired),
        (pki.issue(&Wish { usages, ..Wish::good() }), Reason::WrongUsage),
    ];
    for (files, reason) in cases {
        let mut config = (*node.server()).clone();
        config.cert_resolver = Arc::new(shown(&files));
        let (at_server, at_client) = meet(Arc::new(config), node.client()).await;
        let refusal = Refusal::of(&at_client.unwrap_err());
        assert_eq!(refusal, Refusal { by: Side::Here, reason: reason.clone() });
        let refusal = Refusal::of(&at_server.unwrap_err());
        assert_eq!(refusal, Refusal { by: Side::There, reason });
    }
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_from_strangers() {
    let node = Pki::new().node("n1").credentials();
    let text = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let (near, mut far) = duplex(PIPE);
    far.write_all(text).await.unwrap();
    let refusal = Refusal::of(&answer(node.server(), near).await.unwrap_err());
    assert_eq!((refusal.label(), refusal.by), ("not_tls", Side::Here));

    let (near, mut far) = duplex(PIPE);
    far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let refusal = Refusal::of(&dial(node.client(), near).await.unwrap_err());
    assert_eq!((refusal.label(), refusal.by), ("not_tls", Side::Here));
}

#[tokio::test]
async fn other_faults_keep_their_words() {
    let node = Pki::new().node("n1").credentials();
    let mut config = (*node.client()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (at_server, at_client) = meet(node.server(), Arc::new(config)).await;
    for error in [at_server.unwrap_err(), at_client.unwrap_err()] {
        let refusal = Refusal::of(&error);
        assert_eq!(refusal.label(), "other");
        assert!(refusal.to_string().contains("HTTP/2"), "{refusal}");
    }
    let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
    assert_eq!(Refusal::of(&closed).to_string(), "tls handshake eof");
}

#[test]
fn a_refusal_is_found_below_other_errors() {
    let inner = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::NoCertificatesPresented);
    let outer = io::Error::other(inner);
    assert_eq!(Refusal::of(&outer).label(), "no_certificate");
}
