//! The page in a real browser: headless Chromium, driven through chromedriver.
//!
//! On a machine without them the test says that it was skipped, and why; with `TESTOON_REQUIRE_BROWSER=1`, as in `.ci/run`, it fails
//! instead. `TESTOON_SCREENSHOTS=DIR` keeps a picture of each view. What the server behind the page answers is in `web`.

mod explorer;
mod quality;

use crate::web::Page;
use explorer::{RESULTS, break_and_mine_again, follow_coins};
use fantoccini::{Client, ClientBuilder};
use kit::Network;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Longest wait for something to appear on the page.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// chromedriver, ended when dropped.
struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// `None` where there is none and none is required.
    fn start() -> Option<Driver> {
        let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                let is_required = std::env::var_os("TESTOON_REQUIRE_BROWSER").is_some();
                assert!(!is_required, "chromedriver cannot be started: {error}");
                eprintln!("skipped: chromedriver cannot be started ({error}); install chromium and chromium-driver");
                return None;
            }
        };
        let lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("started successfully on port ")?;
            rest.trim_end_matches('.').parse().ok()
        });
        Some(Driver { child, port: port.expect("chromedriver names its port") })
    }

    async fn session(&self) -> Client {
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--force-prefers-reduced-motion",
            "--window-size=1280,1000",
        ];
        let capabilities =
            json!({ "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" } });
        let Value::Object(capabilities) = capabilities else { unreachable!("it is an object") };
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let mut builder = ClientBuilder::new(connector);
        builder.capabilities(capabilities);
        builder.connect(&format!("http://127.0.0.1:{}", self.port)).await.expect("a browser session")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to clean up then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page in the browser.
struct Tab {
    client: Client,
    url: String,
}

impl Tab {
    async fn go(&self, view: &str) {
        self.client.goto(&format!("{}#/{view}", self.url)).await.expect("the page opens");
    }

    async fn script(&self, text: &str) -> Value {
        self.client.execute(text, vec![]).await.unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    /// Runs a script until it returns something other than null and false. The browser draws at its own pace, and tells nobody.
    async fn until(&self, what: &str, script: &str) -> Value {
        let waited = tokio::time::timeout(WAIT_MAX, async {
            loop {
                let found = self.script(script).await;
                if found != Value::Null && found != json!(false) {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        });
        match waited.await {
            Ok(found) => found,
            Err(_) => {
                let text = self.script("return document.body.innerText").await;
                panic!(
                    "waited {} s in vain until {what}; the page says:\n{}",
                    WAIT_MAX.as_secs(),
                    text.as_str().unwrap_or("")
                )
            }
        }
    }

    async fn until_text(&self, text: &str) {
        let script = format!("return document.body.innerText.includes({})", json!(text));
        self.until(&format!("the page says {text:?}"), &script).await;
    }

    /// Presses a button once it is there and can be pressed. In one step, since a view may be drawn anew between two.
    async fn click(&self, button: &str) {
        let script = format!(
            "const found = [...document.querySelectorAll('button')].find((one) => one.innerText.trim() === {} && !one.disabled);
             found?.click();
             return found !== undefined",
            json!(button)
        );
        self.until(&format!("there is a button {button:?}"), &script).await;
    }

    async fn picture(&self, name: &str) {
        if let Some(directory) = std::env::var_os("TESTOON_SCREENSHOTS") {
            let bytes = self.client.screenshot().await.expect("a picture");
            std::fs::write(std::path::Path::new(&directory).join(format!("{name}.png")), bytes).expect("it is kept");
        }
    }

    /// Nothing was asked of another origin, no rule of the content security policy was broken, and everything that can be used has a name.
    async fn is_clean(&self, view: &str) {
        let elsewhere = self
            .script(
                "return performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin))",
            )
            .await;
        assert_eq!(elsewhere, json!([]), "{view}: requests to elsewhere");
        let nameless = self
            .script(
                "const named = (one) => one.getAttribute('aria-label') || one.innerText?.trim() || one.title || one.labels?.length || one.placeholder;
                 return [...document.querySelectorAll('button, a, input, select, canvas, svg[role], [role=button]')]
                   .filter((one) => !named(one)).map((one) => one.outerHTML.slice(0, 120))",
            )
            .await;
        assert_eq!(nameless, json!([]), "{view}: things without a name for a screen reader");
        // WCAG 2: 4.5 for text. The ratio of each visible text's colour to the colour behind it.
        let faint = self.script(CONTRAST).await;
        assert_eq!(faint, json!([]), "{view}: text that is hard to read");
    }
}

/// Texts whose contrast to what is behind them is below 4.5 (WCAG 2.2, success criterion 1.4.3).
const CONTRAST: &str = "
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => { const f = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = (one) => { for (let at = one; at; at = at.parentElement) { const colour = getComputedStyle(at).backgroundColor; const parts = parse(colour); if (colour.startsWith('rgb') && (parts.length < 4 || parts[3] > 0.99)) return parts; } return [255, 255, 255]; };
  return [...document.querySelectorAll('p, td, th, dt, dd, h1, h2, h3, a, button, label, li')].filter((one) => one.checkVisibility() && !one.disabled && !one.closest('.hidden, .skip, .heat, svg') && one.innerText?.trim())
    .filter((one) => { const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05) < 4.5; })
    .map((one) => `${one.tagName} ${getComputedStyle(one).color} on ${behind(one)}: ${one.innerText.slice(0, 40)}`);";

/// Runs a story in a browser tab at a network's page.
fn in_browser(network: &Network, story: impl AsyncFnOnce(Tab, Page)) {
    let Some(driver) = Driver::start() else { return };
    let page = Page::start(network);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let tab = Tab { client: driver.session().await, url: page.url().to_owned() };
        let client = tab.client.clone();
        story(tab, page).await;
        client.close().await.expect("the session ends");
    });
}

/// Chooses nodes in the graph by name, the later ones with Shift.
fn choose(names: &[&str]) -> String {
    format!(
        "for (const [at, name] of {}.entries()) {{
           const node = document.querySelector(`g.node[data-key=\"${{name}}\"]`), box = node.getBoundingClientRect();
           const where = {{ clientX: box.x + box.width / 2, clientY: box.y + 8, bubbles: true, shiftKey: at > 0 }};
           node.dispatchEvent(new PointerEvent('pointerdown', where));
           window.dispatchEvent(new PointerEvent('pointerup', where));
         }}
         return true",
        json!(names)
    )
}

