//! Reads all files side by side: first whatever is due, else by the time of the events.
//!
//! A file whose next event waits for another file's is left alone while others have events
//! that are due, so that clocks of nodes need not agree.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use super::{
    findings::{At, Findings, Report},
    lives::Lives,
    reader::{self, Lines},
    seen::SeenIds,
    streams::{Due, Repeats, Streams},
    told::{Line, StreamId},
};

/// A file's index and why it cannot be read.
type Failure = (usize, io::Error);

/// All files, and what is known so far.
pub(super) struct Merge {
    files: Vec<Input>,
    streams: Streams,
    lives: Lives,
    ids: SeenIds,
    report: Report,
}

struct Input {
    lines: Lines,
    head: Option<Line>,
}

impl Merge {
    /// Opens the files. More than one is read twice: where a shard's offsets begin is only
    /// known once all of them were seen.
    pub(super) fn new(paths: &[PathBuf], repeats: Repeats) -> Result<Self, Failure> {
        let mut firsts = BTreeMap::new();
        if paths.len() > 1 {
            for (file, path) in paths.iter().enumerate() {
                first_offsets(file, path, &mut firsts).map_err(|e| (file, e))?;
            }
        }
        let open = |(file, path): (usize, &PathBuf)| match Lines::open(path) {
            Ok(lines) => Ok(Input { lines, head: None }),
            Err(e) => Err((file, e)),
        };
        Ok(Self {
            files: paths.iter().enumerate().map(open).collect::<Result<_, _>>()?,
            streams: Streams::new(firsts, paths.len(), repeats),
            lives: Lives::default(),
            ids: SeenIds::default(),
            report: Report { files: paths.to_vec(), ..Report::default() },
        })
    }

    /// Reads everything.
    pub(super) fn run(mut self) -> Result<Report, Failure> {
        for file in 0..self.files.len() {
            self.advance(file)?;
        }
        while let Some(file) = self.next_file() {
            if let Some(line) = self.files[file].head.take() {
                let due = self.streams.take(line, &mut self.report.findings);
                self.deliver(due);
            }
            self.advance(file)?;
        }
        let due = self.streams.finish(&mut self.report.findings);
        self.deliver(due);
        self.report.shards = self.streams.len();
        self.report.totals = self.streams.totals();
        self.report.resources = self.lives.len();
        self.report.ids_forgotten = self.ids.has_forgotten();
        Ok(self.report)
    }

    fn next_file(&self) -> Option<usize> {
        let heads = self.files.iter().enumerate();
        let heads = heads.filter_map(|(n, input)| {
            let line = input.head.as_ref()?;
            Some((!self.streams.is_due(line), line.time(), n))
        });
        heads.min().map(|(_, _, file)| file)
    }

    fn advance(&mut self, file: usize) -> Result<(), Failure> {
        let input = &mut self.files[file];
        input.head = next_line(file, &mut input.lines, Some(&mut self.report.findings))
            .map_err(|e| (file, e))?;
        Ok(())
    }

    fn deliver(&mut self, due: Vec<Due>) {
        for Due { told, whole, lost_until } in due {
            self.report.events += 1;
            self.report.saw(told.time);
            if !self.ids.insert(told.id) {
                let subject = &told.subject;
                let detail = || format!("{subject}: its id is that of an earlier event");
                self.report.findings.report(told.at, detail);
            }
            self.lives.take(&told, whole, lost_until, &mut self.report.findings);
        }
    }
}

/// The next line that is an event or a gap; the others are findings.
fn next_line(
    file: usize,
    lines: &mut Lines,
    mut findings: Option<&mut Findings>,
) -> io::Result<Option<Line>> {
    while let Some((number, line)) = lines.next()? {
        let at = At { file, line: number };
        let wrong = match line {
            reader::Line::Whole(text) => match Line::parse(text, at) {
                Ok(line) => return Ok(Some(line)),
                Err(wrong) => wrong,
            },
            reader::Line::Torn => {
                "the last line is torn: it does not end in a line break".to_owned()
            }
            reader::Line::TooLong => "the line is longer than any event".to_owned(),
        };
        if let Some(findings) = findings.as_deref_mut() {
            findings.report(at, || wrong);
        }
    }
    Ok(None)
}

fn first_offsets(file: usize, path: &Path, firsts: &mut BTreeMap<StreamId, u64>) -> io::Result<()> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = next_line(file, &mut lines, None)? {
        let offset = line.first_offset();
        let first = firsts.entry(line.stream()).or_insert(offset);
        *first = offset.min(*first);
    }
    Ok(())
}
