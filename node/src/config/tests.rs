//! Whole configurations: every kind of problem with its exact line, and what sound ones become.

use std::fs;

use super::*;
use actors::sink::{PulsarAuth, PulsarCompression, PulsarTls};
use model::CheckSpec;

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    fn origins(&self) -> Origins {
        Origins { file: Some(self.0.path().join("b.yaml")), ..Origins::default() }
    }

    fn load(&self) -> Config {
        Config::load(&self.origins()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn problems(&self) -> Vec<String> {
        let invalid = Config::load(&self.origins()).unwrap_err();
        let directory = format!("{}/", self.0.path().display());
        invalid.problems.iter().map(|p| p.to_string().replace(&directory, "")).collect()
    }
}

#[test]
fn every_problem_is_listed_at_once_with_its_line_and_key() {
    let files = Files::new(&[(
        "b.yaml",
        "cluster: { name: home, shards: 300 }\n\
         node: { naem: n1 }\n\
         listen: { http: \"127.0.0.1\", grpc: \"127.0.0.1:7422\" }\n\
         peers: [\"10.0.0.2:7422\"]\n\
         tls: { ca_file: ca.pem }\n\
         auth: {}\n\
         sinks:\n\
         \x20 - kafka: { url: x }\n\
         \x20 - file: { path: a.jsonl, keep: 3 }\n\
         \x20 - file: { path: a.jsonl }\n\
         secrets:\n\
         \x20 db: { file: absent }\n\
         resources:\n\
         \x20 - type: HOSTS\n\
         \x20   name: x\n\
         \x20   check: { host: {} }\n\
         \x20 - type: HOST\n\
         \x20   name: y\n\
         \x20   interval: 1s\n\
         \x20   timeout: 5s\n\
         \x20   check: { host: {} }\n\
         colour: red\n\
         retention: { events: 1d }\n",
    )]);
    let found = files.problems().join("\n");
    let expected = [
        "b.yaml:1: cluster.shards: 300 is outside 1 to 256",
        "b.yaml:2: node.naem: unknown key `naem`, did you mean `name`?",
        "b.yaml:3: listen.http: expected an IP address and a port, such as 127.0.0.1:7420 or [::1]:7420",
        "b.yaml:3: listen.peer: 127.0.0.1:7422 is the address of listen.grpc, too",
        "b.yaml:5: tls.ca_file: cannot read ca.pem: No such file or directory (os error 2)",
        "b.yaml:5: tls: `cert_file` is missing",
        "b.yaml:5: tls: `key_file` is missing",
        "b.yaml:6: auth: `auth` is not in this version",
        "b.yaml:8: sinks[0].kafka: `kafka` is not in this version",
        "b.yaml:10: sinks[2]: a sink named `file` exists already; give one a `name`",
        "b.yaml:10: sinks[2].file.path: another sink writes to this file",
        "b.yaml:12: secrets.db.file: cannot read absent: No such file or directory (os error 2)",
        "b.yaml:14: resources[0].type: \"HOSTS\" is not a resource type, did you mean `HOST`?",
        "b.yaml:20: resources[1].timeout: timeout 5s is longer than interval 1s",
        "b.yaml:22: colour: unknown key `colour`; allowed are cluster, node, listen, \
         defaults, peers, tls, secrets, sinks, resources, retention, auth, sources, alerts, routes, receivers",
        "b.yaml:23: retention: `retention` is not in this version",
    ];
    assert_eq!(found, expected.join("\n"));
}

#[test]
fn ids_parents_and_cycles_are_checked_over_all_files() {
    let files = Files::new(&[
        (
            "b.yaml",
            "resources:\n\
             - {type: HOST, name: a, check: {host: {}}, depends_on: [\"host:c\"]}\n\
             - {type: HOST, name: b, check: {host: {}}, depends_on: [\"host:a\"]}\n\
             - {type: HOST, name: d, check: {host: {}}, depends_on: [\"host:bad\", \"host:bb\"]}\n\
             - {type: HOST, name: bad, check: {}}\n",
        ),
        (
            "conf.d/2.yaml",
            "resources:\n\
             - {type: HOST, name: c, check: {host: {}}, depends_on: [\"host:b\"]}\n\
             - {id: \"host:a\", type: HOST, name: z, check: {host: {}}}\n",
        ),
        ("conf.d/1.yaml", "# only a comment\n"),
        ("conf.d/.hidden.yaml", "}"),
        ("conf.d/README", "}"),
    ]);
    assert_eq!(
        files.problems(),
        [
            "b.yaml:2: resources[0].depends_on: depends on itself: host:a → host:c → host:b → host:a",
            "b.yaml:4: resources[2].depends_on[1]: no resource `host:bb` is declared, did you mean `host:b`?",
            "b.yaml:5: resources[3].check: expected exactly one key, found 0",
            "conf.d/2.yaml:3: resources[1]: `host:a` is declared twice, first in b.yaml:2",
        ]
    );
}

#[test]
fn sections_that_are_set_twice_name_both_files() {
    let files = Files::new(&[
        ("b.yaml", "node: {name: a}\n"),
        ("conf.d/x.yaml", "\nnode: {zone: b}\n"),
        ("conf.d/y.yaml", "node: {zone: b}\n"),
    ]);
    assert_eq!(
        files.problems(),
        [
            "conf.d/x.yaml:2: node: is set twice, first in b.yaml:1",
            "conf.d/y.yaml:1: node: is set twice, first in b.yaml:1",
        ]
    );
}

#[test]
fn files_that_cannot_be_read_are_problems_of_their_own() {
    assert!(Files::new(&[]).problems()[0].starts_with("b.yaml: cannot be read: "));
    let found = Files::new(&[("b.yaml", "# nothing\n")]).problems();
    assert!(found[0].starts_with("b.yaml:1: holds no configuration"), "{found:?}");
    let found = Files::new(&[("b.yaml", "a: 1\na: 2\nb: [\n"), ("conf.d/a.yaml", "}")]).problems();
    assert_eq!(found[0], "b.yaml:2: a: is set twice, first in line 1");
    assert!(found[1].starts_with("b.yaml:"), "{found:?}");
    assert!(found[2].starts_with("conf.d/a.yaml:1: is not YAML: "), "{found:?}");
    let found = Files::new(&[("b.yaml", "node: {name: n}\n"), ("conf.d/a.yml", "")]).problems();
    assert_eq!(found, ["conf.d/a.yml: would not be read; name it .yaml"]);
    let files = Files::new(&[]);
    fs::write(files.0.path().join("b.yaml"), b"a: 1\nb: \xff\n").unwrap();
    assert_eq!(files.problems(), ["b.yaml: line 2 is not UTF-8 text"]);
}

#[test]
fn semantics_19_a_configuration_over_64_mib_is_refused() {
    let files = Files::new(&[]);
    let file = fs::File::create(files.0.path().join("b.yaml")).unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    let found = files.problems();
    assert!(found[0].contains("larger than 64 MiB"), "{found:?}");
}

#[test]
fn paths_start_at_the_file_and_overridden_ones_where_the_command_runs() {
    let files = Files::new(&[
        (
            "b.yaml",
            "node: {data_dir: ./d}\n\
             secrets: {t: {file: token}}\n\
             resources:\n\
             - {type: ENDPOINT, name: e, check: {http: {url: \"https://x/\", ca_file: ca.pem, bearer_token_file: token}}}\n",
        ),
        ("token", "abc\n"),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\n"),
    ]);
    let config = files.load();
    let base = files.0.path();
    assert_eq!(config.node.data_dir, base.join("./d"));
    assert_eq!(config.secrets["t"].file, base.join("token"));
    let SinkKind::File(sink) = &config.sinks[0].kind else { panic!("it is a file") };
    assert_eq!(
        (config.sinks[0].name.as_str(), &sink.path),
        ("file", &base.join("./d/events.jsonl"))
    );
    let CheckSpec::Http(http) = &config.resources[0].check else { panic!("it is an http check") };
    assert_eq!(http.ca_file.as_deref(), Some(base.join("ca.pem").to_str().unwrap()));

    let overridden = Origins { data_dir: Some("elsewhere".into()), ..files.origins() };
    let config = Config::load(&overridden).unwrap();
    assert_eq!(config.node.data_dir, Path::new("elsewhere"));
    let SinkKind::File(sink) = &config.sinks[0].kind else { panic!("it is a file") };
    assert_eq!(sink.path, Path::new("elsewhere/events.jsonl"));
}

#[test]
fn semantics_28_files_that_a_check_names_must_be_readable() {
    let files = Files::new(&[
        (
            "b.yaml",
            "resources:\n\
             - {type: ENDPOINT, name: e, check: {http: {url: \"https://x/\", ca_file: token, bearer_token_file: empty}}}\n\
             - {type: ENDPOINT, name: f, check: {tls: {address: \"x:1\", ca_file: gone}}}\n",
        ),
        ("token", "abc\n"),
        ("empty", "\n"),
    ]);
    let directory = files.0.path().display();
    let found = files.problems();
    assert_eq!(found.len(), 3, "{found:?} in {directory}");
    assert!(found[0].starts_with("b.yaml:2: resources[0].check.http.ca_file: "), "{found:?}");
    assert!(found[0].ends_with("token holds no PEM certificate"), "{found:?}");
    assert!(found[1].ends_with("empty is empty"), "{found:?}");
    assert!(
        found[2].contains("b.yaml:3: resources[1].check.tls.ca_file: cannot read"),
        "{found:?}"
    );
}

#[test]
fn environment_and_flags_win_and_their_problems_name_them() {
    let files = Files::new(&[("b.yaml", "node: {name: a}\nlisten: {http: \"127.0.0.1:1\"}\n")]);
    let mut origins = files.origins();
    origins.environment = vec![
        ("BELLWETHER_NODE__NAME".into(), "b".into()),
        ("BELLWETHER_CLUSTER__SHARDS".into(), "999".into()),
    ];
    origins.listen_http = Some("nowhere".into());
    let found: Vec<_> =
        Config::load(&origins).unwrap_err().problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "environment variable BELLWETHER_CLUSTER__SHARDS: cluster.shards: 999 is outside 1 to 256",
            "--listen-http: listen.http: expected an IP address and a port, such as 127.0.0.1:7420 or [::1]:7420",
        ]
    );
    origins.environment.truncate(1);
    origins.listen_http = Some("127.0.0.1:9".into());
    let config = Config::load(&origins).unwrap();
    assert_eq!(config.node.name, "b");
    assert_eq!(config.listen.http.port(), 9);
    assert_eq!(config.document["node"]["name"], "b");
}

