//! One node as a child process.

use super::{Client, testoon};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// How to start a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// `--chain`.
    pub chain: String,
    /// `--datadir`.
    pub datadir: PathBuf,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl NodeOptions {
    /// A node of a built-in chain in a directory, with nothing else said.
    pub fn new(chain: &str, datadir: &Path) -> NodeOptions {
        NodeOptions { chain: chain.into(), datadir: datadir.into(), arguments: Vec::new() }
    }

    /// With one more argument.
    pub fn with(mut self, argument: impl Into<String>) -> NodeOptions {
        self.arguments.push(argument.into());
        self
    }

    /// That dials this node from its start.
    pub fn connected_to(self, node: &Node) -> NodeOptions {
        self.with("--connect").with(node.p2p.clone())
    }
}

/// A running node, killed when dropped.
pub struct Node {
    /// How it was started.
    pub options: NodeOptions,
    /// Talks to it.
    pub client: Client,
    /// What others dial.
    pub p2p: String,
    child: Child,
}

impl Node {
    /// Starts a node and waits until its RPC answers.
    pub fn start(options: NodeOptions) -> Node {
        match Node::try_start(options) {
            Ok(node) => node,
            Err(text) => panic!("the node did not start: {text}"),
        }
    }

    /// Starts a node; gives what it said if it ends before it is ready.
    pub fn try_start(options: NodeOptions) -> Result<Node, String> {
        let mut command = testoon();
        command
            .args(["node", "--chain", &options.chain, "--rpc-listen", "127.0.0.1:0", "--p2p-listen", "127.0.0.1:0"])
            .arg("--no-discover")
            .arg("--datadir")
            .arg(&options.datadir)
            .args(&options.arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        die_with_the_test(&mut command);
        let mut child = command.spawn().expect("the binary under test runs");
        let mut stderr = child.stderr.take().expect("piped above");
        let log = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped above"));
        let read = stdout.read_line(&mut line);
        let ready: Value = match (read, serde_json::from_str(&line)) {
            (Ok(_), Ok(ready)) => ready,
            _ => {
                let status = child.wait().expect("a child can be waited for");
                return Err(format!("{status}: {line}{}", log.join().unwrap_or_default()));
            }
        };
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("incomplete: {ready}")).to_owned();
        let client = Client::with_cookie(&text(&ready["rpc"]), Path::new(&text(&ready["cookie"])));
        Ok(Node { client, p2p: text(&ready["p2p"][0]), options, child })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL, as a power cut would.
    pub fn kill(mut self) -> NodeOptions {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
        self.options.clone()
    }

    /// Asks it to stop over RPC and waits; it must exit with 0.
    pub fn stop(mut self) -> NodeOptions {
        self.client.call("stop", json!([]));
        let status = self.child.wait().expect("a child can be waited for");
        assert!(status.success(), "stopped with {status}");
        self.options.clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has the kernel kill the child when the thread that started it ends, even if the test process is itself killed.
#[allow(unsafe_code)]
fn die_with_the_test(command: &mut std::process::Command) {
    // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}
