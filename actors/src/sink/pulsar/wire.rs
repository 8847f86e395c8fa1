//! One TCP connection to one broker, which is never replaced.
//!
//! A command has room for all kinds of them, so that what holds one is boxed.

use std::{sync::Arc, time::Duration};

use futures_util::{
    SinkExt, StreamExt,
    future::{BoxFuture, FutureExt},
};
use pulsar::message::{
    Message,
    proto::{
        BaseCommand, ServerError, base_command::Type, command_lookup_topic_response::LookupType,
    },
};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::Framed;

use super::{
    access::Access,
    address::Address,
    channel::{Channel, dial},
    commands::{self, alone, answers},
    frame::Bounded,
};
use crate::sink::SinkError;

/// How often a lookup may be sent on before it counts as going round.
const HOPS: usize = 8;
/// A broker that says nothing for so long is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(30);
/// The most characters of what a broker says that are shown.
const SHOWN: usize = 300;

/// See the module.
pub(super) struct Wire<'a> {
    framed: Framed<Box<dyn Channel>, Bounded>,
    /// The broker, for people.
    place: String,
    access: &'a Access,
    tls: Option<Arc<ClientConfig>>,
    requests: u64,
    /// When something came last, and whether the broker was asked since whether it is there.
    heard: Instant,
    asked: bool,
    /// What the broker waits for. Whoever waits for messages may give up in the middle of an answer,
    /// and the next one goes on with it.
    owed: Owed,
}

/// What is still to be done before more is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owed {
    Nothing,
    /// To show again who we are.
    Credentials,
    /// To send what was written.
    Flush,
}

/// Where a topic is served.
struct Served {
    url: String,
    through_proxy: bool,
    authoritative: bool,
    found: bool,
}

impl<'a> Wire<'a> {
    /// A connection to the broker that serves a topic now.
    pub(super) async fn to_broker_of(
        topic: &str,
        url: &str,
        access: &'a Access,
    ) -> Result<Self, SinkError> {
        let is_secure = Address::parse(url)?.is_secure;
        let tls = if is_secure { Some(access.tls().await?) } else { None };
        let mut wire = Self::open(url, access, tls.clone(), None).await?;
        let mut authoritative = false;
        for _ in 0..HOPS {
            let served = wire.lookup(topic, authoritative).await?;
            authoritative = served.authoritative;
            if served.found && served.through_proxy {
                return Self::open(url, access, tls, Some(&served.url)).await;
            }
            if served.url != wire.place {
                wire = Self::open(&served.url, access, tls.clone(), None).await?;
            }
            if served.found {
                return Ok(wire);
            }
        }
        Err(wire.failed("brokers send each other's callers round", "look at the brokers' log"))
    }

    async fn open(
        url: &str,
        access: &'a Access,
        tls: Option<Arc<ClientConfig>>,
        through: Option<&str>,
    ) -> Result<Self, SinkError> {
        let channel = dial(&Address::parse(url)?, tls.as_ref()).await;
        let channel = channel.map_err(|problem| SinkError::Unavailable {
            place: url.to_owned(),
            problem,
            remedy: "check that the broker runs and can be reached; it is tried again by itself",
        })?;
        let framed = Framed::new(channel, Bounded::default());
        let (place, heard, owed) = (url.to_owned(), Instant::now(), Owed::Nothing);
        let mut wire = Self { framed, place, access, tls, requests: 0, heard, asked: false, owed };
        wire.greet(through).await?;
        Ok(wire)
    }

    async fn greet(&mut self, through: Option<&str>) -> Result<(), SinkError> {
        // A proxy wants the address without the scheme.
        let through = through.map(Address::parse).transpose()?;
        let through = through.map(|Address { host, port, .. }| format!("{host}:{port}"));
        let shown = self.access.shown().await?;
        self.send(alone(commands::connect(&shown, through))).await?;
        let answer = self.next().await?;
        match (&answer.command.connected, &answer.command.error) {
            (Some(_), _) => Ok(()),
            (None, Some(error)) => {
                self.access.refused();
                Err(self.refused(error.error, &error.message))
            }
            (None, None) => Err(self.failed("it answered something else", "is this a broker?")),
        }
    }

    async fn lookup(&mut self, topic: &str, authoritative: bool) -> Result<Served, SinkError> {
        let answer = self.ask(|id| commands::lookup(topic, authoritative, id)).await?;
        let Some(answer) = answer.command.lookup_topic_response else {
            return Err(self.failed("it answered something else", "is this a broker?"));
        };
        let found = match answer.response.and_then(|kind| LookupType::try_from(kind).ok()) {
            Some(LookupType::Connect) => true,
            Some(LookupType::Redirect) => false,
            _ => {
                let error = answer.error.unwrap_or_default();
                return Err(self.refused(error, &answer.message.unwrap_or_default()));
            }
        };
        let is_named = |url: &String| !url.is_empty();
        let plain = answer.broker_service_url.filter(is_named);
        let url = match (&self.tls, answer.broker_service_url_tls.filter(is_named)) {
            (Some(_), Some(secure)) => secure,
            (Some(_), None) if plain.is_some() => {
                let problem = "it names a broker without TLS, and none behind it";
                return Err(self.failed(problem, "give every broker a listener behind TLS"));
            }
            _ => plain.unwrap_or_else(|| self.place.clone()),
        };
        let through_proxy = answer.proxy_through_service_url.unwrap_or(false);
        let authoritative = answer.authoritative.unwrap_or(false);
        Ok(Served { url, through_proxy, authoritative, found })
    }

