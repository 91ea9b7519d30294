/**
 * The explorer's parts about coins: where each of a transaction's coins came from and where it went, step by step as it is asked for; what an
 * address was paid; and which addresses seem to be one owner's (docs/wallet.md, “Privacy”).
 */
import { coins, counted, empty, h2, make, odds, show, soft, table, tools, why } from "./dom.js";
import { ask } from "./store.js";

/**
 * @typedef {import("./main.js").Page} Page
 * @typedef {{txid: string, vout: number, value: number | null, address: string | null, height?: number | null, coinbase?: boolean,
 *   spent_by?: {txid: string, height: number | null} | null}} Coin
 * @typedef {{txid: string, height: number | null, coinbase: boolean, inputs: Coin[], outputs: Coin[]}} History
 */

export const link = (/** @type {string} */ kind, /** @type {string} */ id, /** @type {any} */ text = id) =>
	make("a", { class: "mono", href: `#/explorer/${kind}/${encodeURIComponent(id)}` }, text);
const transaction = (/** @type {string} */ txid) => link("transaction", txid, `${txid.slice(0, 16)}…`);
const inBlock = (/** @type {number | null | undefined} */ height) =>
	height === null || height === undefined ? "which waits for a block" : `in block ${height}`;

/** @param {string} txid @returns {Promise<History>} */
export const historyOf = (txid) => ask(`/api/net/transaction/${txid}/history`);

/**
 * A button that opens what `load` gives below it, and closes it again.
 * @param {string} name @param {() => Promise<Node>} load
 */
function opener(name, load) {
	const below = make("div");
	const button = make(
		"button",
		{
			class: "link",
			"aria-expanded": "false",
			onclick: async () => {
				const opens = button.getAttribute("aria-expanded") === "false";
				button.setAttribute("aria-expanded", String(opens));
				if (!opens) return show(below);
				show(below, make("p", { role: "status" }, "Asking…"));
				try {
					show(below, await load());
				} catch (error) {
					show(below, make("p", { class: "bad" }, why(error)));
				}
			},
		},
		name,
	);
	return make("div", { class: "opener" }, button, below);
}

/**
 * A transaction's coins on one side, each of which can be followed further.
 * @param {History} history @param {"back" | "forward"} way @returns {HTMLElement}
 */
export function coinList(history, way) {
	if (way === "back" && history.coinbase)
		return make("ul", { class: "coins" }, make("li", {}, "new coins and fees: nothing is before them"));
	const list = way === "back" ? history.inputs : history.outputs;
	return make(
		"ul",
		{ class: "coins", "aria-label": way === "back" ? "Inputs" : "Outputs" },
		...list.map((coin) => item(coin, way, history.height !== null)),
	);
}

/** @param {Coin} coin @param {"back" | "forward"} way @param {boolean} isMined @returns {HTMLElement} */
function item(coin, way, isMined) {
	const what = make(
		"div",
		{},
		coin.value === null ? "a coin" : make("strong", {}, coins(coin.value)),
		way === "back" ? " from " : " to ",
		coin.address ? link("address", coin.address) : "a script that nobody can unlock",
	);
	if (way === "back") {
		const made = make("div", {}, "made by ", transaction(coin.txid), `, ${inBlock(coin.height)}`);
		const further = coin.coinbase
			? soft("New coins of that block: nothing is before them.")
			: opener("Where it came from", async () => coinList(await historyOf(coin.txid), "back"));
		return make("li", {}, what, made, further);
	}
	const spender = coin.spent_by;
	const coinbases = isMined ? opener("Its coinbases", () => drawOrigin(coin)) : null;
	if (!spender) return make("li", {}, what, soft("Not spent."), coinbases);
	return make(
		"li",
		{},
		what,
		make("div", {}, "spent by ", transaction(spender.txid), `, ${inBlock(spender.height)}`),
		opener("Where it went", async () => coinList(await historyOf(spender.txid), "forward")),
		coinbases,
	);
}

/** @param {Coin} coin */
async function drawOrigin(coin) {
	const found = await ask(`/api/net/transaction/${coin.txid}/origin/${coin.vout}`);
	const rows = found.shares.map((/** @type {any} */ share) => [
		link("transaction", share.coinbase, `block ${share.height}`),
		coins(share.first_in_first_out),
		coins(share.by_proportion),
	]);
	return make(
		"div",
		{},
		table(
			[["coinbase of"], ["first in, first out", "number"], ["by proportion", "number"]],
			rows,
			"The coinbases that this coin goes back to",
		),
		found.count > rows.length ? soft(`The largest ${rows.length} of ${found.count}.`) : "",
		soft("A transaction mixes its coins: the chain does not say which convention is right."),
	);
}

