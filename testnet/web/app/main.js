/**
 * The page's frame: which view is shown, what stands above it, what is found by the search. A view is a function that fills an
 * element and returns what redraws it; addresses are `#/view/…`, so that links and the back button work.
 */

import { attackView } from "./attack.js";
import { breakView } from "./break.js";
import { chainView } from "./chain.js";
import { classroomView } from "./classroom.js";
import { counted, hashes, make, show, why } from "./dom.js";
import { explorerView } from "./explorer.js";
import { miningView } from "./mining.js";
import { networkView } from "./network.js";
import { oddsView } from "./odds.js";
import { Presenter } from "./presenter.js";
import { replayView } from "./replay.js";
import { ask, Network } from "./store.js";

/**
 * @typedef {{draw?: () => void, end?: () => void}} View
 * @typedef {{net: Network, attacked: Network, go: (address: string) => void, tell: (words: string) => void}} Page
 */

/** @type {Record<string, {name: string, open: (page: Page, element: HTMLElement, words: string[]) => View}>} */
const VIEWS = {
	network: { name: "Network", open: networkView },
	chain: { name: "Chain", open: chainView },
	attack: { name: "Attack", open: attackView },
	explorer: { name: "Explorer", open: explorerView },
	mining: { name: "Mining", open: miningView },
	break: { name: "Break it", open: breakView },
	odds: { name: "Odds", open: oddsView },
	replay: { name: "Replay", open: replayView },
	classroom: { name: "Classroom", open: classroomView },
};

/** @param {string} id */
const at = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const page = {
	net: new Network("net"),
	attacked: new Network("attack"),
	go: (/** @type {string} */ address) => {
		location.hash = address;
	},
	tell,
};
const presenter = new Presenter(page);
/** @type {View} */
let view = {};
let shownTab = "";

/** Shows one line about something that was refused or failed; empty takes it away. @param {string} words */
function tell(words) {
	at("notice").textContent = words;
	at("notice").hidden = !words;
}

/** A part of an address; one that cannot be decoded stays as it is. @param {string} text */
function decoded(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

function route() {
	const words = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
	const name = VIEWS[words[0]] ? words[0] : page.net.isClass ? "classroom" : "network";
	view.end?.();
	tell("");
	const element = make("main", { id: "view", tabindex: -1 });
	at("view").replaceWith(element);
	document.title = `${VIEWS[name].name} · Testoon`;
	shownTab = name;
	drawTabs();
	view = VIEWS[name].open(page, element, words.slice(1));
	view.draw?.();
}

function drawTabs() {
	const tabs = Object.entries(VIEWS).map(([key, { name }]) =>
		make("a", { href: `#/${key}`, "aria-current": key === shownTab ? "page" : null, "data-key": key }, name),
	);
	const present = make(
		"button",
		{
			class: "link right",
			"aria-pressed": presenter.isOn,
			onclick: () => {
				presenter.toggle();
				drawTabs();
				view.draw?.();
			},
			"data-key": "present",
		},
		"Present",
	);
	show(at("tabs"), ...tabs, present);
}

function drawFacts() {
	const { network } = page.net,
		up = network.nodes.filter((node) => node.height !== null),
		tips = new Set(up.map((node) => node.tip));
	const fact = (/** @type {string} */ name, /** @type {string} */ value) =>
		make("div", {}, make("dt", {}, name), make("dd", {}, value));
	const facts = [];
	if (!page.net.connected) facts.push(fact("launcher", "reconnecting…"));
	if (network.chain)
		facts.push(
			fact("chain", network.chain),
			fact("height", up.length ? String(page.net.top()) : "–"),
			fact("nodes up", `${up.length} of ${network.nodes.length}`),
			fact("hash rate", hashes(network.hashes_per_second)),
		);
	if (up.length) facts.push(fact("agreement", tips.size === 1 ? "one tip" : counted(tips.size, "tip")));
	if (network.partition.length)
		facts.push(fact("partitioned", network.partition.map((group) => group.join(", ")).join(" | ")));
	if (network.chain && !network.running) facts.push(fact("network", "has ended"));
	show(at("facts"), ...facts);
}

/** @param {SubmitEvent} event */
async function find(event) {
	event.preventDefault();
	const text = /** @type {HTMLInputElement} */ (at("search-text")).value.trim();
	if (!text) return;
	tell("");
	try {
		if (page.net.network.nodes.some((node) => node.name === text))
			return page.go(`/network/${encodeURIComponent(text)}`);
		if (/^\d{1,9}$/.test(text)) return page.go(`/explorer/block/${await ask(`/api/net/height/${text}`)}`);
		if (/^[0-9a-f]{64}$/i.test(text)) {
			const hash = text.toLowerCase();
			if (page.net.blocks.has(hash)) return page.go(`/explorer/block/${hash}`);
			try {
				await ask(`/api/net/transaction/${hash}`);
				return page.go(`/explorer/transaction/${hash}`);
			} catch {
				await ask(`/api/net/block/${hash}`);
				return page.go(`/explorer/block/${hash}`);
			}
		}
		await ask(`/api/net/address/${encodeURIComponent(text)}`);
		page.go(`/explorer/address/${encodeURIComponent(text)}`);
	} catch (error) {
		tell(`Nothing is found for “${text.slice(0, 80)}”: ${why(error)}`);
	}
}

for (const network of [page.net, page.attacked]) {
	network.addEventListener("change", () => {
		drawFacts();
		// A student's page opens at what students do, unless the address says otherwise.
		if (page.net.isClass && !location.hash) page.go("/classroom");
		view.draw?.();
		presenter.draw();
	});
	network.open();
}
at("search").addEventListener("submit", (event) => {
	find(/** @type {SubmitEvent} */ (event));
});
window.addEventListener("hashchange", route);
route();
