//! `bellwether check config`.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::{
    args::{CheckCommand, Format},
    error::{CliError, Verdict},
    output::{Output, note},
    text::counted,
};
use crate::config::{Config, Invalid, Origins, schema};

/// Checks a file, or prints the schema.
pub(super) fn run(command: &CheckCommand, output: &Output) -> Result<Verdict, CliError> {
    let CheckCommand::Config { file, schema } = command;
    match file {
        Some(file) if !schema => check(file, output),
        _ => {
            let schema = schema::schema();
            let text = format!("{schema:#}\n");
            output.show(&schema, |_| Vec::new(), |_| text)?;
            Ok(Verdict::Good)
        }
    }
}

fn check(file: &Path, output: &Output) -> Result<Verdict, CliError> {
    let origins = Origins {
        file: Some(file.to_owned()),
        environment: std::env::vars_os().collect(),
        ..Origins::default()
    };
    match Config::load(&origins) {
        Ok(config) => {
            let value = summary(&config);
            output.show(&value, |_| ids(&config), |_| sentence(file, &config))?;
            Ok(Verdict::Good)
        }
        Err(invalid) => refuse(file, &invalid, output),
    }
}

fn refuse(file: &Path, invalid: &Invalid, output: &Output) -> Result<Verdict, CliError> {
    match output.format {
        Format::Table | Format::Name => {
            let count = invalid.problems.len();
            note(&format!("{invalid}{}: {}", file.display(), counted(count, "problem")));
        }
        Format::Json | Format::Yaml => {
            let value = json!({"valid": false, "problems": invalid.problems});
            output.show(&value, |_| Vec::new(), |_| String::new())?;
        }
    }
    Ok(Verdict::Bad)
}

fn ids(config: &Config) -> Vec<String> {
    config.resources.iter().map(|spec| spec.id.to_string()).collect()
}

fn types(config: &Config) -> BTreeMap<&'static str, usize> {
    let mut types = BTreeMap::new();
    for spec in &config.resources {
        *types.entry(spec.resource_type.as_str()).or_default() += 1;
    }
    types
}

fn summary(config: &Config) -> Value {
    json!({
        "valid": true,
        "cluster": config.cluster.name,
        "shards": config.cluster.shards,
        "node": config.node.name,
        "digest": config.digest,
        "resources": config.resources.len(),
        "resource_types": types(config),
        "sinks": config.sinks.iter().map(|sink| &sink.name).collect::<Vec<_>>(),
        "checks_per_second": checks_per_second(config),
    })
}

fn sentence(file: &Path, config: &Config) -> String {
    let types: Vec<String> =
        types(config).into_iter().map(|(name, count)| format!("{count} {name}")).collect();
    let types = if types.is_empty() { String::new() } else { format!(" ({})", types.join(", ")) };
    format!(
        "{}: valid; cluster {}, {}, node {}, {}{types}, {}, {:.1} checks a second\n",
        file.display(),
        config.cluster.name,
        counted(config.cluster.shards as usize, "shard"),
        config.node.name,
        counted(config.resources.len(), "resource"),
        counted(config.sinks.len(), "sink"),
        checks_per_second(config),
    )
}

fn checks_per_second(config: &Config) -> f64 {
    let probed = config.resources.iter().filter(|spec| spec.check.is_probed());
    // `sum` of none is minus zero.
    probed
        .map(|spec| 1.0 / spec.interval.as_duration().as_secs_f64())
        .fold(0.0, |all, one| all + one)
}