    /// Asks, and waits for the answer. Nothing else may be expected meanwhile.
    pub(super) fn ask(
        &mut self,
        question: impl FnOnce(u64) -> BaseCommand,
    ) -> BoxFuture<'_, Result<Box<Message>, SinkError>> {
        self.requests += 1;
        let (id, question) = (self.requests, Box::new(alone(question(self.requests))));
        async move {
            self.send(*question).await?;
            loop {
                let answer = self.next().await?;
                if answers(&answer.command) != Some(id) {
                    continue;
                }
                return match &answer.command.error {
                    Some(error) => Err(self.refused(error.error, &error.message)),
                    None => Ok(answer),
                };
            }
        }
        .boxed()
    }

    /// What comes next that is not about the connection itself. May be dropped, and then asked
    /// again.
    pub(super) fn next(&mut self) -> BoxFuture<'_, Result<Box<Message>, SinkError>> {
        async move {
            loop {
                self.pay().await?;
                let message = Box::new(self.heard().await?);
                match Type::try_from(message.command.r#type) {
                    Ok(Type::Ping) => {
                        self.feed(alone(commands::pong()))?;
                        self.owed = Owed::Flush;
                    }
                    Ok(Type::AuthChallenge) => self.owed = Owed::Credentials,
                    Ok(Type::CloseProducer | Type::CloseConsumer) => {
                        return Err(self.broken("the broker serves the topic no more"));
                    }
                    Ok(Type::Pong | Type::ActiveConsumerChange | Type::ReachedEndOfTopic) => {}
                    _ => return Ok(message),
                }
            }
        }
        .boxed()
    }

    /// Does what is owed. May be dropped, and then asked again.
    async fn pay(&mut self) -> Result<(), SinkError> {
        if self.owed == Owed::Credentials {
            let shown = self.access.shown().await?;
            self.feed(alone(commands::auth_response(&shown)))?;
            self.owed = Owed::Flush;
        }
        if self.owed == Owed::Flush {
            self.flush().await?;
            self.owed = Owed::Nothing;
        }
        Ok(())
    }

    /// What comes next. Who says nothing is asked whether it is there.
    async fn heard(&mut self) -> Result<Message, SinkError> {
        loop {
            let patience = if self.asked { 2 * SILENCE } else { SILENCE };
            let Ok(next) = timeout_at(self.heard + patience, self.framed.next()).await else {
                if self.asked {
                    return Err(self.broken("the broker says nothing any more"));
                }
                self.asked = true;
                self.feed(alone(commands::ping()))?;
                self.owed = Owed::Flush;
                self.pay().await?;
                continue;
            };
            (self.heard, self.asked) = (Instant::now(), false);
            return match next {
                Some(Ok(message)) => Ok(message),
                Some(Err(error)) => Err(self.broken(&error.to_string())),
                None => Err(self.broken("the broker has closed the connection")),
            };
        }
    }

    pub(super) fn send(&mut self, message: Message) -> BoxFuture<'_, Result<(), SinkError>> {
        async move {
            self.feed(message)?;
            self.flush().await
        }
        .boxed()
    }

    /// Puts a message behind those that wait to be sent.
    pub(super) fn feed(&mut self, message: Message) -> Result<(), SinkError> {
        let fed = self.framed.start_send_unpin(message);
        fed.map_err(|error| self.broken(&error.to_string()))
    }

    /// Sends what waits.
    pub(super) async fn flush(&mut self) -> Result<(), SinkError> {
        let flushed = self.framed.flush().await;
        flushed.map_err(|error| self.broken(&error.to_string()))
    }

    /// The connection has ended.
    pub(super) fn broken(&self, problem: &str) -> SinkError {
        self.failed(problem, "check the broker; it is tried again by itself")
    }

    pub(super) fn failed(&self, problem: &str, remedy: &'static str) -> SinkError {
        SinkError::Unavailable { place: self.place.clone(), problem: problem.to_owned(), remedy }
    }

    pub(super) fn refused(&self, error: i32, text: &str) -> SinkError {
        let error = ServerError::try_from(error).unwrap_or_default();
        let remedy = match error {
            ServerError::AuthenticationError => {
                "give the sink a token or certificate that is valid"
            }
            ServerError::AuthorizationError => {
                "let the sink's role produce to the topic and consume from it"
            }
            ServerError::ProducerBlockedQuotaExceededError
            | ServerError::ProducerBlockedQuotaExceededException => {
                "consume the topic's backlog, or raise its quota"
            }
            ServerError::IncompatibleSchema => {
                "give the sink a topic of its own, or delete the topic's schema"
            }
            ServerError::TopicTerminatedError => "give the sink another topic",
            _ => "check the broker; it is tried again by itself",
        };
        self.failed(&format!("{error:?}: {}", short(text)), remedy)
    }
}

/// What a person needs of what a broker says: not the stack below it.
pub(super) fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_broker_says_the_first_line_is_shown() {
        let text = format!("{}\n\tat org.apache", "x".repeat(1_000));
        assert_eq!(short(&text), "x".repeat(SHOWN));
    }
}
