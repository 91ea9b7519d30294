/** The “break it” view: one changed byte of an old block, every later pointer that no longer fits, and what mending it would cost. */

import { expectedHashes, fromHex, hash256, merkleRoot, parseBlock, reversed, target, toHex } from "./bytes.js";
import { box, counted, duration, empty, field, h2, make, show, why } from "./dom.js";
import { ask } from "./store.js";

/** @typedef {import("./main.js").Page} Page */

/** Blocks that are followed above the changed one. */
const FOLLOWED_MAX = 8;

/** @param {Page} page @param {HTMLElement} element @param {string[]} words */
export function breakView(page, element, words) {
	const section = box("w4"),
		result = box("w8");
	element.append(section, result);
	let isOver = false;
	const height = make("input", {
		type: "number",
		min: 1,
		value: words[0] || Math.max(1, page.net.top() - 5),
		required: true,
	});
	const byte = make("input", { type: "number", min: 0, value: 90, required: true });
	const form = make(
		"form",
		{
			onsubmit: (/** @type {SubmitEvent} */ event) => {
				event.preventDefault();
				tamper(Number(height.value), Number(byte.value));
			},
		},
		field("Height of the block", height),
		field("Which byte to change (0 to 79 are the header's)", byte),
		make("button", { class: "main" }, "Change one bit of it"),
	);
	show(
		section,
		h2("Break it"),
		make(
			"p",
			{},
			"Take a copy of an old block, change one bit, and see what no longer fits. No node is touched: this happens on this page alone.",
		),
		form,
	);
	show(
		result,
		h2("What follows"),
		empty(
			"Every block names the hash of the one before. Change a byte and that name is wrong, all the way to the tip.",
		),
	);

	/** @param {number} at @param {number} place */
	async function tamper(at, place) {
		page.tell("");
		try {
			const top = page.net.top(),
				blocks = [];
			for (let h = at; h <= Math.min(top, at + FOLLOWED_MAX); h++)
				blocks.push(await ask(`/api/net/block/${await ask(`/api/net/height/${h}`)}`));
			if (!blocks.length) throw new Error(`There is no block at height ${at}; the chain ends at ${top}.`);
			const first = blocks[0],
				bytes = fromHex(first.hex);
			if (place >= bytes.length)
				throw new Error(`Block ${at} has ${bytes.length} bytes: choose one from 0 to ${bytes.length - 1}.`);
			bytes[place] ^= 1;
			const changed = toHex(bytes),
				rows = [];
			let root = "",
				readable = true;
			try {
				root = await merkleRoot(parseBlock(changed).transactions);
			} catch {
				readable = false;
			}
			const header = changed.slice(0, 160),
				stated = header.slice(72, 136);
			const isBody = place >= 80,
				mended = isBody && readable ? header.slice(0, 72) + root + header.slice(136) : header;
			const hash = reversed(toHex(await hash256(fromHex(mended)))),
				meets = BigInt(`0x${hash}`) <= target(first.bits);
			rows.push(
				row(
					first.height,
					`byte ${place}: ${first.hex.slice(2 * place, 2 * place + 2)} became ${changed.slice(2 * place, 2 * place + 2)}`,
					"",
				),
			);
			if (isBody)
				rows.push(
					row(
						first.height,
						readable
							? `the transactions' Merkle root is now ${reversed(root)}, the header says ${reversed(stated)}`
							: "the transactions can no longer be read",
						"bad",
					),
				);
			rows.push(
				row(
					first.height,
					`with the header put right its hash is ${hash}: ${meets ? "by luck it meets the target" : "it does not meet the target, so it must be mined again"}`,
					meets ? "" : "bad",
				),
			);
			for (const block of blocks.slice(1))
				rows.push(
					row(block.height, "names a block before it that is no longer there, and must be mined again too", "bad"),
				);
			const more = top - at - blocks.length + 1,
				count = top - at + 1;
			if (more > 0)
				rows.push(row(at + blocks.length, `and so on, ${counted(more, "block")} more up to the tip`, "bad"));
			const needed = count * expectedHashes(first.bits),
				rate = page.net.network.hashes_per_second;
			const time = rate
				? ` The whole network, ${Math.round(rate).toLocaleString()} hashes a second, would take ${duration(needed / rate)}; and meanwhile it goes on above the true block.`
				: "";
			if (isOver) return;
			show(
				result,
				h2("What follows"),
				...rows,
				make(
					"p",
					{ class: "verdict" },
					`To put it right, ${counted(count, "block")} must be mined again: about ${needed.toLocaleString(undefined, { maximumFractionDigits: 0 })} hashes.${time}`,
				),
			);
		} catch (error) {
			page.tell(why(error));
		}
	}
	/** @param {number} at @param {string} words_ @param {string} kind */
	function row(at, words_, kind) {
		return make(
			"div",
			{ class: "pointer" },
			make("strong", {}, at),
			make("span", { class: kind === "bad" ? "mono bad" : "mono" }, words_),
			make("span", {}, kind === "bad" ? "does not fit" : ""),
		);
	}
	let isSet = Boolean(words[0]);
	return {
		// The page may have been opened before it knew how high the chain is.
		draw: () => {
			if (isSet || !page.net.top()) return;
			isSet = true;
			height.value = String(Math.max(1, page.net.top() - 5));
		},
		end: () => {
			isOver = true;
		},
	};
}
