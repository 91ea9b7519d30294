/** The chain view: the block tree as any node sees it, and the block that is chosen. */
import { box, clock, empty, h2, make, show, table, tools } from "./dom.js";
import { legend, Tree } from "./tree.js";

/** @typedef {import("./main.js").Page} Page */

/** @param {Page} page @param {HTMLElement} element @param {string[]} words the node whose eyes are chosen */
export function chainView(page, element, words) {
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
		chosen = make("section", { class: "w6", "aria-label": "The chosen block" }),
		events = box("w6");
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
		events,
	);
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
	function draw() {
		const names = net.network.nodes.map((node) => node.name);
		if (names.join() !== eyeNames) {
			eyeNames = names.join();
			const now = tree.eye === "all" && words[0] ? words[0] : tree.eye;
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