#[test]
fn the_quick_start_watches_itself_where_it_listens() {
    let config = Config::load(&Origins::default()).unwrap();
    let ids: Vec<_> = config.resources.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "host:n1",
            "endpoint:bellwether",
            "service:bellwether-port",
            "endpoint:localhost-dns",
            "network_device:loopback"
        ]
    );
    let origins = Origins {
        listen_http: Some("0.0.0.0:8001".into()),
        data_dir: Some("/tmp/d".into()),
        environment: vec![("BELLWETHER_NODE__NAME".into(), "n7".into())],
        ..Origins::default()
    };
    let config = Config::load(&origins).unwrap();
    assert_eq!(config.resources[0].id.as_str(), "host:n7");
    let CheckSpec::Http(http) = &config.resources[1].check else { panic!("it is an http check") };
    assert_eq!(http.url, "http://127.0.0.1:8001/livez");
    let SinkKind::File(sink) = &config.sinks[0].kind else { panic!("it is a file") };
    assert_eq!(sink.path, Path::new("/tmp/d/events.jsonl"));
    assert!(config.document.to_string().find("${").is_none());
}

#[test]
fn the_digest_is_of_the_merged_document_and_not_of_its_layout() {
    let one = Files::new(&[("b.yaml", "node: {name: a, zone: z}\n")]).load();
    let two = Files::new(&[("b.yaml", "# c\nnode:\n  zone: z\n  name: \"a\"\n")]).load();
    let three = Files::new(&[("b.yaml", "node: {name: b}\n")]).load();
    assert!(one.digest.starts_with("sha256:") && one.digest.len() == 71);
    assert_eq!(one.digest, two.digest);
    assert_ne!(one.digest, three.digest);
}

