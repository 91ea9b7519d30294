/**
 * The replay view: a recorded run, line by line, at any moment; and what it could still have come to with another share, another number of
 * confirmations or more patience.
 */
import { box, clock, counted, empty, field, h2, make, odds, percent, show, table, tools, why } from "./dom.js";
import { ask, Network } from "./store.js";
import { facts, judged, marks, orders, storyFrom, timeline } from "./story.js";
import { legend, Tree } from "./tree.js";

/** @typedef {import("./main.js").Page} Page */

/** Between two lines while it plays, milliseconds at speed 1; longer pauses of the run are cut to this. */
const PAUSE_MS_MAX = 1500;
/** Times that the rest is played for one question. */
const RUNS = 2000;

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
	const side = box("w6");
	const whatIf = box("w6");
	element.append(list, stage, whatIf, side);
	let isOver = false;
	/** @type {Recorded | null} */
	let run = null;
	/** @type {Tree | null} */
	let tree = null;
	let timer = 0;
	/** What was asked of other moments and parameters. @type {any[][]} */
	const outcomes = [];

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
				whatIf,
				h2("What if"),
				empty(
					"At any moment of a recorded double spend: change the share, the confirmations or the patience, and see what the rest could come to.",
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
			drawWhatIf(net, known);
		}
		go(0);
		slider.focus();
	}

	let offered = "";
	/** @param {Recorded} net @param {import("./story.js").Facts} known */
	function drawWhatIf(net, known) {
		const at = known.odds;
		const title = h2("What if");
		if (!at || net.head.attack !== "double-spend") {
			offered = "";
			show(
				whatIf,
				title,
				empty(
					net.head.attack === "double-spend"
						? "The race has not begun at this moment: go on until the payment is out."
						: "This run is no double spend: there is no race whose rest could be played.",
				),
			);
			return;
		}
		// What was typed must survive the next line: the form is made anew only when the race stands otherwise.
		const mark = `${at.own} ${at.public} ${at.confirmations}`;
		if (mark === offered && whatIf.querySelector("form")) return;
		offered = mark;
		const number = (
			/** @type {string} */ name,
			/** @type {number} */ value,
			/** @type {number} */ least,
			/** @type {number} */ most,
		) =>
			make("input", { type: "number", name, value, min: least, max: most, required: true, "data-key": `if-${name}` });
		const form = make(
			"form",
			{
				onsubmit: (/** @type {SubmitEvent} */ event) => {
					event.preventDefault();
					playRest(net, at, form);
				},
			},
			make("p", {}, `At this moment: ${at.text}.`),
			tools(
				field("Share, per cent", number("share", Math.round(net.head.share * 100), 1, 99)),
				field("Confirmations", number("confirmations", net.head.confirmations, 1, 100)),
				field("Gives up behind", number("give_up", net.head.give_up ?? 10, 1, 1000)),
			),
			make("button", { class: "main", "data-key": "rest" }, `Play the rest ${RUNS.toLocaleString()} times`),
		);
		show(whatIf, title, form, outcomeTable(net));
	}
	/** @param {Recorded} net */
	function outcomeTable(net) {
		const ended = net.lines.find((line) => line.verdict);
		const recorded = ended
			? [
					[
						"as recorded",
						percent(net.head.share),
						net.head.confirmations,
						net.head.give_up ?? "never",
						"",
						judged(ended).words.replace(/: $/, ""),
					],
				]
			: [];
		return table(
			[
				["from"],
				["share", "number"],
				["waits for", "number"],
				["patience", "number"],
				["odds by formula", "number"],
				["played"],
			],
			[...recorded, ...outcomes],
			"Outcomes side by side",
		);
	}
	/** @param {Recorded} net @param {any} at @param {HTMLFormElement} form */
	async function playRest(net, at, form) {
		page.tell("");
		const data = new FormData(form);
		const share = Number(data.get("share")) / 100;
		const waits = Number(data.get("confirmations"));
		const patience = Number(data.get("give_up"));
		try {
			const found = await ask(
				`/api/odds/rest?share=${share}&confirmations=${waits}&give_up=${patience}&have=${at.confirmations}&own=${at.own}&public=${at.public}&runs=${RUNS}`,
			);
			const [low, high] = found.interval95;
			outcomes.push([
				`${clock(at.s)}, ${counted(Math.abs(found.behind), "block")} ${found.behind < 0 ? "ahead" : "behind"}`,
				percent(share),
				waits,
				patience,
				odds(found.odds),
				`succeeds in ${odds(found.rate)} (95 %: ${odds(low)} to ${odds(high)})`,
			]);
			whatIf.querySelector("table")?.replaceWith(outcomeTable(net));
		} catch (error) {
			page.tell(why(error), whatIf);
		}
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
