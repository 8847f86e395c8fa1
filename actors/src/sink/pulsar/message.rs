//! An event as a message, and what a message says of itself.
//!
//! CloudEvents 1.0: the attributes are properties, the data is the body.

use std::{borrow::Cow, collections::BTreeMap, time::SystemTime};

use model::{
    Offset, ShardId,
    delivery::Span,
    event::{ClusterIdentity, Event},
};
use pulsar::message::{
    Message, Payload,
    proto::{
        BaseCommand, CommandSend, CompressionType, KeyValue, MessageMetadata, base_command::Type,
    },
};
use serde_json::{Map, Value};

use super::commands::PRODUCER;
use crate::sink::{Batch, Gap, attributes::Attributes};

/// The epoch of the sink's cursor in which it was sent: what was sent before a reset does not count.
const EPOCH: &str = "sinkepoch";
/// Properties that are none of an event's attributes.
const BESIDE: [&str; 3] = ["content-type", EPOCH, FROM];
/// The most bytes of a body: what a broker takes.
const MOST_BODY: usize = 5 << 20;
/// Zstandard's own usual one.
const ZSTD_LEVEL: i32 = 3;
/// The first offset of those that a gap stands for.
const FROM: &str = "from";

/// The data of an event, as a definition in Avro's form, which is how Pulsar keeps the schemas of
/// JSON.
pub(super) const DEFINITION: &str = r#"{"type":"record","name":"StatusUpdated","namespace":"io.bellwether","fields":[{"name":"event_id","type":"string"},{"name":"timestamp","type":"string"},{"name":"infrastructure_status","type":{"type":"record","name":"InfrastructureStatus","fields":[{"name":"resource_id","type":"string"},{"name":"resource_type","type":"string"},{"name":"health_status","type":"string"},{"name":"previous_status","type":["null","string"],"default":null},{"name":"reason","type":"string"},{"name":"metrics","type":{"type":"record","name":"Metrics","fields":[{"name":"cpu_usage_percent","type":["null","double"],"default":null},{"name":"memory_usage_percent","type":["null","double"],"default":null},{"name":"pod_count","type":"long"}]}}]}}]}"#;

/// What is sent of a batch: the offset that each message reaches up to.
pub(super) struct Outgoing {
    pub(super) last: Offset,
    key: Option<String>,
    event: Value,
    from: Option<Offset>,
}

/// What all messages of a producer have in common.
pub(super) struct Sender {
    pub(super) name: String,
    pub(super) schema_version: Option<Vec<u8>>,
    pub(super) epoch: u64,
    pub(super) compression: PulsarCompression,
}

/// How the bodies of messages are compressed. Readers see it in each message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PulsarCompression {
    /// Not at all.
    #[default]
    None,
    /// By Zstandard (RFC 8878).
    Zstd,
}

/// A batch, its gap first.
pub(super) fn outgoing(batch: &Batch, cluster: &ClusterIdentity) -> Vec<Outgoing> {
    let gap = batch.gap.map(|gap: Gap| Outgoing {
        last: gap.to,
        key: None,
        event: gap.to_cloudevent(batch.shard, cluster),
        from: Some(gap.from),
    });
    let event = |event: &Event| Outgoing {
        last: event.offset,
        key: Some(event.resource_id.to_string()),
        event: event.to_cloudevent(cluster),
        from: None,
    };
    gap.into_iter().chain(batch.events.iter().map(event)).collect()
}

