//! Tables for people: aligned columns without lines, the last one cut to the terminal.

use anstyle::AnsiColor;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets::NOTHING};

use super::{
    output::status_colour,
    text::{cut, printable},
};

/// Spaces between columns.
const GAP: u16 = 2;
/// What is left of the last column on a very narrow terminal.
const NARROWEST: usize = 10;

/// Rows of texts under headings. The column `STATUS` is coloured.
#[derive(Debug, Clone, Default)]
pub(crate) struct TableView {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl TableView {
    /// A table without rows.
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; it has as many texts as there are headings.
    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        debug_assert_eq!(N, self.headings.len(), "a row fits its headings");
        self.rows.push(cells.into_iter().map(printable).collect());
    }

    /// The text, every line ending in a line break.
    pub(crate) fn render(&self, colour: bool, width: Option<usize>) -> String {
        let last = self.headings.len().saturating_sub(1);
        let room = width.map_or(usize::MAX, |width| self.room_for_last(width));
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if colour {
            table.enforce_styling()
        } else {
            table.force_no_tty()
        };
        table.set_header(self.headings.clone());
        for row in &self.rows {
            let cells = row.iter().enumerate().map(|(n, text)| {
                let shown = if n == last { cut(text, room) } else { text.clone() };
                self.cell(n, shown)
            });
            table.add_row(cells.collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    fn room_for_last(&self, width: usize) -> usize {
        let last = self.headings.len().saturating_sub(1);
        let widest = |n: usize| {
            let texts = self.rows.iter().map(|row| row[n].chars().count());
            texts.max().unwrap_or(0).max(self.headings[n].len())
        };
        let before: usize = (0..last).map(|n| widest(n) + usize::from(GAP)).sum();
        width.saturating_sub(before).max(NARROWEST)
    }

    fn cell(&self, column: usize, text: String) -> Cell {
        let colour = (self.headings[column] == "STATUS").then(|| status_colour(&text)).flatten();
        let cell = Cell::new(text);
        match colour {
            Some(colour) => cell.fg(table_colour(colour)),
            None => cell,
        }
    }
}

fn table_colour(colour: AnsiColor) -> Color {
    match colour {
        AnsiColor::Green => Color::DarkGreen,
        AnsiColor::Yellow => Color::DarkYellow,
        AnsiColor::Red => Color::DarkRed,
        AnsiColor::Magenta => Color::DarkMagenta,
        AnsiColor::Cyan => Color::DarkCyan,
        _ => Color::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TableView {
        let mut table = TableView::new(&["ID", "STATUS", "REASON"]);
        table.row(["host:n1", "WARNING", "cpu_usage_percent 91.2 above 85 for 30s"]);
        table.row(["endpoint:shop", "HEALTHY", "\u{1b}[2J"]);
        table
    }

    #[test]
    fn columns_are_aligned_and_nothing_is_cut_without_a_terminal() {
        assert_eq!(
            table().render(false, None),
            "ID             STATUS   REASON\n\
             host:n1        WARNING  cpu_usage_percent 91.2 above 85 for 30s\n\
             endpoint:shop  HEALTHY   [2J\n"
        );
    }

    #[test]
    fn the_last_column_is_cut_to_the_terminal() {
        let text = table().render(false, Some(40));
        let line = text.lines().nth(1).unwrap();
        assert_eq!(line, "host:n1        WARNING  cpu_usage_perce…");
        assert_eq!(line.chars().count(), 40);
    }

    #[test]
    fn the_status_is_coloured_where_colour_may_be_used() {
        let text = table().render(true, None);
        assert!(text.contains("\u{1b}[38;5;3mWARNING"), "{text:?}");
        assert!(!table().render(false, None).contains('\u{1b}'));
    }
}
