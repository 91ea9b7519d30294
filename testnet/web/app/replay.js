/**
 * The replay view: a recorded run, line by line, at any moment; beside it, what it could still have come to (whatif.js).
 */
import { box, clock, empty, h2, make, show, table, tools, why } from "./dom.js";
import { ask, Network } from "./store.js";
import { facts, marks, orders, storyFrom, timeline } from "./story.js";
import { legend, Tree } from "./tree.js";
import { whatIf } from "./whatif.js";

/** @typedef {import("./main.js").Page} Page */

/** Between two lines while it plays, milliseconds at speed 1; longer pauses of the run are cut to this. */
const PAUSE_MS_MAX = 1500;

/** A network as a recording's lines tell it, up to one of them. */
export class Recorded extends Network {
	/** @param {string} text the recording */
	constructor(text) {
		super("recorded");
		this.lines = text.split("\n").flatMap((line) => {
			// The last line may be cut short while the run is still recorded.
			try {
				return [JSON.parse(line)];
			} catch {
				return [];
			}
		});
		this.head = this.lines.shift() ?? {};
		/** Lines that are applied. */
		this.at = 0;
		this.go(0);
	}

	/** Goes to a moment: the first `count` lines. @param {number} count */
	go(count) {
		if (count < this.at || this.at === 0) {
			this.blocks.clear();
			this.left.clear();
			this.happenings = [];
			this.story = [];
			this.at = 0;
			const nodes = (this.head.nodes ?? []).map((/** @type {any} */ node) => ({
				...node,
				height: null,
				tip: null,
				peers: null,
				mempool: null,
				share_achieved: null,
			}));
			this.network = {
				chain: this.head.chain ?? null,
				spacing_s: this.head.spacing_s ?? null,
				running: true,
				hashes_per_second: 0,
				partition: [],
				nodes,
			};
		}
		for (; this.at < count; this.at++) this.apply(this.lines[this.at]);
		// Who has a block is told on the line after it: the two are one moment.
		for (; this.lines[this.at]?.event === "tips"; this.at++) this.apply(this.lines[this.at]);
		this.version++;
	}

	/** The moment before. */
	before() {
		let at = this.at - 1;
		while (this.lines[at]?.event === "tips") at--;
		return Math.max(0, at);
	}

	/** @param {any} line */
	apply(line) {
		this.story.push(line);
		if (line.event === "block" && line.hash) this.takeRecorded(line);
		if (line.event === "published") for (const hash of line.hashes ?? []) this.change(hash, { only: [] });
		if (line.event === "tips") this.moveTips(line.tips);
		if (line.event === "partition") this.network.partition = line.groups;
		if (line.event === "healed") this.network.partition = [];
		if (line.text && line.event !== "block") this.happenings.push(line);
	}

	/** @param {any} line */
	takeRecorded(line) {
		const known = facts(this.story);
		const txids =
			line.holds === "payment"
				? [known.paid ?? "payment"]
				: line.holds === "conflict"
					? [known.conflict ?? "conflict"]
					: [];
		const secret = this.network.nodes.filter((node) => node.role === "attacker").map((node) => node.name);
		this.blocks.set(line.hash, {
			hash: line.hash,
			previous: line.previous,
			height: line.height,
			miner: line.miner,
			transactions: line.transactions ?? 1 + txids.length,
			size: 0,
			time: 0,
			bits: "",
			difficulty: 0,
			seen_s: line.s,
			only: line.secret ? secret : [],
			txids,
		});
	}

	/** @param {string} hash @param {Partial<import("./store.js").Block>} what */
	change(hash, what) {
		const block = this.blocks.get(hash);
		if (block) this.blocks.set(hash, { ...block, ...what });
	}

	/** @param {Record<string, string[]>} tips */
	moveTips(tips) {
		for (const [tip, names] of Object.entries(tips)) {
			const kept = new Set([...this.branch(tip)].map((block) => block.hash));
			for (const node of this.network.nodes) {
				if (!names.includes(node.name)) continue;
				for (const block of this.branch(node.tip)) {
					if (kept.has(block.hash)) break;
					this.left.add(block.hash);
				}
				node.tip = tip || null;
				node.height = this.blocks.get(tip)?.height ?? null;
			}
		}
	}
}

