//! Networks that the launcher did not start: nodes of others, attached to by a file, and containers.
//!
//! What needs a Docker engine says that it was skipped, and why, where none answers; with `TESTOON_REQUIRE_DOCKER=1` it fails instead.
//! The manifests are held against Kubernetes' published schemas by PyPI's kubernetes-validate, which is installed into a temporary
//! directory: with `TESTOON_REQUIRE_CLIENTS=1`, as in `.ci/run`, the test fails where that cannot be done.

use crate::clients::install;
use kit::{Finished, Node, testoon};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Three nodes with a slow and lossy link; nobody mines faster than a small machine can.
const NETWORK: &str = r#"
    [topology]
    edges = [["a", "b"], ["b", "shop"], ["a", "shop"]]
    [[node]]
    name = "a"
    share = 0.6
    [[node]]
    name = "b"
    share = 0.4
    [[node]]
    name = "shop"
    role = "shop"
    [[link]]
    between = ["a", "b"]
    delay = "100ms"
"#;

/// Runs `testoon` on the network in a directory.
fn on(directory: &Path, arguments: &[&str]) -> Finished {
    Finished::of(testoon().args(arguments).arg("--dir").arg(directory))
}

fn path_text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

mod attached {
    use super::*;
    use kit::eventually;

    /// Two connected nodes, one with a password, and the network file that names them.
    struct Others {
        place: tempfile::TempDir,
        nodes: [Node; 2],
    }

    impl Others {
        fn start() -> Others {
            let first = Node::fresh("local", &["--rpc-user", "testoon", "--rpc-password", "secret"]);
            let second = Node::fresh("local", &["--connect", first.p2p()]);
            eventually("they are connected", || {
                (second.client.number("getconnectioncount", json!([])) == 1).then_some(())
            });
            Others { place: tempfile::tempdir().expect("a temporary directory"), nodes: [first, second] }
        }

        fn rpc(&self, index: usize) -> &str {
            self.nodes[index].ready["rpc"].as_str().expect("an address")
        }

        /// The file, with what stands for the first node's credentials.
        fn file(&self, credentials: &str) -> PathBuf {
            let port = |node: &Node| node.p2p().split('/').nth(4).expect("a port").to_owned();
            let [first, second] = [port(&self.nodes[0]), port(&self.nodes[1])];
            let cookie = self.nodes[1].ready["cookie"].as_str().expect("a path");
            let text = format!(
                "[[node]]\nname = \"one\"\nrpc = \"{}\"\np2p = \"127.0.0.1:{first}\"\n{credentials}\n\
                 [[node]]\nname = \"two\"\nrpc = \"{}\"\np2p = \"127.0.0.1:{second}\"\ncookie = \"{cookie}\"\n",
                self.rpc(0),
                self.rpc(1),
            );
            let path = self.place.path().join("network.toml");
            std::fs::write(&path, text).expect("it can be written");
            path
        }

        fn attach(&self, credentials: &str, more: &[&str]) -> Finished {
            let file = self.file(credentials);
            on(&self.directory(), &[&["attach", path_text(&file)], more].concat())
        }

        fn directory(&self) -> PathBuf {
            self.place.path().join("net")
        }
    }

    #[test]
    fn commands_work_on_nodes_that_others_run() {
        let others = Others::start();
        let status = others.attach("password = \"secret\"", &["--json"]).json();
        let nodes = status["nodes"].as_array().expect("nodes");
        assert!(nodes.iter().all(|node| node["height"] == 0 && node["pid"].is_null()), "{status}");
        let directory = others.directory();
        let run = |arguments: &[&str]| on(&directory, arguments);
        let mined = run(&["mine", "two", "2", "--to", "alice", "--json"]);
        assert_eq!(mined.stderr, "", "both have the blocks");
        let paid = run(&["pay", "alice", "bob", "1.5", "--json"]).json();
        assert_eq!(run(&["wait", "--mempool", paid["txid"].as_str().expect("an id")]).code, 0);
        // Who is connected to whom was asked of the nodes; a partition and its end are theirs to obey.
        let topology = run(&["net", "topology", "--json"]).json();
        assert_eq!(topology["links"][0]["connected"], true, "{topology}");
        assert_eq!(run(&["net", "partition", "one"]).code, 0);
        let connections = || others.nodes[0].client.number("getconnectioncount", json!([]));
        eventually("they are parted", || (connections() == 0).then_some(()));
        let healed = run(&["net", "heal"]);
        assert_eq!((healed.code, healed.stderr.as_str()), (0, ""));
        assert_eq!(connections(), 1, "one connection, not two to one peer");

        run(&["kill", "one"]).refuses(2, &["others run"]);
        run(&["add"]).refuses(2, &["others run"]);
        run(&["net", "snapshot", "x"]).refuses(2, &["others run"]);
        run(&["logs"]).refuses(1, &["others run"]);
        run(&["up", "--detach"]).refuses(1, &["running"]);
        let down = run(&["down"]);
        assert!(down.code == 0 && down.stdout.contains("they go on"), "{}", down.stdout);
        assert_eq!(others.nodes[0].client.height(), 2, "it was not ended");
        run(&["status"]).refuses(1, &["not running"]);
        run(&["up", "--detach"]).refuses(1, &["testoon attach"]);
        assert_eq!(others.attach("password = \"secret\"", &[]).code, 0, "it can be taken up again");
    }

