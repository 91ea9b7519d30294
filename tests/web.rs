//! The web page of a running network: the page itself, what it is told, and what it refuses.

use crate::network::pause;
use crate::support::{Network, eventually, interrupt, testoon};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

/// `testoon web`, ended when dropped.
struct Page {
    child: Child,
    url: String,
    agent: ureq::Agent,
}

impl Page {
    fn start(network: &Network) -> Page {
        let arguments = ["web", "--listen", "127.0.0.1:0", "--json", "--dir"];
        let mut child = testoon()
            .args(arguments)
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
        Page { child, url: said["url"].as_str().expect("an address").to_owned(), agent: config.build().into() }
    }

    /// Status and text of an answer, asked under a host name.
    fn get_as(&self, host: &str, path: &str) -> (u16, String) {
        let request = self.agent.get(format!("{}{path}", self.url)).header("Host", host);
        let mut answer = request.call().expect("the page answers");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.get_as("localhost", path)
    }

    fn json(&self, path: &str) -> Value {
        let (status, text) = self.get(path);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It may have ended by itself, which the test then says.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn blocks_at(view: &Value, height: u64) -> usize {
    let blocks = view["blocks"].as_array().expect("blocks");
    blocks.iter().filter(|block| block["height"] == height).count()
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

    let (status, html) = page.get("");
    assert_eq!(status, 200);
    assert!(
        html.contains("<title>Testoon</title>") && !html.contains("https://"),
        "something is fetched from elsewhere"
    );

    clients[0].call("generatetoaddress", json!([2, address]));
    clients.iter().for_each(|client| client.wait_for_height(base + 2));
    let view = eventually("the page has two blocks and three nodes", || {
        let view = page.json("view");
        (blocks_at(&view, base + 2) == 1 && view["nodes"][2]["height"] == base + 2).then_some(view)
    });
    assert_eq!(view["chain"], "bitcoin-regtest");
    assert_eq!(view["nodes"].as_array().map(Vec::len), Some(3));

    assert_eq!(network.run(&["net", "partition", "node0"]).code, 0);
    clients[0].call("generatetoaddress", json!([1, address]));
    clients[1].call("generatetoaddress", json!([2, address]));
    clients[2].wait_for_height(base + 4);
    let view = eventually("the page has both branches", || {
        let view = page.json("view");
        (blocks_at(&view, base + 3) == 2 && blocks_at(&view, base + 4) == 1).then_some(view)
    });
    assert_eq!(view["partition"], json!([["node0"]]));

    assert_eq!(network.run(&["net", "heal"]).code, 0);
    clients[0].wait_for_height(base + 4);
    let tells = |view: &Value, words: &str| {
        let events = view["events"].as_array().expect("events");
        events.iter().any(|event| event["text"].as_str().is_some_and(|text| text.contains(words)))
    };
    let view = eventually("the page tells of the reorganisation", || {
        let view = page.json("view");
        tells(&view, "node0 leaves a block for a branch with more work").then_some(view)
    });
    assert!(tells(&view, "the network is partitioned: node0 | the rest"), "{}", view["events"]);
    assert_eq!(blocks_at(&view, base + 3), 2, "what lost is still shown");

    let tip = clients[0].tip();
    assert_eq!(page.json(&format!("block/{tip}"))["height"], base + 4);
    assert_eq!(page.json("mempool/node1")["count"], 0);
}

#[test]
fn the_page_refuses_strange_names_and_says_what_is_not_there() {
    let network = Network::up(&["--nodes", "1"]);
    let page = Page::start(&network);
    let (status, text) = page.get_as("attacker.example", "view");
    assert_eq!(status, 403, "{text}");
    for (path, word) in [("block/zz", "zz"), ("block/00", "00"), ("mempool/nobody", "nobody"), ("mempool/%2e%2e", "..")]
    {
        let (status, text) = page.get(path);
        assert_eq!(status, 404, "{path}: {text}");
        assert!(text.contains(word), "{path}: {text}");
    }
    let taken = page.url.trim_start_matches("http://").trim_end_matches('/');
    network.run(&["web", "--listen", taken]).refuses(1, &[taken, "port 0"]);

    // A network that was taken down is shown as such, and Ctrl-C ends the page alone.
    assert_eq!(network.run(&["down"]).code, 0);
    eventually("the page says that the network is down", || (page.json("view")["running"] == false).then_some(()));
    let mut page = page;
    interrupt(page.child.id());
    assert!(page.child.wait().expect("it ends").success());
}