#[test]
fn a_pulsar_sink_names_its_broker_and_topic_and_its_token_is_a_file() {
    let files = Files::new(&[
        (
            "b.yaml",
            "sinks:\n\
             - pulsar: {url: \"pulsar://127.0.0.1:6650\", topic: \"persistent://a/b/c\", token_file: token}\n\
             - {name: local, file: {path: events.jsonl}}\n",
        ),
        ("token", "abc\n"),
    ]);
    let config = files.load();
    let SinkKind::Pulsar(sink) = &config.sinks[0].kind else { panic!("it is a topic") };
    assert_eq!(
        (config.sinks[0].name.as_str(), sink.topic.as_str()),
        ("pulsar", "persistent://a/b/c")
    );
    assert_eq!(sink.auth, PulsarAuth::TokenFile(files.0.path().join("token")));
    assert_eq!((config.sinks[1].name.as_str(), &sink.admin_url), ("local", &None));
}

#[test]
fn a_pulsar_sink_may_come_over_tls_and_with_a_token_that_is_issued() {
    let files = Files::new(&[
        (
            "b.yaml",
            "sinks:\n\
             - pulsar:\n    \
                 url: pulsar+ssl://b:6651\n    \
                 topic: persistent://a/b/c\n    \
                 tls: {ca_file: ca.pem}\n    \
                 oauth2: {issuer_url: \"https://issuer\", key_file: key.json, ca_file: ca.pem, audience: us}\n    \
                 compression: zstd\n",
        ),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\n"),
        ("key.json", "{}"),
    ]);
    let config = files.load();
    let SinkKind::Pulsar(sink) = &config.sinks[0].kind else { panic!("it is a topic") };
    let at = |name: &str| files.0.path().join(name);
    assert_eq!(sink.tls, PulsarTls { ca_file: Some(at("ca.pem")), ..PulsarTls::default() });
    let PulsarAuth::OAuth2(oauth2) = &sink.auth else { panic!("{:?}", sink.auth) };
    assert_eq!((&oauth2.key_file, oauth2.audience.as_deref()), (&at("key.json"), Some("us")));
    assert_eq!(oauth2.ca_file, Some(at("ca.pem")));
    assert_eq!(sink.compression, PulsarCompression::Zstd);
}

