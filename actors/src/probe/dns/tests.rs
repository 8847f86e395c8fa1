//! DNS checks against name servers that behave and name servers that do not.

use std::{net::SocketAddr, sync::Arc};

use hickory_resolver::proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{
        Name, RData, Record,
        rdata::{A, CNAME, MX, TXT},
    },
};
use model::Miss;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
};

use crate::probe::testing::{
    BRIEF, PATIENCE, assert_passed, find, find_within, metric, miss, probes, reason,
};

/// A name server over UDP that answers each datagram with those that `answer` makes of it.
async fn server(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut buffer = [0; 1_024];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            for datagram in answer(&buffer[..length]) {
                socket.send_to(&datagram, from).await.ok();
            }
        }
    });
    address
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(name(owner), 60, data)
}

/// The answer to a question, with these records.
fn answer(question: &[u8], code: ResponseCode, records: Vec<Record>) -> Message {
    let question = Message::from_vec(question).expect("the probe asks well");
    let mut message = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.add_queries(question.queries);
    message.add_answers(records);
    message
}

fn encoded(message: &Message) -> Vec<u8> {
    message.to_vec().expect("it can be encoded")
}

async fn server_of(code: ResponseCode, records: Vec<Record>) -> SocketAddr {
    server(move |question| vec![encoded(&answer(question, code, records.clone()))]).await
}

fn check(server: SocketAddr, kind: &str, expect: &[&str]) -> Value {
    json!({"dns": {
        "name": "shop.example", "type": kind, "server": server.to_string(), "expect": expect}})
}

#[tokio::test]
async fn an_answer_with_what_is_expected_passes() {
    let server = server_of(
        ResponseCode::NoError,
        vec![
            record("shop.example.", RData::CNAME(CNAME(name("web.example.")))),
            record("WEB.example.", RData::A(A::new(192, 0, 2, 1))),
            record("web.example.", RData::A(A::new(192, 0, 2, 2))),
            record("evil.example.", RData::A(A::new(192, 0, 2, 66))),
        ],
    )
    .await;
    let finding = find(check(server, "A", &["192.0.2.2"])).await;
    assert_passed(&finding);
    assert_eq!(metric(&finding, "answers"), Some(2.0), "a stranger's record is not an answer");
    assert!(metric(&finding, "duration_ms").is_some_and(|ms| ms > 0.0));
    assert_passed(&find(check(server, "CNAME", &["web.example"])).await);
    assert_eq!(
        reason(find(check(server, "A", &["192.0.2.66"])).await),
        r#"the answer lacks "192.0.2.66": it is 192.0.2.1, 192.0.2.2"#
    );
}

#[tokio::test]
async fn values_are_compared_as_people_write_them() {
    let texts = vec!["v=spf1 ".to_owned(), "-all".to_owned()];
    let server = server_of(
        ResponseCode::NoError,
        vec![
            record("shop.example.", RData::MX(MX::new(10, name("Mail.example.")))),
            record("shop.example.", RData::TXT(TXT::new(texts))),
        ],
    )
    .await;
    for value in ["10 mail.example", "10 MAIL.example."] {
        assert_passed(&find(check(server, "MX", &[value])).await);
    }
    assert_passed(&find(check(server, "TXT", &["v=spf1 -all"])).await);
    assert!(reason(find(check(server, "TXT", &["V=SPF1 -all"])).await).contains("lacks"));
}

#[tokio::test]
async fn what_a_given_server_says_is_the_targets_failure() {
    for (code, expected) in [
        (ResponseCode::NXDomain, "NXDOMAIN: shop.example does not exist"),
        (ResponseCode::NoError, "shop.example has no A record"),
    ] {
        let server = server_of(code, Vec::new()).await;
        assert_eq!(reason(find(check(server, "A", &[])).await), expected);
    }
    for (code, word) in [
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::Refused, "REFUSED"),
        (ResponseCode::FormErr, "FORMERR"),
    ] {
        let server = server_of(code, Vec::new()).await;
        let reason = reason(find(check(server, "A", &[])).await);
        assert_eq!(reason, format!("{server} answered {word} for shop.example"));
    }
}

#[tokio::test]
async fn garbage_with_the_right_id_is_malformed() {
    let server = server(|question| vec![[&question[..2], &[0xff; 40]].concat()]).await;
    let reason = reason(find(check(server, "A", &[])).await);
    assert!(reason.starts_with(&format!("malformed answer from {server}: ")), "{reason}");
}

