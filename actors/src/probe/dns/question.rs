//! One question to one name server: over UDP, repeated while it is silent, and over TCP
//! where the answer did not fit (RFC 1035, section 4.2; RFC 7766).
//!
//! Invariant: an answer counts only if it has the question's id and repeats the question.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_resolver::proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{Name, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::probe::{
    budget::Budget,
    fault::{Fault, Phase},
};

/// After so much silence the question is sent again: datagrams get lost.
const REPEAT: Duration = Duration::from_secs(1);
/// The longest datagram that is looked at.
const MAX_DATAGRAM: usize = 4_096;

/// A question, encoded.
pub(super) struct Question {
    id: u16,
    query: Query,
    bytes: Vec<u8>,
}

impl Question {
    /// Encodes a question with a fresh id.
    pub(super) fn new(name: &Name, kind: RecordType) -> Result<Self, Fault> {
        let query = Query::query(name.clone(), kind);
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(query.clone());
        let bytes = message
            .to_vec()
            .map_err(|error| Fault::failed(format!("cannot ask for {name}: {error}")))?;
        Ok(Self { id: message.metadata.id, query, bytes })
    }

    /// The answer of a server, whatever it says.
    pub(super) async fn ask(&self, server: SocketAddr, budget: Budget) -> Result<Message, Fault> {
        let mut ignored = 0_u32;
        let work = self.ask_by_datagram(server, &mut ignored);
        let silent = || Fault::timed_out(Phase::Waiting, server);
        let answer = match budget.run(work, silent).await {
            Err(_) if ignored > 0 && budget.left().is_zero() => {
                return Err(Fault::failed(format!(
                    "timed out {} ({server}); {ignored} datagrams that did not answer the \
                     question were ignored",
                    Phase::Waiting
                )));
            }
            other => other?,
        };
        if !answer.metadata.truncation {
            return Ok(answer);
        }
        budget.run(self.ask_by_stream(server), silent).await
    }

    async fn ask_by_datagram(
        &self,
        server: SocketAddr,
        ignored: &mut u32,
    ) -> Result<Message, Fault> {
        let broken = |error: io::Error| Fault::io(&error, Phase::Waiting, server);
        let socket = socket_to(server).await.map_err(broken)?;
        let mut buffer = vec![0; MAX_DATAGRAM];
        loop {
            socket.send(&self.bytes).await.map_err(broken)?;
            let silence = timeout(REPEAT, async {
                loop {
                    let length = socket.recv(&mut buffer).await.map_err(broken)?;
                    match self.read(&buffer[..length], server)? {
                        Some(answer) => return Ok(answer),
                        None => *ignored = ignored.saturating_add(1),
                    }
                }
            });
            if let Ok(answer) = silence.await {
                return answer;
            }
        }
    }

    async fn ask_by_stream(&self, server: SocketAddr) -> Result<Message, Fault> {
        let broken = |error: io::Error| match Fault::io(&error, Phase::Waiting, server) {
            Fault::Failed { reason, .. } => {
                Fault::failed(format!("the answer was truncated, and over tcp: {reason}"))
            }
            missed @ Fault::Missed { .. } => missed,
        };
        let mut stream = TcpStream::connect(server).await.map_err(broken)?;
        let length = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
        let framed = [&length.to_be_bytes()[..], &self.bytes].concat();
        stream.write_all(&framed).await.map_err(broken)?;
        let length = stream.read_u16().await.map_err(broken)?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.map_err(broken)?;
        let answer = self.read(&answer, server)?;
        answer.ok_or_else(|| Fault::failed(format!("{server} answered another question")))
    }

    /// Reads an answer; `None` for one to another question.
    pub(super) fn read(&self, bytes: &[u8], server: SocketAddr) -> Result<Option<Message>, Fault> {
        let ours = bytes.first_chunk().is_some_and(|id| u16::from_be_bytes(*id) == self.id);
        if !ours {
            return Ok(None);
        }
        let message = Message::from_vec(bytes)
            .map_err(|error| Fault::failed(format!("malformed answer from {server}: {error}")))?;
        let is_answer = message.metadata.message_type == MessageType::Response;
        // A server that could not read the question may leave it out of its answer.
        let silent_on_question =
            message.queries.is_empty() && message.metadata.response_code != ResponseCode::NoError;
        let to_this = message.queries.as_slice() == std::slice::from_ref(&self.query);
        Ok((is_answer && (to_this || silent_on_question)).then_some(message))
    }

    /// A datagram under this question's id.
    #[cfg(any(test, fuzzing))]
    pub(super) fn datagram(&self, after_id: &[u8]) -> Vec<u8> {
        [&self.id.to_be_bytes()[..], after_id].concat()
    }
}

/// A socket on a port of the system's choice that hears this server only.
async fn socket_to(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question() -> Question {
        let name = Name::from_ascii("shop.example.").expect("a name");
        Question::new(&name, RecordType::A).expect("it can be encoded")
    }

    proptest! {
        #[test]
        fn no_datagram_breaks_the_reading_of_answers(tail: Vec<u8>, flags: [u8; 10]) {
            let question = question();
            let server = "127.0.0.1:53".parse().expect("an address");
            let bytes = [&question.id.to_be_bytes()[..], &flags, &tail].concat();
            if let Ok(Some(message)) = question.read(&bytes, server) {
                prop_assert_eq!(message.metadata.id, question.id);
                let name = question.query.name();
                super::super::answer::values(&message, name, RecordType::A);
            }
        }

        #[test]
        fn a_damaged_answer_is_never_another_questions(at in 0usize..30, value: u8) {
            let question = question();
            let server = "127.0.0.1:53".parse().expect("an address");
            let mut bytes = question.bytes.clone();
            bytes[2] |= 0x80;
            let at = at.min(bytes.len() - 1);
            bytes[at] = value;
            if let Ok(Some(message)) = question.read(&bytes, server) {
                prop_assert_eq!(message.metadata.id, question.id);
                prop_assert!(message.queries.iter().all(|query| *query == question.query));
            }
        }
    }
}
