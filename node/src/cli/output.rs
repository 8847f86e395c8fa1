//! Standard output: results only, in the form that was asked for.

use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::{
    args::{Common, Format},
    error::CliError,
    table::TableView,
    text::printable,
    yaml::to_yaml,
};

/// Where results go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// What was asked for.
    pub(crate) format: Format,
    /// Whether colour may be used.
    pub(crate) colour: bool,
    /// How wide the terminal is; none where there is no terminal.
    pub(crate) width: Option<usize>,
}

impl Output {
    /// Colour only on a terminal, and not where `NO_COLOR` is set to anything (no-color.org).
    pub(crate) fn new(common: &Common) -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = terminal && !unwanted && !dumb && !common.no_color;
        let width = comfy_table::Table::new().width().map(usize::from).filter(|_| terminal);
        Self { format: common.output, colour, width }
    }

    /// Prints a text as it is.
    ///
    /// # Errors
    /// [`CliError::Closed`] where nobody reads any more.
    pub(crate) fn print(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|e| {
            match e.kind() {
                io::ErrorKind::BrokenPipe => CliError::Closed(e),
                _ => CliError::Failed(format!("cannot write to standard output: {e}")),
            }
        })
    }

    /// Prints what the node sent, or what `human` makes of it.
    ///
    /// # Errors
    /// See [`Output::print`].
    pub(crate) fn show(
        &self,
        value: &Value,
        names: impl FnOnce(&Value) -> Vec<String>,
        human: impl FnOnce(&Self) -> String,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Table => self.print(&human(self)),
            Format::Json => self.print(&format!("{value:#}\n")),
            Format::Yaml => self.print(&to_yaml(value)),
            Format::Name => {
                let names = names(value);
                self.print(&names.iter().map(|name| printable(name) + "\n").collect::<String>())
            }
        }
    }

    /// Prints one of many values that come one by one: a line of JSON, or a YAML document.
    ///
    /// # Errors
    /// See [`Output::print`].
    pub(crate) fn show_one(
        &self,
        value: &Value,
        name: &str,
        human: impl FnOnce(&Self) -> String,
    ) -> Result<(), CliError> {
        match self.format {
            Format::Table => self.print(&human(self)),
            Format::Json => self.print(&format!("{value}\n")),
            Format::Yaml => self.print(&format!("---\n{}", to_yaml(value))),
            Format::Name => self.print(&format!("{}\n", printable(name))),
        }
    }

    /// A table as text.
    pub(crate) fn table(&self, view: &TableView) -> String {
        view.render(self.colour, self.width)
    }

    /// The text in a style, where colour may be used.
    pub(crate) fn styled(&self, text: &str, style: Style) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A health status in its colour, padded to `width`.
    pub(crate) fn status(&self, status: &str, width: usize) -> String {
        let padded = format!("{:width$}", printable(status));
        match status_colour(status) {
            Some(colour) => self.styled(&padded, Style::new().fg_color(Some(colour.into())).bold()),
            None => padded,
        }
    }
}

/// The colour of a health status.
pub(crate) fn status_colour(status: &str) -> Option<AnsiColor> {
    match status {
        "HEALTHY" => Some(AnsiColor::Green),
        "WARNING" => Some(AnsiColor::Yellow),
        "CRITICAL" => Some(AnsiColor::Red),
        "UNKNOWN" => Some(AnsiColor::Magenta),
        "MAINTENANCE" => Some(AnsiColor::Cyan),
        _ => None,
    }
}

/// Tells people something that is no result.
pub(crate) fn note(text: &str) {
    // Nobody can be told that standard error is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
