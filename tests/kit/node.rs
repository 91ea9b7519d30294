//! One node as a child process.

use crate::measure::{cpu_seconds, resident_bytes};
use crate::process::{Finished, signal, testoon};
use crate::rpc::Client;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread::JoinHandle;
use tempfile::TempDir;

/// How to start a node. It listens on free ports of 127.0.0.1 and looks for no peers by itself.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// `--chain`.
    pub chain: String,
    /// `--datadir`.
    pub datadir: PathBuf,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Environment variables besides those of the test.
    pub environment: Vec<(String, String)>,
}

impl NodeOptions {
    /// A node of a chain in a directory, without further arguments.
    pub fn new(chain: &str, datadir: &Path) -> NodeOptions {
        NodeOptions { chain: chain.into(), datadir: datadir.into(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// With one more argument.
    pub fn with(mut self, argument: impl Into<String>) -> NodeOptions {
        self.arguments.push(argument.into());
        self
    }

    /// With more arguments.
    pub fn with_all(mut self, arguments: &[&str]) -> NodeOptions {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// With an environment variable.
    pub fn with_variable(mut self, name: &str, value: &str) -> NodeOptions {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// That dials this node from its start.
    pub fn connected_to(self, node: &Node) -> NodeOptions {
        self.with("--connect").with(node.p2p())
    }

    /// The command that starts the node.
    pub fn command(&self) -> Command {
        let mut command = testoon();
        command
            .args(["node", "--chain", &self.chain, "--rpc-listen", "127.0.0.1:0", "--p2p-listen", "127.0.0.1:0"])
            .arg("--no-discover")
            .arg("--datadir")
            .arg(&self.datadir)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a node that must not start, to its end.
    pub fn fail(&self) -> Finished {
        Finished::of(&mut self.command())
    }
}

/// A running node, killed when dropped. Calls go through it: `node.call("getblockcount", json!([]))`.
pub struct Node {
    /// How it was started.
    pub options: NodeOptions,
    /// Talks to it; clones share the connections.
    pub client: Client,
    /// The line that it printed when it was ready.
    pub ready: Value,
    child: Child,
    /// Reads what it writes to standard error, until its end.
    log: Mutex<Option<JoinHandle<String>>>,
    /// Only of a node that has its directory for itself; removed after the node has ended.
    directory: Option<TempDir>,
}

impl Deref for Node {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Node {
    /// Starts a node of a chain in a temporary directory of its own and waits until its RPC answers.
    pub fn fresh(chain: &str, arguments: &[&str]) -> Node {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut node = Node::start(NodeOptions::new(chain, directory.path()).with_all(arguments));
        node.directory = Some(directory);
        node
    }

    /// Starts a node and waits until its RPC answers.
    pub fn start(options: NodeOptions) -> Node {
        match Node::try_start(options) {
            Ok(node) => node,
            Err(text) => panic!("the node did not start: {text}"),
        }
    }

    /// Starts a node; the error is what it printed if it ends before it is ready.
    pub fn try_start(options: NodeOptions) -> Result<Node, String> {
        let mut command = options.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program under test runs");
        let mut stderr = child.stderr.take().expect("piped above");
        // Somebody must read the log, or the node would wait for room in the pipe.
        let log = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().expect("piped above")).read_line(&mut line);
        let ready: Value = match (read, serde_json::from_str(&line)) {
            (Ok(_), Ok(ready)) => ready,
            _ => {
                let _ = child.kill();
                let status = child.wait().expect("a child can be waited for");
                return Err(format!("{status}: {line}{}", log.join().unwrap_or_default()));
            }
        };
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("incomplete: {ready}")).to_owned();
        let client = Client::with_cookie(&text(&ready["rpc"]), Path::new(&text(&ready["cookie"])));
        Ok(Node { client, ready, options, child, log: Mutex::new(Some(log)), directory: None })
    }

    /// Where peers dial it: its first peer-to-peer address.
    pub fn p2p(&self) -> &str {
        self.ready["p2p"][0].as_str().unwrap_or_else(|| panic!("no address in {}", self.ready))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// User and system time so far, seconds.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.pid()).expect("the node runs")
    }

    /// Resident memory, bytes.
    pub fn resident_bytes(&self) -> u64 {
        resident_bytes(self.pid()).expect("the node runs")
    }

    /// Ends it with SIGTERM, as a service manager does, and waits.
    pub fn terminate(mut self) -> ExitStatus {
        signal(self.pid(), libc::SIGTERM);
        self.wait()
    }

    /// Waits for the process to end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("a child can be waited for")
    }

    /// Kills it with SIGKILL, as a power cut would.
    pub fn kill(mut self) -> NodeOptions {
        self.child.kill().expect("a child can be killed");
        self.wait();
        self.options.clone()
    }

    /// Asks it to stop over RPC and waits; it must exit with 0.
    pub fn stop(self) -> NodeOptions {
        self.stop_with_log().0
    }

    /// As [`Node::stop`], with everything it logged.
    pub fn stop_with_log(mut self) -> (NodeOptions, String) {
        self.client.call("stop", json!([]));
        let status = self.wait();
        assert!(status.success(), "stopped with {status}");
        let reader = self.log.get_mut().expect("nobody panics with it").take();
        let log = reader.map(|log| log.join().expect("the reader of the log does not panic"));
        (self.options.clone(), log.unwrap_or_default())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
