//! How the page feels: frames while ten thousand blocks are panned, two hundred nodes, bytes and time until it is there, the keyboard.
//!
//! Times depend on the machine: they are printed (`--nocapture`), and nothing is asserted of them.

use super::{Tab, in_browser};
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use kit::Network;
use serde_json::{Value, json};

/// Bytes that a browser may transfer for all of the page's files.
const PAGE_BYTES_MAX: u64 = 150_000;

/// Ten thousand blocks are panned, and every frame is drawn: what is not in sight costs nothing.
#[test]
fn ten_thousand_blocks_are_panned() {
    let network = Network::up(&["--nodes", "1"]);
    in_browser(&network, async |tab, _page| {
        tab.go("chain").await;
        tab.until_text("Block tree").await;
        let frames = tab.script(PAN).await;
        // The time depends on the machine; that all of them are drawn, from end to end, does not.
        assert_eq!(frames["blocks"], 10_000, "{frames}");
        assert_eq!(frames["drawn"], 120, "{frames}");
        eprintln!("120 frames over 10,000 blocks: {frames}");
    });
}

/// Draws a tree of 10,000 blocks 120 times, further along each time; milliseconds of drawing and frames a second.
const PAN: &str = "
  return (async () => {
    const { Tree } = await import('/app/tree.js'), { Network } = await import('/app/store.js');
    const net = new Network('recorded');
    for (let height = 0; height < 10000; height++)
      net.blocks.set(`b${height}`, { hash: `b${height}`, previous: height ? `b${height - 1}` : '', height, miner: 'node0', transactions: 1, only: [], txids: [] });
    net.network.nodes = [{ name: 'node0', role: 'miner', tip: 'b9999', height: 9999 }];
    const tree = new Tree(net, { label: 'Ten thousand', tall: true });
    document.querySelector('main').replaceChildren(tree.element);
    tree.draw();
    tree.follows = false;
    let drawn = 0, spent = 0;
    const began = performance.now();
    while (drawn < 120) {
      await new Promise((resume) => requestAnimationFrame(resume));
      tree.x += 8000;
      const before = performance.now();
      tree.draw();
      spent += performance.now() - before;
      drawn++;
    }
    tree.end();
    return { blocks: net.blocks.size, drawn, ms_a_frame: spent / drawn, frames_a_second: (1000 * drawn) / (performance.now() - began) };
  })()";

/// Two hundred nodes stand apart from each other, each with a name that is read aloud.
#[test]
fn two_hundred_nodes_can_be_told_apart_and_the_page_is_light() {
    let network = Network::up(&["--nodes", "1"]);
    in_browser(&network, async |tab, _page| {
        tab.go("network").await;
        tab.until("the node is drawn", "return document.querySelectorAll('g.node').length === 1").await;
        // The other views follow while the browser is idle.
        let all = tab
            .until(
                "every view's module is here",
                "const files = performance.getEntriesByType('resource').filter(({ name }) => /\\.(js|css|svg)$/.test(name));
                 return files.some(({ name }) => name.endsWith('classroom.js')) && files.some(({ name }) => name.endsWith('results.js')) &&
                   files.every(({ responseEnd }) => responseEnd > 0) ? [files.length, files.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)] : null",
            )
            .await;
        assert!(all[1].as_u64().is_some_and(|bytes| bytes > 0 && bytes < PAGE_BYTES_MAX), "{all}");
        let paint =
            tab.script("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null").await;
        eprintln!("{} files, {} bytes transferred; first contentful paint after {paint} ms", all[0], all[1]);

        for (width, count) in [(1280, 50), (1280, 200), (390, 200)] {
            tab.client.set_window_size(width, 1000).await.expect("a window of that size");
            tab.client.refresh().await.expect("the page again");
            tab.until("the node is drawn", "return document.querySelectorAll('g.node').length === 1").await;
            let found = tab.script(&MANY.replace("COUNT", &count.to_string())).await;
            assert_eq!(found["nodes"], count, "{found}");
            assert_eq!(found["names"], count, "{found}");
            assert_eq!(found["overlaps"], json!([]), "{count} nodes at {width} pixels");
            tab.picture(&format!("{count}-nodes-{width}")).await;
            eprintln!("{count} nodes at {width} pixels: {} ms a redraw", found["ms"]);
        }
    });
}

