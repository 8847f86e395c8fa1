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
    assert!(refused("bellwether sinks reset pulsar").contains("--to"));
    assert!(refused("bellwether sinks reset pulsar --to 3").contains("SHARD:OFFSET"));
    assert!(refused("bellwether get --server ftp://x").contains("http://127.0.0.1:7420"));
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
