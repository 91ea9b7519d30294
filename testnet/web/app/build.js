/** Parts of the network view: the forms below the graph, and the network as a file. */
import { coins, h2, make, show, soft, table, tools, why } from "./dom.js";
import { ask } from "./store.js";
import { save } from "./story.js";

/** @typedef {import("./main.js").Page} Page */

/**
 * The network as a file for `testoon up --file` (docs/networks.md).
 * @param {import("./store.js").Network["network"]} network @param {any[]} links as `testoon net topology` tells them
 */
export function networkFile(network, links) {
	// A basic string of TOML has the escapes of JSON's.
	const text = (/** @type {string} */ value) => JSON.stringify(value);
	const lines = [`chain = ${text(network.chain ?? "local")}`, "", "[topology]"];
	const edges = links.filter((link) => link.planned).map((link) => `  [${link.between.map(text).join(", ")}],`);
	lines.push("edges = [", ...edges, "]");
	for (const node of network.nodes) {
		lines.push("", "[[node]]", `name = ${text(node.name)}`, `role = ${text(node.role)}`);
		if (node.share_asked) lines.push(`share = ${node.share_asked}`);
	}
	for (const link of links) {
		const conditions = [];
		if (link.delay_ms) conditions.push(`delay = "${link.delay_ms}ms"`);
		if (link.jitter_ms) conditions.push(`jitter = "${link.jitter_ms}ms"`);
		if (link.loss) conditions.push(`loss = "${link.loss * 100}%"`);
		if (link.bandwidth) conditions.push(`bandwidth = "${link.bandwidth}B/s"`);
		if (conditions.length)
			lines.push("", "[[link]]", `between = [${link.between.map(text).join(", ")}]`, ...conditions);
	}
	return `${lines.join("\n")}\n`;
}

/**
 * What is done by forms below the graph: payments, more nodes, snapshots.
 * @param {Page} page @param {(action: any, place: Element) => Promise<any>} run @param {HTMLElement} accounts @param {HTMLElement} build
 */
export function drawForms(page, run, accounts, build) {
	const net = page.net;
	const list = make("div"),
		load = async () => {
			try {
				const { answer } = await ask("/api/net/accounts");
				const rows = answer.accounts.map((/** @type {any} */ account) => [
					account.name,
					coins(account.confirmed),
					coins(account.pending),
					make("a", { class: "mono", href: `#/explorer/address/${account.address}` }, account.address),
				]);
				show(list, table([["account"], ["confirmed", "number"], ["pending", "number"], ["address"]], rows, "Accounts"));
			} catch (error) {
				show(list, make("p", { class: "bad" }, why(error)));
			}
		};
	const pay = make(
		"form",
		{
			onsubmit: async (/** @type {SubmitEvent} */ event) => {
				event.preventDefault();
				const data = new FormData(pay),
					text = (/** @type {string} */ name) => String(data.get(name));
				const result = await run(
					{ action: "pay", from: text("from"), to: text("to"), amount: text("amount") },
					accounts,
				);
				if (result) {
					page.go(`/explorer/transaction/${result.answer.txid}`);
				}
			},
		},
		tools(
			make("label", {}, "from ", make("input", { name: "from", value: "alice", size: 8, required: true })),
			make("label", {}, "to ", make("input", { name: "to", value: "bob", size: 16, required: true })),
			make("label", {}, "coins ", make("input", { name: "amount", value: "1.5", size: 8, required: true })),
			make("button", { disabled: net.readOnly }, "Pay"),
		),
	);
	show(accounts, h2("Accounts"), pay, make("button", { onclick: load }, "Look at the balances"), list);
	const add = make(
		"form",
		{
			onsubmit: (/** @type {SubmitEvent} */ event) => {
				event.preventDefault();
				const data = new FormData(add);
				run({ action: "add", name: String(data.get("name")), share: String(data.get("share")) }, build);
			},
		},
		tools(
			make("label", {}, "name ", make("input", { name: "name", size: 8, placeholder: "next free" })),
			make("label", {}, "hash share ", make("input", { name: "share", size: 5, placeholder: "0" })),
			make("button", { disabled: net.readOnly }, "Add a node"),
		),
	);
	const keep = make(
		"form",
		{
			onsubmit: (/** @type {SubmitEvent} */ event) => {
				event.preventDefault();
				const name = String(new FormData(keep).get("name"));
				run({ action: /** @type {HTMLButtonElement} */ (event.submitter).value, name }, build);
			},
		},
		tools(
			make("label", {}, "snapshot ", make("input", { name: "name", size: 10, required: true, value: "before" })),
			make("button", { value: "snapshot", disabled: net.readOnly }, "Take"),
			make("button", { value: "restore", disabled: net.readOnly }, "Bring back"),
		),
	);
	show(
		build,
		h2("Build"),
		add,
		keep,
		make(
			"button",
			{
				onclick: async () => {
					try {
						const { answer } = await ask("/api/net/topology");
						save("net.toml", "application/toml", networkFile(net.network, answer.links));
					} catch (error) {
						page.tell(why(error), build);
					}
				},
			},
			"Save as a network file",
		),
		soft("A snapshot keeps the whole network, forks included; bringing it back undoes everything since."),
	);
}
