/** The mining view: who finds how much, how the times between blocks fall, what a miner does step by step. */

import { expectedHashes, fromHex, headerFields, target, toHex } from "./bytes.js";
import { box, duration, empty, h2, hashes, large, make, percent, show, soft, table, tools, why } from "./dom.js";
import { badge } from "./palette.js";
import { poolSection } from "./pool.js";
import { HeaderHasher, value } from "./sha256.js";
import { ask } from "./store.js";

/** @typedef {import("./main.js").Page} Page */

/** Newest blocks that the charts are made of. */
const BLOCKS_MAX = 500;
/** Hashes between two looks at the page while it mines at speed. */
const STEP_AT_SPEED = 10_000;
const digits = (/** @type {bigint} */ number) => number.toString(16).padStart(64, "0");
const CHART = { width: 420, height: 170 };

/** @param {Page} page @param {HTMLElement} element */
export function miningView(page, element) {
	const miners = box("w6"),
		times = box("w6"),
		targets = box("w6"),
		hand = box("w6");
	let drawnAt = -1,
		isOver = false;
	element.append(
		miners,
		times,
		targets,
		hand,
		poolSection(() => isOver),
	);

	function draw() {
		if (drawnAt === page.net.version) return;
		drawnAt = page.net.version;
		const branch = [];
		for (const block of page.net.branch(page.net.publicTip()?.hash)) {
			if (block.height === 0 || branch.push(block) >= BLOCKS_MAX) break;
		}
		branch.reverse();
		drawMiners(branch);
		drawTimes(branch);
		drawTargets(branch);
	}
	/** @param {import("./store.js").Block[]} branch */
	function drawMiners(branch) {
		const on = new Set(branch.map((block) => block.hash)),
			lowest = branch[0]?.height ?? 0;
		/** @type {Map<string, {main: number, lost: number}>} */
		const counts = new Map();
		for (const block of page.net.blocks.values()) {
			if (block.height < lowest || block.height === 0) continue;
			const count = counts.get(block.miner) ?? { main: 0, lost: 0 };
			count[on.has(block.hash) ? "main" : "lost"]++;
			counts.set(block.miner, count);
		}
		const rows = [...counts]
			.sort((a, b) => b[1].main - a[1].main)
			.map(([name, count]) => {
				const node = page.net.network.nodes.find((one) => one.name === name);
				return [
					make("span", {}, badge(page.net.place(name)), " ", name),
					node?.share_asked ? percent(node.share_asked) : "–",
					node?.share_asked ? percent(node.share_achieved) : "–",
					count.main,
					percent(count.main / Math.max(1, branch.length)),
					count.lost,
				];
			});
		const all = [...counts.values()].reduce((sum, count) => sum + count.main + count.lost, 0),
			lost = all - branch.length;
		show(
			miners,
			h2("Who mined what"),
			make(
				"p",
				{},
				`${hashes(page.net.network.hashes_per_second)} together; ${lost} of ${all} blocks were left behind (${percent(all ? lost / all : 0)}).`,
			),
			rows.length
				? table(
						[
							["miner"],
							["share asked", "number"],
							["achieved", "number"],
							["blocks", "number"],
							["of the chain", "number"],
							["left behind", "number"],
						],
						rows,
						"Miners",
					)
				: empty("Blocks are counted here as they are found."),
		);
	}
	/** @param {import("./store.js").Block[]} branch */
	function drawTimes(branch) {
		const gaps = branch
			.slice(1)
			.map((block, at) => (block.seen_s && branch[at].seen_s ? block.seen_s - branch[at].seen_s : NaN))
			.filter((gap) => gap >= 0);
		const parts = [h2("Time between blocks")];
		if (gaps.length < 5) {
			show(
				times,
				...parts,
				empty(
					"After some blocks that arrived while this page's server looked on: how long each took, beside the exponential distribution that mining should follow.",
				),
			);
			return;
		}
		const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length,
			bins = 12,
			width = (4 * mean) / bins,
			counts = new Array(bins).fill(0);
		for (const gap of gaps) if (gap < 4 * mean) counts[Math.floor(gap / width)]++;
		const most = Math.max(...counts, (gaps.length * width) / mean),
			y = (/** @type {number} */ count) => CHART.height - 24 - (count / most) * (CHART.height - 34),
			step = CHART.width / bins;
		const bars = counts.map((count, at) =>
			make(
				"rect",
				{
					class: "bar",
					x: at * step + 1,
					y: y(count),
					width: step - 2,
					height: Math.max(0, CHART.height - 24 - y(count)),
				},
				make("title", {}, `${(at * width).toFixed(1)} to ${((at + 1) * width).toFixed(1)} s: ${count}`),
			),
		);
		const curve = Array.from({ length: 49 }, (_, at) => {
			const t = (at / 48) * 4 * mean;
			return `${(t / (4 * mean)) * CHART.width},${y((gaps.length * width * Math.exp(-t / mean)) / mean)}`;
		}).join(" ");
		show(
			times,
			...parts,
			make(
				"p",
				{},
				`${gaps.length} gaps, ${mean.toFixed(2)} s on average; the chain aims at ${page.net.network.spacing_s} s. The line is the exponential distribution of that mean.`,
			),
			make(
				"svg",
				{
					viewBox: `0 0 ${CHART.width} ${CHART.height}`,
					width: "100%",
					role: "img",
					"aria-label": `Histogram of ${gaps.length} times between blocks`,
				},
				...bars,
				make("polyline", { class: "curve", points: curve }),
				make("text", { x: 0, y: CHART.height - 6, class: "soft" }, "0 s"),
				make(
					"text",
					{ x: CHART.width, y: CHART.height - 6, class: "soft", "text-anchor": "end" },
					`${(4 * mean).toFixed(1)} s`,
				),
			),
		);
	}
	/** @param {import("./store.js").Block[]} branch */
	function drawTargets(branch) {
		if (branch.length < 2) return show(targets, h2("Difficulty"), empty("How the difficulty follows the hash rate."));
		const values = branch.map((block) => expectedHashes(block.bits)),
			most = Math.max(...values),
			least = Math.min(...values),
			span = most - least || most;
		const points = values
			.map(
				(value, at) =>
					`${(at / (values.length - 1)) * CHART.width},${CHART.height - 24 - ((value - least) / span) * (CHART.height - 34)}`,
			)
			.join(" ");
		const last = values[values.length - 1];
		show(
			targets,
			h2("Difficulty"),
			make(
				"p",
				{},
				`A block takes ${last.toLocaleString(undefined, { maximumFractionDigits: 0 })} hashes on average, ${duration(last / Math.max(1, page.net.network.hashes_per_second))} at the network's hash rate. At this rate a block of Bitcoin (10²³ hashes or so) would take ${duration(1e23 / Math.max(1, page.net.network.hashes_per_second))}.`,
			),
			make(
				"svg",
				{
					viewBox: `0 0 ${CHART.width} ${CHART.height}`,
					width: "100%",
					role: "img",
					"aria-label": "Expected hashes a block over height",
				},
				make("polyline", { class: "curve", points }),
				make("text", { x: 0, y: CHART.height - 6, class: "soft" }, `height ${branch[0].height}`),
				make(
					"text",
					{ x: CHART.width, y: CHART.height - 6, class: "soft", "text-anchor": "end" },
					`height ${branch[branch.length - 1].height}`,
				),
				make("text", { x: 0, y: 12, class: "soft" }, `${large(most)} hashes`),
			),
		);
	}

	async function drawHand() {
		const first = empty(
			"Take the newest header and look for a nonce yourself, one hash a step or as fast as the browser can.",
		);
		const load = make(
			"button",
			{
				onclick: async () => {
					const tip = page.net.publicTip();
					if (!tip) return page.tell("There is no block to take a header from yet.", hand);
					try {
						const block = await ask(`/api/net/block/${tip.hash}`);
						if (!isOver) mine(block.hex.slice(0, 160), block.bits);
					} catch (error) {
						page.tell(why(error), hand);
					}
				},
			},
			"Take the newest header",
		);
		show(hand, h2("Mine by hand"), first, load);
	}
	/** @param {string} header @param {string} bits */
	function mine(header, bits) {
		const bytes = fromHex(header),
			goal = target(bits),
			zeros = 64 - goal.toString(16).length;
		let nonce = 0,
			done = 0,
			best = 1n << 256n,
			runs = false;
		const line = make("p", { class: "mono" }),
			state = make("p", { role: "status" }),
			fields = make("p", { class: "mono lines" });
		const hasher = new HeaderHasher(bytes);
		const step = (/** @type {number} */ count) => {
			for (let at = 0; at < count; at++) {
				nonce = (nonce + 1) >>> 0;
				const found = value(hasher.hash(nonce));
				done++;
				if (found < best) best = found;
				if (at === count - 1 || found <= goal) {
					line.textContent = digits(found);
					new DataView(bytes.buffer).setUint32(76, nonce, true);
				}
				if (found <= goal) {
					runs = false;
					state.textContent = `Found: nonce ${nonce} meets the target after ${done} hashes.`;
					tell();
					return true;
				}
			}
			tell();
			return false;
		};
		const tell = () => {
			fields.textContent = headerFields(toHex(bytes))
				.map((field) => `${field.name.split(":")[0]}: ${field.what}`)
				.join("\n");
			if (runs || !state.textContent?.startsWith("Found"))
				state.textContent = `${done} hashes; the best so far begins with ${64 - best.toString(16).length} zeros, the target asks for ${zeros} or more.`;
		};
		const run = async () => {
			runs = !runs;
			go.textContent = runs ? "Stop" : "At speed";
			while (runs && !isOver && !step(STEP_AT_SPEED)) await new Promise((resume) => setTimeout(resume));
			go.textContent = "At speed";
		};
		const go = make("button", { onclick: run }, "At speed");
		show(
			hand,
			h2("Mine by hand"),
			make(
				"p",
				{},
				`The header's 80 bytes are hashed twice; the result, read as a number, must be at most the target. On average that takes ${expectedHashes(bits).toLocaleString(undefined, { maximumFractionDigits: 0 })} tries.`,
			),
			fields,
			soft("hash"),
			line,
			soft("target"),
			make("p", { class: "mono" }, digits(goal)),
			state,
			tools(make("button", { onclick: () => step(1) }, "One hash"), go),
		);
		step(1);
	}
	drawHand();
	return {
		draw,
		end: () => {
			isOver = true;
		},
	};
}
