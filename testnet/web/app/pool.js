/** Part of the mining view: the pools that nodes run (docs/pool.md), their workers, who has earned what, the blocks found. */
import { box, clock, coins, counted, h2, hashes, large, make, percent, show, table } from "./dom.js";
import { ask } from "./store.js";

/** Between two looks at pools, and where there was none at the last, milliseconds. */
const LOOK_MS = 2000,
	LOOK_IF_NONE_MS = 10_000;
/** Workers and blocks shown. */
const WORKERS_MAX = 100,
	BLOCKS_MAX = 10;

/** The pools' section, which is hidden while no node runs one. @param {() => boolean} isOver */
export function poolSection(isOver) {
	const section = box();
	section.hidden = true;
	/** @type {any[]} */
	let pools = [];
	async function look() {
		if (isOver()) return;
		try {
			if (!document.hidden) pools = (await ask("/api/net/pools")).pools;
		} catch {
			// The frame says that the launcher does not answer.
			pools = [];
		}
		if (isOver()) return;
		section.hidden = !pools.length;
		show(section, ...pools.flatMap(draw));
		setTimeout(look, pools.length ? LOOK_MS : LOOK_IF_NONE_MS);
	}
	look();
	return section;
}

/** @param {any} pool */
function draw(pool) {
	const now = Date.now() / 1000;
	const workers = pool.workers
		.slice(0, WORKERS_MAX)
		.map((/** @type {any} */ worker) => [
			make("span", { class: "mono" }, worker.worker),
			worker.connections ? counted(worker.connections, "connection") : "left",
			worker.agent,
			hashes(worker.hashrate["1m"]),
			worker.difficulty.toPrecision(4),
			worker.shares.accepted,
			worker.shares.stale + worker.shares.rejected,
			worker.last_share ? `${clock(Math.max(0, now - worker.last_share))} ago` : "none yet",
		]);
	const users = pool.users.map((/** @type {any} */ user) => [
		make("a", { class: "mono", href: `#/explorer/address/${user.address}` }, user.address),
		percent(user.share),
		coins(user.balance),
	]);
	const blocks = pool.blocks
		.slice(0, BLOCKS_MAX)
		.map((/** @type {any} */ block) => [
			make("a", { href: `#/explorer/block/${block.hash}` }, block.height),
			make("span", { class: "mono" }, block.worker),
			new Date(block.time * 1000).toLocaleTimeString(),
			block.in_chain ? "in the chain" : "left behind",
		]);
	const part = (
		/** @type {string} */ name,
		/** @type {Array<[string, string?]>} */ columns,
		/** @type {any[]} */ rows,
	) =>
		rows.length
			? [
					make("h3", {}, name),
					make("div", { class: "over", tabindex: 0, "aria-label": name }, table(columns, rows, name)),
				]
			: [];
	return [
		h2(`Pool of ${pool.node}`),
		make(
			"p",
			{},
			`${counted(pool.connections, "connection")}, ${hashes(pool.hashrate["1m"])}; payout ${pool.payout}, fee ${pool.fee_percent} %; ${counted(pool.blocks_found, "block")} found with ${large(pool.shares.hashes)} hashes. `,
			pool.accepting ? "" : "It takes no shares: its books cannot be written.",
		),
		...part(
			"Workers",
			[
				["worker"],
				["state"],
				["program"],
				["hash rate", "number"],
				["difficulty", "number"],
				["shares", "number"],
				["refused", "number"],
				["last share", "number"],
			],
			workers,
		),
		...part("What counts, and what is owed", [["address"], ["of the work", "number"], ["balance", "number"]], users),
		...part("Blocks found", [["height", "number"], ["by"], ["time"], [""]], blocks),
	];
}
