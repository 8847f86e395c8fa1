//! One TCP connection to one broker, which is never replaced.
//!
//! A command has room for all kinds of them, so that what holds one is boxed.

use std::time::Duration;

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
use tokio::{
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::codec::Framed;
use url::Url;

use super::{
    commands::{self, alone, answers},
    frame::Bounded,
};
use crate::sink::SinkError;

/// How often a lookup may be sent on before it counts as going round.
const HOPS: usize = 8;
const USUAL_PORT: u16 = 6650;
/// A broker that says nothing for so long is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(30);
/// The most characters of what a broker says that are shown.
const SHOWN: usize = 300;
/// How long a host may take to let us in.
const CONNECT: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Wire {
    framed: Framed<TcpStream, Bounded>,
    /// The broker, for people.
    place: String,
    token: Option<String>,
    requests: u64,
    /// When something came last, and whether the broker was asked since whether it is there.
    heard: Instant,
    asked: bool,
}

/// Where a topic is served.
struct Served {
    url: String,
    through_proxy: bool,
    authoritative: bool,
    found: bool,
}

impl Wire {
    /// A connection to the broker that serves a topic now.
    pub(super) async fn to_broker_of(
        topic: &str,
        url: &str,
        token: Option<String>,
    ) -> Result<Self, SinkError> {
        let token = token.as_deref();
        let mut wire = Self::open(url, token, None).await?;
        let mut authoritative = false;
        for _ in 0..HOPS {
            let served = wire.lookup(topic, authoritative).await?;
            authoritative = served.authoritative;
            if served.found && served.through_proxy {
                return Self::open(url, token, Some(&served.url)).await;
            }
            if served.url != wire.place {
                wire = Self::open(&served.url, token, None).await?;
            }
            if served.found {
                return Ok(wire);
            }
        }
        Err(wire.failed("brokers send each other's callers round", "look at the brokers' log"))
    }

    async fn open(
        url: &str,
        token: Option<&str>,
        through: Option<&str>,
    ) -> Result<Self, SinkError> {
        let unreachable = |problem: String| SinkError::Unavailable {
            place: url.to_owned(),
            problem,
            remedy: "check that the broker runs and can be reached; it is tried again by itself",
        };
        let Address { host, port } = address(url)?;
        let stream =
            timeout(CONNECT, TcpStream::connect((host.trim_matches(['[', ']']), port))).await;
        let stream = stream.map_err(|_| unreachable("no answer".to_owned()))?;
        let stream = stream.map_err(|error| unreachable(error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
        let framed = Framed::new(stream, Bounded::default());
        let (place, token) = (url.to_owned(), token.map(str::to_owned));
        let heard = Instant::now();
        let mut wire = Self { framed, place, token, requests: 0, heard, asked: false };
        wire.greet(through).await?;
        Ok(wire)
    }

    async fn greet(&mut self, through: Option<&str>) -> Result<(), SinkError> {
        // A proxy wants the address without the scheme.
        let through = through.map(address).transpose()?;
        let through = through.map(|Address { host, port }| format!("{host}:{port}"));
        self.send(alone(commands::connect(self.token.as_deref(), through))).await?;
        let answer = self.next().await?;
        match (&answer.command.connected, &answer.command.error) {
            (Some(_), _) => Ok(()),
            (None, Some(error)) => Err(self.refused(error.error, &error.message)),
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
        let url = answer.broker_service_url.filter(|url| !url.is_empty());
        let url = url.unwrap_or_else(|| self.place.clone());
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
                let message = Box::new(self.heard().await?);
                match Type::try_from(message.command.r#type) {
                    Ok(Type::Ping) => self.send(alone(commands::pong())).await?,
                    Ok(Type::AuthChallenge) => {
                        let token = self.token.clone().unwrap_or_default();
                        self.send(alone(commands::auth_response(&token))).await?;
                    }
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

    /// What comes next. Who says nothing is asked whether it is there.
    async fn heard(&mut self) -> Result<Message, SinkError> {
        loop {
            let patience = if self.asked { 2 * SILENCE } else { SILENCE };
            let Ok(next) = timeout_at(self.heard + patience, self.framed.next()).await else {
                if self.asked {
                    return Err(self.broken("the broker says nothing any more"));
                }
                self.asked = true;
                self.send(alone(commands::ping())).await?;
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
            ServerError::AuthenticationError => "give the sink a token that is valid",
            ServerError::AuthorizationError => {
                "let the token's role produce to the topic and consume from it"
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

/// Where a broker is.
pub(super) struct Address {
    pub(super) host: String,
    port: u16,
}

/// Reads `pulsar://HOST:PORT`.
pub(super) fn address(url: &str) -> Result<Address, SinkError> {
    let unfit = |problem: String| SinkError::Unfit {
        place: url.to_owned(),
        problem,
        remedy: "write the broker's address as pulsar://HOST:PORT",
    };
    let parsed = Url::parse(url).map_err(|error| unfit(error.to_string()))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(SinkError::Unfit {
            place: "the broker's address".to_owned(),
            problem: "it holds a user or password".to_owned(),
            remedy: "put a token into a file, and name it as token_file",
        });
    }
    if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
        return Err(unfit("it has more than a host and a port".to_owned()));
    }
    if parsed.scheme() != "pulsar" {
        return Err(unfit(format!("{}:// is not spoken", parsed.scheme())));
    }
    let host = parsed.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| unfit("it names no host".to_owned()))?;
    Ok(Address { host: host.to_owned(), port: parsed.port().unwrap_or(USUAL_PORT) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_host_and_a_port_and_show_no_secret() {
        let of = |url| address(url).map(|Address { host, port }| format!("{host} {port}"));
        assert_eq!(of("pulsar://b.example:6651").unwrap(), "b.example 6651");
        assert_eq!(of("pulsar://b.example").unwrap(), "b.example 6650");
        assert_eq!(of("pulsar://[::1]:1").unwrap(), "[::1] 1");
        for url in
            ["b.example:6650", "http://b.example", "pulsar://", "pulsar://b/c", "pulsar://b?c"]
        {
            let refused = of(url).unwrap_err().to_string();
            assert!(refused.contains("pulsar://HOST:PORT"), "{url}: {refused}");
        }
        let refused = of("pulsar://me:hush@b").unwrap_err().to_string();
        assert!(refused.contains("token_file") && !refused.contains("hush"), "{refused}");
    }

    #[test]
    fn of_what_a_broker_says_the_first_line_is_shown() {
        let text = format!("{}\n\tat org.apache", "x".repeat(1_000));
        assert_eq!(short(&text), "x".repeat(SHOWN));
    }
}
