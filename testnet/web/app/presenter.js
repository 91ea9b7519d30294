/**
 * The presenter's mode: large type, one view at a time, and a line that says what is to be seen. The next key (n, or Page Down) goes on;
 * in the attack it starts the attack and goes from step to step.
 */
import { make, show, why } from "./dom.js";
import { ask } from "./store.js";
import { facts } from "./story.js";

/** @typedef {import("./main.js").Page} Page */

/** @type {Array<{view: string, words: (page: Page) => string}>} */
const SCENES = [
	{
		view: "network",
		words: ({ net }) =>
			`${net.network.nodes.length} nodes, each a process of its own. A ring's colour is the tip a node has: one colour, one opinion.`,
	},
	{
		view: "chain",
		words: () =>
			"Every block names the hash of the one before. Two blocks found at one time make a fork; the branch with more work wins.",
	},
	{ view: "attack", words: ({ attacked }) => attackWords(attacked) },
	{
		view: "odds",
		words: () =>
			"How often it succeeds: the attacker's share downward, the confirmations that the shop waits for to the right.",
	},
	{
		view: "break",
		words: () => "Change one bit of an old block, and every later block names a hash that is no longer there.",
	},
	{ view: "mining", words: () => "Blocks come at random: the times between them follow the exponential distribution." },
];

/** @param {import("./store.js").Network} attacked */
function attackWords(attacked) {
	const known = facts(attacked.story);
	if (known.outcome) return known.outcome.verdict;
	const step = attacked.story.findLast((line) => line.event === "step");
	if (known.running) return step ? step.text : "Two honest miners, a shop and an attacker start.";
	return "Mallory will pay the shop and take the money back. Next starts the attack.";
}

export class Presenter {
	/** @param {Page} page */
	constructor(page) {
		this.page = page;
		this.at = -1;
		/** What the bar says. */
		this.said = "";
		this.bar = make("aside", { id: "presenter", "aria-live": "polite", hidden: true });
		document.body.append(this.bar);
		document.addEventListener("keydown", (event) => {
			const inField = event.target instanceof HTMLElement && event.target.matches("input, select, textarea");
			if (this.at < 0 || inField || event.ctrlKey || event.metaKey || event.altKey) return;
			if (event.key === "n" || event.key === "PageDown") this.next();
			else if (event.key === "p" || event.key === "PageUp") this.show(Math.max(0, this.at - 1));
			else if (event.key === "Escape") this.end();
			else return;
			event.preventDefault();
		});
	}

	get isOn() {
		return this.at >= 0;
	}
	toggle() {
		if (this.isOn) this.end();
		else this.show(0);
	}
	end() {
		this.show(-1);
	}

	/** @param {number} at */
	show(at) {
		this.at = at;
		this.said = "";
		document.body.classList.toggle("presenting", this.isOn);
		this.bar.hidden = !this.isOn;
		if (this.isOn) this.page.go(`/${SCENES[at].view}`);
		this.draw();
	}

	async next() {
		const { attacked, net } = this.page;
		if (SCENES[this.at].view === "attack" && !net.readOnly) {
			const known = facts(attacked.story);
			try {
				if (known.waits) return await ask("/api/attack/next", "POST");
				if (!known.running && !known.outcome)
					return await ask("/api/attack", "POST", { attack: "double-spend", share: 0.6, confirmations: 2, step: true });
				if (!known.outcome) return;
			} catch (error) {
				return this.page.tell(why(error));
			}
		}
		if (this.at + 1 < SCENES.length) this.show(this.at + 1);
		else this.end();
	}

	draw() {
		if (!this.isOn) return;
		const words = SCENES[this.at].words(this.page);
		if (words === this.said) return;
		this.said = words;
		show(
			this.bar,
			make("p", {}, words),
			make(
				"div",
				{},
				make("button", { class: "main", "data-key": "scene", onclick: () => this.next() }, "Next"),
				make("span", { class: "soft" }, ` ${this.at + 1} of ${SCENES.length} · keys: n next, p back, Esc ends`),
			),
		);
	}
}
