/**
 * The page's frame: which view is shown, what stands above it, what is found by the search. A view is a function that fills an
 * element and returns what redraws it; addresses are `#/view/…`, so that links and the back button work. A view's module is loaded
 * when it is first shown; the others follow while the browser is idle, so that they are there when the launcher is not.
 */

import { counted, empty, hashes, make, show, why } from "./dom.js";
import { Presenter } from "./presenter.js";
import { ask, Network } from "./store.js";

/**
 * @typedef {{draw?: () => void, end?: () => void}} View
 * @typedef {{net: Network, attacked: Network, go: (address: string) => void, tell: (words: string, place?: Element | null) => void}} Page
 * @typedef {(page: Page, element: HTMLElement, words: string[]) => View} Open
 */

/** @type {Record<string, {name: string, load: () => Promise<Open>}>} */
const VIEWS = {
	network: { name: "Network", load: async () => (await import("./network.js")).networkView },
	chain: { name: "Chain", load: async () => (await import("./chain.js")).chainView },
	attack: { name: "Attack", load: async () => (await import("./attack.js")).attackView },
	explorer: { name: "Explorer", load: async () => (await import("./explorer.js")).explorerView },
	mining: { name: "Mining", load: async () => (await import("./mining.js")).miningView },
	break: { name: "Break it", load: async () => (await import("./break.js")).breakView },
	odds: { name: "Odds", load: async () => (await import("./odds.js")).oddsView },
	replay: { name: "Replay", load: async () => (await import("./replay.js")).replayView },
	classroom: { name: "Classroom", load: async () => (await import("./classroom.js")).classroomView },
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

/**
 * Shows one line about something that was refused or failed, in the section where it was asked; without a place above the view.
 * Empty words take it away. `show` leaves it where it is when the section is drawn anew.
 * @param {string} words @param {Element | null} [place]
 */
function tell(words, place) {
	const notice = at("notice"),
		section = place?.closest("section");
	notice.textContent = words;
	notice.hidden = !words;
	if (section) section.append(notice);
	else at("view").before(notice);
	if (words && section) notice.scrollIntoView({ block: "nearest" });
}

/** A part of an address; one that cannot be decoded stays as it is. @param {string} text */
function decoded(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

async function route() {
	const words = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
	const name = VIEWS[words[0]] ? words[0] : page.net.isClass ? "classroom" : "network";
	view.end?.();
	view = {};
	tell("");
	const element = make("main", { id: "view", tabindex: -1 });
	at("view").replaceWith(element);
	document.title = `${VIEWS[name].name} · Testoon`;
	shownTab = name;
	drawTabs();
	try {
		const open = await VIEWS[name].load();
		// Meanwhile another view may have been chosen.
		if (at("view") !== element) return;
		view = open(page, element, words.slice(1));
		view.draw?.();
		if (words[0] && words[0] !== name)
			tell(`There is no view “${words[0].slice(0, 80)}”; this is ${VIEWS[name].name}.`);
	} catch (error) {
		if (at("view") === element) element.append(empty(`This view cannot be shown: ${why(error)}. Reload the page.`));
	}
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
route().then(() => {
	const later = window.requestIdleCallback ?? setTimeout;
	// One that cannot be loaded now is tried again when it is shown.
	later(() => Promise.allSettled(Object.values(VIEWS).map(({ load }) => load())));
});