    #[test]
    fn what_cannot_be_attached_to_is_said_in_one_line() {
        let others = Others::start();
        let attach = |credentials: &str| others.attach(credentials, &["--wait", "200ms"]);
        attach("password = \"wrong\"").refuses(1, &["one", "credentials"]);
        attach("").refuses(2, &["one has neither a password nor a cookie", "TESTOON_RPC_PASSWORD"]);
        attach("password = \"secret\"\nwords = \"abandon\"").refuses(1, &["the words of one"]);
        let file = others.file("password = \"secret\"");
        let text = std::fs::read_to_string(&file).expect("it was written");
        let change = |from: &str, to: &str| {
            std::fs::write(&file, text.replacen(from, to, 1)).expect("it can be written");
            on(&others.directory(), &["attach", path_text(&file), "--wait", "200ms"])
        };
        change(others.rpc(0), "http://127.0.0.1:1").refuses(1, &["one did not answer within 0.2 s"]);
        change("[[node]]", "chain = \"testnet\"\n[[node]]").refuses(2, &["one is on another chain", "chain testnet"]);
        change("rpc = ", "nope = ").refuses(2, &["line 3", "nope"]);
        on(&others.directory(), &["up", "--detach", "--file", path_text(&others.file("password = \"p\""))])
            .refuses(2, &["one has an rpc address", "testoon attach"]);
        on(&others.directory(), &["attach", "/nonexistent/net.toml"]).refuses(2, &["/nonexistent/net.toml"]);
    }

    #[test]
    fn a_health_check_needs_no_other_program() {
        let node = Node::fresh("local", &[]);
        let rpc = node.ready["rpc"].as_str().expect("an address").to_owned();
        let health = |more: &[&str]| kit::run(&[&["health", "--rpc", rpc.as_str()], more].concat());
        let well = health(&[]);
        assert!(well.code == 0 && well.stdout.starts_with("ok chain=local height=0"), "{}", well.stdout);
        assert_eq!(health(&["--ready"]).stdout, "ready\n", "a local chain may stand still");
        let behind = Node::fresh("bitcoin-main", &[]);
        let behind = behind.ready["rpc"].as_str().expect("an address");
        assert_eq!(kit::run(&["health", "--rpc", behind]).code, 0);
        kit::run(&["health", "--ready", "--rpc", behind]).refuses(1, &["/ready", "503", "catching up"]);
        let port = rpc.rsplit_once(':').expect("a port").1;
        let by_variable = Finished::of(testoon().arg("health").env("TESTOON_RPC_LISTEN", format!("0.0.0.0:{port}")));
        assert_eq!(by_variable.code, 0, "{}", by_variable.stderr);
        kit::run(&["health", "--rpc", "127.0.0.1:1"]).refuses(1, &["127.0.0.1:1"]);
    }
}

mod files {
    use super::*;

    /// Exports [`NETWORK`] and says where it is.
    fn exported(place: &Path, engine: &str, more: &[&str]) -> PathBuf {
        let (file, out) = (place.join("net.toml"), place.join(engine));
        std::fs::write(&file, NETWORK).expect("it can be written");
        let all = [&["export", engine, "--file", path_text(&file), "--out", path_text(&out)], more].concat();
        let finished = kit::run(&all);
        assert_eq!(finished.code, 0, "{}", finished.stderr);
        out
    }

