//! The Pulsar sink: one partition of a topic for each shard, an event a message, keyed by resource.
//!
//! A connection of this sink is one TCP connection to the broker that serves the partition, with one
//! producer on it. Neither is ever replaced (decision 16), which is why it speaks the protocol's few
//! messages itself: the client of the `pulsar` crate connects again and sends again by itself, and
//! cannot be told not to. The crate's codec and messages are what this is made of.

mod admin;
mod commands;
mod connection;
mod frame;
mod message;
mod place;
mod tail;
mod wire;

use std::{fs::File, io::Read, path::PathBuf};

use futures_util::future::{BoxFuture, FutureExt};
use model::{ShardId, event::ClusterIdentity};

use self::{admin::Admin, connection::PulsarConnection, place::TopicName, wire::Wire};
use super::{Connection, EventSink, SinkError};

/// Where brokers are administered usually.
const ADMIN_PORT: u16 = 8080;
/// The most bytes of a token.
const MOST_TOKEN: u64 = 64 << 10;

/// Where a Pulsar sink publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulsarSettings {
    /// The sink's name.
    pub name: String,
    /// The broker or proxy: `pulsar://HOST:PORT`.
    pub url: String,
    /// Its administrative interface: `http://HOST:PORT`; port 8080 of the broker's host where
    /// absent.
    pub admin_url: Option<String>,
    /// The topic, `persistent://TENANT/NAMESPACE/NAME`. It is created where it does not exist.
    pub topic: String,
    /// The file with the token that this node shows. It is read for each connection.
    pub token_file: Option<PathBuf>,
    /// How many shards the cluster has, and the topic partitions.
    pub shards: u32,
}

impl PulsarSettings {
    /// Whether brokers can be found by an address.
    ///
    /// # Errors
    /// Why not.
    pub fn check_url(url: &str) -> Result<(), SinkError> {
        wire::address(url).map(drop)
    }

    /// Whether an administrative interface can be found by an address.
    ///
    /// # Errors
    /// Why not.
    pub fn check_admin_url(url: &str) -> Result<(), SinkError> {
        Admin::new(url).map(drop)
    }

    /// Whether events can be kept in a topic of a name.
    ///
    /// # Errors
    /// Why not.
    pub fn check_topic(name: &str) -> Result<(), SinkError> {
        TopicName::parse(name).map(drop)
    }
}

/// See the module.
pub struct PulsarSink {
    settings: PulsarSettings,
    topic: TopicName,
    admin: Admin,
    cluster: ClusterIdentity,
}

impl PulsarSink {
    /// Takes the settings in; connects to nothing yet.
    ///
    /// # Errors
    /// An address or the topic's name is none.
    pub fn new(settings: PulsarSettings, cluster: ClusterIdentity) -> Result<Self, SinkError> {
        let topic = TopicName::parse(&settings.topic)?;
        let broker = wire::address(&settings.url)?;
        let usual = || format!("http://{}:{ADMIN_PORT}", broker.host);
        let admin = Admin::new(&settings.admin_url.clone().unwrap_or_else(usual))?;
        Ok(Self { settings, topic, admin, cluster })
    }

    /// The token as it is now: it may be replaced while the node runs.
    fn token(&self) -> Result<Option<String>, SinkError> {
        let Some(path) = &self.settings.token_file else { return Ok(None) };
        let mut text = String::new();
        let read =
            File::open(path).and_then(|file| file.take(MOST_TOKEN).read_to_string(&mut text));
        read.map_err(|error| SinkError::Unfit {
            place: path.display().to_string(),
            problem: format!("the token cannot be read: {error}"),
            remedy: "let the node's user read the file that token_file names",
        })?;
        Ok(Some(text.trim().to_owned()))
    }

    async fn open(&self, shard: ShardId) -> Result<PulsarConnection<'_>, SinkError> {
        let token = self.token()?;
        self.admin.with(token.as_deref()).topic(&self.topic, self.settings.shards).await?;
        let partition = self.topic.partition(shard);
        let wire = Wire::to_broker_of(&partition, &self.settings.url, token.clone()).await?;
        PulsarConnection::produce(self, wire, shard, partition, token).await
    }
}

impl EventSink for PulsarSink {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn kind(&self) -> &'static str {
        "pulsar"
    }

    fn connect(
        &self,
        shard: ShardId,
    ) -> BoxFuture<'_, Result<Box<dyn Connection + '_>, SinkError>> {
        async move {
            let connection: Box<dyn Connection + '_> = Box::new(self.open(shard).await?);
            Ok(connection)
        }
        .boxed()
    }
}
