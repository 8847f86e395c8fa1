//! The API over gRPC, beside REST: one core, two wires.

mod bounds;
mod same;
mod service;
mod watch;

use std::{net::SocketAddr, time::Duration};

use bellwether_api::{
    Hooks, Limits, serve_grpc,
    v1::{
        self, cluster_service_client::ClusterServiceClient,
        coverage_service_client::CoverageServiceClient,
        maintenance_service_client::MaintenanceServiceClient,
        resource_service_client::ResourceServiceClient,
    },
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::support::App;

/// A node that is asked over both.
struct Both {
    rest: App,
    address: SocketAddr,
    channel: Channel,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Both {
    async fn start() -> Self {
        let limits = Limits { heartbeat: Duration::from_millis(200), ..Limits::default() };
        Self::with(Hooks { limits, ..Hooks::default() }).await
    }

    async fn with(hooks: Hooks) -> Self {
        let rest = App::with(hooks).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(serve_grpc(listener, rest.state(), shutdown.clone()));
        let channel = Channel::from_shared(format!("http://{address}")).unwrap();
        let channel = channel.connect().await.unwrap();
        Self { rest, address, channel, shutdown, task }
    }

    fn resources(&self) -> ResourceServiceClient<Channel> {
        ResourceServiceClient::new(self.channel.clone())
    }

    fn clusters(&self) -> ClusterServiceClient<Channel> {
        ClusterServiceClient::new(self.channel.clone())
    }

    fn coverage(&self) -> CoverageServiceClient<Channel> {
        CoverageServiceClient::new(self.channel.clone())
    }

    fn windows(&self) -> MaintenanceServiceClient<Channel> {
        MaintenanceServiceClient::new(self.channel.clone())
    }
}

/// A document as gRPC takes it.
fn document(value: &Value) -> prost_types::Struct {
    let Value::Object(fields) = value else { panic!("an object") };
    let fields = fields.iter().map(|(key, value)| (key.clone(), field(value)));
    prost_types::Struct { fields: fields.collect() }
}

fn field(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(is_so) => Kind::BoolValue(*is_so),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.iter().map(field).collect() })
        }
        Value::Object(_) => Kind::StructValue(document(value)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// Back again; whole numbers are whole.
fn value(field: &prost_types::Value) -> Value {
    use prost_types::value::Kind;
    match field.kind.as_ref() {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(is_so)) => json!(is_so),
        #[expect(clippy::cast_possible_truncation, reason = "it is whole")]
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 => json!(*number as i64),
        Some(Kind::NumberValue(number)) => json!(number),
        Some(Kind::StringValue(text)) => json!(text),
        Some(Kind::ListValue(list)) => list.values.iter().map(value).collect(),
        Some(Kind::StructValue(inner)) => object(inner),
    }
}

fn object(document: &prost_types::Struct) -> Value {
    Value::Object(document.fields.iter().map(|(key, field)| (key.clone(), value(field))).collect())
}

fn time(time: Option<prost_types::Timestamp>) -> Value {
    let time = time.expect("a time");
    let millis = time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000;
    json!(model::WallTime(millis).to_string())
}

fn health(status: v1::HealthStatus) -> &'static str {
    status.as_str_name().trim_start_matches("HEALTH_STATUS_")
}

/// A resource of gRPC as REST shows it.
fn as_rest(resource: &v1::Resource) -> Value {
    let interval = resource.interval.expect("an interval");
    let interval = u64::try_from(interval.seconds).unwrap() * 1_000
        + u64::try_from(interval.nanos).unwrap() / 1_000_000;
    json!({
        "resource_id": resource.resource_id, "resource_type": resource.resource_type,
        "name": resource.name, "namespace": resource.namespace, "cluster_id": resource.cluster_id,
        "labels": resource.labels, "region": resource.region,
        "health_status": health(resource.health_status()), "reason": resource.reason,
        "metrics": metrics(resource.metrics.as_ref().expect("metrics")),
        "last_updated": time(resource.last_updated), "health_since": time(resource.health_since),
        "sequence": resource.sequence, "incarnation": resource.incarnation,
        "generation": resource.generation, "revision": resource.revision,
        "shard": resource.shard, "term": resource.term, "managed_by": resource.managed_by,
        "check": object(resource.check.as_ref().expect("a check")),
        "interval": model::Millis(interval).to_string(), "depends_on": resource.depends_on,
    })
}

fn metrics(metrics: &v1::Metrics) -> Value {
    json!({
        "cpu_usage_percent": metrics.cpu_usage_percent,
        "memory_usage_percent": metrics.memory_usage_percent,
        "disk_usage_percent": metrics.disk_usage_percent,
        "network_io_bytes_per_sec": metrics.network_io_bytes_per_sec,
        "pod_count": metrics.pod_count, "ready_replicas": metrics.ready_replicas,
        "extra": metrics.extra,
    })
}
