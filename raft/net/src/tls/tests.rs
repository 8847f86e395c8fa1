//! Handshakes between nodes good and bad, over pipes in memory.

mod loading;
pub(crate) mod pki;
mod refused;

use std::{io, sync::Arc};

use rustls::{ClientConfig, ServerConfig, pki_types::ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use pki::{Files, Pki};

/// Room for a whole handshake.
const PIPE: usize = 64 << 10;

/// What a side knows of the other: its names and the protocol.
type Met = io::Result<(Vec<String>, Option<Vec<u8>>)>;

/// A server answers a client, which waits for a byte: only then it knows that it is accepted.
async fn meet(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> (Met, Met) {
    let (near, far) = duplex(PIPE);
    tokio::join!(answer(server, near), dial(client, far))
}

async fn answer(config: Arc<ServerConfig>, pipe: DuplexStream) -> Met {
    let mut stream = TlsAcceptor::from(config).accept(pipe).await?;
    stream.write_u8(1).await?;
    stream.shutdown().await?;
    let (_, session) = stream.get_ref();
    Ok((names_of(session.peer_certificates().unwrap()), session.alpn_protocol().map(Vec::from)))
}

async fn dial(config: Arc<ClientConfig>, pipe: DuplexStream) -> Met {
    let name = ServerName::try_from("any.name.will.do").unwrap();
    let mut stream = TlsConnector::from(config).connect(name, pipe).await?;
    stream.read_u8().await?;
    let (_, session) = stream.get_ref();
    Ok((names_of(session.peer_certificates().unwrap()), session.alpn_protocol().map(Vec::from)))
}

#[tokio::test]
async fn nodes_of_one_cluster_see_each_others_names() {
    let pki = Pki::new();
    let (n1, n2) = (pki.node("n1").credentials(), pki.node("n2").credentials());
    let (at_server, at_client) = meet(n1.server(), n2.client()).await;
    let http2 = Some(b"h2".to_vec());
    assert_eq!(at_server.unwrap(), (vec!["n2".to_owned()], http2.clone()));
    assert_eq!(at_client.unwrap(), (vec!["n1".to_owned()], http2));
}

#[tokio::test]
async fn no_session_is_resumed() {
    let pki = Pki::new();
    let (n1, n2) = (pki.node("n1").credentials(), pki.node("n2").credentials());
    for _ in 0..3 {
        let (near, far) = duplex(PIPE);
        let name = ServerName::try_from("n1").unwrap();
        let connector = TlsConnector::from(n2.client());
        let (server, client) =
            tokio::join!(answer(n1.server(), near), connector.connect(name, far));
        server.unwrap();
        let kind = client.unwrap().get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn two_authorities_are_trusted_while_one_replaces_the_other() {
    let (old, new) = (Pki::new(), Pki::new());
    let before = old.node("n1");
    let after = new.node("n2");
    let both = [old.ca_pem(), new.ca_pem()].concat();
    before.write("ca.pem", &both);
    after.write("ca.pem", &both);
    let (at_server, at_client) =
        meet(before.credentials().server(), after.credentials().client()).await;
    assert_eq!(
        (at_server.unwrap().0, at_client.unwrap().0),
        (vec!["n2".into()], vec!["n1".into()])
    );
}

#[test]
fn garbage_has_no_names_and_no_end() {
    let garbage = rustls::pki_types::CertificateDer::from(b"no certificate".to_vec());
    assert_eq!(expires(&garbage), None);
    assert!(names_of(&[garbage]).is_empty());
    assert!(names_of(&[]).is_empty());
}
