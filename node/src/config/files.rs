//! Finds and reads the files of a configuration: the main one, and `conf.d/*.yaml` beside it.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{
    merge::merge,
    place::{Inner, Place, Source, Sources, Spot, Tree},
    problem::ConfigProblem,
    yaml,
};

/// The largest configuration, all files together, in bytes (SEMANTICS 19).
const MAX_BYTES: u64 = 64 << 20;
/// The most files in `conf.d/`.
const MAX_FILES: usize = 10_000;

/// Reads files until the limits are used up.
pub(super) struct Reader<'a> {
    pub(super) sources: &'a mut Sources,
    pub(super) budget: &'a mut usize,
    pub(super) problems: &'a mut Vec<ConfigProblem>,
    bytes: u64,
    broken: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        sources: &'a mut Sources,
        budget: &'a mut usize,
        problems: &'a mut Vec<ConfigProblem>,
    ) -> Self {
        Self { sources, budget, problems, bytes: MAX_BYTES, broken: false }
    }

    /// The merged document; none where a file could not be read to its end.
    pub(super) fn read(&mut self, file: &Path) -> Option<Tree> {
        let main = self.one(file);
        let mut extras = Vec::new();
        for path in self.conf_d(file) {
            extras.extend(self.one(&path));
        }
        let mut tree = main?;
        for extra in extras {
            // A file that holds only comments adds nothing.
            if !extra.value.is_null() {
                self.problems.extend(merge(&mut tree, extra, self.sources));
            }
        }
        (!self.broken).then_some(tree)
    }

    /// Takes what a parser found.
    pub(super) fn accept(&mut self, parsed: yaml::Parsed) -> Option<Tree> {
        self.broken |= parsed.broken;
        for fault in parsed.faults {
            self.problems.push(ConfigProblem::at(
                self.sources,
                fault.spot,
                fault.key,
                fault.detail,
            ));
        }
        parsed.tree
    }

    /// The document of one file, without `conf.d/`.
    pub(super) fn one(&mut self, path: &Path) -> Option<Tree> {
        let name = path.display().to_string();
        let text = match self.text(path) {
            Ok(text) => text,
            Err(detail) => {
                self.problems.push(ConfigProblem::of_file(name, detail));
                self.broken = true;
                return None;
            }
        };
        self.document(name, &text)
    }

    /// The document in a file's text.
    pub(super) fn document(&mut self, name: String, text: &str) -> Option<Tree> {
        let source = self.sources.add(Source::File(name));
        let parsed = yaml::parse(text, source, self.budget);
        let empty = !parsed.broken && parsed.tree.is_none();
        let tree = self.accept(parsed);
        if empty {
            let place = Place { spot: Spot { source, line: 1 }, inner: Inner::Leaf };
            return Some(Tree { value: serde_json::Value::Null, place });
        }
        tree
    }

    fn text(&mut self, path: &Path) -> Result<String, String> {
        let mut bytes = Vec::new();
        let limited = File::open(path).and_then(|file| {
            if file.metadata()?.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            file.take(self.bytes + 1).read_to_end(&mut bytes)
        });
        limited.map_err(|e| format!("cannot be read: {e}"))?;
        let length = bytes.len() as u64;
        self.bytes = self.bytes.checked_sub(length).ok_or_else(|| {
            format!("the configuration is larger than {} MiB, all files together", MAX_BYTES >> 20)
        })?;
        String::from_utf8(bytes).map_err(|e| {
            let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            format!("line {line} is not UTF-8 text")
        })
    }

    /// The files of `conf.d/` in the order of their names. Hidden ones are left out, because
    /// Kubernetes keeps its own in mounted ConfigMaps.
    fn conf_d(&mut self, file: &Path) -> Vec<PathBuf> {
        let directory = file.parent().unwrap_or(Path::new("")).join("conf.d");
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(e) => {
                self.refuse(&directory, format!("cannot be listed: {e}"));
                return Vec::new();
            }
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| !is_hidden(path))
            .take(MAX_FILES + 1)
            .collect();
        if paths.len() > MAX_FILES {
            self.refuse(&directory, format!("holds more than {MAX_FILES} files"));
            return Vec::new();
        }
        paths.sort_unstable();
        let extension = |path: &Path, wanted: &str| path.extension().is_some_and(|e| e == wanted);
        for path in paths.iter().filter(|path| extension(path, "yml")) {
            self.refuse(path, "would not be read; name it .yaml".to_owned());
        }
        paths.retain(|path| extension(path, "yaml"));
        paths
    }

    fn refuse(&mut self, path: &Path, detail: String) {
        self.problems.push(ConfigProblem::of_file(path.display().to_string(), detail));
        self.broken = true;
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
