/**
 * What an attack's lines say (`testoon attack … --json`), live or recorded: the facts, the words over the blocks that matter, the four steps
 * with the shop, the attacker and the public side by side, the report.
 */
import { counted, make, odds, percent, table } from "./dom.js";

/** @typedef {import("./store.js").Network} Network */
/**
 * @typedef {{paid: string | null, conflict: string | null, shippedTip: string | null, published: string | null, outcome: any, odds: any,
 *   steps: Record<string, any>, running: boolean, waits: boolean, command: string, waitsFor: number | null, warning: string}} Facts
 */

/** @type {Array<{keys: string[], name: string, shop: string, attacker: string, others: string}>} */
const STEPS = [
	{
		keys: ["pays", "payment"],
		name: "1. The payment",
		shop: "sees the payment in its mempool",
		attacker: "signs a second transaction that spends the same coins",
		others: "pass the payment on and mine it",
	},
	{
		keys: ["hides"],
		name: "2. The secret branch",
		shop: "sees nothing of it",
		attacker: "mines blocks that only they have; the first holds the second transaction",
		others: "see nothing of it",
	},
	{
		keys: ["ships"],
		name: "3. The shipment",
		shop: "has the confirmations it waits for, and ships",
		attacker: "has the goods and goes on until the secret branch is longer",
		others: "build on the block with the payment",
	},
	{
		keys: ["publishes", "gives up", "found"],
		name: "4. The end of the race",
		shop: "takes the branch with more work, whatever it holds",
		attacker: "publishes the longer branch, or gives up",
		others: "take the branch with more work, whatever it holds",
	},
];

/** What the lines say so far. @param {any[]} lines @returns {Facts} */
export function facts(lines) {
	/** @type {Facts} */
	const found = {
		paid: null,
		conflict: null,
		shippedTip: null,
		published: null,
		outcome: null,
		odds: null,
		steps: {},
		running: false,
		waits: false,
		command: "",
		waitsFor: null,
		warning: "",
	};
	for (const line of lines) {
		if (line.started) {
			found.running = true;
			found.command = line.started;
			const waitsFor = /--confirmations[= ](\d+)/.exec(line.started);
			if (waitsFor) found.waitsFor = Number(waitsFor[1]);
		}
		if (line.ended) found.running = false;
		if (line.warning) found.warning = line.warning;
		found.paid = line.paid_txid ?? line.paid ?? found.paid;
		found.conflict = line.conflicting_txid ?? line.conflicting ?? found.conflict;
		if (line.event === "step") {
			found.steps[line.step] = line;
			if (line.step === "ships") found.shippedTip = line.shop_tip;
		}
		if (line.event === "published") found.published = line.hashes?.at(-1) ?? found.published;
		if (line.event === "odds") found.odds = line;
		if (line.verdict) found.outcome = line;
		// Time stands still at a step, so that nothing is told after it.
		if (line.event !== "tips") found.waits = Boolean(line.waits);
	}
	return found;
}

/** Words over the blocks that matter. @param {Network} net @param {Facts} known @returns {Map<string, string>} */
export function marks(net, known) {
	const found = new Map();
	if (known.published) {
		// The highest of those that came out together stands for them.
		let top = net.blocks.get(known.published);
		for (const line of net.story) {
			for (const hash of line.hashes ?? []) {
				const block = net.blocks.get(hash);
				if (block && (!top || block.height > top.height)) top = block;
			}
		}
		if (top) found.set(top.hash, "published");
	}
	for (const block of net.blocks.values()) {
		if (known.paid && block.txids.includes(known.paid)) found.set(block.hash, "payment");
		if (known.conflict && block.txids.includes(known.conflict)) found.set(block.hash, "conflict");
	}
	if (known.shippedTip) {
		const also = found.get(known.shippedTip);
		found.set(known.shippedTip, also ? `${also}, shipped` : "shipped");
	}
	return found;
}

/** Blocks that the lab saw some honest node on: it looks more often than the page's server does. @param {Network} net */
export function noteTips(net) {
	for (const line of net.story)
		for (const [tip, names] of Object.entries(line.tips ?? {}))
			if (names.some((/** @type {string} */ name) => name !== "attacker"))
				for (const block of net.branch(tip)) net.left.add(block.hash);
}

/** The height below the payment and what conflicts with it: from there on everything is the story. @param {Network} net @param {Facts} known */
export function storyFrom(net, known) {
	let from;
	for (const block of net.blocks.values())
		if (block.txids.some((txid) => txid === known.paid || txid === known.conflict))
			from = Math.min(from ?? block.height, Math.max(0, block.height - 1));
	return from;
}