    fn yaml_files(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                yaml_files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                found.push(path);
            }
        }
    }

    #[test]
    fn manifests_are_what_kubernetes_published_schemas_allow() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let packages = place.path().join("packages");
        if let Err(why) = install("kubernetes-validate==1.37.0", &packages) {
            let is_required = std::env::var_os("TESTOON_REQUIRE_CLIENTS").is_some();
            assert!(!is_required, "kubernetes-validate cannot be installed: {why}");
            println!("skipped: kubernetes-validate cannot be installed: {why}");
            return;
        }
        let study = place.path().join("study.toml");
        std::fs::write(&study, "name = \"s\"\n[sweep]\nattack = \"double-spend\"\nshare = [0.1, 0.2]\n")
            .expect("written");
        let shards = place.path().join("study");
        let written = kit::run(&["export", "study", path_text(&study), "--shards", "2", "--out", path_text(&shards)]);
        assert_eq!(written.code, 0, "{}", written.stderr);
        let mut manifests = Vec::new();
        yaml_files(&exported(place.path(), "kubernetes", &["--scenario", "mine a 1"]), &mut manifests);
        yaml_files(&shards, &mut manifests);
        assert_eq!(manifests.len(), 11, "{manifests:?}");
        let validate = |files: &[PathBuf]| {
            let mut command = Command::new("python3");
            command.env("PYTHONPATH", &packages).args(["-m", "kubernetes_validate", "--strict"]).args(files);
            Finished::of(&mut command)
        };
        let judged = validate(&manifests);
        assert_eq!(judged.code, 0, "{}{}", judged.stdout, judged.stderr);
        assert!(judged.stdout.contains("passed for"), "it says so of each: {}", judged.stdout);
        // The judge is awake.
        let wrong = place.path().join("wrong.yaml");
        let nodes = manifests.iter().find(|path| path.ends_with("40-nodes.yaml")).expect("the nodes");
        let text = std::fs::read_to_string(nodes).expect("it was written");
        std::fs::write(&wrong, text.replacen("replicas:", "replica:", 1)).expect("it can be written");
        assert_ne!(validate(&[wrong]).code, 0);
    }

    #[test]
    fn compose_takes_the_project() {
        let candidates: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
        let is_there = |words: &&&[&str]| {
            Command::new(words[0]).args(&words[1..]).arg("version").output().is_ok_and(|output| output.status.success())
        };
        let Some(compose) = candidates.iter().find(is_there) else {
            println!("skipped: Compose is not installed (Debian: docker-compose)");
            return;
        };
        let place = tempfile::tempdir().expect("a temporary directory");
        let project = exported(place.path(), "compose", &["--name", "lab", "--port", "20000"]);
        let mut command = Command::new(compose[0]);
        let config = Finished::of(command.args(&compose[1..]).arg("config").current_dir(&project));
        assert_eq!(config.code, 0, "{}", config.stderr);
        for expected in ["service_healthy", "no-new-privileges", "20002", "read_only: true"] {
            assert!(config.stdout.contains(expected), "{expected} is not in {}", config.stdout);
        }
        let variables = std::fs::read_to_string(project.join(".env")).expect("variables");
        assert!(variables.starts_with("COMPOSE_PROJECT_NAME=lab\nTESTOON_RPC_PASSWORD="), "{variables}");
    }

    #[test]
    fn an_export_that_cannot_be_used_is_refused_in_one_line() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let file = place.path().join("net.toml");
        let out = place.path().join("out");
        let export = |engine: &str, text: &str, more: &[&str]| {
            std::fs::write(&file, text).expect("it can be written");
            kit::run(&[&["export", engine, "--file", path_text(&file), "--out", path_text(&out)], more].concat())
        };
        let node = |name: &str| format!("[[node]]\nname = \"{name}\"\n");
        for (name, reason) in [("Node", "upper-case"), ("a_b", "underscore"), ("links", "the export uses")] {
            export("compose", &node(name), &[]).refuses(2, &[&format!("{name:?}"), reason]);
        }
        export("kubernetes", &node("1a"), &[]).refuses(2, &["\"1a\"", "DNS-1035"]);
        export("kubernetes", &node("a"), &["--name", "My.Net"]).refuses(2, &["\"My.Net\""]);
        export("kubernetes", &node("a"), &["--scenario", "fly away"]).refuses(2, &["fly away"]);
        export("compose", &node("a"), &["--port", "0"]).refuses(2, &["--port"]);
        export("compose", "[[node]]\nname = \"a\"\ncount = 3\n", &["--port", "65534"])
            .refuses(2, &["65534", "3 ports"]);
        assert!(!out.exists(), "nothing is written before all is known to be right");
        std::fs::create_dir(&out).expect("a directory");
        std::fs::write(out.join("mine"), "").expect("a file");
        export("compose", &node("a"), &[]).refuses(2, &["is not empty"]);
        kit::run(&["export", "compose"]).refuses(2, &["--out"]);
    }

    #[test]
    fn a_network_on_docker_without_an_engine_is_one_line() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let mut command = testoon();
        command.args(["up", "--on", "docker", "--dir"]).arg(place.path().join("net"));
        let finished = Finished::of(command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock"));
        finished.refuses(1, &["no Docker engine answers"]);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert!(!place.path().join("net").exists(), "nothing was made");
    }
}

mod docker {
    use super::*;

    /// Why no network can be run on Docker here; none if it can.
    fn obstacle() -> Option<String> {
        let answers = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
        match answers {
            Err(error) => Some(format!("docker: {error}")),
            Ok(output) if !output.status.success() => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Ok(_) => None,
        }
    }

