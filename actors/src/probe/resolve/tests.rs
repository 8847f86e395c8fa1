//! Name resolution by name servers that behave and name servers that do not.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use hickory_resolver::{
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    proto::{
        op::{Message, MessageType, OpCode, ResponseCode},
        rr::{
            Name, RData, Record, RecordType,
            rdata::{A, AAAA},
        },
    },
};
use model::Miss;
use serde_json::json;
use tokio::{net::UdpSocket, time::Instant};

use super::Resolver;
use crate::probe::{
    Probes,
    budget::Budget,
    fault::Fault,
    testing::{BRIEF, PATIENCE, find_within, miss, reason, settings},
};

/// What a name server says of one name.
#[derive(Clone, Copy)]
enum Says {
    Code(ResponseCode),
    V4([u8; 4]),
    V6(u16),
    Nothing,
}

/// Probes that resolve by these servers.
pub(crate) fn probes_with(servers: &[SocketAddr]) -> Probes {
    Probes::with_resolver(settings(), resolver(servers, &[])).expect("TLS can be set up")
}

fn resolver(servers: &[SocketAddr], search: &[&str]) -> Resolver {
    let servers = servers.iter().map(|server| {
        let mut udp = ConnectionConfig::udp();
        udp.port = server.port();
        NameServerConfig::new(server.ip(), true, vec![udp])
    });
    let search = search.iter().map(|name| Name::from_ascii(name).expect("a name")).collect();
    let config = ResolverConfig::from_parts(None, search, servers.collect());
    Resolver::fixed(config, ResolverOpts::default())
}

/// A name server that knows these names; of any other it says there is none.
async fn server(names: &[(&str, RecordType, Says)]) -> SocketAddr {
    let names: BTreeMap<(String, RecordType), Says> =
        names.iter().map(|(name, kind, says)| (((*name).to_owned(), *kind), *says)).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut buffer = [0; 1_024];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let asked = Message::from_vec(&buffer[..length]).expect("the resolver asks well");
            let query = &asked.queries[0];
            let key = (query.name().to_string(), query.query_type());
            let says = names.get(&key).copied().unwrap_or(Says::Code(ResponseCode::NXDomain));
            if let Some(answer) = answer(&asked, says) {
                socket.send_to(&answer, from).await.ok();
            }
        }
    });
    address
}

fn answer(asked: &Message, says: Says) -> Option<Vec<u8>> {
    let mut message = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
    message.add_queries(asked.queries.iter().cloned());
    let data = match says {
        Says::Nothing => return None,
        Says::Code(code) => {
            message.metadata.response_code = code;
            None
        }
        Says::V4([a, b, c, d]) => Some(RData::A(A::new(a, b, c, d))),
        Says::V6(last) => Some(RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last))),
    };
    let owner = asked.queries[0].name().clone();
    message.add_answers(data.map(|data| Record::from_rdata(owner, 60, data)));
    Some(message.to_vec().expect("it can be encoded"))
}

async fn resolve(resolver: &Resolver, name: &str) -> Result<Vec<IpAddr>, Fault> {
    resolver.addresses(name, Budget::until(Instant::now() + PATIENCE)).await
}

fn is_miss(result: &Result<Vec<IpAddr>, Fault>) -> bool {
    matches!(result, Err(Fault::Missed { reason: Miss::Resolver, .. }))
}

const EMPTY: Says = Says::Code(ResponseCode::NoError);
const BROKEN: Says = Says::Code(ResponseCode::ServFail);

#[tokio::test]
async fn both_families_are_found_and_ipv4_comes_first() {
    let server = server(&[
        ("shop.example.", RecordType::A, Says::V4([192, 0, 2, 1])),
        ("shop.example.", RecordType::AAAA, Says::V6(1)),
    ])
    .await;
    let found = resolve(&resolver(&[server], &[]), "shop.example").await;
    let expected = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().expect("an address"));
    assert_eq!(found, Ok(expected.to_vec()));
}

#[tokio::test]
async fn one_familys_silence_does_not_hold_up_the_other() {
    let server = server(&[
        ("shop.example.", RecordType::A, Says::V4([192, 0, 2, 1])),
        ("shop.example.", RecordType::AAAA, Says::Nothing),
    ])
    .await;
    let resolver = resolver(&[server], &[]);
    let budget = Budget::until(Instant::now() + BRIEF);
    let found = resolver.addresses("shop.example", budget).await;
    assert_eq!(found, Ok(vec!["192.0.2.1".parse().expect("an address")]));
}

#[tokio::test]
async fn semantics_4_what_a_server_says_of_a_name_is_the_targets() {
    let server = server(&[
        ("empty.example.", RecordType::A, EMPTY),
        ("empty.example.", RecordType::AAAA, EMPTY),
        ("half.example.", RecordType::A, EMPTY),
        ("half.example.", RecordType::AAAA, BROKEN),
        ("broken.example.", RecordType::A, BROKEN),
        ("broken.example.", RecordType::AAAA, BROKEN),
    ])
    .await;
    let resolver = resolver(&[server], &[]);
    assert_eq!(
        resolve(&resolver, "gone.example").await,
        Err(Fault::failed("NXDOMAIN: gone.example does not exist"))
    );
    assert_eq!(
        resolve(&resolver, "empty.example").await,
        Err(Fault::failed("empty.example has no address"))
    );
    assert!(is_miss(&resolve(&resolver, "broken.example").await));
    assert!(is_miss(&resolve(&resolver, "half.example").await));
}

#[tokio::test]
async fn semantics_4_a_broken_candidate_is_not_hidden_by_the_search_list() {
    let server = server(&[
        ("shop.example.", RecordType::A, BROKEN),
        ("shop.example.", RecordType::AAAA, BROKEN),
        ("db.corp.example.", RecordType::A, Says::V4([192, 0, 2, 9])),
    ])
    .await;
    let resolver = resolver(&[server], &["corp.example."]);
    assert!(is_miss(&resolve(&resolver, "shop.example").await));
    let found = resolve(&resolver, "db").await;
    assert_eq!(found, Ok(vec!["192.0.2.9".parse().expect("an address")]));
    assert_eq!(resolve(&resolver, "db.").await, Err(Fault::failed("NXDOMAIN: db. does not exist")));
}

#[tokio::test]
async fn a_resolver_that_is_silent_or_absent_is_a_miss_of_every_check() {
    let silent = server(&[
        ("shop.example.", RecordType::A, Says::Nothing),
        ("shop.example.", RecordType::AAAA, Says::Nothing),
    ])
    .await;
    for servers in [&[silent][..], &[]] {
        let probes = probes_with(servers);
        for check in [
            json!({"tcp": {"address": "shop.example:80"}}),
            json!({"http": {"url": "http://shop.example/"}}),
            json!({"icmp": {"host": "shop.example"}}),
        ] {
            let (why, detail) = miss(find_within(&probes, check, BRIEF).await);
            assert_eq!(why, Miss::Resolver);
            assert!(detail.contains("shop.example"), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_fails_every_check() {
    let server = server(&[]).await;
    let probes = probes_with(&[server]);
    for check in [
        json!({"tcp": {"address": "gone.example:80"}}),
        json!({"http": {"url": "http://gone.example/"}}),
        json!({"icmp": {"host": "gone.example"}}),
    ] {
        let reason = reason(find_within(&probes, check, PATIENCE).await);
        assert_eq!(reason, "NXDOMAIN: gone.example does not exist");
    }
}

#[tokio::test]
async fn localhost_needs_no_server() {
    let found = resolve(&resolver(&[], &[]), "localhost").await.expect("it is built in");
    assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
}