/** @param {Page} page @param {HTMLElement} element @param {string[]} words network and name of a recording */
export function replayView(page, element, words) {
	const list = box("w4");
	const stage = box("w8");
	const side = box("w4");
	const what = box("w8");
	element.append(list, stage, what, side);
	const future = whatIf(page, what, words[0], words[1]);
	let isOver = false;
	/** @type {Recorded | null} */
	let run = null;
	/** @type {Tree | null} */
	let tree = null;
	let timer = 0;

	async function drawList() {
		try {
			const { runs } = await ask("/api/runs");
			if (isOver) return;
			const rows = runs.map((/** @type {any} */ one) => {
				const address = `#/replay/${one.network}/${encodeURIComponent(one.name)}`;
				return [
					make("a", { href: address, "aria-current": one.name === words[1] ? "true" : null }, one.title ?? one.kind),
					new Date(one.began * 1000).toLocaleString(),
					`${Math.ceil(one.bytes / 1000)} kB`,
				];
			});
			show(
				list,
				h2("Recorded runs"),
				rows.length
					? make(
							"div",
							{ class: "over", tabindex: 0, "aria-label": "Recorded runs" },
							table([["run"], ["began"], ["size", "number"]], rows, "Recorded runs"),
						)
					: empty("Every network that this page watches and every attack is recorded. Run an attack to have one here."),
				make("button", { onclick: drawList }, "Look again"),
			);
		} catch (error) {
			page.tell(why(error), list);
		}
	}

	async function load() {
		if (!words[1]) {
			show(
				stage,
				h2("Replay"),
				empty("Choose a run: the block tree appears here as it was, with a slider to go to any moment."),
			);
			show(
				what,
				h2("What if"),
				empty(
					"At any moment of a recorded double spend: change the share, the confirmations, the patience or the others' defence, and see what the rest could come to, simulated and on live nodes.",
				),
			);
			show(side, h2("What happened"));
			return;
		}
		const answer = await fetch(`/api/runs/${words[0]}/${encodeURIComponent(words[1])}`);
		const text = await answer.text();
		if (!answer.ok)
			return show(stage, h2("Replay"), make("p", { class: "bad", role: "alert" }, JSON.parse(text).error));
		if (isOver) return;
		run = new Recorded(text);
		open(run);
	}

	/** @param {Recorded} net */
	function open(net) {
		tree = new Tree(net, {
			label: "The recorded block tree",
			tall: true,
			onChoose: () => {},
			marks: () => marks(net, facts(net.story)),
			from: () => storyFrom(net, facts(net.story)),
		});
		const eyes = make(
			"select",
			{
				"aria-label": "Whose eyes",
				onchange: () => {
					if (tree) tree.eye = eyes.value;
					draw();
				},
			},
			make("option", { value: "all" }, "everybody together"),
			...net.network.nodes.map((node) => make("option", { value: node.name }, node.name)),
		);
		const slider = make("input", {
			type: "range",
			min: 0,
			max: net.lines.length,
			value: 0,
			"aria-label": "Moment",
			"data-key": "moment",
			oninput: () => go(Number(slider.value)),
		});
		const moment = make("output", {});
		const play = make(
			"button",
			{ class: "main", "data-key": "play", onclick: () => (timer ? pause() : tick()) },
			"Play",
		);
		const step = (/** @type {number} */ by) => {
			pause();
			go(by < 0 ? net.before() : Math.min(net.lines.length, net.at + by));
		};
		const text = make("p", { "aria-live": "polite" });
		const shop = make("div");
		const steps = make("div", { class: "over" });
		show(
			stage,
			h2(net.head.title ?? "Replay"),
			tools(
				play,
				make("button", { "aria-label": "One line back", onclick: () => step(-1) }, "‹"),
				make("button", { "aria-label": "One line on", onclick: () => step(1) }, "›"),
				make("label", {}, "as seen by ", eyes),
				moment,
			),
			slider,
			text,
			tree.element,
			legend(net.head.kind === "attack"),
			shop,
			steps,
		);

		function pause() {
			clearTimeout(timer);
			timer = 0;
			play.textContent = "Play";
		}
		function tick() {
			if (isOver || net.at >= net.lines.length) return pause();
			play.textContent = "Pause";
			const before = net.lines[net.at - 1]?.s ?? 0;
			go(net.at + 1);
			const gap = ((net.lines[net.at]?.s ?? before) - (net.lines[net.at - 1]?.s ?? before)) * 1000;
			timer = setTimeout(tick, Math.min(PAUSE_MS_MAX, Math.max(20, gap)));
		}
		/** @param {number} count */
		function go(count) {
			net.go(count);
			slider.value = String(net.at);
			draw();
		}
		function draw() {
			const known = facts(net.story);
			const last = net.story.findLast((line) => line.s !== undefined);
			moment.textContent = `${clock(last?.s ?? 0)} · line ${net.at} of ${net.lines.length}`;
			text.textContent =
				net.story.findLast((line) => line.text || line.verdict)?.text ??
				net.story.findLast((line) => line.verdict)?.verdict ??
				"Before the first line.";
			if (tree) tree.follows = true;
			tree?.draw();
			const order = orders(net, known, net.head.confirmations ?? 1);
			show(shop, ...(order ? [order] : []));
			show(steps, ...(net.head.attack === "double-spend" ? [timeline(known)] : []));
			const items = net
				.told()
				.slice(-60)
				.reverse()
				.map((line) => make("li", {}, make("time", {}, clock(line.s)), line.text));
			show(
				side,
				h2("What happened"),
				make(
					"div",
					{ class: "over", tabindex: 0, "aria-label": "What happened" },
					make("ol", { class: "story" }, ...items),
				),
			);
			future.draw(net, known);
		}
		go(0);
		slider.focus();
	}

	drawList();
	load().catch((error) => page.tell(why(error), stage));
	return {
		draw: () => tree?.draw(),
		end: () => {
			isOver = true;
			clearTimeout(timer);
			tree?.end();
		},
	};
}