    fn docker(arguments: &[&str]) -> Finished {
        Finished::of(Command::new("docker").args(arguments))
    }

    /// A network that `up --on docker` started; its containers and volumes go when this is dropped.
    struct Containers {
        place: tempfile::TempDir,
    }

    impl Containers {
        fn directory(&self) -> PathBuf {
            self.place.path().join("net")
        }

        fn run(&self, arguments: &[&str]) -> Finished {
            Finished::of(testoon().args(arguments).arg("--dir").arg(self.directory()))
        }

        /// The ids of the project's containers, running or not.
        fn all(&self) -> Vec<String> {
            let variables = std::fs::read_to_string(self.directory().join("compose/.env")).unwrap_or_default();
            let name = variables.lines().find_map(|line| line.strip_prefix("COMPOSE_PROJECT_NAME="));
            let filter = format!("label=com.docker.compose.project={}", name.expect("the project has a name"));
            docker(&["ps", "--all", "--quiet", "--filter", &filter]).stdout.lines().map(str::to_owned).collect()
        }
    }

    impl Drop for Containers {
        fn drop(&mut self) {
            let project = self.directory().join("compose");
            for words in [&["docker", "compose"][..], &["docker-compose"]] {
                let mut command = Command::new(words[0]);
                command.args(&words[1..]).args(["down", "--volumes", "--timeout", "5"]).current_dir(&project);
                if project.exists() && command.output().is_ok_and(|output| output.status.success()) {
                    return;
                }
            }
        }
    }

    #[test]
    fn an_exported_network_pays_mines_and_is_taken_down() {
        if let Some(why) = obstacle() {
            assert!(std::env::var_os("TESTOON_REQUIRE_DOCKER").is_none(), "no Docker engine answers: {why}");
            println!("skipped: no Docker engine answers: {why}");
            return;
        }
        let network = Containers { place: tempfile::tempdir().expect("a temporary directory") };
        let file = network.place.path().join("net.toml");
        std::fs::write(&file, format!("{NETWORK}[[node]]\nname = \"bad\"\narguments = [\"--dbcache\", \"0\"]\n"))
            .expect("it can be written");
        let failed = network.run(&["up", "--on", "docker", "--file", path_text(&file)]);
        failed.refuses(1, &["bad", "--dbcache 0", "must be 1 to"]);
        assert!(network.all().is_empty(), "what had started was ended");
        std::fs::write(&file, NETWORK).expect("it can be written");
        let up = network.run(&["up", "--on", "docker", "--no-web", "--json", "--file", path_text(&file)]);
        assert_eq!(up.stderr, "", "{}", up.stdout);
        assert!(up.json()["nodes"].as_array().expect("nodes").iter().all(|node| !node["height"].is_null()));

        let paid = network.run(&["pay", "alice", "bob", "1.5", "--wait", "1", "--timeout", "60s", "--json"]).json();
        assert!(paid["confirmations"].as_u64() >= Some(1), "{paid}");
        let mined = network.run(&["mine", "a", "2", "--json"]);
        assert_eq!((mined.code, mined.stderr.as_str()), (0, ""), "every node has the blocks");
        assert_eq!(network.run(&["wait", "--tip-equal", "--height", "3"]).code, 0);
        // The link is slow on both sides, and the containers may do nothing that they need not.
        let links = network.run(&["rpc", "a", "getlinks", "--json"]).json();
        assert!(links.to_string().contains("100"), "{links}");
        let containers = network.all();
        assert_eq!(containers.len(), 4, "three nodes and the service that set the link");
        for id in &containers {
            let format = "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}";
            assert_eq!(docker(&["inspect", "--format", format, id]).stdout.trim(), "65532:65532 true [ALL]");
        }

        // A node is killed and comes back with what its volume holds.
        assert_eq!(network.run(&["kill", "b"]).code, 0);
        let status = network.run(&["status", "--json"]).json();
        assert!(status["nodes"][1]["height"].is_null(), "{status}");
        let started = network.run(&["start", "b", "--json"]);
        assert_eq!(started.stderr, "");
        let node: &Value = &started.json()["nodes"][0];
        assert!(node["height"].as_u64() >= Some(3), "{node}");
        network.run(&["add"]).refuses(2, &["on Docker"]);
        network.run(&["logs"]).refuses(1, &["docker compose logs"]);

        let down = network.run(&["down"]);
        assert!(down.code == 0 && down.stdout.contains("up --on docker"), "{}{}", down.stdout, down.stderr);
        assert!(network.all().is_empty(), "no container is left");
        network.run(&["up", "--detach"]).refuses(1, &["--on docker"]);
    }
}