/// Draws a line around node0 in the graph.
const LASSO: &str = "
  const svg = document.querySelector('svg[role=group]'), box = document.querySelector('g.node[data-key=node0] circle').getBoundingClientRect();
  const corners = [[-9, -9], [box.width + 9, -9], [box.width + 9, box.height + 9], [-9, box.height + 9]];
  const at = ([x, y]) => ({ clientX: box.x + x, clientY: box.y + y, bubbles: true });
  svg.dispatchEvent(new PointerEvent('pointerdown', at(corners[0])));
  for (const corner of corners) window.dispatchEvent(new PointerEvent('pointermove', at(corner)));
  window.dispatchEvent(new PointerEvent('pointerup', at(corners[3])));
  return true";

#[test]
fn an_attack_is_staged_watched_and_judged_by_clicking() {
    let network = Network::up(&["--nodes", "1"]);
    in_browser(&network, async |tab, _page| {
        tab.go("attack").await;
        tab.until_text("Run it on real nodes").await;
        // Seven in ten against one confirmation: almost certain, and soon over.
        tab.script(
            "const set = (key, value) => { const input = document.querySelector(`[data-key=${key}]`); input.value = value; input.dispatchEvent(new Event('input')); };
             set('share', 70); set('confirmations', 1);",
        )
        .await;
        tab.until(
            "the odds follow the sliders",
            "return document.body.innerText.includes('70.0 %') && document.body.innerText.includes('1 confirmation')",
        )
        .await;
        tab.script("document.querySelector('[data-key=step]').click()").await;
        tab.click("Run it on real nodes").await;
        tab.until("both branches are there", "return document.body.innerText.includes('The attacker')").await;
        // Time stands still at each step of the story until somebody goes on.
        tab.until_text("Time stands still").await;
        tab.until_text("The shop's orders").await;
        tab.is_clean("attack, at a step").await;
        // From a second page: one at a time, said in one line.
        let second = tab
            .script(
                "const token = document.querySelector('meta[name=testoon-token]').content;
                 return fetch('/api/attack', { method: 'POST', headers: { 'x-testoon-token': token }, body: JSON.stringify({ attack: 'halt', share: 0.6 }) })
                   .then(async (answer) => [answer.status, (await answer.json()).error])",
            )
            .await;
        assert_eq!(second[0], 409, "{second}");
        assert!(second[1].as_str().is_some_and(|error| error.contains("running already")), "{second}");
        tab.until(
            "there is a verdict",
            "[...document.querySelectorAll('button')].find((one) => one.innerText === 'Go on' && !one.disabled)?.click();
             return document.querySelector('.verdict')?.innerText",
        )
        .await;
        for words in
            ["hash share, asked", "shop's balance now", "testoon attack double-spend", "4. The end of the race"]
        {
            tab.until_text(words).await;
        }
        tab.picture("attack").await;
        tab.is_clean("attack").await;
        // The nodes stay, so that whoever looks through the shop's eyes finds them.
        tab.click("The shop").await;
        let story = tab.script("return fetch('/api/story').then((answer) => answer.json())").await;
        assert_eq!(story["running"], true, "its nodes are kept");
        tab.click("End its network").await;
        tab.until(
            "it has ended",
            "return fetch('/api/story').then((answer) => answer.json()).then((story) => !story.running)",
        )
        .await;

        // The same attack again, from its recording, and what its rest could have come to.
        tab.go("replay").await;
        tab.until(
            "the run is listed",
            "const run = document.querySelector('a[href^=\"#/replay/attack/\"]'); run?.click(); return run",
        )
        .await;
        tab.until(
            "the end of it is shown",
            "const moment = document.querySelector('[data-key=moment]'); if (!moment) return false;
             moment.value = moment.max; moment.dispatchEvent(new Event('input')); return document.body.innerText.includes('reversed') || document.body.innerText.includes('confirmation')",
        )
        .await;
        tab.until(
            "the race can be played again",
            "const moment = document.querySelector('[data-key=moment]'); const button = document.querySelector('[data-key=rest]');
             if (button) return true; moment.value = Number(moment.value) - 1; moment.dispatchEvent(new Event('input')); return false",
        )
        .await;
        tab.script("document.querySelector('[data-key=if-share]').value = 20; document.querySelector('[data-key=rest]').click()").await;
        tab.until_text("succeeds in").await;
        tab.until_text("as recorded").await;
        tab.picture("replay").await;
        tab.is_clean("replay").await;

        // How it ended is a point beside the formula, and so is what a study's file says.
        tab.go("odds").await;
        tab.until_text("▲ recorded live attacks").await;
        tab.script(RESULTS).await;
        tab.until_text("◆ results.csv").await;
        tab.until_text("notes.json is left out").await;
        let point =
            tab.script("return [...document.querySelectorAll('.heat .point')].map((one) => one.innerText)").await;
        assert_eq!(point, json!(["◆ 18.4 %"]), "30 % against 3 confirmations is a cell; 33 % is none");
        assert_eq!(tab.script("return document.querySelectorAll('img.plot').length").await, 1);
        tab.picture("odds-measured").await;
        tab.is_clean("measured odds").await;
    });
}

