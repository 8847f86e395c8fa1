//! The commands that a sink gives a broker, and what belongs to an answer.

use pulsar::message::{
    Message,
    proto::{
        AuthData, BaseCommand, CommandAuthResponse, CommandCloseConsumer, CommandConnect,
        CommandFlow, CommandGetLastMessageId, CommandLookupTopic, CommandPing, CommandPong,
        CommandProducer, CommandSubscribe, FeatureFlags, MessageIdData, Schema, base_command::Type,
        command_subscribe::SubType, schema,
    },
};

use super::{access::Shown, place::Place};

/// That of a client that the answers of all brokers since 2.6 are meant for.
const PROTOCOL: i32 = 19;
/// There is one of each on a connection.
pub(super) const PRODUCER: u64 = 1;

/// What a broker is told of who asks.
const CLIENT: &str = concat!("bellwether-", env!("CARGO_PKG_VERSION"));

fn command(of: Type) -> BaseCommand {
    BaseCommand { r#type: of as i32, ..BaseCommand::default() }
}

/// A command goes alone.
pub(super) fn alone(command: BaseCommand) -> Message {
    Message { command, payload: None }
}

/// `through` is the broker that a proxy is to connect with.
pub(super) fn connect(shown: &Shown, through: Option<String>) -> BaseCommand {
    let connect = CommandConnect {
        client_version: CLIENT.to_owned(),
        auth_method_name: shown.method().map(str::to_owned),
        auth_data: shown.token().map(|token| token.as_bytes().to_vec()),
        protocol_version: Some(PROTOCOL),
        proxy_to_broker_url: through,
        feature_flags: Some(FeatureFlags {
            supports_auth_refresh: Some(true),
            ..FeatureFlags::default()
        }),
        ..CommandConnect::default()
    };
    BaseCommand { connect: Some(connect), ..command(Type::Connect) }
}

pub(super) fn auth_response(shown: &Shown) -> BaseCommand {
    let token = shown.token().unwrap_or_default();
    let response = AuthData {
        auth_method_name: shown.method().map(str::to_owned),
        auth_data: Some(token.as_bytes().to_vec()),
    };
    let auth_response = CommandAuthResponse {
        client_version: Some(CLIENT.to_owned()),
        response: Some(response),
        protocol_version: Some(PROTOCOL),
    };
    BaseCommand { auth_response: Some(auth_response), ..command(Type::AuthResponse) }
}

pub(super) fn ping() -> BaseCommand {
    BaseCommand { ping: Some(CommandPing::default()), ..command(Type::Ping) }
}

pub(super) fn pong() -> BaseCommand {
    BaseCommand { pong: Some(CommandPong::default()), ..command(Type::Pong) }
}

pub(super) fn lookup(topic: &str, authoritative: bool, request_id: u64) -> BaseCommand {
    let lookup_topic = CommandLookupTopic {
        topic: topic.to_owned(),
        request_id,
        authoritative: Some(authoritative),
        ..CommandLookupTopic::default()
    };
    BaseCommand { lookup_topic: Some(lookup_topic), ..command(Type::Lookup) }
}

/// The broker names the producer: two of one name would shut each other out.
pub(super) fn produce(topic: &str, definition: &str, request_id: u64) -> BaseCommand {
    let schema = Schema {
        name: "status".to_owned(),
        schema_data: definition.as_bytes().to_vec(),
        r#type: schema::Type::Json as i32,
        ..Schema::default()
    };
    let producer = CommandProducer {
        topic: topic.to_owned(),
        producer_id: PRODUCER,
        request_id,
        user_provided_producer_name: Some(false),
        schema: Some(schema),
        ..CommandProducer::default()
    };
    BaseCommand { producer: Some(producer), ..command(Type::Producer) }
}

/// Reads from a place on, and leaves nothing behind at the broker.
pub(super) fn read_from(
    topic: &str,
    place: Place,
    consumer_id: u64,
    request_id: u64,
) -> BaseCommand {
    let subscribe = CommandSubscribe {
        topic: topic.to_owned(),
        subscription: format!("bellwether-{:016x}", rand::random::<u64>()),
        sub_type: SubType::Exclusive as i32,
        consumer_id,
        request_id,
        durable: Some(false),
        start_message_id: Some(MessageIdData {
            ledger_id: place.ledger,
            entry_id: place.entry,
            ..MessageIdData::default()
        }),
        force_topic_creation: Some(false),
        ..CommandSubscribe::default()
    };
    BaseCommand { subscribe: Some(subscribe), ..command(Type::Subscribe) }
}

pub(super) fn last_message(consumer_id: u64, request_id: u64) -> BaseCommand {
    let asked = CommandGetLastMessageId { consumer_id, request_id };
    BaseCommand { get_last_message_id: Some(asked), ..command(Type::GetLastMessageId) }
}

pub(super) fn close_consumer(consumer_id: u64, request_id: u64) -> BaseCommand {
    let close_consumer = CommandCloseConsumer { consumer_id, request_id };
    BaseCommand { close_consumer: Some(close_consumer), ..command(Type::CloseConsumer) }
}

/// Lets the broker send so many more messages.
pub(super) fn flow(consumer_id: u64, messages: u32) -> BaseCommand {
    let flow = CommandFlow { consumer_id, message_permits: messages };
    BaseCommand { flow: Some(flow), ..command(Type::Flow) }
}

/// Which request an answer belongs to; none where it is not one.
pub(super) fn answers(command: &BaseCommand) -> Option<u64> {
    let success = command.success.as_ref().map(|answer| answer.request_id);
    let error = command.error.as_ref().map(|answer| answer.request_id);
    let lookup = command.lookup_topic_response.as_ref().map(|answer| answer.request_id);
    let producer = command.producer_success.as_ref().map(|answer| answer.request_id);
    let last = command.get_last_message_id_response.as_ref().map(|answer| answer.request_id);
    success.or(error).or(lookup).or(producer).or(last)
}