/** The four steps, side by side for the three parties. @param {Facts} known */
export function timeline(known) {
	const reached = STEPS.map(({ keys }) => keys.map((key) => known.steps[key]).find(Boolean));
	const last = reached.findLastIndex(Boolean);
	const cell = (/** @type {number} */ at, /** @type {string} */ words) =>
		make("td", { class: reached[at] ? (at === last ? "now" : "") : "soft" }, words);
	const row = (/** @type {string} */ name, /** @type {"shop" | "attacker" | "others"} */ who) =>
		make("tr", {}, make("th", { scope: "row" }, name), ...STEPS.map((step, at) => cell(at, step[who])));
	const head = STEPS.map((step, at) =>
		make(
			"th",
			{ scope: "col", "aria-current": at === last ? "step" : null },
			`${reached[at] ? "✓ " : ""}${step.name}`,
			reached[at] ? make("time", {}, ` ${Number(reached[at].s).toFixed(1)} s`) : null,
		),
	);
	return make(
		"table",
		{ class: "steps" },
		make("caption", { class: "hidden" }, "The four steps, as the shop, the attacker and everybody else see them"),
		make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "who"), ...head)),
		make("tbody", {}, row("The shop", "shop"), row("The attacker", "attacker"), row("Everybody else", "others")),
	);
}

/** What the shop's clerk sees. @param {Network} net @param {Facts} known @param {number} waitsFor */
export function orders(net, known, waitsFor) {
	if (!known.paid) return null;
	const paid = known.paid;
	const tip = net.publicTip();
	const on = tip ? [...net.branch(tip.hash)] : [];
	const block = on.find((one) => one.txids.includes(paid));
	const depth = block && tip ? tip.height - block.height + 1 : 0;
	const wasIn = [...net.blocks.values()].some((one) => one.txids.includes(paid) && net.left.has(one.hash));
	const shipped = known.shippedTip ? "shipped, " : "";
	let state = `${shipped}${depth} of ${counted(waitsFor, "confirmation")}`;
	if (!block) state = wasIn ? `${shipped}reversed: the block that held it was left` : "paid, waits for a block";
	return table(
		[["order paid by"], ["state"]],
		[[make("span", { class: "mono" }, paid), make("span", { class: !block && wasIn ? "bad" : "" }, state)]],
		"The shop's orders",
	);
}

/** What was measured, as rows. @param {any} outcome @returns {Array<[string, any]>} */
export function measured(outcome) {
	/** @type {Array<[string, any]>} */
	const rows = [];
	const add = (/** @type {string} */ name, /** @type {any} */ value) => {
		if (value !== null && value !== undefined) rows.push([name, value]);
	};
	add("hash share, asked", percent(outcome.share_asked));
	add("hash share, achieved", percent(outcome.share_achieved));
	add("shop's balance before the sale", outcome.shop_balance_at_start);
	add("shop's balance when it shipped", outcome.shop_balance_before);
	add("shop's balance now", outcome.shop_balance_after);
	for (const [node, depth] of Object.entries(outcome.reorg_depth ?? {}))
		add(`deepest reorganisation of ${node}`, counted(Number(depth), "block"));
	if (typeof outcome.revenue === "number") add("part of the chain's blocks", percent(outcome.revenue));
	if (typeof outcome.easier === "number") add("blocks became easier", `${outcome.easier.toFixed(2)} times`);
	if (typeof outcome.matching === "number")
		add(
			"theory, by this chain's rules",
			outcome.easier ? `${outcome.matching.toFixed(2)} times` : odds(outcome.matching),
		);
	for (const key of ["rosenfeld", "nakamoto"])
		if (typeof outcome[key] === "number") add(`theory, ${key}`, odds(outcome[key]));
	add("seconds", outcome.seconds);
	return rows;
}

/** What is said over an outcome. @param {any} outcome */
export function judged(outcome) {
	if (typeof outcome.revenue === "number") return { words: "Revenue: ", kind: "" };
	return outcome.succeeded
		? { words: "The attack succeeded: ", kind: "bad" }
		: { words: "The attack did not succeed: ", kind: "good" };
}

/** Offers a text as a file. @param {string} name @param {string} type @param {string} text */
export function save(name, type, text) {
	const url = URL.createObjectURL(new Blob([text], { type }));
	make("a", { href: url, download: name }).click();
	URL.revokeObjectURL(url);
}

/** A report that stands alone. @param {any[]} lines @param {string} picture an SVG, or nothing */
export function report(lines, picture) {
	const known = facts(lines);
	const page = document.implementation.createHTMLDocument(
		`${known.outcome?.attack ?? "attack"}: ${known.outcome?.verdict ?? ""}`,
	);
	const style = page.createElement("style");
	style.textContent =
		"body{font:16px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em}td,th{text-align:left;padding:.2em 1em .2em 0}svg{max-width:100%;height:auto}";
	page.head.append(style);
	const outcome = known.outcome ?? {};
	page.body.append(
		make("h1", {}, outcome.attack ?? "attack"),
		make("p", {}, make("code", {}, known.command)),
		make("p", {}, make("strong", {}, judged(outcome).words), outcome.verdict ?? "it has not ended"),
		table([[""], [""]], measured(outcome), "What was measured"),
	);
	if (picture) {
		const svg = new DOMParser().parseFromString(picture, "image/svg+xml").documentElement;
		page.body.append(page.importNode(svg, true));
	}
	const told = lines.filter((line) => line.text && line.event !== "tips");
	page.body.append(
		table(
			[["s"], [""]],
			told.map((line) => [line.s ?? "", line.text]),
			"The story",
		),
	);
	return `<!doctype html>\n${page.documentElement.outerHTML}`;
}