#[tokio::test]
async fn answers_to_other_questions_are_ignored_and_counted() {
    let records = || vec![record("shop.example.", RData::A(A::new(192, 0, 2, 1)))];
    let liar = move |question: &[u8]| {
        let mut wrong_id = answer(question, ResponseCode::NoError, records());
        wrong_id.metadata.id = wrong_id.metadata.id.wrapping_add(1);
        let mut wrong_name = answer(question, ResponseCode::NoError, records());
        wrong_name.queries[0].set_name(name("evil.example."));
        vec![encoded(&wrong_id), encoded(&wrong_name), question.to_vec(), vec![1]]
    };
    let lying = server(liar).await;
    assert_eq!(
        reason(find_within(&probes(), check(lying, "A", &[]), BRIEF).await),
        format!(
            "timed out while waiting for the answer ({lying}); 4 datagrams that did not answer \
             the question were ignored"
        )
    );
    let honest = server(move |question| {
        let mut datagrams = liar(question);
        datagrams.push(encoded(&answer(question, ResponseCode::NoError, records())));
        datagrams
    })
    .await;
    assert_passed(&find(check(honest, "A", &["192.0.2.1"])).await);
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let truncated = |question: &[u8]| {
        let mut message = answer(question, ResponseCode::NoError, Vec::new());
        message.metadata.truncation = true;
        vec![encoded(&message)]
    };
    let alone = server(truncated).await;
    assert_eq!(
        reason(find(check(alone, "A", &[])).await),
        format!("the answer was truncated, and over tcp: connection refused by {alone}")
    );
    let full = Arc::new(|question: &[u8]| {
        let records = vec![record("shop.example.", RData::A(A::new(192, 0, 2, 1)))];
        encoded(&answer(question, ResponseCode::NoError, records))
    });
    let both = server_of_both(truncated, move |question| full(question)).await;
    assert_passed(&find(check(both, "A", &["192.0.2.1"])).await);
}

/// A server that answers over UDP and, on the same port, over TCP.
async fn server_of_both(
    udp: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    tcp: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
) -> SocketAddr {
    let address = server(udp).await;
    let listener = TcpListener::bind(address).await.expect("the same port is free");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let length = stream.read_u16().await.expect("the probe asks well");
            let mut question = vec![0; usize::from(length)];
            stream.read_exact(&mut question).await.expect("the probe asks well");
            let answer = tcp(&question);
            let length = u16::try_from(answer.len()).expect("answers are short");
            stream.write_u16(length).await.ok();
            stream.write_all(&answer).await.ok();
        }
    });
    address
}

#[tokio::test]
async fn a_given_server_that_is_silent_or_absent_has_failed() {
    let silent = server(|_| Vec::new()).await;
    assert_eq!(
        reason(find_within(&probes(), check(silent, "A", &[]), BRIEF).await),
        format!("timed out while waiting for the answer ({silent})")
    );
    let absent = UdpSocket::bind("127.0.0.1:0").await.and_then(|s| s.local_addr());
    let absent = absent.expect("a free port");
    assert_eq!(
        reason(find(check(absent, "A", &[])).await),
        format!("connection refused by {absent}")
    );
}

#[tokio::test]
async fn a_lost_question_is_asked_again() {
    let asked = std::sync::atomic::AtomicU32::new(0);
    let server = server(move |question| {
        if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let records = vec![record("shop.example.", RData::A(A::new(192, 0, 2, 1)))];
        vec![encoded(&answer(question, ResponseCode::NoError, records))]
    })
    .await;
    assert_passed(&find(check(server, "A", &[])).await);
}

#[tokio::test]
async fn this_systems_own_servers_are_no_target() {
    let broken = server_of(ResponseCode::ServFail, Vec::new()).await;
    let silent = server(|_| Vec::new()).await;
    for (servers, word) in [(&[broken][..], "SERVFAIL"), (&[silent], "timed out"), (&[], "no name")]
    {
        let probes = crate::probe::resolve::tests::probes_with(servers);
        let asked = json!({"dns": {"name": "shop.example"}});
        let (why, detail) = miss(find_within(&probes, asked, BRIEF).await);
        assert_eq!(why, Miss::Resolver);
        assert!(detail.contains(word), "{detail}");
    }
    let good = server_of(
        ResponseCode::NoError,
        vec![record("shop.example.", RData::A(A::new(192, 0, 2, 1)))],
    )
    .await;
    let probes = crate::probe::resolve::tests::probes_with(&[broken, good]);
    let asked = json!({"dns": {"name": "shop.example"}});
    assert_passed(&find_within(&probes, asked, PATIENCE).await);
}

#[tokio::test]
async fn an_address_is_looked_up_in_the_reverse_zones() {
    let server = server(|question| {
        let asked = Message::from_vec(question).expect("the probe asks well");
        assert_eq!(asked.queries[0].name().to_string(), "1.2.0.192.in-addr.arpa.");
        vec![encoded(&answer(question, ResponseCode::NXDomain, Vec::new()))]
    })
    .await;
    let dns = json!({"name": "192.0.2.1", "type": "PTR", "server": server.to_string()});
    assert_eq!(reason(find(json!({"dns": dns})).await), "NXDOMAIN: 192.0.2.1 does not exist");
}
