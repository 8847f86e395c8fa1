//! The binary where something runs out: descriptors, room on the disk.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

const RESOURCES: &str = "/api/v1/infrastructure/resources";

/// A node of its own, killed at the end.
struct Node {
    process: Child,
    address: SocketAddr,
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that has ended already is no loss.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn write_config(directory: &Path, port: u16, node: &str, resources: &str) -> String {
    let file = directory.join("b.yaml");
    let text = format!(
        "cluster: {{name: home, shards: 2}}\nnode: {{name: n1, data_dir: ./data, {node}}}\n\
         listen: {{http: \"127.0.0.1:{port}\"}}\nresources: [{resources}]\n"
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Node {
    fn start(directory: &Path, node: &str, resources: &str) -> Self {
        let port = free_port();
        let file = write_config(directory, port, node, resources);
        let log = std::fs::File::create(directory.join("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_bellwether"))
            .args(["run", "--config", &file])
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let node = Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let until = Instant::now() + Duration::from_secs(30);
        while node.call("GET", "/readyz", "").is_none_or(|answer| answer.0 != 200) {
            let log = std::fs::read_to_string(directory.join("log")).unwrap();
            assert!(Instant::now() < until, "not ready: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        node
    }

    /// The status and the body of an answer; none where the node does not answer.
    fn call(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    fn limit_open_files(&self, soft: Option<u64>) -> Option<u64> {
        let pid = Pid::from_child(&self.process);
        let maximum = prlimit_of(pid).maximum;
        let former =
            prlimit(Some(pid), Resource::Nofile, Rlimit { current: soft, maximum }).unwrap();
        former.current
    }
}

fn prlimit_of(pid: Pid) -> Rlimit {
    // Setting what is set already tells it.
    let own = rustix::process::getrlimit(Resource::Nofile);
    let present = prlimit(Some(pid), Resource::Nofile, Rlimit { current: own.maximum, ..own });
    present.unwrap()
}

/// The end of a run that does not come up.
fn refused(directory: &Path, shell: &str, node: &str) -> (i32, String) {
    let file = write_config(directory, free_port(), node, "");
    let output = Command::new("sh")
        .args(["-c", &format!("{shell} exec \"$0\" run --config \"$1\"")])
        .args([env!("CARGO_BIN_EXE_bellwether"), &file])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let Some(code) = output.status.code() else { panic!("{}: {told}", output.status) };
    (code, told)
}

#[test]
fn too_few_descriptors_are_refused_at_the_start_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let (code, told) = refused(directory.path(), "ulimit -n 100;", "zone: a");
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("only 100 files") && told.contains("LimitNOFILE"), "{told}");
}

#[test]
fn without_descriptors_checks_are_missed_and_the_node_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = target.local_addr().unwrap();
    std::thread::spawn(move || target.incoming().for_each(drop));
    let resources = format!(
        "{{type: ENDPOINT, name: t, interval: 1s, timeout: 500ms, check: {{tcp: {{address: \"{at}\"}}}}}}"
    );
    let node = Node::start(directory.path(), "zone: a", &resources);
    let former = node.limit_open_files(Some(10));
    assert!(node.call("GET", "/livez", "").is_none(), "there is no descriptor for a client");
    std::thread::sleep(Duration::from_secs(3));
    node.limit_open_files(former);
    let until = Instant::now() + Duration::from_secs(20);
    let coverage = loop {
        let (_, text) = node.call("GET", "/api/v1/coverage?since=1h", "").unwrap_or_default();
        let coverage: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if coverage["missed"]["resources"].as_u64() > Some(0) && coverage["ok"].as_u64() > Some(2) {
            break coverage;
        }
        assert!(Instant::now() < until, "{coverage}");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(coverage["failed"], 0, "our own shortage is not the target's: {coverage}");
    let (status, row) = node.call("GET", &format!("{RESOURCES}/endpoint:t"), "").unwrap();
    assert!(status == 200 && row.contains("HEALTHY"), "{row}");
}

#[test]
fn below_the_reserve_a_node_only_reads() {
    // Larger than any disk: a founded node is full at once, a fresh one is not founded.
    let endless = "disk_reserve: 1000000000000000";
    for _ in 0..5 {
        // More than once: threads that still work on the store crash the end of a process, but
        // not each time.
        let directory = tempfile::tempdir().unwrap();
        let (code, told) = refused(directory.path(), "", endless);
        assert!(code == 1 && told.contains("the disk is full"), "{told}");
    }
    let directory = tempfile::tempdir().unwrap();
    drop(Node::start(directory.path(), "zone: a", ""));
    let node = Node::start(directory.path(), endless, "");
    let (status, text) = node
        .call("PUT", &format!("{RESOURCES}/a"), r#"{"type":"HOST","name":"a","check":{"host":{}}}"#)
        .unwrap();
    assert!(status == 507 && text.contains("free space there"), "{status} {text}");
    assert_eq!(node.call("GET", RESOURCES, "").unwrap().0, 200);
    let (status, text) = node.call("GET", "/readyz?verbose", "").unwrap();
    assert!(status == 200 && text.contains("[!] disk: writes are refused"), "{status} {text}");
    let (_, figures) = node.call("GET", "/metrics", "").unwrap();
    assert!(figures.contains("bellwether_disk_full 1"), "{figures}");
}
