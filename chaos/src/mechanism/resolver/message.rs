//! Just enough of DNS messages (RFC 1035, section 4): one question in, one answer out.

use std::net::Ipv4Addr;

/// The server failed.
pub(super) const SERVFAIL: u8 = 2;
/// There is no such name.
pub(super) const NXDOMAIN: u8 = 3;
/// The server does not want to.
pub(super) const REFUSED: u8 = 5;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
/// How long an answer may be kept: not at all, so that every probe asks.
const TTL: [u8; 4] = [0; 4];

/// A message with one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// The name in lower case, without the final dot.
    pub(super) name: String,
    id: [u8; 2],
    kind: u16,
    /// Name, type and class as they came.
    bytes: Vec<u8>,
}

impl Question {
    /// Reads a question; nothing where it is none.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let id = *message.first_chunk()?;
        let mut at = HEADER;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            if length == 0 {
                break;
            }
            let label = message.get(at..at + length)?;
            labels.push(String::from_utf8_lossy(label).to_lowercase());
            at += length;
        }
        let kind = u16::from_be_bytes(*message.get(at..)?.first_chunk()?);
        let bytes = message.get(HEADER..at + 4)?.to_vec();
        Some(Self { name: labels.join("."), id, kind, bytes })
    }

    /// Whether it asks for an IPv4 address.
    pub(super) fn is_for_ipv4(&self) -> bool {
        self.kind == TYPE_A
    }

    /// That there is nothing to be had, and why.
    pub(super) fn refused(&self, code: u8) -> Vec<u8> {
        self.message(self.id, code, 0)
    }

    /// An address; for other kinds that the name has none.
    pub(super) fn answered(&self, address: Ipv4Addr) -> Vec<u8> {
        if !self.is_for_ipv4() {
            return self.message(self.id, 0, 0);
        }
        self.with_address(self.id, &self.bytes, address)
    }

    /// Answers that look like one and must not count: under a wrong id, to another question,
    /// and cut short.
    pub(super) fn lies(&self, address: Ipv4Addr) -> Vec<Vec<u8>> {
        let wrong_id = self.id.map(|byte| byte ^ 0x55);
        let mut other = self.bytes.clone();
        if let Some(first) = other.get_mut(1) {
            *first = if *first == b'x' { b'y' } else { b'x' };
        }
        let short = self.answered(address)[..HEADER - 2].to_vec();
        vec![
            self.with_address(wrong_id, &self.bytes, address),
            self.with_address(self.id, &other, address),
            [&wrong_id[..], &short[2..]].concat(),
        ]
    }

    fn with_address(&self, id: [u8; 2], question: &[u8], address: Ipv4Addr) -> Vec<u8> {
        let mut message = header(id, 0, 1);
        message.extend(question);
        // The name again, as a pointer to the question's.
        message.extend([0xc0, 12]);
        message.extend(TYPE_A.to_be_bytes());
        message.extend([0, 1]);
        message.extend(TTL);
        message.extend([0, 4]);
        message.extend(address.octets());
        message
    }

    fn message(&self, id: [u8; 2], code: u8, answers: u8) -> Vec<u8> {
        [header(id, code, answers), self.bytes.clone()].concat()
    }
}

/// A response to a recursive query, with one question.
fn header(id: [u8; 2], code: u8, answers: u8) -> Vec<u8> {
    vec![id[0], id[1], 0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(kind: u8) -> Vec<u8> {
        let mut message = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(b"\x01a\x04Test\x00");
        message.extend([0, kind, 0, 1]);
        message
    }

    #[test]
    fn a_question_is_read_and_answered_under_its_id() {
        let question = Question::read(&asked(1)).unwrap();
        assert_eq!((question.name.as_str(), question.is_for_ipv4()), ("a.test", true));
        let answer = question.answered(Ipv4Addr::LOCALHOST);
        assert_eq!((&answer[..4], answer[7]), (&[7, 9, 0x81, 0x80][..], 1));
        assert!(answer.ends_with(&[0, 4, 127, 0, 0, 1]));
        let none = Question::read(&asked(28)).unwrap().answered(Ipv4Addr::LOCALHOST);
        assert_eq!((none[3] & 15, none[7]), (0, 0));
        assert_eq!(question.refused(NXDOMAIN)[3] & 15, 3);
    }

    #[test]
    fn no_lie_has_both_the_id_and_the_question() {
        let question = Question::read(&asked(1)).unwrap();
        for lie in question.lies(Ipv4Addr::LOCALHOST) {
            let read = Question::read(&lie);
            assert!(lie[..2] != [7, 9] || read.is_some_and(|read| read.name != question.name));
        }
    }

    #[test]
    fn what_is_no_question_is_passed_over() {
        for bytes in [&[][..], &[1, 2], &asked(1)[..15]] {
            assert_eq!(Question::read(bytes), None);
        }
    }
}
