//! The web page of a running network: the page itself, what it is told, and what it refuses.

use crate::network::pause;
use kit::process::interrupt;
use kit::{Finished, Network, eventually, testoon};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

/// `testoon web`, ended when dropped.
pub struct Page {
    child: Child,
    url: String,
    class_url: Option<String>,
    agent: ureq::Agent,
}

impl Page {
    /// Serves a network's page on a free port.
    pub fn start(network: &Network) -> Page {
        Page::start_at(network, "127.0.0.1:0")
    }

    /// Serves it on an address.
    pub fn start_at(network: &Network, listen: &str) -> Page {
        Page::start_with(network, &["--listen", listen])
    }

    /// Serves it with more arguments.
    pub fn start_with(network: &Network, arguments: &[&str]) -> Page {
        let mut child = testoon()
            .args(["web", "--json"])
            .args(arguments)
            .arg("--dir")
            .arg(network.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary under test runs");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        let address = |name: &str| said[name].as_str().map(str::to_owned);
        Page {
            child,
            url: address("url").expect("an address"),
            class_url: address("class_url"),
            agent: config.build().into(),
        }
    }

    /// Where a class looks on.
    pub fn class_url(&self) -> &str {
        self.class_url.as_deref().expect("it was started for a class")
    }

    /// Where it is, with a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Status and text of an answer, asked under a host name.
    fn get_as(&self, host: &str, path: &str) -> (u16, String) {
        let request = self.agent.get(format!("{}{path}", self.url)).header("Host", host);
        let mut answer = request.call().expect("the page answers");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    }

    /// Status and text of an answer.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.get_as("localhost", path)
    }

    /// An answer that is not refused.
    pub fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Everything at once.
    pub fn state(&self) -> Value {
        self.json("api/net/state")
    }

    /// The token that the served page holds.
    fn token(&self) -> String {
        let (_, html) = self.get("");
        let (_, rest) = html.split_once("name=\"testoon-token\" content=\"").expect("the page holds a token");
        rest.split('"').next().expect("it ends").to_owned()
    }

    /// Posts JSON with a token; `None` sends none.
    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.header("x-testoon-token", token);
        }
        let mut answer = request.send(body.to_string()).expect("the page answers");
        let text = answer.body_mut().read_to_string().expect("text");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_else(|_| json!({ "error": text.trim() })))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It may have ended by itself, which the test then says.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn blocks_at(state: &Value, height: u64) -> usize {
    let blocks = state["blocks"].as_array().expect("blocks");
    blocks.iter().filter(|block| block["height"] == height).count()
}

fn tells(state: &Value, words: &str) -> bool {
    let happenings = state["happenings"].as_array().expect("happenings");
    happenings.iter().any(|happening| happening["text"].as_str().is_some_and(|text| text.contains(words)))
}

