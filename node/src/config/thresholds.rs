//! A file of thresholds alone: candidates, to be tried on what was decided.

use std::{collections::BTreeMap, path::Path};

use model::{decode::Problems, spec::candidate_thresholds, threshold::Threshold};

use super::{ConfigProblem, Invalid, files::Reader, place::Sources};

/// The most values of the file, aliases expanded.
const MAX_VALUES: usize = 10_000;

/// Reads the `thresholds:` of a file, by the rules of a declaration.
///
/// # Errors
/// Every problem, each with its file, line and key.
pub(crate) fn load_thresholds(file: &Path) -> Result<BTreeMap<String, Threshold>, Invalid> {
    let (mut sources, mut budget) = (Sources::default(), MAX_VALUES);
    let mut problems = Vec::new();
    let Some(tree) = Reader::new(&mut sources, &mut budget, &mut problems).one(file) else {
        return Err(Invalid::new(problems));
    };
    let decoded = Problems::default();
    let found = candidate_thresholds(&tree.value, &decoded);
    let located = decoded.into_vec().into_iter();
    problems.extend(located.map(|p| ConfigProblem::located(&sources, &tree.place, p)));
    if problems.is_empty() { Ok(found) } else { Err(Invalid::new(problems)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, Threshold>, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("t.yaml");
        std::fs::write(&file, text).unwrap();
        let prefix = format!("{}/", directory.path().display());
        load_thresholds(&file).map_err(|invalid| invalid.to_string().replace(&prefix, ""))
    }

    #[test]
    fn candidates_are_read_as_a_declaration_writes_them() {
        let found = read("thresholds:\n  cpu_usage_percent: { warning: 80, for: 1m }\n").unwrap();
        assert_eq!(found["cpu_usage_percent"].warning, Some(80.0));
        assert_eq!(read("thresholds: {}\n").unwrap().len(), 0);
    }

    #[test]
    fn every_problem_has_its_line() {
        let wrong = read("thresholds:\n  cpu:\n    warn: 80\nfailures: 2\n").unwrap_err();
        let lines: Vec<&str> = wrong.lines().collect();
        assert!(lines.contains(
            &"t.yaml:3: thresholds.cpu.warn: unknown key `warn`, did you mean `warning`?"
        ));
        assert!(lines.iter().any(|line| line.starts_with("t.yaml:4: failures: unknown key")));
        assert!(read("cpu: { warning: 80 }\n").unwrap_err().contains("`thresholds` is missing"));
        assert!(read("").unwrap_err().contains("expected keys and values"));
        let none = load_thresholds(Path::new("no-such-file.yaml")).unwrap_err().to_string();
        assert!(none.starts_with("no-such-file.yaml: cannot be read"), "{none}");
    }
}
