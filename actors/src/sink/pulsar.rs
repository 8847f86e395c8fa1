//! The Pulsar sink: one partition of a topic for each shard, an event a message, keyed by resource.
//!
//! A connection of this sink is one TCP connection to the broker that serves the partition, with one
//! producer on it. Neither is ever replaced (decision 16), which is why it speaks the protocol's few
//! messages itself: the client of the `pulsar` crate connects again and sends again by itself, and
//! cannot be told not to. The crate's codec and messages are what this is made of.

mod access;
mod address;
mod admin;
mod channel;
mod commands;
mod connection;
mod frame;
mod http;
mod message;
mod oauth2;
mod place;
mod reader;
mod subscriptions;
mod tail;
mod tls;
mod wire;

use futures_util::future::{BoxFuture, FutureExt};
use model::{ShardId, event::ClusterIdentity};

use self::{
    access::Access, address::Address, admin::Admin, connection::PulsarConnection,
    oauth2::TokenSource, place::TopicName, wire::Wire,
};
use super::{Connection, EventSink, SinkError, Subscriptions};

pub use access::PulsarAuth;
pub use message::PulsarCompression;
pub use oauth2::PulsarOAuth2;
pub use reader::{ReadPlace, Take, TopicReader};
pub use tls::PulsarTls;

/// A topic, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulsarTarget {
    /// The broker or proxy: `pulsar://HOST:PORT`, or `pulsar+ssl://HOST:PORT` behind TLS.
    pub url: String,
    /// Its administrative interface: `http://HOST:PORT` or `https://HOST:PORT`; port 8080 of the
    /// broker's host, or 8443 behind TLS, where absent.
    pub admin_url: Option<String>,
    /// The topic, `persistent://TENANT/NAMESPACE/NAME`. It is created where it does not exist.
    pub topic: String,
    /// Whom the sink trusts, and by which certificate it is known.
    pub tls: PulsarTls,
    /// How it says who it is.
    pub auth: PulsarAuth,
    /// How the bodies of messages are compressed.
    pub compression: PulsarCompression,
}

/// What a Pulsar sink publishes, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulsarSettings {
    /// The sink's name.
    pub name: String,
    /// The topic.
    pub target: PulsarTarget,
    /// How many shards the cluster has, and the topic partitions.
    pub shards: u32,
}

impl PulsarSettings {
    /// Whether brokers can be found by an address.
    ///
    /// # Errors
    /// Why not.
    pub fn check_url(url: &str) -> Result<(), SinkError> {
        Address::parse(url).map(drop)
    }

    /// Whether an administrative interface can be found by an address.
    ///
    /// # Errors
    /// Why not.
    pub fn check_admin_url(url: &str) -> Result<(), SinkError> {
        Admin::new(url).map(drop)
    }

    /// Whether tokens can be asked for at an address.
    ///
    /// # Errors
    /// Why not.
    pub fn check_issuer_url(url: &str) -> Result<(), SinkError> {
        TokenSource::check(url)
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
    access: Access,
    cluster: ClusterIdentity,
}

impl PulsarSink {
    /// Takes the settings in; connects to nothing yet.
    ///
    /// # Errors
    /// An address or the topic's name is none.
    pub fn new(settings: PulsarSettings, cluster: ClusterIdentity) -> Result<Self, SinkError> {
        let target = &settings.target;
        let topic = TopicName::parse(&target.topic)?;
        let admin = admin::of(target)?;
        let access = Access::new(target.tls.clone(), target.auth.clone());
        Ok(Self { settings, topic, admin, access, cluster })
    }

    async fn open(&self, shard: ShardId) -> Result<PulsarConnection<'_>, SinkError> {
        let Self { settings, topic, admin, access, .. } = self;
        let admin = admin.with(access).await?;
        admin.topic(topic, settings.shards).await?;
        let wire =
            Wire::to_broker_of(&topic.partition(shard), &settings.target.url, access).await?;
        PulsarConnection::produce(self, wire, admin, shard).await
    }
}

impl EventSink for PulsarSink {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn kind(&self) -> &'static str {
        "pulsar"
    }

    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        Some(self)
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
