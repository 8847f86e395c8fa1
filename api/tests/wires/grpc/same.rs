//! The same question over both gets the same answer.

use bellwether_api::v1;
use serde_json::{Value, json};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use super::{Both, as_rest, document, metrics, object, time};
use crate::support::{Answer, RESOURCES, push_fed};

fn get(id: &str) -> v1::GetResourceRequest {
    v1::GetResourceRequest { resource_id: id.to_owned(), ..v1::GetResourceRequest::default() }
}

fn put(id: &str, declaration: &Value) -> v1::PutResourceRequest {
    v1::PutResourceRequest {
        resource_id: id.to_owned(),
        declaration: Some(document(declaration)),
        precondition: None,
    }
}

/// The reason that both give, and what both say of it.
#[track_caller]
fn same_fault(rest: &Answer, grpc: &Status) {
    let problem = rest.json();
    let kind = problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let details = grpc.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone()).unwrap_or_default();
    assert_eq!(reason, kind.to_ascii_uppercase().replace('-', "_"), "{problem} {grpc}");
    assert_eq!(problem["detail"], grpc.message());
    let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    let fields: Vec<_> = fields.into_iter().map(|field| field.description).collect();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let errors: Vec<_> =
        errors.iter().map(|error| error["detail"].as_str().unwrap().to_owned()).collect();
    assert_eq!(fields, errors);
    assert_eq!(grpc.metadata().get("retry-after"), None, "that is a detail here");
}

#[tokio::test]
async fn what_is_declared_over_one_is_read_over_the_other() {
    let both = Both::start().await;
    let declaration = push_fed(
        "a",
        json!({"labels": {"team": "shop"}, "failures": 3,
        "interval": "1500ms", "depends_on": ["svc:root"],
        "thresholds": {"queue": {"warning": 5, "critical": 9.5}}}),
    );
    let put = both.resources().put_resource(put("svc:a", &declaration)).await.unwrap();
    assert!(put.metadata().contains_key("idempotency-key"));
    let put = put.into_inner();
    assert!(put.created);
    let read = both.rest.get(&format!("{RESOURCES}/svc:a")).await;
    assert_eq!(as_rest(&put.resource.unwrap()), read.json());

    both.rest.report("svc:a", "warning", json!({"queue": 7.5, "pod_count": 3})).await;
    let asked = both.resources().get_resource(get("svc:a")).await.unwrap();
    let rest = both.rest.get(&format!("{RESOURCES}/svc:a")).await;
    assert_eq!(
        asked.metadata().get("bellwether-revision").unwrap(),
        rest.header("bellwether-revision")
    );
    assert_eq!(asked.metadata().get("bellwether-consistency").unwrap(), "linearizable");
    let shown = asked.into_inner().resource.unwrap();
    assert_eq!(as_rest(&shown), rest.json());
    let stale =
        v1::GetResourceRequest { consistency: v1::Consistency::Stale.into(), ..get("svc:a") };
    let stale = both.resources().get_resource(stale).await.unwrap();
    assert!(
        stale
            .metadata()
            .get("bellwether-consistency")
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("stale")
    );

    let removal = v1::DeleteResourceRequest {
        resource_id: "svc:a".to_owned(),
        if_generation: Some(shown.generation),
    };
    both.resources().delete_resource(removal).await.unwrap();
    both.rest.get(&format!("{RESOURCES}/svc:a")).await.problem(404);
}

#[tokio::test]
async fn semantics_14_and_17_conditions_and_keys_hold_over_both() {
    let both = Both::start().await;
    let declaration = push_fed("a", json!({}));
    let asked = |precondition| v1::PutResourceRequest {
        precondition: Some(precondition),
        ..put("svc:a", &declaration)
    };
    use v1::put_resource_request::Precondition::{IfAbsent, IfGeneration, IfPresent};
    let refused = both.resources().put_resource(asked(IfPresent(()))).await.unwrap_err();
    let path = format!("{RESOURCES}/svc:a");
    let rest = both.rest.json("PUT", &path, &[("if-match", "*")], &declaration).await;
    same_fault(&rest, &refused);
    assert_eq!(refused.code(), tonic::Code::Aborted);
    both.resources().put_resource(asked(IfAbsent(()))).await.unwrap();
    let refused = both.resources().put_resource(asked(IfGeneration(9))).await.unwrap_err();
    let rest = both.rest.json("PUT", &path, &[("if-match", "\"g9.r1\"")], &declaration).await;
    same_fault(&rest, &refused);

    // A key that was used over the one gets the first answer over the other.
    let changed = push_fed("renamed", json!({}));
    let key = [("idempotency-key", "k-1")];
    let first = both.rest.json("PUT", &path, &key, &changed).await.json();
    let mut again = Request::new(put("svc:a", &changed));
    again.metadata_mut().insert("idempotency-key", "k-1".parse().unwrap());
    let again = both.resources().put_resource(again).await.unwrap();
    assert_eq!(again.metadata().get("idempotency-key").unwrap(), "k-1");
    assert_eq!(as_rest(&again.into_inner().resource.unwrap())["revision"], first["revision"]);
}

