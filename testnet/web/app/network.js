/** The network view: who is connected to whom, and everything one can do to it by hand. */

import { drawForms } from "./build.js";
import { box, counted, empty, field, h2, make, percent, short, show, soft, table, tools, why } from "./dom.js";
import { isInside, place, scale } from "./graph.js";
import { badge, look, outline } from "./palette.js";
import { act, ask } from "./store.js";

/** @typedef {import("./main.js").Page} Page */

/** The drawing's own units; a phone's are fewer, so that names can be read. */
const SIZE = innerWidth < 700 ? { width: 380, height: 380 } : { width: 760, height: 460 };
/** Between two looks at the links, milliseconds. */
const TOPOLOGY_MS = 3000;

/** @param {Page} page @param {HTMLElement} element @param {string[]} words */
export function networkView(page, element, words) {
	const net = page.net;
	/** @type {Set<string>} */
	const chosen = new Set(words[0] ? [words[0]] : []);
	/** @type {Map<string, {x: number, y: number}>} */
	const places = new Map();
	/** @type {any} */
	let topology = null;
	/** @type {Map<string, string | null>} */
	let tips = new Map();
	let isBusy = false,
		isOver = false,
		said = "";
	const svg = make("svg", {
		viewBox: `0 0 ${SIZE.width} ${SIZE.height}`,
		width: "100%",
		role: "group",
		"aria-label": "The nodes and their connections",
	});
	const panel = box("w4"),
		nodes = box(),
		accounts = box("w6"),
		build = box("w6");
	element.append(
		make(
			"section",
			{ class: "w8" },
			h2("Network"),
			svg,
			soft(
				"Choose nodes by clicking (several with Shift, or draw a line around them), drag to move them. A mark's colour and shape are the node's everywhere on this page.",
			),
		),
		panel,
		nodes,
		accounts,
		build,
	);

	/** Runs a command and says what it was. @param {any} action @param {Element} [place] where a refusal is told */
	async function run(action, place = panel) {
		isBusy = true;
		drawPanel();
		page.tell("");
		try {
			const result = await act(action);
			said = result.command;
			return result;
		} catch (error) {
			page.tell(why(error), place);
			return null;
		} finally {
			isBusy = false;
			lookAtLinks();
			drawPanel();
		}
	}
	async function lookAtLinks() {
		try {
			topology = (await ask("/api/net/topology")).answer;
		} catch {
			topology = null;
		}
		if (!isOver) drawGraph();
	}
	const timer = setInterval(() => {
		if (!document.hidden && net.network.running) lookAtLinks();
	}, TOPOLOGY_MS);

	/** Pairs of names that are connected or have conditions. @returns {Array<{a: string, b: string, text: string, up: boolean, slow: boolean}>} */
	function links() {
		return (topology?.links ?? []).map((/** @type {any} */ link) => ({
			a: link.between[0],
			b: link.between[1],
			up: link.connected && !link.blocked,
			...conditions(link),
		}));
	}
	/** @param {any} entry */
	function conditions(entry) {
		const parts = [];
		if (entry.delay_ms) parts.push(`${entry.delay_ms} ms`);
		if (entry.loss) parts.push(`${(entry.loss * 100).toFixed(1)} % lost`);
		if (entry.bandwidth) parts.push(`${entry.bandwidth} B/s`);
		return { text: parts.join(", "), slow: parts.length > 0 };
	}

	function drawGraph() {
		const list = net.network.nodes,
			centre = { x: SIZE.width / 2, y: SIZE.height / 2 };
		list.forEach((node, order) => {
			if (places.has(node.name)) return;
			places.set(node.name, place(order, list.length, SIZE));
		});
		const { r, names, roles } = scale(list.length, SIZE);
		const groups = net.network.partition,
			group = (/** @type {string} */ name) => groups.findIndex((members) => members.includes(name));
		const lines = links().flatMap(({ a, b, up, text, slow }) => {
			const from = places.get(a),
				to = places.get(b);
			if (!from || !to) return [];
			const isCut = groups.length > 0 && group(a) !== group(b);
			// Among many nodes only the links of those chosen can be followed by eye.
			const isFaint = !names && !chosen.has(a) && !chosen.has(b);
			return [
				make("line", {
					x1: from.x,
					y1: from.y,
					x2: to.x,
					y2: to.y,
					class: `link${isCut || !up ? " cut" : ""}${slow ? " slow" : ""}${isFaint ? " faint" : ""}`,
				}),
				text && !isFaint
					? make(
							"text",
							{ x: (from.x + to.x) / 2, y: (from.y + to.y) / 2, class: "soft", "text-anchor": "middle" },
							text,
						)
					: null,
			];
		});
		const marks = list.map((node) => {
			const at = places.get(node.name) ?? centre,
				{ colour, shape } = look(net.place(node.name)),
				tip = tipColour(node.tip);
			const mark = make(
				"g",
				{
					class: `node${node.height === null ? " down" : ""}${chosen.has(node.name) ? " chosen" : ""}`,
					transform: `translate(${at.x} ${at.y})`,
					tabindex: 0,
					role: "button",
					"data-key": node.name,
					"aria-pressed": chosen.has(node.name),
					"aria-label": `${node.name}, ${node.role}, ${node.height === null ? "down" : `height ${node.height}`}`,
				},
				make("circle", { r, class: "ring", stroke: tip }),
				make("path", { d: outline(shape, r * 0.42), fill: colour }),
				make("title", {}, node.name),
				names ? make("text", { y: r + 15, "text-anchor": "middle" }, node.name) : null,
				!roles
					? null
					: make(
							"text",
							{ y: r + 29, class: "soft", "text-anchor": "middle" },
							node.height === null ? "down" : `${node.role} · ${node.height}`,
						),
			);
			drag(mark, node.name);
			mark.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
				if (event.key === "Enter" || event.key === " ") {
					event.preventDefault();
					choose(node.name, event.shiftKey);
				}
			});
			return mark;
		});
		// Where names have no room, those of chosen nodes are written over their neighbours.
		const above = [...chosen].flatMap((name) => {
			const at = names ? undefined : places.get(name);
			return at ? [make("text", { x: at.x, y: at.y + r + 15, "text-anchor": "middle" }, name)] : [];
		});
		show(svg, ...lines.filter((line) => line), ...marks, ...above);
		pulse(lines.length > 0);
	}
	/** Nodes on one tip have rings of one colour. @param {string | null} tip */
	function tipColour(tip) {
		const all = [...new Set(net.network.nodes.map((node) => node.tip).filter(Boolean))].sort();
		return tip ? look(all.indexOf(tip) + 1).colour : "#8a8a8a";
	}
	/** A dot runs along the links of nodes that have just got a new tip. @param {boolean} hasLinks */
	function pulse(hasLinks) {
		const fresh = net.network.nodes
			.filter((node) => node.tip && tips.has(node.name) && tips.get(node.name) !== node.tip)
			.map((node) => node.name);
		tips = new Map(net.network.nodes.map((node) => [node.name, node.tip]));
		if (!hasLinks || !fresh.length || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
		for (const { a, b } of links()
			.filter((link) => fresh.includes(link.a) || fresh.includes(link.b))
			.slice(0, 60)) {
			const from = places.get(a),
				to = places.get(b);
			if (!from || !to) continue;
			const dot = make("circle", { r: 4, class: "pulse" });
			svg.append(dot);
			dot
				.animate(
					[{ transform: `translate(${from.x}px, ${from.y}px)` }, { transform: `translate(${to.x}px, ${to.y}px)` }],
					{ duration: 500 },
				)
				.finished.then(
					() => dot.remove(),
					() => dot.remove(),
				);
		}
	}
	/** Where the pointer is in the drawing. @param {PointerEvent} event */
	function spot(event) {
		const box = svg.getBoundingClientRect(),
			scale = SIZE.width / box.width;
		return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
	}
	/** Around nodes with the pointer: they are chosen. */
	function lasso() {
		svg.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
			if (event.target !== svg) return;
			const points = [spot(event)],
				line = make("polygon", { class: "lasso" });
			svg.append(line);
			const move = (/** @type {PointerEvent} */ now) => {
				points.push(spot(now));
				line.setAttribute("points", points.map(({ x, y }) => `${x},${y}`).join(" "));
				if (!line.isConnected) svg.append(line);
			};
			const up = () => {
				window.removeEventListener("pointermove", move);
				window.removeEventListener("pointerup", up);
				line.remove();
				const inside = net.network.nodes.map((node) => node.name).filter((name) => isInside(places.get(name), points));
				chosen.clear();
				for (const name of inside) chosen.add(name);
				draw();
			};
			window.addEventListener("pointermove", move);
			window.addEventListener("pointerup", up);
		});
	}
	/** @param {SVGElement} mark @param {string} name */
	function drag(mark, name) {
		mark.addEventListener("pointerdown", (event) => {
			const start = { x: event.clientX, y: event.clientY },
				box = svg.getBoundingClientRect(),
				scale = SIZE.width / box.width;
			let moved = false;
			const move = (/** @type {PointerEvent} */ now) => {
				if (Math.abs(now.clientX - start.x) + Math.abs(now.clientY - start.y) < 4 && !moved) return;
				moved = true;
				places.set(name, {
					x: Math.min(SIZE.width - 20, Math.max(20, (now.clientX - box.left) * scale)),
					y: Math.min(SIZE.height - 40, Math.max(20, (now.clientY - box.top) * scale)),
				});
				drawGraph();
			};
			const up = (/** @type {PointerEvent} */ now) => {
				window.removeEventListener("pointermove", move);
				window.removeEventListener("pointerup", up);
				if (!moved) choose(name, now.shiftKey);
			};
			window.addEventListener("pointermove", move);
			window.addEventListener("pointerup", up);
		});
	}
	/** @param {string} name @param {boolean} adds */
	function choose(name, adds) {
		const was = chosen.has(name);
		if (!adds) chosen.clear();
		if (was && adds) chosen.delete(name);
		else chosen.add(name);
		draw();
	}

	let panelMark = "";
	function drawPanel() {
		const names = net.network.nodes.filter((node) => chosen.has(node.name)).map((node) => node.name);
		// What somebody types must survive a new block: the panel is made anew only when what it offers changes.
		const facts = names.length === 1 ? net.network.nodes.find((one) => one.name === names[0]) : null;
		const mark = JSON.stringify([names, facts, isBusy, said, net.network.partition, net.network.nodes.length === 0]);
		if (mark === panelMark) return;
		panelMark = mark;
		const button = (/** @type {string} */ text, /** @type {any} */ action, /** @type {string} */ why = "") =>
			make(
				"button",
				{ disabled: isBusy || net.readOnly, title: why, "data-key": text, onclick: () => run(action) },
				text,
			);
		const parts = [h2(names.length ? names.join(", ") : "Choose a node")];
		if (!names.length)
			parts.push(
				empty(
					net.network.nodes.length
						? "Choose one node to stop or start it, two to set their link, several to cut them off."
						: "There is no network here. Start one with `testoon up`; it appears by itself.",
				),
			);
		if (names.length === 1) {
			const node = facts;
			if (node)
				parts.push(
					table(
						[
							["", ""],
							["", "mono"],
						],
						[
							["role", node.role],
							["height", node.height ?? "down"],
							["tip", short(node.tip ?? "")],
							["peers", node.peers ?? "–"],
							[
								"mempool",
								node.mempool === null
									? "–"
									: make(
											"a",
											{ href: `#/explorer/mempool/${encodeURIComponent(node.name)}` },
											counted(node.mempool, "transaction"),
										),
							],
							[
								"hash share",
								node.share_asked
									? `${percent(node.share_achieved)} of ${percent(node.share_asked)} asked`
									: "does not mine",
							],
							["RPC", node.rpc],
						],
						`Node ${node.name}`,
					),
					node.height === null
						? button("Start it", { action: "start", node: node.name })
						: tools(
								button("Kill it", { action: "kill", node: node.name }, "As a power cut: kill -9"),
								button("Mine a block", { action: "mine", node: node.name, blocks: 1 }, "At once, whatever its share"),
								button("Remove it", { action: "remove", node: node.name }, "Its share goes to the others"),
							),
					shareForm(node),
				);
		}
		if (names.length === 2) parts.push(linkForm(names));
		if (names.length)
			parts.push(tools(button("Cut them off from the rest", { action: "partition", groups: names.join(",") })));
		if (net.network.partition.length) parts.push(button("Heal the network", { action: "heal", links: false }));
		if (isBusy) parts.push(make("p", { role: "status" }, "Working…"));
		if (said) parts.push(soft("The same from a terminal: ", make("code", { class: "mono" }, said)));
		if (net.readOnly) parts.push(soft("This page only looks: it was started with --read-only."));
		show(panel, ...parts);
	}
	/** @param {import("./store.js").NodeStatus} node */
	function shareForm(node) {
		const form = make(
			"form",
			{
				class: "tools",
				onsubmit: (/** @type {SubmitEvent} */ event) => {
					event.preventDefault();
					run({ action: "share", node: node.name, share: `${new FormData(form).get("share")}%` });
				},
			},
			make(
				"label",
				{},
				"hash share, per cent ",
				make("input", {
					type: "number",
					name: "share",
					min: 0,
					max: 100,
					step: "0.1",
					value: (node.share_asked * 100).toFixed(1),
					"data-key": "share",
				}),
			),
			make("button", { disabled: isBusy || net.readOnly }, "Set"),
		);
		return form;
	}
	/** @param {string[]} names */
	function linkForm(names) {
		const number = (/** @type {string} */ key, /** @type {number} */ max, /** @type {string} */ step) =>
			make("input", { type: "number", min: 0, max, step, value: 0, "data-key": key, name: key });
		const form = make(
			"form",
			{
				onsubmit: (/** @type {SubmitEvent} */ event) => {
					event.preventDefault();
					const data = new FormData(form),
						value = (/** @type {string} */ name) => Number(data.get(name));
					run({
						action: "link",
						a: names[0],
						b: names[1],
						delay_ms: Math.round(value("delay")),
						jitter_ms: Math.round(value("jitter")),
						loss_percent: value("loss"),
						bandwidth: null,
					});
				},
			},
			field("Delay, milliseconds", number("delay", 10000, "1")),
			field("Varies by, milliseconds", number("jitter", 10000, "1")),
			field("Lost, per cent", number("loss", 99, "0.1")),
			make("button", { disabled: isBusy || net.readOnly }, `Set the link ${names.join("–")}`),
		);
		return form;
	}

	function drawNodes() {
		const rows = net.network.nodes.map((node) => [
			make(
				"button",
				{
					class: "link",
					"data-key": `row-${node.name}`,
					onclick: (/** @type {MouseEvent} */ event) => choose(node.name, event.shiftKey),
				},
				badge(net.place(node.name)),
				" ",
				node.name,
			),
			node.role,
			node.peers ?? "–",
			node.height ?? "down",
			make("span", { class: "mono short" }, short(node.tip ?? "")),
			node.mempool ?? "–",
			node.share_asked ? percent(node.share_asked) : "–",
			node.share_asked ? percent(node.share_achieved) : "–",
		]);
		show(
			nodes,
			h2("Nodes"),
			rows.length
				? make(
						"div",
						{ class: "over" },
						table(
							[
								["node"],
								["role"],
								["peers", "number"],
								["height", "number"],
								["tip"],
								["mempool", "number"],
								["share asked", "number"],
								["achieved", "number"],
							],
							rows,
							"All nodes",
						),
					)
				: empty("Each node of the network will have a line here."),
		);
	}

	let isNamed = false;
	function draw() {
		if (words[0] && !isNamed && net.network.nodes.length) {
			isNamed = true;
			if (net.place(words[0]) < 0) page.tell(`No node is called “${words[0].slice(0, 80)}”.`, panel);
		}
		drawGraph();
		drawPanel();
		drawNodes();
	}
	drawForms(page, run, accounts, build);
	lasso();
	lookAtLinks();
	return {
		draw,
		end: () => {
			isOver = true;
			clearInterval(timer);
		},
	};
}
