//! What must hold of any text that somebody gives as a configuration.
//!
//! `make fuzz` drives this under coverage, the test below over the corpus and mutations.

use serde_json::Value;

use super::{Config, Invalid, files::Reader, place::Sources};
use crate::cli::yaml::to_yaml;

const FILE: &str = "fuzz.yaml";
/// The most values, so that a bomb of aliases goes off early.
const VALUES: usize = 20_000;
/// The longest line of a problem that people can still read, in bytes.
const MAX_LINE: usize = 2_000;

/// A text is a configuration or is refused. What is read can be written, as JSON and as YAML,
/// and reads the same; what is refused is shown with its file and a line that is there.
///
/// # Panics
/// Where that does not hold.
pub(crate) fn document(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match load(&text) {
        Ok(config) => {
            reads_back(&config, &config.document.to_string());
            reads_back(&config, &to_yaml(&config.document));
        }
        Err(invalid) => is_located(&invalid, &text),
    }
    stays_itself(&text);
}

fn load(text: &str) -> Result<Config, Invalid> {
    let (mut sources, mut budget, mut problems) = (Sources::default(), VALUES, Vec::new());
    let tree =
        Reader::new(&mut sources, &mut budget, &mut problems).document(FILE.to_owned(), text);
    match tree {
        Some(tree) => Config::settle(tree, &sources, None, problems),
        None => Err(Invalid::new(problems)),
    }
}

fn reads_back(config: &Config, written: &str) {
    let again = load(written).unwrap_or_else(|invalid| panic!("{invalid}of:\n{written}"));
    assert_eq!(again, *config, "reads otherwise:\n{written}");
}

/// YAML that is no configuration is data all the same, and is written as what it is.
fn stays_itself(text: &str) {
    let Some(value) = super::yaml_value(text) else { return };
    for written in [value.to_string(), to_yaml(&value)] {
        assert_eq!(super::yaml_value(&written), Some(value.clone()), "{written}");
    }
}

fn is_located(invalid: &Invalid, text: &str) {
    let lines = 1 + text.matches(['\n', '\r']).count();
    assert!(!invalid.problems.is_empty(), "refused without a reason");
    for problem in &invalid.problems {
        assert_eq!(problem.source, FILE, "{problem}");
        let line = problem.line.and_then(|line| usize::try_from(line).ok());
        assert!(line.is_some_and(|line| (1..=lines + 1).contains(&line)), "{problem}");
        assert!(!problem.detail.is_empty(), "{problem}");
        let shown = problem.to_string();
        assert!(shown.len() <= MAX_LINE, "{} bytes: {shown}", shown.len());
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
    let _: Value = serde_json::to_value(&invalid.problems).expect("problems are plain data");
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_text_is_a_configuration_or_refused_with_its_place() {
        mutate::short("config", 5_000, super::document);
    }
}
