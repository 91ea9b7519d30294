/** The explorer: a block, a transaction, an address, a mempool, with their bytes explained. */

import { headerFields, transactionFields } from "./bytes.js";
import { coinFlow, drawAddressHistory, drawClusters, historyOf, link } from "./coins.js";
import { box, coins, counted, empty, h2, make, odds, show, soft, table, why } from "./dom.js";
import { badge } from "./palette.js";
import { ask } from "./store.js";

/** @typedef {import("./main.js").Page} Page */

/** Digits of a field that are shown; longer ones are cut in the middle. */
const DIGITS_MAX = 400;
/** Hash share of the attacker whose odds are shown beside a payment. */
const ATTACKER = 0.3;

/** @param {import("./coins.js").Coin[]} list */
const sum = (list) => list.reduce((total, { value }) => total + (value ?? 0), 0);

/** Bytes whose meaning appears when they are pointed at or focused. @param {Array<import("./bytes.js").Field>} fields */
function bytes(fields) {
	const what = make("p", { class: "soft", "aria-live": "polite" }, "Point at a byte: what it is.");
	const spans = fields.flatMap(({ name, hex, what: value }) => {
		const shown = hex.length > DIGITS_MAX ? `${hex.slice(0, DIGITS_MAX / 2)}…${hex.slice(-DIGITS_MAX / 2)}` : hex;
		const tell = () => {
			what.textContent = value === hex ? name : `${name}: ${value}`;
		};
		return [make("span", { tabindex: 0, onmouseenter: tell, onfocus: tell, title: name }, shown), " "];
	});
	return make("div", {}, what, make("div", { class: "bytes over" }, ...spans));
}

