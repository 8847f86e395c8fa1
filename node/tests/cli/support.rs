//! Runs the binary, and serves canned answers to it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use serde_json::Value;

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

/// Runs the binary to its end, without anything of this environment that it heeds.
pub(crate) fn bellwether(arguments: &[&str]) -> Run {
    let output = command(arguments).output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BELLWETHER_") {
            command.env_remove(name);
        }
    }
    command.args(arguments);
    command
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    status: u16,
    headers: String,
    body: String,
}

impl Canned {
    /// 200 and JSON.
    pub(crate) fn json(body: &Value) -> Self {
        let headers = "content-type: application/json\r\n".to_owned();
        Self { status: 200, headers, body: body.to_string() }
    }

    /// No body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: String::new(), body: String::new() }
    }

    /// A stream that ends after these events.
    pub(crate) fn events(body: &str) -> Self {
        let headers = "content-type: text/event-stream\r\n".to_owned();
        Self { status: 200, headers, body: body.to_owned() }
    }

    /// Another status.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// One more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }
}

/// Serves answers by path and query. Of several for the same path, each is served once, the
/// last one for ever.
pub(crate) struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start(answers: Vec<(String, Canned)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut answers = answers;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(&stream, &mut answers, &seen);
            }
        });
        Self { url, requests }
    }

    /// Runs a command against this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        bellwether(&[arguments, &["--server", &self.url]].concat())
    }

    /// Starts a command that goes on until it is stopped.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        let mut child = command(arguments)
            .args(["--server", &self.url])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running { child, lines }
    }

    /// The requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A command that goes on.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// The next lines of standard output.
    pub(crate) fn lines(&mut self, count: usize) -> Vec<String> {
        let limit = Duration::from_secs(20);
        (0..count).map(|_| self.lines.recv_timeout(limit).expect("a line in time")).collect()
    }

    /// Stops it; returns what it said on standard error.
    pub(crate) fn stop(mut self) -> String {
        self.child.kill().unwrap();
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        self.child.wait().unwrap();
        told
    }
}

fn serve(stream: &TcpStream, answers: &mut Vec<(String, Canned)>, seen: &Mutex<Vec<String>>) {
    let mut input = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).unwrap();
    let path = head.split_whitespace().nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(head + &String::from_utf8_lossy(&body));
    let answer = next_answer(&path, answers);
    let Canned { status, headers, body } = answer;
    let length = body.len();
    // The client may be gone already; what it makes of that is asserted elsewhere.
    let _ = (&*stream).write_all(
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
            .as_bytes(),
    );
}

fn next_answer(path: &str, answers: &mut Vec<(String, Canned)>) -> Canned {
    let matching: Vec<usize> = (0..answers.len()).filter(|n| answers[*n].0 == path).collect();
    match matching[..] {
        [] => Canned::json(&serde_json::json!({"detail": format!("no answer for {path}")}))
            .status(500),
        [only] => answers[only].1.clone(),
        [first, ..] => answers.remove(first).1,
    }
}