#[test]
fn the_page_shows_both_branches_of_a_partition_and_how_one_is_left() {
    let network = Network::up(&["--chain", "bitcoin-regtest", "--nodes", "3", "--hashrate", "1"]);
    // From here on nobody mines unless asked.
    pause(&network, true);
    let clients = network.clients();
    let address = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";
    clients[0].call("generatetoaddress", json!([1, address]));
    let base = eventually("all nodes have one tip", || {
        let heights: Vec<u64> = clients.iter().map(|client| client.height()).collect();
        heights.iter().all(|height| *height == heights[0]).then_some(heights[0])
    });
    let page = Page::start(&network);
    clients[0].call("generatetoaddress", json!([2, address]));
    clients.iter().for_each(|client| client.wait_for_height(base + 2));
    let state = eventually("the page has two blocks and three nodes", || {
        let state = page.state();
        (blocks_at(&state, base + 2) == 1 && state["network"]["nodes"][2]["height"] == base + 2).then_some(state)
    });
    assert_eq!(state["network"]["chain"], "bitcoin-regtest");
    assert_eq!(state["network"]["nodes"].as_array().map(Vec::len), Some(3));

    // By the page's own action, which is the command.
    let token = page.token();
    let (status, answer) = page.post("api/do", Some(&token), &json!({ "action": "partition", "groups": "node0" }));
    assert_eq!((status, &answer["ok"]), (200, &json!(true)), "{answer}");
    assert_eq!(answer["command"], "testoon net partition node0");
    clients[0].call("generatetoaddress", json!([1, address]));
    clients[1].call("generatetoaddress", json!([2, address]));
    clients[2].wait_for_height(base + 4);
    let state = eventually("the page has both branches and who has them", || {
        let state = page.state();
        let blocks = state["blocks"].as_array().expect("blocks");
        let only = |names: Value| blocks.iter().filter(|block| block["only"] == names).count();
        (only(json!(["node0"])) == 1 && only(json!(["node1", "node2"])) == 2).then_some(state.clone())
    });
    assert_eq!(state["network"]["partition"], json!([["node0"]]));

    let (_, answer) = page.post("api/do", Some(&token), &json!({ "action": "heal", "links": false }));
    assert_eq!(answer["ok"], true, "{answer}");
    clients[0].wait_for_height(base + 4);
    let state = eventually("the page tells of the reorganisation", || {
        let state = page.state();
        tells(&state, "node0 leaves a block for a branch with more work").then_some(state)
    });
    assert!(tells(&state, "the network is partitioned: node0 | node1, node2"), "{}", state["happenings"]);
    assert_eq!(blocks_at(&state, base + 3), 2, "what lost is still shown");

    let tip = clients[0].tip();
    let block = page.json(&format!("api/net/block/{tip}"));
    assert_eq!(block["height"], base + 4);
    assert!(block["hex"].as_str().is_some_and(|hex| hex.len() > 160));
    let coinbase = block["tx"][0]["txid"].as_str().expect("a txid");
    assert_eq!(page.json(&format!("api/net/transaction/{coinbase}"))["blockhash"], tip);
    assert_eq!(page.json(&format!("api/net/height/{}", base + 4)), json!(tip));
    assert_eq!(page.json("api/net/mempool/node1")["count"], 0);
    assert_eq!(page.json(&format!("api/net/address/{address}"))["unspents"].as_array().map(Vec::len), Some(5));
}

/// What one look misses the stream brings, in numbers that go up by one, and it can be resumed.
#[test]
fn the_stream_of_events_goes_on_where_its_reader_was() {
    let network = Network::up(&["--chain", "bitcoin-regtest", "--nodes", "1", "--hashrate", "1"]);
    pause(&network, true);
    let client = &network.clients()[0];
    let page = Page::start(&network);
    let seen = eventually("the page has the node and all its blocks", || {
        let state = page.state();
        let (blocks, height) =
            (state["blocks"].as_array()?.len() as u64, state["network"]["nodes"][0]["height"].as_u64()?);
        (blocks == height + 1).then(|| page.state()["last_event"].as_u64().expect("a number"))
    });
    let address = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";
    let hashes = client.call("generatetoaddress", json!([3, address]));
    let read = |after: u64, wanted: usize| {
        let request = page.agent.get(format!("{}api/net/events?after={after}", page.url));
        let answer = request.call().expect("the page answers");
        let mut reader = BufReader::new(answer.into_body().into_reader());
        let (mut ids, mut blocks, mut kind) = (Vec::new(), Vec::new(), String::new());
        while blocks.len() < wanted {
            let mut line = String::new();
            assert!(reader.read_line(&mut line).expect("the stream goes on") > 0, "it ended");
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => kind = name.to_owned(),
                Some(("id", id)) => ids.push(id.parse::<u64>().expect("a number")),
                Some(("data", data)) if kind == "block" => {
                    let block: Value = serde_json::from_str(data).expect("JSON");
                    // One that was in the state may be told once more: the state is numbered before it is put together.
                    if hashes.as_array().expect("hashes").contains(&block["hash"]) {
                        blocks.push((ids.last().copied(), block["hash"].clone()));
                    }
                }
                _ => {}
            }
        }
        (ids, blocks)
    };
    let (ids, blocks) = read(seen, 3);
    assert!(ids.iter().zip(&ids[1..]).all(|(a, b)| b - a <= 1), "numbers go up by one: {ids:?}");
    let mut found: Vec<&Value> = blocks.iter().map(|(_, hash)| hash).collect();
    found.sort_by_key(|hash| hash.to_string());
    let mut made: Vec<&Value> = hashes.as_array().expect("hashes").iter().collect();
    made.sort_by_key(|hash| hash.to_string());
    assert_eq!(found, made);
    let (first, _) = blocks[0].clone();
    let (_, again) = read(first.expect("it has a number"), 2);
    assert_eq!(again, blocks[1..], "what came after the first");
}

