/**
 * Mines blocks again on a copy of the chain that exists on this page alone: what somebody must do who wants to change an old block. No node
 * hears of it.
 */
import { expectedHashes, fromHex, reversed, target } from "./bytes.js";
import { clock, counted, duration, h2, hashes, large, make, percent, show, table, why } from "./dom.js";
import { ask } from "./store.js";

/** @typedef {import("./main.js").Page} Page */

/** Blocks that are mined again at most; who has not caught up by then will not. */
const BLOCKS_MAX = 500;

/**
 * Finds a nonce in a worker. @param {Worker} worker @param {Uint8Array} header @param {string} bits @param {(hashes: number) => void} tell
 * @returns {Promise<{nonce: number | null, hash: string, hashes: number}>}
 */
function mine(worker, header, bits, tell) {
	return new Promise((resolve, reject) => {
		worker.onmessage = ({ data }) => (data.nonce === undefined ? tell(data.hashes) : resolve(data));
		worker.onerror = () => reject(new Error("The browser could not run the worker that hashes."));
		worker.postMessage({ header, target: target(bits) });
	});
}

/**
 * The panel that does it, from a changed header on.
 * @param {Page} page @param {Element} section @param {number} from height of the changed block @param {string} changed its header's 160 digits, but
 *   for the nonce as it is to be @param {() => boolean} isOver
 */
export function remine(page, section, from, changed, isOver) {
	const state = make("p", { role: "status" }),
		done = make("div", { class: "over", tabindex: 0, "aria-label": "Blocks mined again" });
	/** @type {Worker | null} */
	let worker = null;
	const button = make(
		"button",
		{ class: "main", onclick: () => (worker ? stop() : run()) },
		"Mine them again on a copy",
	);
	section.append(h2("Mine them again"), button, state, done);

	function stop() {
		worker?.terminate();
		worker = null;
		button.textContent = "Mine them again on a copy";
	}

	async function run() {
		page.tell("");
		const own = new Worker(new URL("./miner.js", import.meta.url), { type: "module" });
		worker = own;
		button.textContent = "Stop";
		const began = performance.now(),
			top = page.net.top(),
			rows = /** @type {any[][]} */ ([]);
		let spent = 0,
			header = changed,
			tip = "";
		const start = (/** @type {string} */ hash) =>
			make("span", { title: hash, class: "short" }, `${hash.slice(0, 24)}…`);
		const seconds = () => (performance.now() - began) / 1000;
		const tell = (/** @type {string} */ said, now = 0) => {
			const grown = page.net.top() - top,
				rate = (spent + now) / seconds(),
				share = rate / (rate + page.net.network.hashes_per_second);
			state.textContent = `${said} ${large(spent + now)} hashes in ${clock(seconds())}: ${hashes(rate)}, as a miner with ${percent(share)} of the hash rate. Meanwhile the network has found ${counted(grown, "block")}.`;
		};
		try {
			for (let height = from; height <= page.net.top() && rows.length < BLOCKS_MAX; height++) {
				const old = await ask(`/api/net/block/${await ask(`/api/net/height/${height}`)}`);
				// The block itself has its changed header, every later one names the new hash of the one before.
				if (height > from) header = old.hex.slice(0, 8) + reversed(tip) + old.hex.slice(72, 152);
				else header = header.slice(0, 152);
				const bytes = fromHex(`${header}00000000`);
				const found = await mine(own, bytes, old.bits, (now) => tell(`Block ${height}:`, now));
				if (worker !== own || isOver()) return own.terminate();
				if (found.nonce === null)
					throw new Error(`No nonce of block ${height} meets the target: its time must be changed too.`);
				spent += found.hashes;
				rows.push([height, start(old.hash), start(found.hash), found.hashes.toLocaleString()]);
				tip = found.hash;
				tell(`Block ${height}:`);
				show(
					done,
					table(
						[
							["height", "number"],
							["hash", "mono"],
							["hash on the copy", "mono"],
							["hashes", "number"],
						],
						rows,
						"Blocks mined again",
					),
				);
				done.scrollTop = done.scrollHeight;
			}
			const isWhole = from + rows.length > page.net.top();
			tell(
				isWhole
					? `The copy is whole again: ${counted(rows.length, "block")}.`
					: `${counted(rows.length, "block")} are done, and the network is still ahead.`,
			);
		} catch (error) {
			if (worker === own) page.tell(why(error), section);
		}
		if (worker === own) stop();
	}
	return stop;
}

/** What it would cost, before it is done. @param {number} count blocks @param {string} bits @param {number} rate of the network */
export function cost(count, bits, rate) {
	const needed = count * expectedHashes(bits);
	const time = rate
		? ` The whole network, ${hashes(rate)}, would take ${duration(needed / rate)}; and meanwhile it goes on above the true block.`
		: "";
	return make(
		"p",
		{ class: "verdict" },
		`To put it right, ${counted(count, "block")} must be mined again: about ${large(needed)} hashes.${time}`,
	);
}
