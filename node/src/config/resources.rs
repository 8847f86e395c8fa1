//! Reads the resources and checks what only shows when all of them are seen together:
//! ids that are declared twice, parents that nothing declares, and cycles.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
};

use model::{
    ResourceId, ResourceSpec, ResourceType,
    decode::{Fields, Problems, nearest},
    spec::SpecDecoder,
};
use serde_json::Value;

use super::{cycles, secrets::NamedFiles};

/// The most resources of one configuration.
pub(super) const MAX_RESOURCES: usize = 250_000;
/// Unknown parents beyond this number are reported without the nearest known id, because
/// each search looks at every id.
const MAX_HINTS: usize = 20;

/// Tells where a pointer's value was written, for people.
pub(super) type Shower<'a> = &'a dyn Fn(&str) -> String;

/// Reads all resources.
pub(super) fn decode(
    root: &mut Fields<'_>,
    decoder: &SpecDecoder<'_>,
    place: &dyn Fn(&str, &str) -> PathBuf,
    show: Shower<'_>,
    problems: &Problems,
) -> Vec<ResourceSpec> {
    let mut specs = Vec::new();
    let mut pointers: HashMap<ResourceId, String> = HashMap::new();
    let mut files = NamedFiles::default();
    for (pointer, value) in root.list("resources", MAX_RESOURCES) {
        let spec = decoder.decode(value, &pointer, None, problems);
        let id = spec.as_ref().map(|spec| spec.id.clone()).or_else(|| written_id(value));
        if let Some(first) = id.as_ref().and_then(|id| pointers.get(id)) {
            let id = id.expect("it was found by its id");
            problems
                .report(&pointer, format!("`{id}` is declared twice, first in {}", show(first)));
            continue;
        }
        if let Some(mut spec) = spec {
            files.resolve(&mut spec, &pointer, place, problems);
            specs.push((pointer.clone(), spec));
        }
        if let Some(id) = id {
            pointers.insert(id, pointer);
        }
    }
    unknown_parents(&specs, &pointers, problems);
    cycles::report(&specs, &pointers, problems);
    specs.into_iter().map(|(_, spec)| spec).collect()
}

/// The id of a declaration, also of one that has other problems.
pub(crate) fn written_id(value: &Value) -> Option<ResourceId> {
    if let Some(id) = value.get("id").filter(|id| !id.is_null()) {
        return ResourceId::new(id.as_str()?).ok();
    }
    let resource_type: ResourceType = value.get("type")?.as_str()?.parse().ok()?;
    let name = value.get("name")?.as_str()?;
    Some(ResourceId::from_natural(&format!("{}:{name}", resource_type.as_str().to_lowercase())))
}

fn unknown_parents(
    specs: &[(String, ResourceSpec)],
    pointers: &HashMap<ResourceId, String>,
    problems: &Problems,
) {
    let mut hints = 0;
    let known: BTreeSet<&str> = pointers.keys().map(ResourceId::as_str).collect();
    for (pointer, spec) in specs {
        for (n, parent) in spec.depends_on.iter().enumerate() {
            if known.contains(parent.as_str()) {
                continue;
            }
            hints += 1;
            let hint = if hints <= MAX_HINTS { hint(parent, &known) } else { String::new() };
            let detail = format!("no resource `{parent}` is declared{hint}");
            problems.report(format!("{pointer}/depends_on/{n}"), detail);
        }
    }
}

fn hint(parent: &ResourceId, known: &BTreeSet<&str>) -> String {
    let known: Vec<&str> = known.iter().copied().collect();
    let hint = nearest(parent.as_str(), &known);
    // The other form lists all that is allowed, which can be 250,000 ids.
    if hint.starts_with(", did you mean") { hint } else { String::new() }
}