/** @param {Page} page @param {HTMLElement} element @param {string[]} words */
export function explorerView(page, element, words) {
	const [kind, id] = words,
		section = box(),
		more = box();
	element.append(section, more);
	let isOver = false;
	/** What is done about a transaction when the network changes. */
	let follow = () => {};
	const kinds = {
		block: drawBlock,
		transaction: drawTransaction,
		address: drawAddress,
		mempool: drawMempool,
		clusters: () => drawClusters(page, section, more),
	};
	const open = kinds[/** @type {keyof typeof kinds} */ (kind)];
	if (!open || !(id || kind === "clusters")) {
		section.className = "w8";
		more.className = "w4";
		drawNewest();
		return { draw: drawNewest };
	}
	show(section, make("p", { role: "status" }, "Asking the nodes…"));
	open(id).catch((error) => {
		if (!isOver)
			show(
				section,
				h2("Not found"),
				make("p", { class: "bad" }, error.message),
				make("p", {}, make("a", { href: "#/explorer" }, "The newest blocks")),
			);
	});
	return {
		draw: () => follow(),
		end: () => {
			isOver = true;
		},
	};

	function drawNewest() {
		const tip = page.net.publicTip(),
			rows = [];
		for (const block of page.net.branch(tip?.hash)) {
			rows.push([
				link("block", block.hash, String(block.height)),
				make("span", {}, badge(page.net.place(block.miner)), " ", block.miner),
				block.transactions - 1,
				block.size,
				new Date(block.time * 1000).toLocaleTimeString(),
				link("block", block.hash, `${block.hash.slice(0, 24)}…`),
			]);
			if (rows.length >= 40) break;
		}
		show(
			section,
			h2("Newest blocks"),
			rows.length
				? table(
						[["height"], ["mined by"], ["payments", "number"], ["bytes", "number"], ["time"], ["hash"]],
						rows,
						"The newest blocks",
					)
				: empty("Blocks appear here as soon as a node answers."),
		);
		const pools = page.net.network.nodes
			.filter((node) => node.mempool !== null)
			.map((node) => [link("mempool", node.name), counted(node.mempool ?? 0, "transaction")]);
		show(
			more,
			h2("Mempools"),
			pools.length ? table([["node"], ["waits"]], pools, "Mempools") : empty("Each running node's mempool."),
			h2("Addresses"),
			make("a", { href: "#/explorer/clusters" }, "Clusters: which addresses seem to be one owner's"),
		);
	}

	/** @param {string} hash */
	async function drawBlock(hash) {
		const block = await ask(`/api/net/block/${hash}`);
		const facts = [
			["hash", block.hash],
			["height", block.height],
			["confirmations", block.confirmations < 0 ? "none: it is on a branch that was left behind" : block.confirmations],
			["before", block.previousblockhash ? link("block", block.previousblockhash) : "nothing: genesis"],
			["after", block.nextblockhash ? link("block", block.nextblockhash) : "nothing yet"],
			["time", new Date(block.time * 1000).toLocaleString()],
			["bytes", block.size],
			["compact target", block.bits],
			["difficulty", block.difficulty],
			["work of the branch", `0x${block.chainwork.replace(/^0+/, "")}`],
			["nonce", block.nonce],
		];
		const payments = block.tx.map((/** @type {any} */ tx) => [
			link("transaction", tx.txid),
			tx.vin[0].coinbase === undefined
				? `${counted(tx.vin.length, "input")}, ${counted(tx.vout.length, "output")}`
				: "coinbase",
			coins(tx.vout.reduce((/** @type {number} */ sum, /** @type {any} */ out) => sum + out.value, 0)),
			tx.fee === undefined ? "" : coins(tx.fee),
		]);
		show(
			section,
			h2(`Block ${block.height}`),
			table(
				[
					["", ""],
					["", "mono"],
				],
				facts,
				"The block",
			),
			make("h3", {}, "Transactions"),
			make(
				"div",
				{ class: "over" },
				table([["transaction"], ["what"], ["coins", "number"], ["fee", "number"]], payments, "Its transactions"),
			),
		);
		show(
			more,
			h2("The header's 80 bytes"),
			bytes(headerFields(block.hex.slice(0, 160))),
			make("a", { href: `#/break/${block.height}` }, "Change a byte of it and see what breaks"),
		);
	}

	/** @param {string} txid */
	async function drawTransaction(txid) {
		const tx = await ask(`/api/net/transaction/${txid}`);
		const history = await historyOf(txid);
		const depth = tx.confirmations ?? 0;
		const state = make("span", {});
		const facts = [
			["txid", tx.txid],
			["state", state],
			["block", tx.blockhash ? link("block", tx.blockhash) : "none"],
			["bytes", tx.size],
		];
		if (!history.coinbase && history.inputs.every(({ value }) => value !== null))
			facts.push(["fee", coins(sum(history.inputs) - sum(history.outputs))]);
		const reversal = make("span", {}, "–"),
			isPayment = history.height !== null && !history.coinbase;
		if (isPayment) facts.push([`odds that an attacker with ${ATTACKER * 100} % reverses it`, reversal]);
		if (isOver) return;
		const tip = page.net.publicTip();
		let told = 0;
		// Confirmations grow with the chain; what waits is looked at again whenever the chain has changed.
		follow = () => {
			const now = page.net.publicTip();
			if (history.height === null && now?.hash !== tip?.hash) {
				follow = () => {};
				drawTransaction(txid).catch((error) => page.tell(why(error), section));
			}
			const { height } = history,
				more = height === null || !now ? depth : Math.max(depth, now.height - height + 1);
			state.textContent =
				height === null ? "waits in a mempool, or its block was left behind" : counted(more, "confirmation");
			if (isPayment && more !== told) tellOdds(more);
			told = more;
		};
		const tellOdds = async (/** @type {number} */ confirmations) => {
			try {
				const found = await ask(`/api/odds?share=${ATTACKER}&confirmations=${Math.min(confirmations, 1000)}`);
				reversal.textContent = odds(found.matching);
			} catch {
				// The frame says that the launcher does not answer.
				reversal.textContent = "–";
			}
		};
		follow();
		show(
			section,
			h2("Transaction"),
			table(
				[
					["", ""],
					["", "mono"],
				],
				facts,
				"The transaction",
			),
			coinFlow(history),
		);
		show(more, h2(`Its ${tx.size} bytes`), bytes(transactionFields(tx.hex)));
	}

	/** @param {string} address */
	async function drawAddress(address) {
		const found = await ask(`/api/net/address/${encodeURIComponent(address)}`);
		const rows = found.unspents.map((/** @type {any} */ coin) => [
			coins(coin.amount),
			coin.height,
			link("transaction", coin.txid, `${coin.txid}:${coin.vout}`),
		]);
		show(
			section,
			h2("Address"),
			make("p", { class: "mono" }, address),
			make(
				"p",
				{},
				rows.length
					? `${coins(found.total_amount)} in ${counted(rows.length, "coin that is not spent", "coins that are not spent")}, as of height ${found.height}.`
					: `It holds nothing, as of height ${found.height}: nothing was paid to it, or all of it was spent.`,
			),
			rows.length
				? make(
						"div",
						{ class: "over" },
						table([["coins", "number"], ["height", "number"], ["made by"]], rows, "Its coins"),
					)
				: "",
		);
		try {
			await drawAddressHistory(more, address);
		} catch (error) {
			show(more, h2("Everything it was paid"), make("p", { class: "bad" }, why(error)));
		}
	}

	/** @param {string} node */
	async function drawMempool(node) {
		const pool = await ask(`/api/net/mempool/${encodeURIComponent(node)}`);
		const rows = pool.transactions.map((/** @type {any} */ tx) => [
			link("transaction", tx.txid),
			tx.size,
			coins(tx.fee),
			tx.rate.toFixed(2),
		]);
		show(
			section,
			h2(`Mempool of ${node}`),
			rows.length
				? table(
						[["transaction"], ["bytes", "number"], ["fee", "number"], ["units a byte", "number"]],
						rows,
						"Waiting transactions",
					)
				: empty("Nothing waits. Pay somebody in the Network view to see a payment here until a block takes it."),
			pool.count > rows.length ? soft(`The best paying ${rows.length} of ${pool.count}.`) : "",
		);
		more.remove();
	}
}
