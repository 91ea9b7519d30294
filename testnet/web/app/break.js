/** The “break it” view: one changed byte of an old block, every later pointer that no longer fits, and what mending it costs. */

import { fromHex, hash256, merkleRoot, parseBlock, reversed, target, toHex } from "./bytes.js";
import { box, counted, empty, field, h2, make, show, soft, why } from "./dom.js";
import { cost, remine } from "./remine.js";
import { ask } from "./store.js";

/** @typedef {import("./main.js").Page} Page */

/** Blocks that are followed above the changed one. */
const FOLLOWED_MAX = 8;
/** Where a header's fields begin, and whether a block with another value can be mined again without undoing the change. */
const HEADER = [
	{ from: 0, mendable: true },
	{ from: 4, mendable: false },
	{ from: 68, mendable: true },
	{ from: 72, mendable: false },
	{ from: 76, mendable: true },
];

/** @param {Page} page @param {HTMLElement} element @param {string[]} words */
export function breakView(page, element, words) {
	const section = box("w4"),
		result = box("w8"),
		again = box();
	again.hidden = true;
	element.append(section, result, again);
	let isOver = false,
		stop = () => {};
	const height = make("input", {
		type: "number",
		min: 1,
		value: words[0] || Math.max(1, page.net.top() - 5),
		required: true,
	});
	const byte = make("input", { type: "number", min: 0, placeholder: "amount" });
	const form = make(
		"form",
		{
			onsubmit: (/** @type {SubmitEvent} */ event) => {
				event.preventDefault();
				tamper(Number(height.value), byte.value === "" ? null : Number(byte.value));
			},
		},
		field("Height of the block", height),
		field("Which byte to change (0 to 79 are the header's; none: of the last amount that is paid)", byte),
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

	/** @param {number} at @param {number | null} wanted */
	async function tamper(at, wanted) {
		page.tell("");
		stop();
		again.hidden = true;
		again.replaceChildren();
		try {
			const top = page.net.top(),
				blocks = [];
			if (at > top) throw new Error(`There is no block at height ${at}; the chain ends at ${top}.`);
			for (let h = at; h <= Math.min(top, at + FOLLOWED_MAX); h++)
				blocks.push(await ask(`/api/net/block/${await ask(`/api/net/height/${h}`)}`));
			const first = blocks[0],
				bytes = fromHex(first.hex),
				fields = placed(first.hex);
			const place = wanted ?? fields.findLast(({ name }) => name.endsWith(": value"))?.from ?? 80;
			if (place >= bytes.length)
				throw new Error(`Block ${at} has ${bytes.length} bytes: choose one from 0 to ${bytes.length - 1}.`);
			bytes[place] ^= 1;
			const changed = toHex(bytes);
			let root = null;
			try {
				root = await merkleRoot(parseBlock(changed).transactions);
			} catch {
				// Bytes that say how many others follow may have changed.
			}
			if (isOver) return;
			const header = changed.slice(0, 160);
			const mended = place >= 80 && root ? header.slice(0, 72) + root + header.slice(136) : header;
			const of = fields.findLast(({ from }) => from <= place)?.name ?? "";
			await drawPointers(blocks, place, changed, root, mended, of);
			again.hidden = false;
			again.append(soft(verdict(place, root)));
			if (canBeMined(place, root)) stop = remine(page, again, at, mended, () => isOver);
		} catch (error) {
			page.tell(why(error), section);
		}
	}

	/**
	 * @param {any[]} blocks @param {number} place @param {string} changed @param {string | null} root @param {string} mended @param {string} of
	 */
	async function drawPointers(blocks, place, changed, root, mended, of) {
		const [first, ...later] = blocks,
			top = page.net.top(),
			rows = [];
		const hash = reversed(toHex(await hash256(fromHex(mended)))),
			meets = BigInt(`0x${hash}`) <= target(first.bits);
		const digits = (/** @type {string} */ hex) => hex.slice(2 * place, 2 * place + 2);
		rows.push(row(first.height, `byte ${place} (${of}): ${digits(first.hex)} became ${digits(changed)}`, ""));
		if (place >= 80)
			rows.push(
				row(
					first.height,
					root
						? `the transactions' Merkle root is now ${reversed(root)}, the header says ${reversed(changed.slice(72, 136))}`
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
		for (const block of later)
			rows.push(
				row(
					block.height,
					`names ${block.previousblockhash}, which is no longer there: it must be mined again too`,
					"bad",
				),
			);
		const more = top - first.height - later.length;
		if (more > 0)
			rows.push(row(first.height + blocks.length, `and so on, ${counted(more, "block")} more up to the tip`, "bad"));
		const price = cost(top - first.height + 1, first.bits, page.net.network.hashes_per_second);
		show(result, h2("What follows"), ...rows, price);
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
			stop();
		},
	};
}

/** A block's fields with the bytes at which they begin. @param {string} hex */
function placed(hex) {
	let from = 0;
	return parseBlock(hex).fields.map(({ name, hex: digits }) => {
		const begins = from;
		from += digits.length / 2;
		return { name, from: begins };
	});
}

/** @param {number} place @param {string | null} root */
function canBeMined(place, root) {
	return place >= 80 ? root !== null : HEADER.findLast(({ from }) => from <= place)?.mendable === true;
}

/** What mining can mend of a change, and what it cannot. @param {number} place @param {string | null} root */
function verdict(place, root) {
	if (place >= 80 && !root)
		return "Transactions that cannot be read are refused, however much work is put on top of them.";
	if (place >= 80)
		return "Mining again mends the pointers. It does not mend a signature: nodes would still refuse a payment that its owner has not signed. What a miner can change alone is what was signed twice, as in a double spend, or what is left out.";
	if (!canBeMined(place, root))
		return "To put this field right is to undo the change: the block before, the Merkle root and the target follow from the chain and from the transactions.";
	return "This field is the miner's own choice: the block is valid again once it and all that follow are mined again.";
}
