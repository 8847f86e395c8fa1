//! `bellwether certs`: an authority for a cluster, and a certificate for each of its nodes.
//!
//! Invariant: everything is checked and made in memory first; a refusal leaves no file behind.

mod authority;
mod files;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use model::{Millis, WallTime, selector::is_label_value};
use serde_json::{Value, json};

use super::{
    error::{CliError, Verdict},
    output::{Output, note},
    rows::{items, text},
    table::TableView,
};
use authority::Authority;
use files::{Pending, write};

/// How long the authority lasts, in days: ten years.
const AUTHORITY_DAYS: u32 = 3_650;

/// `bellwether certs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    bellwether certs --out certs n1 n2 n3         an authority, and a certificate for each node\n  \
    bellwether certs --out certs n4               one more node, signed by the authority in certs\n  \
    bellwether certs --out certs --renew n1       another certificate and key in place of n1's\n\n\
    Writes ca.pem, ca.key, NAME.pem and NAME.key. Where ca.pem and ca.key are in the directory\n\
    already, they sign: that is how a later node gets its certificate. A node needs ca.pem and\n\
    its own two files. Keep ca.key away from the nodes: who has it can make nodes of the cluster.")]
pub(crate) struct CertsArgs {
    /// The nodes, each as `node.name` in its configuration
    #[arg(value_name = "NAME", required = true, value_parser = node_name)]
    names: Vec<String>,
    /// Where to write; made where it is missing
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    /// For how many days the certificates of nodes are valid
    #[arg(long, value_name = "N", default_value_t = 365,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(AUTHORITY_DAYS)))]
    days: u32,
    /// Replace certificates and keys of nodes where they exist; the authority stays
    #[arg(long)]
    renew: bool,
}

/// Makes what was asked for, and says where it is.
pub(super) fn run(args: &CertsArgs, output: &Output) -> Result<Verdict, CliError> {
    let (rows, found) = make(args)?;
    output.show(&rows, names, |output| output.table(&table(&rows)))?;
    note(&advice(args, found));
    Ok(Verdict::Good)
}

/// A row for each node; true where the authority was there already.
fn make(args: &CertsArgs) -> Result<(Value, bool), CliError> {
    refuse_duplicates(&args.names)?;
    let now = whole_seconds(SystemTime::now());
    let until = in_days(now, args.days);
    let (authority, mut pending) = match Authority::find(&args.out)? {
        Some(authority) => (authority, Vec::new()),
        None => Authority::make(&args.out, now, in_days(now, AUTHORITY_DAYS))?,
    };
    let found = pending.is_empty();
    authority.refuse_beyond(now, until)?;
    let mut rows = Vec::new();
    for name in &args.names {
        let (certificate, key) = (file(&args.out, name, "pem"), file(&args.out, name, "key"));
        rows.push(row(name, &certificate, &key, until));
        let (certificate_pem, key_pem) = authority.sign(name, now, until)?;
        pending.push(Pending::secret(key, key_pem));
        pending.push(Pending::public(certificate, certificate_pem));
    }
    write(&args.out, &pending, args.renew)?;
    Ok((Value::Array(rows), found))
}

/// Also refuses names that differ by case only: DNS names do not (RFC 4343), nor do files on
/// some systems.
fn refuse_duplicates(names: &[String]) -> Result<(), CliError> {
    for (n, name) in names.iter().enumerate() {
        if let Some(other) = names[..n].iter().find(|other| other.eq_ignore_ascii_case(name)) {
            return Err(CliError::Failed(format!(
                "{other} and {name} are the same name; name each node once"
            )));
        }
    }
    Ok(())
}

fn file(dir: &Path, name: &str, extension: &str) -> PathBuf {
    // Not `with_extension`, which would cut what follows a dot in the name.
    dir.join(format!("{name}.{extension}"))
}

fn row(name: &str, certificate: &Path, key: &Path, until: SystemTime) -> Value {
    json!({
        "name": name,
        "certificate": certificate.display().to_string(),
        "key": key.display().to_string(),
        "expires": wall(until).to_string(),
    })
}

fn names(rows: &Value) -> Vec<String> {
    items(rows).iter().map(|row| text(row, "name").to_owned()).collect()
}

fn table(rows: &Value) -> TableView {
    let mut table = TableView::new(&["NAME", "CERTIFICATE", "KEY", "EXPIRES"]);
    for row in items(rows) {
        let day = text(row, "expires").split('T').next().unwrap_or_default();
        table.row([text(row, "name"), text(row, "certificate"), text(row, "key"), day]);
    }
    table
}

/// What to do with the files.
fn advice(args: &CertsArgs, found: bool) -> String {
    let dir = args.out.display();
    let name = args.names.first().map_or("NAME", String::as_str);
    let authority = if found { "signed by the authority in" } else { "made an authority in" };
    let likewise = if args.names.len() > 1 { "; the others likewise" } else { "" };
    format!(
        "{authority} {dir}\n\n\
         Copy ca.pem, {name}.pem and {name}.key to node {name}, beside its configuration{likewise}:\n\n\
         tls:\n  ca_file: ca.pem\n  cert_file: {name}.pem\n  key_file: {name}.key\n\n\
         Keep {dir}/ca.key away from the nodes: who has it can make nodes of this cluster."
    )
}

/// The rule of `node.name`; `ca` would be in the way of the authority's files.
fn node_name(text: &str) -> Result<String, String> {
    if text.eq_ignore_ascii_case("ca") {
        return Err("ca.pem and ca.key are the authority's files; name the node otherwise".into());
    }
    if text.is_empty() || !is_label_value(text) {
        return Err("expected 1 to 63 characters of A-Z a-z 0-9 . _ -, the first and the last a \
                    letter or digit"
            .into());
    }
    Ok(text.to_owned())
}

fn in_days(from: SystemTime, days: u32) -> SystemTime {
    from + Duration::from_secs(u64::from(days) * 86_400)
}

/// Certificates know no fractions of seconds.
fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(since_1970(time).as_secs())
}

fn wall(time: SystemTime) -> WallTime {
    let millis = u64::try_from(since_1970(time).as_millis()).unwrap_or(u64::MAX);
    WallTime(0).plus(Millis(millis))
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