#[test]
fn the_page_refuses_strange_names_and_says_what_is_not_there() {
    let network = Network::up(&["--nodes", "1"]);
    let page = Page::start(&network);
    eventually("the page has the network", || (page.state()["network"]["running"] == true).then_some(()));
    let (status, text) = page.get_as("attacker.example", "api/net/state");
    assert_eq!(status, 403, "{text}");
    for (path, word) in [
        ("api/net/block/zz", "zz"),
        ("api/net/block/00", "00"),
        ("api/net/transaction/zz", "zz"),
        ("api/net/mempool/nobody", "nobody"),
        ("api/net/mempool/%2e%2e", ".."),
        ("api/nowhere/state", "nowhere"),
        ("app/../../Cargo.toml", "nothing is here"),
    ] {
        let (status, text) = page.get(path);
        assert_eq!(status, 404, "{path}: {text}");
        assert!(text.contains(word), "{path}: {text}");
    }
    let (status, text) = page.get("api/odds?share=2&confirmations=1");
    assert_eq!(status, 400, "{text}");
    let odds = page.json("api/odds?share=0.3&confirmations=3");
    // Rosenfeld 2014: 32.62 %; a tie that wins nothing: 18.01 % (the same race, from one block further behind).
    assert!((odds["rosenfeld"].as_f64().expect("a number") - 0.326_16).abs() < 1e-5, "{odds}");
    assert!((odds["matching"].as_f64().expect("a number") - 0.180_1).abs() < 1e-4, "{odds}");

    let taken = page.url.trim_start_matches("http://").trim_end_matches('/');
    network.run(&["web", "--listen", taken]).refuses(1, &[taken, "port 0"]);

    // A network that was taken down is shown as such, and Ctrl-C ends the page alone.
    assert_eq!(network.run(&["down"]).code, 0);
    eventually("the page says that the network is down", || {
        (page.state()["network"]["running"] == false).then_some(())
    });
    let mut page = page;
    interrupt(page.child.id());
    assert!(page.child.wait().expect("it ends").success());
}

#[test]
fn only_the_page_itself_changes_something_and_what_it_cannot_do_is_one_line() {
    let network = Network::up(&["--nodes", "2"]);
    let page = Page::start(&network);
    let token = page.token();
    let pay = json!({ "action": "pay", "from": "alice", "to": "bob", "amount": "1" });
    for wrong in [None, Some("guess")] {
        let (status, answer) = page.post("api/do", wrong, &pay);
        assert_eq!(status, 403, "{answer}");
    }
    let (status, answer) = page.post("api/do", Some(&token), &pay);
    assert_eq!((status, &answer["ok"]), (200, &json!(true)), "{answer}");
    assert_eq!(answer["answer"]["txid"].as_str().map(str::len), Some(64));
    for (action, word) in [
        (json!({ "action": "pay", "from": "alice", "to": "bob", "amount": "1000000" }), "alice"),
        (json!({ "action": "kill", "node": "nobody" }), "nobody"),
        (json!({ "action": "partition", "groups": "nobody" }), "nobody"),
    ] {
        let (status, answer) = page.post("api/do", Some(&token), &action);
        assert_eq!((status, &answer["ok"]), (200, &json!(false)), "{answer}");
        let error = answer["error"].as_str().expect("one line");
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
    }
    for action in [json!({ "action": "kill", "node": "--dir" }), json!({ "action": "shell" }), json!(7)] {
        let (status, answer) = page.post("api/do", Some(&token), &action);
        assert_eq!(status, 400, "{answer}");
    }
    let (status, answer) = page.post("api/attack", Some(&token), &json!({ "attack": "; rm", "share": 0.5 }));
    assert_eq!(status, 409, "{answer}");
}