#[test]
fn a_network_is_cut_and_healed_by_clicking_and_every_view_is_clean() {
    let network = Network::up(&["--nodes", "4"]);
    in_browser(&network, async |tab, page| {
        tab.go("network").await;
        tab.until("four nodes are drawn", "return document.querySelectorAll('g.node').length === 4").await;
        tab.until("links are drawn", "return document.querySelectorAll('svg .link').length >= 3").await;
        // A line drawn around a node chooses it.
        tab.script(LASSO).await;
        tab.until("node0 is chosen", "return document.querySelector('g.node.chosen')?.dataset.key === 'node0' && document.querySelectorAll('g.node.chosen').length === 1").await;
        tab.click("Cut them off from the rest").await;
        tab.until_text("partitioned").await;
        tab.until_text("testoon net partition node0").await;
        tab.picture("network").await;
        tab.is_clean("network").await;
        tab.until(
            "both sides have found blocks of their own",
            "return fetch('/api/net/state').then((answer) => answer.json()).then(({ blocks }) =>
               [true, false].every((side) => blocks.some(({ only }) => only.length > 0 && only.includes('node0') === side)))",
        )
        .await;
        tab.go("chain").await;
        tab.until_text("the network is partitioned: node0").await;
        tab.picture("chain").await;
        tab.is_clean("chain").await;
        tab.go("network").await;
        tab.until_text("Choose a node").await;
        tab.script(&choose(&["node1"])).await;
        tab.click("Heal the network").await;
        tab.go("chain").await;
        tab.until_text("the partition is healed").await;
        tab.until_text("for a branch with more work").await;
        tab.until_text("changed to a branch with more work").await;
        tab.picture("reorganisation").await;

        // What stands here is a file that starts the same network again.
        let text = tab
            .script(
                "return import('/app/build.js').then(async ({ networkFile }) => {
                   const { network } = await (await fetch('/api/net/state')).json(), { answer } = await (await fetch('/api/net/topology')).json();
                   return networkFile(network, answer.links);
                 })",
            )
            .await;
        let place = tempfile::tempdir().expect("a temporary directory");
        let (file, directory) = (place.path().join("net.toml"), place.path().join("net").display().to_string());
        std::fs::write(&file, text.as_str().expect("a text")).expect("it is written");
        let up = kit::run(&["up", "--detach", "--file", &file.display().to_string(), "--dir", &directory, "--json"]);
        // In parts of a million: shares are divided by their sum, which rounds.
        let shares = |nodes: &Value| -> Vec<(Value, u64)> {
            let part = |node: &Value| (1e6 * node["share_asked"].as_f64().expect("a share")).round() as u64;
            nodes.as_array().expect("nodes").iter().map(|node| (node["name"].clone(), part(node))).collect()
        };
        let copy = shares(&up.json()["nodes"]);
        assert_eq!(kit::run(&["down", "--dir", &directory]).code, 0);
        assert_eq!(copy, shares(&json!(network.nodes())), "{text}");

        // A node that is down is shown as such, and is started again.
        tab.go("network/node3").await;
        tab.click("Kill it").await;
        tab.click("Start it").await;
        tab.until("it answers again", "return [...document.querySelectorAll('button')].some((one) => one.innerText === 'Kill it' && !one.disabled)").await;

        // A payment, followed through the explorer, and the way back.
        tab.go("network").await;
        tab.click("Pay").await;
        tab.until("the payment is shown", "return location.hash.startsWith('#/explorer/transaction/')").await;
        tab.until_text("Its 226 bytes").await;
        tab.until(
            "its bytes are explained",
            "document.querySelector('.bytes span').focus(); return document.body.innerText.includes('version: ')",
        )
        .await;
        tab.picture("explorer").await;
        tab.is_clean("explorer").await;
        tab.client.back().await.expect("back");
        tab.until("the network is shown again", "return location.hash === '#/network'").await;

        for view in ["explorer", "mining", "break", "odds", "classroom"] {
            tab.go(view).await;
            tab.until("the view is drawn", "return document.querySelectorAll('main section h2').length > 0").await;
            tab.picture(view).await;
            tab.is_clean(view).await;
        }
        break_and_mine_again(&tab).await;
        follow_coins(&tab).await;

        // Presented: a bar says what is to be seen, and a key goes on.
        tab.go("odds").await;
        tab.click("Present").await;
        tab.until_text("A ring's colour is the tip a node has").await;
        tab.script("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'n', bubbles: true }))").await;
        tab.until("the next view is shown", "return location.hash === '#/chain'").await;
        tab.is_clean("presenting").await;
        tab.script("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))").await;
        tab.until("it has ended", "return document.querySelector('#presenter').hidden").await;

        // What a stranger writes is text.
        tab.script(
            "document.querySelector('#search-text').value = '<img src=x onerror=alert(1)>'; document.querySelector('#search').requestSubmit();",
        )
        .await;
        tab.until_text("Nothing is found for “<img src=x onerror=alert(1)>”").await;
        assert_eq!(tab.script("return document.querySelectorAll('img').length").await, 0);

        // The launcher's page is killed and started again at the same address.
        let listen = page.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        drop(page);
        tab.go("chain").await;
        tab.until_text("reconnecting").await;
        let page = Page::start_at(&network, &listen);
        tab.until("the page is back", "return !document.body.innerText.includes('reconnecting') && document.querySelector('#facts').innerText.includes('height')").await;
        // Its token is another one: what the old page asks for is refused in one line that says what to do.
        tab.go("network").await;
        tab.click("Pay").await;
        tab.until_text("of an earlier start: reload the page").await;
        drop(page);
    });
}
