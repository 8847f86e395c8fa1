//! Frames as the crate reads and writes them, with a bound: a broker that announces more than it may
//! send must not have us wait for it, and keep what comes.

use pulsar::{
    error::ConnectionError,
    message::{Codec, Message},
};
use raft::failpoint;
use tokio_util::{
    bytes::BytesMut,
    codec::{Decoder, Encoder},
};

/// A message that a topic allows, and its head.
const MOST: u32 = (5 << 20) + (64 << 10);

/// See the module.
pub(super) struct Bounded(Codec);

impl Default for Bounded {
    fn default() -> Self {
        Self(Codec)
    }
}

impl Decoder for Bounded {
    type Item = Message;
    type Error = ConnectionError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Message>, ConnectionError> {
        if let Some(announced) = bytes.first_chunk::<4>().copied().map(u32::from_be_bytes)
            && announced > MOST
        {
            let text = format!("a frame of {announced} bytes; at most {MOST} are taken");
            return Err(ConnectionError::Decoding(text));
        }
        self.0.decode(bytes)
    }
}

impl Encoder<Message> for Bounded {
    type Error = ConnectionError;

    fn encode(&mut self, message: Message, bytes: &mut BytesMut) -> Result<(), ConnectionError> {
        let is_event = message.payload.is_some();
        self.0.encode(message, bytes)?;
        if is_event
            && failpoint!("pulsar-damages").is_some()
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_announced_too_large_is_refused_at_once() {
        let mut bytes = BytesMut::from(&(2_000_000_000_u32).to_be_bytes()[..]);
        let refused = Bounded::default().decode(&mut bytes).unwrap_err().to_string();
        assert!(refused.contains("2000000000"), "{refused}");
    }

    #[test]
    fn half_a_frame_is_waited_for() {
        let mut bytes = BytesMut::from(&[0, 0, 0, 9, 0][..]);
        assert!(Bounded::default().decode(&mut bytes).unwrap().is_none());
    }
}
