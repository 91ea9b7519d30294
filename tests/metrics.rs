//! What `/metrics` says, held against Prometheus' own tools where they are installed (Debian's package `prometheus`).

use kit::{Node, NodeOptions, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

const ADDRESS: &str = "mp6DTMXsQz6Wu6M8Zh2ZE2qScoEUUPVez6";
const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations/alerts.yml");
const DASHBOARD: &str = include_str!("../docs/operations/grafana-dashboard.json");

/// A node with everything that has metrics: a miner, a pool with a worker, a block.
fn node() -> Node {
    let node =
        Node::fresh("local", &["--mine", ADDRESS, "--threads", "1", "--hashrate", "1000", "--stratum", "127.0.0.1:0"]);
    node.call("generatetoaddress", json!([1, ADDRESS]));
    node
}

fn get(node: &Node, path: &str, accept: &str) -> kit::http::Answer {
    let address = node.ready["rpc"].as_str().expect("a URL").trim_start_matches("http://").parse().expect("an address");
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}");
    kit::http::Connection::open(address).send(&head, b"")
}

/// Whether a program is there; tells who reads the test's output if it is not.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        println!("skipped: {program} is not installed (Debian: apt install prometheus)");
    }
    found
}

/// The names of series and of their families' metadata.
fn names(page: &str) -> BTreeSet<String> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).collect()
}

/// Every `testoon_…` that an expression names.
fn named(expressions: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expressions.split(|c| !is_part(c)).filter(|word| word.starts_with("testoon_"));
    words.map(str::to_owned).collect()
}

#[test]
fn the_page_passes_promtool_s_checks() {
    let node = node();
    let page = get(&node, "/metrics", "*/*");
    assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let open = get(&node, "/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(open.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    assert!(open.body.ends_with("# EOF\n") && !page.body.contains("# EOF"));
    if !has("promtool") {
        return;
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it was there a moment ago");
    promtool.stdin.take().expect("piped").write_all(page.body.as_bytes()).expect("promtool reads");
    let judged = promtool.wait_with_output().expect("promtool ends");
    let said = format!("{}{}", String::from_utf8_lossy(&judged.stdout), String::from_utf8_lossy(&judged.stderr));
    assert!(judged.status.success() && said.trim().is_empty(), "promtool says: {said}\n{}", page.body);
}

#[test]
fn alerts_and_dashboard_name_metrics_that_exist() {
    let node = node();
    let names = names(&get(&node, "/metrics", "*/*").body);
    let alerts = std::fs::read_to_string(ALERTS).expect("the alerts");
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let expressions: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
        .map(|target| target["expr"].as_str().expect("an expression"))
        .collect();
    let asked = named(&format!("{alerts} {}", expressions.join(" ")));
    assert!(asked.len() > 15, "{asked:?}");
    // A series of a worker is there when a worker is.
    let missing: Vec<_> = asked.iter().filter(|name| !names.contains(*name) && !name.contains("_worker_")).collect();
    assert!(missing.is_empty(), "not in /metrics: {missing:?}; there are {names:?}");
    if has("promtool") {
        let judged = Command::new("promtool").args(["check", "rules", ALERTS]).output().expect("promtool runs");
        assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    }
}

/// A program that is killed when the test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_prometheus_reads_the_node_and_loads_the_alerts() {
    if !has("prometheus") {
        return;
    }
    let node = node();
    let target = node.ready["rpc"].as_str().expect("a URL").trim_start_matches("http://");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = directory.path().join("prometheus.yml");
    let yaml = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{ALERTS:?}]\n\
         scrape_configs: [{{job_name: testoon, static_configs: [{{targets: [{target:?}]}}]}}]\n"
    );
    std::fs::write(&config, yaml).expect("written");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = free.local_addr().expect("bound");
    drop(free);
    let _prometheus = Killed(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={listen}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .spawn()
            .expect("it was there a moment ago"),
    );
    let ask = |path: &str| -> Option<Value> {
        let mut connection = kit::http::Connection::try_open(listen).ok()?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close");
        let answer = connection.try_send(&head, b"").ok()?;
        serde_json::from_str(&answer.body).ok()
    };
    let height = eventually("prometheus has read the node", || {
        let found = ask("/api/v1/query?query=testoon_height")?;
        found["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
    });
    assert!(height.parse::<u64>().is_ok_and(|height| height >= 1), "{height}");
    let rules = ask("/api/v1/rules").expect("rules");
    let groups = rules["data"]["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 2, "{rules}");
    let targets = ask("/api/v1/targets").expect("targets");
    assert_eq!(targets["data"]["activeTargets"][0]["health"], "up", "{targets}");
}

#[test]
fn a_node_is_ready_when_it_has_caught_up() {
    let node = node();
    let ready = get(&node, "/ready", "*/*");
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
    assert!(get(&node, "/health", "*/*").body.starts_with("ok "));
    // Bitcoin's chain is long since ahead of its genesis block.
    let behind = Node::fresh("bitcoin-main", &[]);
    let answer = get(&behind, "/ready", "*/*");
    assert_eq!((answer.status, answer.body.contains("catching up")), (503, true), "{}", answer.body);
    assert_eq!(get(&behind, "/health", "*/*").status, 200);
}

#[test]
fn json_logs_are_objects_and_a_moved_log_is_opened_anew() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = NodeOptions::new("local", directory.path()).with_all(&["--log-format", "json"]);
    let node = Node::start(options);
    let log = directory.path().join("debug.log");
    let objects = || -> Vec<Value> {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    };
    assert!(objects().iter().any(|object| object["message"].as_str().is_some_and(|text| text.starts_with("ready "))));
    std::fs::rename(&log, directory.path().join("moved.log")).expect("moved");
    kit::process::signal(node.pid(), libc::SIGHUP);
    eventually("the log is opened anew", || log.exists().then_some(()));
    eventually("it says so", || {
        objects()
            .iter()
            .any(|object| object["message"].as_str().is_some_and(|text| text.contains("opened anew")))
            .then_some(())
    });
    assert_eq!(node.height(), 0, "the node goes on");
    assert!(node.terminate().success(), "SIGTERM ends it cleanly");
}