#[test]
fn what_is_wrong_with_the_way_to_pulsar_is_said_where_it_stands() {
    let files = Files::new(&[
        (
            "b.yaml",
            "sinks:\n\
             - pulsar: {url: \"pulsar://b\", topic: \"persistent://a/b/c\", tls: {ca_file: ca.pem}}\n\
             - name: more\n  pulsar:\n    url: pulsar+ssl://b\n    topic: persistent://a/b/d\n    \
               tls: {cert_file: ca.pem, ca: ca.pem}\n    token_file: token\n    \
               oauth2: {issuer_url: \"http://issuer\", key_file: gone}\n    compression: lzma\n",
        ),
        ("ca.pem", "-----BEGIN CERTIFICATE-----\n"),
        ("token", "abc\n"),
    ]);
    let problems = files.problems().join("\n");
    for expected in [
        "sinks[0].pulsar.tls: nothing goes over TLS; write `url` as pulsar+ssl://HOST:PORT",
        "sinks[1].pulsar.tls.ca: unknown key `ca`",
        "sinks[1].pulsar.tls.cert_file: set `key_file`, too",
        "sinks[1].pulsar.tls: a certificate says who the node is, and so does a token",
        "sinks[1].pulsar.oauth2.issuer_url: http://issuer",
        "sinks[1].pulsar.oauth2.key_file: cannot read gone",
        "sinks[1].pulsar.compression: expected `none` or `zstd`",
    ] {
        assert!(problems.contains(expected), "{expected} is not in\n{problems}");
    }
}

#[test]
fn what_is_wrong_with_a_pulsar_sink_is_said_where_it_stands() {
    let files = Files::new(&[(
        "b.yaml",
        "sinks:\n\
         - pulsar: {url: \"http://x:1\", topic: \"non-persistent://a/b/c\", admin_url: x, token_file: gone}\n\
         - {pulsar: {url: \"pulsar://x\", topic: \"persistent://a/b/c\"}, file: {path: x}}\n\
         - {name: more, pulsar: {url: \"pulsar://x\", topic: \"persistent://a/b/d\"}}\n\
         - {name: again, pulsar: {url: \"pulsar://x\", topic: \"persistent://a/b/d\"}}\n\
         - {name: none}\n",
    )]);
    let problems = files.problems().join("\n");
    for expected in [
        "sinks[0].pulsar.url: http://x:1",
        "pulsar://HOST:PORT",
        "sinks[0].pulsar.topic: non-persistent://a/b/c",
        "sinks[0].pulsar.admin_url: x",
        "sinks[0].pulsar.token_file: cannot read gone",
        "sinks[1]: set `file` or `pulsar`",
        "sinks[3].pulsar.topic: another sink publishes to this topic",
        "sinks[4]: `file` is missing",
    ] {
        assert!(problems.contains(expected), "{expected} is not in\n{problems}");
    }
}