impl Outgoing {
    /// The message, by its number among those of its producer.
    pub(super) fn message(self, sender: &Sender, sequence: u64) -> Message {
        let is_event = self.from.is_none();
        let (properties, data) = self.parts(sender.epoch);
        let length = u32::try_from(data.len()).ok();
        let (compression, data) = sender.compression.of(data);
        let send =
            CommandSend { producer_id: PRODUCER, sequence_id: sequence, ..CommandSend::default() };
        let command =
            BaseCommand { r#type: Type::Send as i32, send: Some(send), ..BaseCommand::default() };
        let metadata = MessageMetadata {
            producer_name: sender.name.clone(),
            sequence_id: sequence,
            publish_time: now(),
            properties: properties.0,
            partition_key: properties.1,
            schema_version: sender.schema_version.clone().filter(|_| is_event),
            compression: compression.map(|kind| kind as i32),
            uncompressed_size: length.filter(|_| compression.is_some()),
            ..MessageMetadata::default()
        };
        Message { command, payload: Some(Payload { metadata, data }) }
    }

    fn parts(self, epoch: u64) -> ((Vec<KeyValue>, Option<String>), Vec<u8>) {
        let Value::Object(mut attributes) = self.event else {
            unreachable!("an event is an object")
        };
        let data = attributes.remove("data").unwrap_or_default().to_string().into_bytes();
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let mut properties: Vec<KeyValue> =
            attributes.into_iter().map(|(key, value)| property(&key, text(value))).collect();
        properties.push(property("content-type", "application/json".to_owned()));
        properties.push(property(EPOCH, epoch.to_string()));
        properties.extend(self.from.map(|from| property(FROM, from.to_string())));
        ((properties, self.key), data)
    }
}

impl PulsarCompression {
    /// What is sent of a body, and what it is compressed by: nothing where that makes it no shorter.
    fn of(self, data: Vec<u8>) -> (Option<CompressionType>, Vec<u8>) {
        let shorter = match self {
            Self::None => None,
            Self::Zstd => zstd::bulk::compress(&data, ZSTD_LEVEL).ok(),
        };
        match shorter.filter(|shorter| shorter.len() < data.len()) {
            Some(shorter) => (Some(CompressionType::Zstd), shorter),
            None => (None, data),
        }
    }
}

/// The event that a message is, in CloudEvents 1.0 JSON format; none where it is not one.
pub(super) fn event(payload: &Payload) -> Option<Value> {
    let Payload { metadata, data } = payload;
    let mut event: Map<String, Value> = metadata
        .properties
        .iter()
        .filter(|property| !BESIDE.contains(&property.key.as_str()))
        .map(|property| (property.key.clone(), Value::from(property.value.as_str())))
        .collect();
    let shard: u32 = event.get("shard")?.as_str()?.parse().ok()?;
    if event.get("specversion")? != "1.0" || !event.contains_key("id") {
        return None;
    }
    event.insert("shard".to_owned(), shard.into());
    event.insert("data".to_owned(), serde_json::from_slice(&body(metadata, data)?).ok()?);
    Some(Value::Object(event))
}

/// The body as it was before it was compressed.
fn body<'a>(metadata: &MessageMetadata, data: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let kind = CompressionType::try_from(metadata.compression.unwrap_or_default()).ok()?;
    match kind {
        CompressionType::None => Some(Cow::Borrowed(data)),
        CompressionType::Zstd => {
            let length = usize::try_from(metadata.uncompressed_size?).ok()?;
            let body = (length <= MOST_BODY).then(|| zstd::bulk::decompress(data, length))?;
            body.ok().map(Cow::Owned)
        }
        _ => None,
    }
}

