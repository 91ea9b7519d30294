/** The chain view: the block tree as any node sees it, and the block that is chosen. */
import { box, clock, counted, empty, h2, make, short, show, table, tools } from "./dom.js";
import { legend, Tree } from "./tree.js";

/** @typedef {import("./main.js").Page} Page */

/**
 * A reorganisation in words: who left which blocks for which, and what became of the payments.
 * @param {import("./store.js").Network} net @param {import("./store.js").Reorganisation} what
 */
function words(net, what) {
	const block = (/** @type {string} */ hash) => {
		const known = net.blocks.get(hash),
			text = known ? `${known.height} by ${known.miner} (${short(hash)})` : short(hash);
		return make("li", {}, net.key === "net" ? make("a", { href: `#/explorer/block/${hash}` }, text) : text);
	};
	const payment = (/** @type {string} */ txid) =>
		make(
			"li",
			{ class: "mono" },
			net.key === "net" ? make("a", { href: `#/explorer/transaction/${txid}` }, txid) : txid,
		);
	const list = (/** @type {string} */ title, /** @type {Node[]} */ items, kind = "") =>
		items.length ? [make("h3", { class: kind }, title), make("ul", {}, ...items)] : [];
	return [
		make("p", {}, make("time", {}, clock(what.s)), `: ${what.nodes.join(", ")} changed to a branch with more work.`),
		...list(`Left: ${counted(what.left.length, "block")}`, what.left.map(block)),
		...list(`Came: ${counted(what.came.length, "block")}`, what.came.map(block)),
		...list("Vanished: payments in no block and no mempool any more", what.lost.map(payment), "bad"),
		...list("Wait for a block again", what.waiting.map(payment)),
		what.lost.length || what.waiting.length
			? ""
			: make("p", {}, "The blocks left held no payment that is not in those that came."),
	];
}

/** @param {Page} page @param {HTMLElement} element @param {string[]} address the node whose eyes are chosen */
export function chainView(page, element, address) {
	let net =
		page.attacked.blocks.size && page.attacked.network.running && !page.net.network.running ? page.attacked : page.net;
	const eyes = make("select", {
		"aria-label": "Whose eyes",
		onchange: () => {
			tree.eye = eyes.value;
			tree.draw();
		},
	});
	const which = make(
		"select",
		{
			"aria-label": "Which network",
			onchange: () => {
				net = which.value === "attack" ? page.attacked : page.net;
				open();
			},
		},
		make("option", { value: "net" }, "the network"),
		make("option", { value: "attack" }, "the attack's network"),
	);
	which.value = net.key;
	const follow = make(
		"button",
		{
			onclick: () => {
				tree.follows = true;
				tree.scale = 1;
				tree.draw();
			},
		},
		"Follow the tip",
	);
	const zoom = (/** @type {number} */ factor, /** @type {string} */ name) =>
		make(
			"button",
			{
				"aria-label": name,
				onclick: () => {
					const { width, height } = tree.canvas.getBoundingClientRect();
					tree.zoom(factor, width / 2, height / 2);
				},
			},
			factor > 1 ? "+" : "−",
		);
	const holder = make("div"),
		chosen = make("section", { class: "w4", "aria-label": "The chosen block" }),
		reorganised = make("section", { class: "w4", "aria-live": "polite", "aria-label": "The last reorganisation" }),
		events = box("w4");
	const key = make("div");
	element.append(
		make(
			"section",
			{},
			h2("Block tree"),
			tools(
				make("label", {}, "as seen by ", eyes),
				make("label", {}, "of ", which),
				zoom(1.25, "Zoom in"),
				zoom(0.8, "Zoom out"),
				follow,
			),
			holder,
			key,
		),
		chosen,
		reorganised,
		events,
	);
	let told = "";
	/** @type {Tree} */
	let tree;
	let eyeNames = "";
	function open() {
		tree?.end();
		eyeNames = "";
		tree = new Tree(net, { tall: true, label: "Block tree", onChoose: (hash) => page.go(`/explorer/block/${hash}`) });
		tree.element.addEventListener("choose", drawChosen);
		holder.replaceChildren(tree.element);
		draw();
	}
	function drawChosen() {
		const block = tree.chosen ? net.blocks.get(tree.chosen) : null;
		if (!block)
			return show(chosen, h2("Block"), empty("Choose a block in the tree: click it, or move with the arrow keys."));
		const has = block.only.length ? block.only.join(", ") : "every node that answers";
		show(
			chosen,
			h2(`Block ${block.height}`),
			table(
				[
					["", ""],
					["", "mono"],
				],
				[
					["hash", block.hash],
					["mined by", block.miner],
					["payments", block.transactions - 1],
					["bytes", block.size],
					["time", new Date(block.time * 1000).toLocaleString()],
					["difficulty", block.difficulty.toPrecision(5)],
					["who has it", has],
				],
				"The chosen block",
			),
			net === page.net ? make("a", { href: `#/explorer/block/${block.hash}` }, "Open it in the explorer") : "",
		);
	}
	/** Made anew only when it is another one, so that it is read aloud once. */
	function drawReorganisation() {
		const last = net.lastReorganisation(),
			mark = JSON.stringify([net.key, last]);
		if (mark === told) return;
		told = mark;
		show(
			reorganised,
			h2("The last reorganisation"),
			...(last
				? words(net, last)
				: [empty("Which blocks are left, which come instead, and which payments vanish with them.")]),
		);
	}
	function draw() {
		const names = net.network.nodes.map((node) => node.name);
		if (names.join() !== eyeNames) {
			eyeNames = names.join();
			const now = tree.eye === "all" && address[0] ? address[0] : tree.eye;
			eyes.replaceChildren(
				make("option", { value: "all" }, "everybody together"),
				...names.map((name) => make("option", { value: name }, name)),
			);
			eyes.value = names.includes(now) ? now : "all";
			tree.eye = eyes.value;
			key.replaceChildren(legend(net.network.nodes.some((node) => node.role === "attacker")));
		}
		tree.draw();
		drawChosen();
		drawReorganisation();
		const items = net
			.told()
			.reverse()
			.slice(0, 60)
			.map((happening) => make("li", {}, make("time", {}, clock(happening.s)), happening.text));
		show(
			events,
			h2("What happened"),
			items.length
				? make("div", { class: "over" }, make("ol", { class: "story" }, ...items))
				: empty(
						"Reorganisations, partitions and nodes that come or go are told here. To see one: cut the network in the Network view, wait for some blocks, heal it.",
					),
		);
	}
	open();
	return { draw, end: () => tree.end() };
}
