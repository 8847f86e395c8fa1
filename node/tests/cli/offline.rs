//! The commands that need no node.

use crate::support::bellwether;

#[test]
fn check_config_prints_every_problem_and_exits_1() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("b.yaml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "node: {naem: n1}\nresources:\n- {type: HOST, name: a}\n").unwrap();
    let run = bellwether(&["check", "config", path]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines[0], format!("{path}:1: node.naem: unknown key `naem`, did you mean `name`?"));
    assert!(
        lines[1].starts_with(&format!("{path}:3: resources[0]: `check` is missing")),
        "{run:?}"
    );
    assert_eq!(lines[2], format!("{path}: 2 problems"));

    let run = bellwether(&["check", "config", path, "-o", "json"]);
    assert_eq!(run.code, 1, "{run:?}");
    let value: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(value["problems"][0]["line"], 1);
    assert_eq!(value["problems"][0]["key"], "node.naem");
}

#[test]
fn check_config_sums_a_sound_file_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("b.yaml");
    let text = "cluster: {name: home}\nresources:\n- {type: HOST, name: a, check: {host: {}}}\n";
    std::fs::write(&file, text).unwrap();
    let run = bellwether(&["check", "config", file.to_str().unwrap()]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stdout.contains("valid; cluster home, 16 shards, node n1, 1 resource (1 HOST), 1 sink"),
        "{run:?}"
    );
    let run = bellwether(&["check", "config", "--schema"]);
    let schema: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(schema["title"], "Bellwether configuration");
}

#[test]
fn usage_errors_are_exit_2_and_help_teaches() {
    assert_eq!(bellwether(&["gett"]).code, 2);
    assert_eq!(bellwether(&["check", "config"]).code, 2);
    let help = bellwether(&["get", "--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("Examples:\n"), "{help:?}");
}

#[test]
fn version_and_completion_go_to_standard_output() {
    let run = bellwether(&["version"]);
    assert!(run.stdout.starts_with("bellwether 0."), "{run:?}");
    let run = bellwether(&["completion", "bash"]);
    assert!(run.code == 0 && run.stdout.contains("_bellwether()"), "{run:?}");
}

#[test]
fn a_node_refuses_to_listen_to_strangers_in_the_clear() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("d");
    let run =
        bellwether(&["run", "--listen-http", "0.0.0.0:7420", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("--insecure"), "{run:?}");
}

#[test]
fn the_quick_start_wants_to_know_its_port() {
    let run = bellwether(&["run", "--listen-http", "127.0.0.1:0"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("--listen-http: listen.http: names no port"), "{run:?}");
}

#[cfg(not(feature = "chaos"))]
#[test]
fn the_usual_binary_holds_no_fail_points() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_bellwether")).unwrap();
    for name in ["bug-ack-before-fsync", "after-sync-before-ack", "FAILPOINTS"] {
        let found = binary.windows(name.len()).any(|window| window == name.as_bytes());
        assert!(!found, "{name} is in the binary");
    }
    let run = bellwether(&["version"]);
    assert!(run.code == 0 && !run.stdout.contains("chaos"), "{run:?}");
}

#[cfg(feature = "chaos")]
#[test]
fn a_binary_with_fail_points_says_so_and_refuses_names_that_it_does_not_know() {
    let run = bellwether(&["version"]);
    assert!(run.stdout.contains("+chaos"), "{run:?}");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_bellwether"))
        .args(["version"])
        .env("FAILPOINTS", "bug-skip-fsink=return")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("no such point"), "{told}");
}
