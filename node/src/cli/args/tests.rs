//! What is accepted, and how mistakes are answered.

use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn refused(line: &str) -> String {
    let error = parse(line).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{line}: {error}");
    error.to_string()
}

#[test]
fn the_command_line_is_sound_and_every_command_shows_an_example() {
    Cli::command().debug_assert();
    let mut waiting: Vec<clap::Command> = vec![Cli::command()];
    while let Some(command) = waiting.pop() {
        let leaf = command.get_subcommands().next().is_none();
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(!leaf || help.contains("Example"), "{}", command.get_name());
        waiting.extend(command.get_subcommands().cloned());
    }
}

#[test]
fn flags_of_every_command_stand_anywhere() {
    let cli = parse("bellwether get endpoint -o json --server localhost:1 -l a=b").unwrap();
    assert_eq!(cli.common.output, Format::Json);
    assert_eq!(cli.common.server.as_str(), "http://localhost:1/");
    let Command::Get(args) = cli.command else { panic!("it is get") };
    assert_eq!((args.what.as_deref(), args.selector.as_deref()), (Some("endpoint"), Some("a=b")));
}

#[test]
fn mistakes_are_usage_errors_that_help() {
    assert!(refused("bellwether describ x").contains("'describe'"));
    assert!(refused("bellwether get --statsu x").contains("'--status'"));
    assert!(refused("bellwether get -l a=(").contains("a selector is written like"));
    assert!(refused("bellwether get --status red").contains("HEALTHY, WARNING"));
    assert!(refused("bellwether coverage --since 5").contains("30s"));
    assert!(refused("bellwether describe a/b").contains("is not allowed in an id"));
    assert!(refused("bellwether check config").contains("FILE"));
    assert!(refused("bellwether maintenance add m --for 1h").contains("ID"));
    assert!(refused("bellwether maintenance add m host:a").contains("--for"));
    assert!(refused("bellwether events tail --pulsar http://x").contains("pulsar://HOST:PORT"));
    assert!(refused("bellwether events tail --token-file x").contains("--pulsar"));
    assert!(
        refused("bellwether events tail --pulsar pulsar://x -l a=b").contains("cannot be used")
    );
    assert!(
        refused("bellwether events verify a.jsonl --pulsar pulsar://x").contains("cannot be used")
    );
    for contradiction in [
        "host:a -l a=b",
        "host:a -n web",
        "--sink p host:a",
        "--sink p --since 1h",
        "--sink p --limit 3",
        "--sink p --thresholds f",
        "--sink p -l a=b",
    ] {
        let line = format!("bellwether events replay {contradiction}");
        assert!(refused(&line).contains("cannot be used"), "{line}");
    }
    assert!(refused("bellwether events replay --from oldest").contains("--sink"));
    assert!(refused("bellwether events replay --yes").contains("--sink"));
    assert!(refused("bellwether events replay --since yesterday").contains("24h or 7d"));
    assert!(refused("bellwether events replay --sink p --from 3").contains("SHARD:OFFSET"));
    assert!(refused("bellwether events replay --limit 0").contains("1..="));
    assert!(refused("bellwether sinks reset pulsar").contains("--to"));
    assert!(refused("bellwether sinks reset pulsar --to 3").contains("SHARD:OFFSET"));
    assert!(refused("bellwether get --server ftp://x").contains("http://127.0.0.1:7420"));
}

#[test]
fn a_replay_is_of_decisions_or_of_a_sink() {
    for line in ["", "host:a host:b --limit 3", "-l a=b -n web --since 7d --thresholds new.yaml"] {
        parse(&format!("bellwether events replay {line}")).unwrap();
    }
    for from in ["", "--from oldest", "--from 3:1200,4:7", "--from 3:1200 --from 4:7 -y"] {
        parse(&format!("bellwether events replay --sink pulsar {from}")).unwrap();
    }
}

#[test]
fn a_window_names_resources_and_one_end() {
    let cli = parse("bellwether maintenance add m host:a -l x=y --for 1h").unwrap();
    let Command::Maintenance(MaintenanceCommand::Add(args)) = cli.command else {
        panic!("it is maintenance add")
    };
    assert_eq!((args.resources.len(), args.lasts), (1, Some(Millis::from_secs(3_600))));
    refused("bellwether maintenance add m host:a --for 1h --until 2027-01-01T00:00:00Z");
}