#[tokio::test]
async fn what_is_wrong_is_said_alike() {
    let both = Both::start().await;
    let path = |id: &str| format!("{RESOURCES}/{id}");
    let missing = both.resources().get_resource(get("svc:none")).await.unwrap_err();
    same_fault(&both.rest.get(&path("svc:none")).await, &missing);
    assert_eq!(missing.code(), tonic::Code::NotFound);
    for bad in [
        json!({"type": "SERVICE"}),
        json!({"type": "SERVICES", "name": "a", "check": {"push": {"ttl": "1h"}}, "failures": 0}),
        json!({"type": "HOST", "name": "a", "check": {"host": {}}, "colour": "red"}),
        json!({"type": "SERVICE", "name": "a", "check": {"push": {"ttl": 5}}, "labels": {"a": 1}}),
    ] {
        let refused = both.resources().put_resource(put("svc:a", &bad)).await.unwrap_err();
        let rest = both.rest.json("PUT", &path("svc:a"), &[], &bad).await;
        same_fault(&rest, &refused);
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
    both.rest.configure("host:n1").await;
    let removal =
        v1::DeleteResourceRequest { resource_id: "host:n1".to_owned(), if_generation: None };
    let refused = both.resources().delete_resource(removal).await.unwrap_err();
    same_fault(&both.rest.call("DELETE", &path("host:n1")).await, &refused);
    let listed = v1::ListResourcesRequest {
        filter: Some(v1::ResourceFilter {
            resource_type: "HOSTS".to_owned(),
            labels: "a b".to_owned(),
            ..v1::ResourceFilter::default()
        }),
        page_size: 9_999,
        page_token: "x".to_owned(),
        ..v1::ListResourcesRequest::default()
    };
    let refused = both.resources().list_resources(listed).await.unwrap_err();
    let query = "?resource_type=HOSTS&labels=a+b&limit=9999&continue=x";
    same_fault(&both.rest.get(&format!("{RESOURCES}{query}")).await, &refused);
}

#[tokio::test]
async fn pages_of_the_one_go_on_over_the_other() {
    let both = Both::start().await;
    for n in 0..7 {
        both.rest
            .declare(&format!("svc:{n}"), json!({"labels": {"even": (n % 2 == 0).to_string()}}))
            .await;
    }
    let asked = |page_token: &str| v1::ListResourcesRequest {
        filter: Some(v1::ResourceFilter {
            labels: "even=true".to_owned(),
            ..v1::ResourceFilter::default()
        }),
        page_size: 2,
        page_token: page_token.to_owned(),
        ..v1::ListResourcesRequest::default()
    };
    let first = both.resources().list_resources(asked("")).await.unwrap().into_inner();
    let ids = |page: &v1::ListResourcesResponse| -> Vec<String> {
        page.resources.iter().map(|resource| resource.resource_id.clone()).collect()
    };
    assert_eq!(ids(&first), ["svc:0", "svc:2"]);
    let token = &first.next_page_token;
    let path = format!("{RESOURCES}?labels=even%3Dtrue&limit=2&continue={token}");
    let rest = both.rest.get(&path).await;
    assert_eq!(rest.header("bellwether-cursor"), first.cursor);
    let second = both.resources().list_resources(asked(token)).await.unwrap().into_inner();
    let shown: Vec<Value> = second.resources.iter().map(as_rest).collect();
    assert_eq!(Value::Array(shown), rest.json());
    assert_eq!(
        (ids(&second), second.cursor),
        (vec!["svc:4".to_owned(), "svc:6".to_owned()], first.cursor)
    );
}

#[tokio::test]
async fn events_metrics_coverage_and_health_are_those_of_rest() {
    let both = Both::start().await;
    let more = json!({"type": "KUBERNETES_NODE", "cluster_id": "c1"});
    both.rest.declare("node:a", more).await;
    both.rest.report("node:a", "critical", json!({"cpu_usage_percent": 97.5, "load1": 3})).await;

    let asked = v1::ListEventsRequest { resource_id: "node:a".to_owned(), ..Default::default() };
    let events = both.resources().list_events(asked.clone()).await.unwrap().into_inner();
    let shown: Vec<Value> = events.events.iter().map(object).collect();
    let rest = both.rest.get(&format!("{RESOURCES}/node:a/events")).await.json();
    assert_eq!((Value::Array(shown), events.next_after), (rest, None));
    let inputs = v1::ListEventsRequest { decided_from: true, ..asked.clone() };
    let inputs = both.resources().list_events(inputs).await.unwrap().into_inner();
    let shown = object(&inputs.events[1])["data"]["decided_from"].clone();
    let rest = both.rest.get(&format!("{RESOURCES}/node:a/events?decided_from=true")).await.json();
    let rest = &rest[1]["data"]["decided_from"];
    assert_eq!((&shown["prior"], &shown["at"]), (&rest["prior"], &rest["at"]));
    assert_eq!(
        (&shown["input"]["kind"], &rest["input"]["kind"]),
        (&json!("observed"), &json!("observed"))
    );
    let policy =
        v1::GetResourcePolicyRequest { resource_id: "node:a".to_owned(), ..Default::default() };
    let policy = both.resources().get_resource_policy(policy).await.unwrap().into_inner();
    let rest = both.rest.get(&format!("{RESOURCES}/node:a/policy")).await.json();
    assert_eq!(object(&policy.policy.unwrap()), rest);
    let one = v1::ListEventsRequest { page_size: 1, ..asked };
    let one = both.resources().list_events(one).await.unwrap().into_inner();
    assert_eq!((one.events.len(), one.next_after), (1, Some(1)));

    let asked = v1::GetNodeMetricsRequest { node_id: "node:a".to_owned(), ..Default::default() };
    let measured = both.resources().get_node_metrics(asked).await.unwrap().into_inner();
    let rest = both.rest.get("/api/v1/infrastructure/nodes/node:a/metrics").await.json();
    assert_eq!(metrics(&measured.metrics.unwrap()), rest);

    let asked = v1::GetClusterHealthRequest { cluster_id: "c1".to_owned(), ..Default::default() };
    let found = both.clusters().get_cluster_health(asked).await.unwrap().into_inner();
    let rest = both.rest.get("/api/v1/infrastructure/clusters/c1/health").await.json();
    assert_eq!(super::health(found.overall_health()), rest["overall_health"]);
    assert_eq!(
        (json!(found.node_count), json!(found.healthy_nodes)),
        (rest["node_count"].clone(), rest["healthy_nodes"].clone())
    );
    assert_eq!(
        (json!(found.cluster_id), json!(found.cluster_name)),
        (rest["cluster_id"].clone(), rest["cluster_name"].clone())
    );

    let since = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let asked = v1::GetCoverageRequest { since, resource_id: "node:a".to_owned() };
    let sums = both.coverage().get_coverage(asked).await.unwrap().into_inner();
    let rest = both.rest.get("/api/v1/coverage?since=1m&resource_id=node:a").await.json();
    assert_eq!(
        (json!(sums.expected), json!(sums.ok)),
        (rest["expected"].clone(), rest["ok"].clone())
    );
    assert_eq!(json!(sums.missed), rest["missed"]);
    let asked = v1::GetCoverageRequest { since, resource_id: "node:b".to_owned() };
    let refused = both.coverage().get_coverage(asked).await.unwrap_err();
    let rest = both.rest.get("/api/v1/coverage?since=1m&resource_id=node:b").await;
    same_fault(&rest, &refused);

    let shown = both.clusters().get_cluster(v1::GetClusterRequest {}).await.unwrap().into_inner();
    let rest = both.rest.get("/api/v1/cluster").await.json();
    assert_eq!(
        (json!(shown.id), json!(shown.node_id)),
        (rest["id"].clone(), rest["node_id"].clone())
    );
    let [node] = &shown.nodes[..] else { panic!("{shown:?}") };
    let one = &rest["nodes"][0];
    assert_eq!((json!(node.name), json!(node.leads)), (one["name"].clone(), one["leads"].clone()));
    let of = |shard: &v1::ClusterShard| {
        let group = shard.group.clone().expect("a group");
        json!({"shard": shard.shard, "leader": group.leader, "term": group.term,
            "voters": group.voters, "resources": shard.resources})
    };
    let wanted = |shard: &Value| {
        json!({"shard": shard["shard"], "leader": shard["leader"], "term": shard["term"],
            "voters": shard["voters"], "resources": shard["resources"]})
    };
    let shards: Vec<Value> = shown.shards.iter().map(of).collect();
    let listed: Vec<Value> = rest["shards"].as_array().unwrap().iter().map(wanted).collect();
    assert_eq!(shards, listed);
    let asked = v1::DrainNodeRequest { node: "none".to_owned() };
    let refused = both.clusters().drain_node(asked).await.unwrap_err();
    same_fault(&both.rest.call("POST", "/api/v1/cluster/nodes/none/drain").await, &refused);
}

#[tokio::test]
async fn maintenance_is_one_over_both() {
    let both = Both::start().await;
    both.rest.declare("svc:a", json!({"labels": {"team": "shop"}})).await;
    let ends_at = Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let asked = v1::PutMaintenanceRequest {
        name: "upgrade".to_owned(),
        selector: Some("team=shop".to_owned()),
        ends_at,
        reason: "database".to_owned(),
        ..Default::default()
    };
    let set = both.windows().put_maintenance(asked).await.unwrap().into_inner().window.unwrap();
    let path = "/api/v1/infrastructure/maintenance";
    let rest = both.rest.get(&format!("{path}/upgrade")).await.json();
    assert_eq!(
        (json!(set.name), json!(set.selector), json!(set.reason)),
        (rest["name"].clone(), rest["selector"].clone(), rest["reason"].clone())
    );
    assert_eq!(
        (time(set.starts_at), time(set.ends_at)),
        (rest["starts_at"].clone(), rest["ends_at"].clone())
    );
    let read = both.resources().get_resource(get("svc:a")).await.unwrap().into_inner();
    assert_eq!(super::health(read.resource.unwrap().health_status()), "MAINTENANCE");
    let all = both.windows().list_maintenance(v1::ListMaintenanceRequest::default()).await.unwrap();
    let set = [set];
    assert_eq!(all.into_inner().windows, set);

    let wrong = v1::PutMaintenanceRequest { name: "wrong".to_owned(), ..Default::default() };
    let refused = both.windows().put_maintenance(wrong).await.unwrap_err();
    same_fault(&both.rest.json("PUT", &format!("{path}/wrong"), &[], &json!({})).await, &refused);
    let gone = v1::DeleteMaintenanceRequest { name: "upgrade".to_owned() };
    both.windows().delete_maintenance(gone.clone()).await.unwrap();
    let refused = both.windows().delete_maintenance(gone).await.unwrap_err();
    same_fault(&both.rest.call("DELETE", &format!("{path}/upgrade")).await, &refused);
    let asked = v1::GetMaintenanceRequest { name: "a b".to_owned() };
    assert_eq!(
        both.windows().get_maintenance(asked).await.unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
}

#[tokio::test]
async fn windows_come_page_by_page() {
    let both = Both::start().await;
    let names = ["a", "b", "c"];
    for name in names {
        let asked = v1::PutMaintenanceRequest {
            name: name.to_owned(),
            resource_ids: vec!["svc:a".to_owned()],
            ends_at: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
            ..Default::default()
        };
        both.windows().put_maintenance(asked).await.unwrap();
    }
    let (mut found, mut page_token) = (Vec::new(), String::new());
    for left in (0..names.len()).rev() {
        let asked = v1::ListMaintenanceRequest { page_size: 1, page_token };
        let page = both.windows().list_maintenance(asked).await.unwrap().into_inner();
        found.extend(page.windows.into_iter().map(|window| window.name));
        page_token = page.next_page_token;
        assert_eq!(page_token.is_empty(), left == 0, "{page_token}");
    }
    assert_eq!(found, names);
    for (page_size, page_token) in [(5_001, ""), (0, "%"), (0, "YSBi")] {
        let asked = v1::ListMaintenanceRequest { page_size, page_token: page_token.to_owned() };
        let refused = both.windows().list_maintenance(asked).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    }
}