/// What was watched is kept, and read back line by line; what is no recording is not.
#[test]
fn a_watched_network_is_recorded() {
    let network = Network::up(&["--chain", "bitcoin-regtest", "--nodes", "2", "--hashrate", "1"]);
    pause(&network, true);
    let page = Page::start(&network);
    let client = &network.clients()[0];
    let address = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";
    eventually("the page has the network", || (page.state()["network"]["running"] == true).then_some(()));
    let hashes = client.call("generatetoaddress", json!([3, address]));
    let lines = eventually("the new tip is in the recording, with both nodes on it", || {
        let runs = page.json("api/runs");
        let run = runs["runs"].as_array()?.iter().find(|run| run["kind"] == "network")?.clone();
        let (status, text) = page.get(&format!("api/runs/net/{}", run["name"].as_str()?));
        assert_eq!(status, 200, "{text}");
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut on_it: Vec<&Value> = lines
            .iter()
            .filter(|line| line["event"] == "tips")
            .filter_map(|line| line["tips"][hashes[2].as_str()?].as_array())
            .flatten()
            .collect();
        on_it.sort_by_key(|name| name.to_string());
        (on_it == ["node0", "node1"]).then_some(lines.clone())
    });
    assert_eq!(lines[0]["event"], "recording");
    assert_eq!(lines[0]["nodes"].as_array().map(Vec::len), Some(2));
    for hash in hashes.as_array().expect("hashes") {
        let blocks = lines.iter().filter(|line| line["event"] == "block" && line["hash"] == *hash);
        assert_eq!(blocks.count(), 1, "{hash}");
    }
    for path in ["api/runs/net/..%2f..%2fnetwork.json", "api/runs/net/x.jsonl", "api/runs/nowhere/x.jsonl"] {
        assert_eq!(page.get(path).0, 404, "{path}");
    }
}

/// A recorded moment's rest is played by the launcher's own command and held against the formula; what makes no sense is one line.
#[test]
fn the_rest_of_a_recorded_run_is_asked_by_scripts() {
    let network = Network::up(&["--nodes", "1"]);
    let runs = network.path().join("runs");
    std::fs::create_dir_all(&runs).expect("a directory");
    let lines = [
        json!({ "event": "recording", "kind": "attack", "began": 1, "title": "double-spend, share 0.3", "attack": "double-spend",
                "share": 0.3, "confirmations": 2, "give_up": 20, "premine": 0 }),
        json!({ "s": 4.5, "event": "odds", "confirmations": 2, "own": 0, "public": 2, "behind": 2, "shipped": true, "odds": 0.08 }),
    ];
    std::fs::write(runs.join("1-0-attack.jsonl"), lines.map(|line| format!("{line}\n")).concat())
        .expect("it is written");
    let page = Page::start(&network);
    let token = page.token();
    let ask = |network: &str, change: &str, live: u32| {
        let question = json!({ "network": network, "run": "1-0-attack.jsonl", "at": 4.5, "change": change, "runs": 2000, "live_runs": live });
        page.post("api/replay", Some(&token), &question)
    };
    let (status, played) = ask("net", "confirmations=6", 0);
    assert_eq!((status, &played["ok"]), (200, &json!(true)), "{played}");
    assert_eq!(played["command"], "testoon replay 1-0-attack.jsonl --at=4.5 --change=confirmations=6 --runs=2000");
    let futures = played["answer"]["futures"].as_array().expect("futures");
    assert_eq!(futures.len(), 2, "{played}");
    // From two behind to one ahead: (q/p)³ = (3/7)³ = 7.87 %; giving up 20 behind takes less than a millionth of that.
    let expected = (3.0f64 / 7.0).powi(3);
    assert!((futures[0]["odds"].as_f64().expect("odds") - expected).abs() < 1e-6, "{played}");
    let rate = futures[0]["simulated"]["rate"].as_f64().expect("a rate");
    // Four standard errors of 2,000 runs.
    assert!((rate - expected).abs() < 4.0 * (expected * (1.0 - expected) / 2000.0).sqrt(), "{played}");
    let (_, refused) = ask("net", "luck=3", 0);
    assert_eq!(refused["ok"], false, "{refused}");
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("luck")), "{refused}");
    assert_eq!(ask("nowhere", "", 0).0, 404);
    assert_eq!(ask("net", "", 21).0, 400);
}