fn property(key: &str, value: String) -> KeyValue {
    KeyValue { key: key.to_owned(), value }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What of a shard a message stands for, and in which epoch of the sink it was sent; none where it
/// is not of this life of this cluster.
pub(super) fn read(
    metadata: &MessageMetadata,
    shard: ShardId,
    cluster: &ClusterIdentity,
) -> Option<(u64, Span)> {
    let properties: BTreeMap<&str, &str> =
        metadata.properties.iter().map(|p| (p.key.as_str(), p.value.as_str())).collect();
    let owned = |key: &str| properties.get(key).copied().unwrap_or_default().to_owned();
    let attributes = Attributes {
        id: Cow::Borrowed(properties.get("id")?),
        kind: Cow::Borrowed(properties.get("type")?),
        subject: owned("subject"),
        incarnation: owned("incarnation"),
        sequence: owned("sequence"),
        clusterincarnation: Cow::Borrowed(properties.get("clusterincarnation")?),
        shard: properties.get("shard")?.parse().ok()?,
        offset: Cow::Borrowed(properties.get("offset")?),
    };
    let (of, last) = attributes.place(cluster)?;
    if of != shard {
        return None;
    }
    let first = match attributes.is_gap() {
        true => Offset(properties.get(FROM)?.parse().ok()?).min(last),
        false => last,
    };
    let epoch = properties.get(EPOCH)?.parse().ok()?;
    Some((epoch, Span { first, last }))
}

#[cfg(test)]
mod tests {
    use model::WallTime;

    use super::*;
    use crate::sink::testing::{batch, cluster};

    fn sender() -> Sender {
        let name = "standalone-0-1".to_owned();
        let compression = PulsarCompression::None;
        Sender { name, schema_version: Some(vec![1]), epoch: 3, compression }
    }

    fn messages(batch: &Batch) -> Vec<Payload> {
        let all = outgoing(batch, &cluster(1, 1)).into_iter().zip(0..);
        all.map(|(one, n)| one.message(&sender(), n).payload.unwrap()).collect()
    }

    #[test]
    fn what_is_sent_says_of_itself_what_it_stands_for() {
        let gap = Some(Gap { from: Offset(3), to: Offset(6), time: WallTime(5) });
        let sent = messages(&Batch { gap, ..batch(2, 7..=8) });
        let of = |n: usize| read(&sent[n].metadata, ShardId(2), &cluster(1, 1));
        assert_eq!(of(0), Some((3, Span { first: Offset(3), last: Offset(6) })));
        assert_eq!(of(1), Some((3, Span::of(Offset(7)))));
        assert_eq!(of(2), Some((3, Span::of(Offset(8)))));
    }

    #[test]
    fn what_others_have_sent_stands_for_nothing() {
        let sent = messages(&batch(2, [7]));
        let metadata = &sent[0].metadata;
        assert_eq!(read(metadata, ShardId(1), &cluster(1, 1)), None, "another shard");
        assert_eq!(read(metadata, ShardId(2), &cluster(1, 2)), None, "another life");
        assert_eq!(read(metadata, ShardId(2), &cluster(2, 1)), None, "another cluster");
        assert_eq!(read(&MessageMetadata::default(), ShardId(2), &cluster(1, 1)), None);
    }

    #[test]
    fn attributes_are_properties_the_data_is_the_body_and_the_resource_is_the_key() {
        let sent = messages(&batch(2, [7]));
        let Payload { metadata, data } = &sent[0];
        let property = |key: &str| {
            let found = metadata.properties.iter().find(|p| p.key == key);
            found.map(|p| p.value.clone()).unwrap_or_default()
        };
        assert_eq!(property("specversion"), "1.0");
        assert_eq!(property("content-type"), "application/json");
        assert_eq!((property("shard"), property("offset")), ("2".to_owned(), "7".to_owned()));
        assert_eq!(metadata.partition_key.as_deref(), Some(property("subject").as_str()));
        let body: Value = serde_json::from_slice(data).unwrap();
        assert_eq!(body["event_id"], property("id"));
    }

    #[test]
    fn a_message_is_read_as_the_event_that_it_was() {
        let of = |compression| {
            let sender = Sender { compression, ..sender() };
            let one = outgoing(&batch(2, [7]), &cluster(1, 1)).remove(0);
            event(&one.message(&sender, 0).payload.unwrap())
        };
        let written = batch(2, [7]).events[0].to_cloudevent(&cluster(1, 1));
        // Attributes are texts in properties.
        let texts = |mut event: Value| {
            for (_, value) in event.as_object_mut().unwrap() {
                if value.is_number() {
                    *value = value.to_string().into();
                }
            }
            event
        };
        for compression in [PulsarCompression::None, PulsarCompression::Zstd] {
            assert_eq!(of(compression).map(texts), Some(texts(written.clone())));
        }
        let foreign = Payload { metadata: MessageMetadata::default(), data: b"{}".to_vec() };
        assert_eq!(event(&foreign), None);
    }

    #[test]
    fn a_body_that_claims_to_be_huge_is_not_believed() {
        let metadata = MessageMetadata {
            compression: Some(CompressionType::Zstd as i32),
            uncompressed_size: Some(u32::MAX),
            ..MessageMetadata::default()
        };
        assert_eq!(body(&metadata, &[0x28, 0xb5, 0x2f, 0xfd]), None);
    }

    #[test]
    fn a_compressed_body_says_how_and_how_long_it_was() {
        let sender = Sender { compression: PulsarCompression::Zstd, ..sender() };
        let plain = messages(&batch(2, [7])).remove(0).data;
        let one = outgoing(&batch(2, [7]), &cluster(1, 1)).remove(0);
        let Payload { metadata, data } = one.message(&sender, 0).payload.unwrap();
        assert_eq!(metadata.compression, Some(CompressionType::Zstd as i32));
        assert_eq!(metadata.uncompressed_size, u32::try_from(plain.len()).ok());
        assert!(data.len() < plain.len(), "{} of {}", data.len(), plain.len());
        assert_eq!(zstd::bulk::decompress(&data, plain.len()).unwrap(), plain);
        assert_eq!(PulsarCompression::Zstd.of(vec![1, 2, 3]), (None, vec![1, 2, 3]), "no shorter");
    }

    #[test]
    fn the_schema_names_every_field_of_the_data_and_no_other() {
        let definition: Value = serde_json::from_str(DEFINITION).unwrap();
        let sent = messages(&batch(2, [7]));
        let body: Value = serde_json::from_slice(&sent[0].data).unwrap();
        same_fields(&definition, &body);
    }

    fn same_fields(definition: &Value, data: &Value) {
        let mut named: Vec<_> = definition["fields"].as_array().unwrap().iter().collect();
        named.sort_by_key(|field| field["name"].as_str());
        let names: Vec<_> = named.iter().map(|field| field["name"].as_str().unwrap()).collect();
        let mut present: Vec<_> = data.as_object().unwrap().keys().map(String::as_str).collect();
        present.sort_unstable();
        assert_eq!(names, present);
        for field in named.iter().filter(|field| field["type"]["type"] == "record") {
            same_fields(&field["type"], &data[field["name"].as_str().unwrap()]);
        }
    }
}