/// Draws a network of COUNT nodes with the view's own code; counts marks, names, and pairs of marks that overlap.
const MANY: &str = "
  return (async () => {
    const { networkView } = await import('/app/network.js'), { Network } = await import('/app/store.js');
    const net = new Network('recorded');
    net.network.nodes = Array.from({ length: COUNT }, (_, at) => ({ name: `node${at}`, role: 'miner', height: 9, tip: 'aa', peers: 4, mempool: 0,
      share_asked: 0.01, share_achieved: 0.01, rpc: '', datadir: '', pid: 1 }));
    const main = document.querySelector('main');
    main.replaceChildren();
    const view = networkView({ net, attacked: net, go() {}, tell() {} }, main, []);
    const began = performance.now();
    for (let times = 0; times < 10; times++) view.draw();
    const ms = (performance.now() - began) / 10;
    const marks = [...main.querySelectorAll('g.node')], names = new Set(marks.map((mark) => mark.getAttribute('aria-label').split(',')[0]));
    const circles = marks.map((mark) => mark.querySelector('circle').getBoundingClientRect());
    const overlaps = [];
    circles.forEach((one, at) => circles.slice(0, at).forEach((other, before) => {
      if (Math.hypot(one.x - other.x, one.y - other.y) < one.width) overlaps.push([before, at]);
    }));
    view.end();
    return { nodes: marks.length, names: names.size, overlaps, ms: Math.round(10 * ms) / 10 };
  })()";

/// Everything is reached by Tab, and used by keys alone.
#[test]
fn the_keyboard_is_enough() {
    let network = Network::up(&["--nodes", "2"]);
    in_browser(&network, async |tab, _page| {
        tab.go("network").await;
        tab.until("both nodes are drawn", "return document.querySelectorAll('g.node').length === 2").await;
        tab_to(&tab, "g.node[data-key=node1]").await;
        press(&tab, Key::Enter).await;
        tab.until("node1 is chosen", "return document.querySelector('g.node.chosen')?.dataset.key === 'node1'").await;
        // The focus stays where it was, though the graph is drawn anew.
        assert_eq!(tab.script("return document.activeElement.dataset.key").await, "node1");
        tab_to(&tab, "[data-key='Mine a block']").await;
        press(&tab, Key::Enter).await;
        tab.until_text("testoon mine node1 1").await;
        tab_to(&tab, "nav a[href='#/chain']").await;
        press(&tab, Key::Enter).await;
        tab.until("the tree is drawn", "return document.querySelector('canvas') !== null").await;
        let has_two = r"return /height\s+([2-9]|\d\d)/.test(document.body.innerText)";
        tab.until("there are blocks to walk along", has_two).await;
        tab_to(&tab, "canvas").await;
        press(&tab, Key::Left).await;
        tab.until_text("who has it").await;
        let first = tab.script("return document.querySelector('[aria-label=\"The chosen block\"] h2').innerText").await;
        press(&tab, Key::Left).await;
        let second =
            tab.script("return document.querySelector('[aria-label=\"The chosen block\"] h2').innerText").await;
        assert_ne!(first, second, "an arrow goes to the block before");
        press(&tab, Key::Enter).await;
        tab.until("the block is opened", "return location.hash.startsWith('#/explorer/block/')").await;
        tab.until_text("The header's 80 bytes").await;
        tab_to(&tab, ".bytes span").await;
        tab.until_text("version: ").await;
    });
}

/// Presses a key where the focus is.
async fn press(tab: &Tab, key: Key) {
    let value = char::from(key);
    let keys = KeyActions::new("keyboard".into()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
    tab.client.perform_actions(keys).await.expect("a key is pressed");
}

/// Presses Tab until the focus is on what a selector finds.
async fn tab_to(tab: &Tab, selector: &str) {
    let is_there = format!("return document.activeElement?.matches({})", json!(selector));
    for _ in 0..120 {
        if tab.script(&is_there).await == Value::Bool(true) {
            return;
        }
        press(tab, Key::Tab).await;
    }
    panic!("Tab never comes to {selector}");
}