/// Students see everything with their token, place an order, and change nothing else.
#[test]
fn a_class_looks_on_and_orders() {
    let network = Network::up(&["--nodes", "2"]);
    let page = Page::start_with(&network, &["--listen", "127.0.0.1:0", "--web-listen", "127.0.0.1:0"]);
    eventually("the page has the network", || (page.state()["network"]["running"] == true).then_some(()));
    let (base, token) = page.class_url().split_once("?class=").expect("a token");
    let described = page.json("api/class");
    assert_eq!(described["url"], page.class_url());
    let status = |path: &str, cookie: Option<&str>| {
        let mut request = page.agent.get(format!("{base}{path}"));
        if let Some(cookie) = cookie {
            request = request.header("cookie", format!("testoon_class={cookie}"));
        }
        let mut answer = request.call().expect("it answers");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    };
    assert_eq!(status("", None).0, 403);
    assert_eq!(status("api/net/state", Some("guess")).0, 403);
    let (code, html) = status(&format!("?class={token}"), None);
    assert_eq!(code, 200);
    assert!(!html.contains(&page.token()) && html.contains("content=\"\""), "a student's page holds no token");
    let (code, state) = status("api/net/state", Some(token));
    let state: Value = serde_json::from_str(&state).expect("JSON");
    assert_eq!((code, &state["class"], &state["read_only"]), (200, &json!(true), &json!(true)));
    let post = |path: &str, body: Value| {
        let request = page.agent.post(format!("{base}{path}")).header("cookie", format!("testoon_class={token}"));
        let mut answer = request.header("x-testoon-token", token).send(body.to_string()).expect("it answers");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    };
    assert_eq!(post("api/do", json!({ "action": "kill", "node": "node1" })).0, 403);
    assert_eq!(post("api/attack", json!({ "attack": "halt", "share": 0.5 })).0, 403);
    assert_eq!(post("api/class/order", json!({ "amount": "1000" })).0, 400);
    let (code, text) = post("api/class/order", json!({}));
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &answer["ok"]), (200, &json!(true)), "{text}");
    assert_eq!(answer["answer"]["txid"].as_str().map(str::len), Some(64));
}

/// `up` serves the page unless told otherwise, and `down` ends it with the network.
#[test]
fn a_detached_network_has_a_page_that_ends_with_it() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let directory = place.path().join("net");
    let command = |words: &[&str]| {
        let mut command = testoon();
        command.env_remove("TESTOON_NO_WEB").args(words).arg("--dir").arg(&directory);
        Finished::of(&mut command)
    };
    let up = command(&["up", "--detach", "--nodes", "1", "--web", "127.0.0.1:0", "--json"]).json();
    let url = up["web"].as_str().expect("an address").to_owned();
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let answers = || agent.get(format!("{url}api/net/state")).call().is_ok();
    assert!(answers(), "{url}");
    assert_eq!(command(&["down"]).code, 0);
    assert!(!answers(), "the page is gone when `down` returns");
    let without = command(&["up", "--detach", "--no-web", "--json"]).json();
    assert_eq!(without["web"], Value::Null, "{without}");
    assert_eq!(command(&["down"]).code, 0);
}
