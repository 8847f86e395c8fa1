//! How a node's process is started: directly, or through a program that confines or traces it.
//!
//! Invariant: every wrapper replaces itself by the node (`exec`), so that the process id which
//! was spawned is the node's.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

/// The command that starts a node, without its arguments.
#[derive(Debug, Clone)]
pub struct Launcher {
    binary: PathBuf,
    wrapper: Vec<OsString>,
    variables: Vec<(String, String)>,
}

impl Launcher {
    /// Starts this binary directly.
    #[must_use]
    pub fn of(binary: PathBuf) -> Self {
        Self { binary, wrapper: Vec::new(), variables: Vec::new() }
    }

    /// Another build of the node.
    pub fn set_binary(&mut self, binary: PathBuf) {
        self.binary = binary;
    }

    /// Puts a wrapper in front of those that are there, such as `prlimit --nofile=64`.
    pub fn wrap<I: IntoIterator<Item = S>, S: Into<OsString>>(&mut self, words: I) {
        self.wrapper.splice(0..0, words.into_iter().map(Into::into));
    }

    /// Takes all wrappers away.
    pub fn unwrap_all(&mut self) {
        self.wrapper.clear();
    }

    /// Sets an environment variable of the process; the last value of a name counts.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Takes an environment variable away again.
    pub fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    pub(crate) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    pub(crate) fn command(&self) -> Command {
        let Some((program, arguments)) = self.wrapper.split_first() else {
            return Command::new(&self.binary);
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.binary);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_wrapper_is_the_outermost_and_the_binary_comes_last() {
        let mut launcher = Launcher::of("/b/bellwether".into());
        launcher.wrap(["nice", "-n5"]);
        launcher.wrap(["prlimit", "--nofile=64"]);
        let command = launcher.command();
        assert_eq!(command.get_program(), "prlimit");
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["--nofile=64", "nice", "-n5", "/b/bellwether"]);
    }
}