/** Every payment to an address, and its cluster. @param {HTMLElement} section @param {string} address */
export async function drawAddressHistory(section, address) {
	const found = await ask(`/api/net/address/${encodeURIComponent(address)}/history`);
	const rows = found.coins.map((/** @type {Coin} */ coin) => [
		coins(coin.value ?? 0),
		make("span", {}, transaction(coin.txid), ` ${inBlock(coin.height)}`),
		coin.spent_by
			? make("span", {}, transaction(coin.spent_by.txid), ` ${inBlock(coin.spent_by.height)}`)
			: "not spent",
	]);
	const cluster = found.cluster;
	show(
		section,
		h2("Everything it was paid"),
		rows.length
			? make(
					"div",
					{ class: "over", tabindex: 0, "aria-label": "Everything it was paid" },
					table([["coins", "number"], ["made by"], ["spent by"]], rows, "Every coin of this address"),
				)
			: empty("No block pays this address."),
		found.count > rows.length ? soft(`The newest ${rows.length} of ${found.count}.`) : "",
		make("h3", {}, "Its cluster"),
		...(cluster ? clusterWords(cluster, address) : [empty("An address that no block names belongs to none.")]),
	);
}

/** @param {any} cluster @param {string} address */
function clusterWords(cluster, address) {
	const others = cluster.addresses.filter((/** @type {string} */ one) => one !== address);
	return [
		make(
			"p",
			{},
			`By what the chain gives away, ${counted(cluster.size, "address", "addresses")} with ${coins(cluster.balance)} coins ${cluster.size === 1 ? "is" : "are"} one owner's`,
			cluster.owners.length ? `; the wallets say: ${cluster.owners.join(", ")}. ` : ". ",
			make("a", { href: "#/explorer/clusters" }, "All clusters"),
		),
		make("ul", { class: "over" }, ...others.map((/** @type {string} */ one) => make("li", {}, link("address", one)))),
	];
}

const RULES = {
	"common-inputs": "the inputs of one transaction have one owner",
	"fresh-change": "of two outputs, the never-seen one is change",
	"needless-input": "an output smaller than each of several inputs is change",
};

/** All clusters, by rules that can be switched off. @param {Page} page @param {HTMLElement} section @param {HTMLElement} more */
export async function drawClusters(page, section, more) {
	/** @type {Set<string>} */
	const without = new Set();
	await draw();

	async function draw() {
		const found = await ask(`/api/net/clusters?without=${[...without].join(",")}`);
		const rules = Object.entries(RULES).map(([key, words]) => {
			const input = make("input", {
				type: "checkbox",
				checked: !without.has(key),
				"data-key": key,
				onchange: () => {
					without[input.checked ? "delete" : "add"](key);
					draw().catch((error) => page.tell(why(error), section));
				},
			});
			return make("label", {}, input, ` ${words}`);
		});
		const rows = found.clusters.map((/** @type {any} */ cluster) => [
			cluster.cluster,
			cluster.size,
			coins(cluster.balance),
			cluster.owners.join(", ") || "–",
			link("address", cluster.addresses[0]),
		]);
		show(
			section,
			h2("Clusters of addresses"),
			make(
				"p",
				{},
				`${counted(found.addresses, "address", "addresses")} in ${counted(found.count, "cluster")}: which seem to be one owner's, by rules that anybody can apply to the chain.`,
			),
			tools(...rules),
			make(
				"p",
				{},
				`Held against the wallets of this network: of the pairs put together ${odds(found.precision)} belong together (precision); of those that belong together ${odds(found.recall)} were put together (recall).`,
			),
			rows.length
				? make(
						"div",
						{ class: "over", tabindex: 0, "aria-label": "Clusters" },
						table(
							[["cluster", "number"], ["addresses", "number"], ["coins", "number"], ["really"], ["first address"]],
							rows,
							"Clusters, the largest first",
						),
					)
				: empty("No address is known yet: blocks and payments name them."),
			found.count > rows.length ? soft(`The largest ${rows.length} of ${found.count}.`) : "",
		);
		const name = (/** @type {number} */ at) => {
			const owners = found.clusters[at]?.owners.join(", ");
			return owners ? `${at} (${owners})` : String(at);
		};
		show(
			more,
			h2("What clusters paid each other"),
			found.flows.length
				? make(
						"div",
						{ class: "over", tabindex: 0, "aria-label": "Payments between clusters" },
						table(
							[["from"], ["to"], ["payments", "number"], ["coins", "number"]],
							found.flows.map((/** @type {any} */ flow) => [
								name(flow.from),
								name(flow.to),
								flow.transactions,
								coins(flow.amount),
							]),
							"Payments between clusters",
						),
					)
				: empty("Payments from one cluster to another are summed up here. Pay somebody in the Network view."),
		);
	}
}

/** The parts of a transaction's page about its coins. @param {History} history */
export function coinFlow(history) {
	return make(
		"div",
		{ class: "flow" },
		coinList(history, "back"),
		make("span", { "aria-hidden": "true" }, "→"),
		coinList(history, "forward"),
	);
}
