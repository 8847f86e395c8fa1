//! Pages of lists against a model that looks at everything at once.

use model::{
    Generation, Health, HealthStatus, Incarnation, Metrics, Outcome, Owner, ResourceType, Sequence,
    ShardTime, WallTime,
    health::Input,
    resource::{Identity, ResourceState},
    schedule::Epoch,
    slots::Ledger,
};
use proptest::prelude::*;

use super::*;
use crate::fixture::spec;

/// What filters look at, from a few values each.
#[derive(Debug, Clone)]
struct Sketch {
    host: bool,
    namespace: Option<bool>,
    team: u8,
    health: Option<bool>,
    api: bool,
    shard: usize,
}

fn resource(id: &str, sketch: &Sketch) -> Arc<Resource> {
    let mut spec = spec(id);
    spec.resource_type = if sketch.host { ResourceType::Host } else { ResourceType::Endpoint };
    spec.namespace = sketch.namespace.map(|one| if one { "one" } else { "two" }.to_owned());
    spec.labels = [("team", format!("t{}", sketch.team).into())].into_iter().collect();
    let mut health = Health::default();
    if let Some(passed) = sketch.health {
        let outcome = if passed { Outcome::passed() } else { Outcome::critical("refused") };
        health.observe(&spec.policy, ShardTime(0), &Input::Observed(outcome, Metrics::default()));
    }
    let ledger = Ledger::new(Epoch::new(0, ShardTime(0), spec.interval, &spec.id));
    Arc::new(Resource {
        identity: Identity {
            owner: if sketch.api { Owner::Api } else { Owner::Config },
            incarnation: Incarnation { index: 1, position: 0 },
            generation: Generation(1),
            config_version: 0,
        },
        state: ResourceState {
            health,
            metrics: Metrics::default(),
            last_updated: WallTime(0),
            heard: ShardTime(0),
            pushed_at: None,
            health_since: WallTime(0),
            sequence: Sequence(1),
            changed: (Revision(1), 0),
            ledger,
            suppressed_by: None,
        },
        spec: Arc::new(spec),
    })
}

fn insert(state: &mut State, resource: &Arc<Resource>) {
    state.index.insert(resource);
    state.resources.insert(resource.id().clone(), Arc::clone(resource));
}

/// All pages of a list, each within its bounds.
fn walk(states: &[State], query: ListQuery, most: usize) -> Vec<ResourceId> {
    let (mut query, mut ids) = (query, Vec::new());
    loop {
        let mut gathered = Gathered::default();
        for (shard, state) in (0..).zip(states) {
            gathered.add(state, ShardId(shard), &query, most);
        }
        let (rows, next) = gathered.finish(query.limit);
        assert!(rows.len() <= query.limit);
        ids.extend(rows.iter().map(|row| row.resource.id().clone()));
        let Some(next) = next else { return ids };
        assert!(query.after.as_ref().is_none_or(|after| next > *after), "pages move forward");
        query.after = Some(next);
    }
}

fn any_sketch() -> impl Strategy<Value = Sketch> {
    let health = prop::option::of(any::<bool>());
    let parts =
        (any::<bool>(), prop::option::of(any::<bool>()), 0u8..4, health, any::<bool>(), 0usize..4);
    parts.prop_map(|(host, namespace, team, health, api, shard)| Sketch {
        host,
        namespace,
        team,
        health,
        api,
        shard,
    })
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let selector = prop_oneof![
        2 => Just(String::new()),
        1 => (0u8..5).prop_map(|team| format!("team=t{team}")),
        1 => (0u8..5).prop_map(|team| format!("team!=t{team}")),
        1 => Just("team in (t0,t2)".to_owned()),
    ];
    let status = prop::sample::select(HealthStatus::ALL.to_vec());
    let prefix = prop::option::weighted(0.2, (0usize..10).prop_map(|n| format!("r{n}")));
    let parts = (
        prop::option::weighted(0.3, Just(ResourceType::Host)),
        prop::option::weighted(0.3, prop::sample::select(vec!["one", "three"])),
        selector,
        prop::option::weighted(0.3, status),
        prop::option::weighted(0.3, Just("api".to_owned())),
        prefix,
    );
    parts.prop_map(
        |(resource_type, namespace, selector, health_status, managed_by, name_prefix)| {
            let (labels, namespace) = (selector.parse().unwrap(), namespace.map(str::to_owned));
            let (region, cluster_id) = (None, None);
            Filter {
                resource_type,
                namespace,
                labels,
                health_status,
                region,
                cluster_id,
                managed_by,
                name_prefix,
            }
        },
    )
}

proptest! {
    #[test]
    fn semantics_15_every_match_is_on_exactly_one_page(
        sketches in prop::collection::vec(any_sketch(), 0..80),
        filter in any_filter(),
        limit in 1usize..12,
        most in prop_oneof![1usize..20, Just(EXAMINED)],
    ) {
        let mut states = vec![State::default(); 4];
        let mut expected = Vec::new();
        for (number, sketch) in sketches.iter().enumerate() {
            let resource = resource(&format!("r{number}"), sketch);
            insert(&mut states[sketch.shard], &resource);
            if filter.matches(&resource) {
                expected.push(resource.id().clone());
            }
        }
        expected.sort();
        let query = ListQuery { filter, limit, ..ListQuery::default() };
        prop_assert_eq!(walk(&states, query, most), expected);
    }
}

#[test]
fn semantics_15_a_page_examines_at_most_ten_thousand_rows() {
    let sketch =
        Sketch { host: false, namespace: None, team: 0, health: None, api: true, shard: 0 };
    let rows: Vec<_> = (0..EXAMINED + 5).map(|n| resource(&format!("r{n:06}"), &sketch)).collect();
    let filter = Filter { name_prefix: Some("absent".to_owned()), ..Filter::default() };
    let mut seen = 0;
    let candidates = rows.iter().inspect(|_| seen += 1);
    let (found, stopped) = examine(candidates, &filter, 10, EXAMINED);
    assert!(found.is_empty());
    assert_eq!(stopped.as_ref(), Some(rows[EXAMINED - 1].id()));
    // One more is looked for, to tell a short page from the end.
    assert_eq!((EXAMINED, seen), (10_000, EXAMINED + 1));
    let (_, stopped) = examine(rows[..EXAMINED].iter(), &filter, 10, EXAMINED);
    assert_eq!(stopped, None, "the last page says so");
}

#[test]
fn semantics_15_a_short_page_has_a_next_one() {
    let sketch =
        Sketch { host: false, namespace: None, team: 0, health: None, api: true, shard: 0 };
    let mut state = State::default();
    for number in 0..EXAMINED + 5 {
        insert(&mut state, &resource(&format!("r{number:06}"), &sketch));
    }
    let last = format!("r{:06}", EXAMINED + 4);
    let filter = Filter { name_prefix: Some(last.clone()), ..Filter::default() };
    let query = ListQuery { filter, limit: 10, ..ListQuery::default() };
    let mut gathered = Gathered::default();
    gathered.add(&state, ShardId(0), &query, EXAMINED);
    let (rows, next) = gathered.finish(query.limit);
    assert!(rows.is_empty() && next.is_some());
    assert_eq!(walk(&[state], query, EXAMINED), [last.parse().unwrap()]);
}
