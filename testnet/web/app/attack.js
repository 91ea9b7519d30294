/**
 * The attack view: choose, run, stop at each step, watch both branches, read the story and the verdict. The odds beside the form are the
 * launcher's formulas; the story is what `testoon attack … --json` says, line by line.
 */
import { ATTACKS } from "./attacks.js";
import { box, counted, empty, field, h2, make, odds, percent, show, soft, table, tools, why } from "./dom.js";
import { ask } from "./store.js";
import { facts, judged, marks, measured, noteTips, orders, report, save, storyFrom, timeline } from "./story.js";
import { legend, Tree } from "./tree.js";

/** @typedef {import("./main.js").Page} Page */

/** @param {Page} page @param {HTMLElement} element @param {string[]} words */
export function attackView(page, element, words) {
	const net = page.attacked;
	const about = () => ATTACKS[chosen.attack];
	const first = ATTACKS[words[0]] ? words[0] : "double-spend";
	const chosen = {
		attack: first,
		share: ATTACKS[first].share,
		confirmations: ATTACKS[first].z ?? 2,
		give_up: 10,
		premine: 0,
		blocks: 0,
		target: "",
		step: false,
	};
	if (Number(words[1]) > 0) chosen.share = Math.min(95, Number(words[1])) / 100;
	if (Number(words[2]) > 0) chosen.confirmations = Math.min(12, Number(words[2]));
	const form = box("w4");
	const stage = box("w8");
	const story = box("w6");
	const side = box("w6");
	const oddsBox = make("div", { "aria-live": "polite" });
	const now = make("div", { "aria-live": "polite" });
	const eyes = make("div", { class: "tools", role: "group", "aria-label": "Whose eyes" });
	const shopBox = make("div");
	const steps = make("div", { class: "over" });
	const picked = make("p", { class: "mono", role: "status" });
	let eye = "all";
	let wait = 0;
	let measure = "";
	let known = facts(net.story);
	let isBusy = false;
	const tree = new Tree(net, {
		label: "The attack's block tree",
		tall: true,
		onChoose: (hash) => {
			picked.textContent = `Block ${net.blocks.get(hash)?.height}: ${hash}`;
		},
		marks: () => marks(net, known),
		from: () => storyFrom(net, known),
	});
	show(stage, h2("Both branches"), now, eyes, tree.element, picked, legend(true), shopBox, steps);
	element.append(form, stage, story, side);

	function drawForm() {
		const isOwn = !net.isOther;
		const kinds = make(
			"select",
			{ "data-key": "attack", onchange: () => choose(kinds.value) },
			...Object.entries(ATTACKS).map(([key, { name }]) =>
				make("option", { value: key, selected: key === chosen.attack }, name),
			),
		);
		const slider = (
			/** @type {"share" | "confirmations"} */ key,
			/** @type {number} */ least,
			/** @type {number} */ most,
			/** @type {(value: number) => string} */ say,
			scale = 1,
		) => {
			const output = make("output", {}, say(chosen[key]));
			const input = make("input", {
				type: "range",
				min: least,
				max: most,
				step: 1,
				value: Math.round(chosen[key] * scale),
				"data-key": key,
				oninput: () => {
					chosen[key] = Number(input.value) / scale;
					output.textContent = say(chosen[key]);
					askOdds();
				},
			});
			return [input, output];
		};
		const number = (
			/** @type {"give_up" | "premine" | "blocks"} */ key,
			/** @type {number} */ least,
			/** @type {number} */ most,
		) => {
			const input = make("input", {
				type: "number",
				min: least,
				max: most,
				value: chosen[key],
				"data-key": key,
				onchange: () => {
					chosen[key] = Number(input.value);
					askOdds();
				},
			});
			return input;
		};
		const [share, shareOutput] = slider("share", 1, 95, (value) => percent(value), 100);
		const [depth, depthOutput] = slider("confirmations", 1, 12, (value) => counted(value, "confirmation"));
		const target = make("input", {
			value: chosen.target,
			placeholder: "shop",
			"data-key": "target",
			onchange: () => {
				chosen.target = target.value;
			},
		});
		const stepping = make("input", {
			type: "checkbox",
			checked: chosen.step,
			"data-key": "step",
			onchange: () => {
				chosen.step = stepping.checked;
			},
		});
		/** @type {Record<string, () => Node>} */
		const fields = {
			confirmations: () =>
				field(about().z === 6 ? "It has failed when the payment has" : "The shop waits for", depth, depthOutput),
			give_up: () => field("With the goods shipped, gives up this many blocks behind", number("give_up", 1, 1000)),
			premine: () => field("Blocks ahead in secret before paying", number("premine", 0, 10)),
			blocks: () => field("Blocks until the verdict (0: as usual)", number("blocks", 0, 1000)),
			target: () => field("Whose payments: an account or an address", target),
		};
		const run = known.running
			? make(
					"button",
					{ onclick: stop, disabled: isBusy || !isOwn, "data-key": "run" },
					known.outcome ? "End its network" : "End it",
				)
			: make(
					"button",
					{ class: "main", onclick: start, disabled: isBusy || net.readOnly, "data-key": "run" },
					"Run it on real nodes",
				);
		const again =
			known.running && known.outcome && isOwn
				? make(
						"button",
						{ class: "main", onclick: start, disabled: isBusy, "data-key": "again" },
						"Run it on real nodes",
					)
				: "";
		show(
			form,
			h2("Stage an attack"),
			field("Attack", kinds),
			make("p", {}, about().what),
			field("The attacker's part of the hash rate", share, shareOutput),
			...about().fields.map((name) => fields[name]()),
			oddsBox,
			make("label", { class: "tools" }, stepping, "Stop at each step of the story"),
			tools(run, again),
			net.readOnly
				? soft("This page only looks on.")
				: isOwn
					? ""
					: soft("This attack was started in a terminal; Ctrl-C there ends it."),
		);
	}
	/** @param {string} key */
	function choose(key) {
		chosen.attack = key;
		chosen.share = about().share;
		chosen.confirmations = about().z ?? 2;
		drawForm();
		askOdds();
	}

	function askOdds() {
		clearTimeout(wait);
		measure = "";
		wait = setTimeout(drawOdds, 60);
	}
	async function drawOdds() {
		if (chosen.attack !== "double-spend") return show(oddsBox);
		const where = `share=${chosen.share}&confirmations=${chosen.confirmations}&give_up=${chosen.give_up}&premine=${chosen.premine}`;
		try {
			const found = await ask(`/api/odds?${where}`);
			const button = make(
				"button",
				{
					class: "link",
					"data-key": "measure",
					onclick: async () => {
						measure = "measuring…";
						drawOdds();
						try {
							const { answer } = await ask(`/api/odds/measure?${where}&runs=2000`);
							measure = `${odds(answer.rate)} (95 %: ${odds(answer.interval95[0])} to ${odds(answer.interval95[1])}, ${answer.runs} runs)`;
						} catch (error) {
							measure = why(error);
						}
						drawOdds();
					},
				},
				"measure in the simulator",
			);
			show(
				oddsBox,
				table(
					[
						["odds of success", ""],
						["", "number"],
					],
					[
						["this chain's rules (a tie wins nothing)", odds(found.matching)],
						["Rosenfeld 2014", odds(found.rosenfeld)],
						["Nakamoto 2008", odds(found.nakamoto)],
						["simulated", measure || button],
					],
					"Odds",
				),
			);
		} catch (error) {
			show(oddsBox, make("p", { class: "bad" }, why(error)));
		}
	}

	/**
	 * Asks for something, and says one line where it is refused.
	 * @param {string} path @param {string} method @param {Element} place @param {any} [body]
	 */
	async function request(path, method, place, body) {
		page.tell("");
		isBusy = true;
		drawForm();
		try {
			await ask(path, method, body);
		} catch (error) {
			page.tell(why(error), place);
		}
		isBusy = false;
		drawForm();
	}
	function start() {
		/** @type {any} */
		const asked = { attack: chosen.attack, share: chosen.share, step: chosen.step };
		for (const name of about().fields) {
			const value = /** @type {any} */ (chosen)[name];
			if (value !== "" && !(name === "blocks" && !value)) asked[name] = value;
		}
		tree.follows = true;
		return request("/api/attack", "POST", form, asked);
	}
	const stop = () => request("/api/attack", "DELETE", form);
	const next = () => request("/api/attack/next", "POST", stage);

	function drawEyes() {
		const names = /** @type {Array<[string, string]>} */ ([
			["all", "Everybody together"],
			...net.network.nodes.map((node) => [
				node.name,
				node.role === "attacker" ? "The attacker" : node.role === "shop" ? "The shop" : node.name,
			]),
		]);
		show(
			eyes,
			"As seen by ",
			...names.map(([key, name]) =>
				make(
					"button",
					{
						"aria-pressed": key === eye,
						class: key === eye ? "main" : "",
						"data-key": `eye-${key}`,
						onclick: () => {
							eye = tree.eye = key;
							draw();
						},
					},
					name,
				),
			),
		);
	}

	function drawNow() {
		const last = net.story.findLast((line) => line.event === "step" || line.event === "odds");
		/** @type {Node[]} */
		const parts = [];
		if (known.waits && !net.readOnly)
			parts.push(
				tools(
					make("strong", {}, `Time stands still: ${last?.text ?? ""}`),
					make("button", { class: "main", onclick: next, disabled: isBusy, "data-key": "next" }, "Go on"),
				),
			);
		else if (known.odds && !known.outcome) parts.push(make("p", {}, make("strong", {}, known.odds.text)));
		show(now, ...parts);
	}

	function drawStory() {
		const { command, outcome, running } = known;
		const lines = net.story.filter((line) => (line.text || line.warning) && line.event !== "tips");
		const items = lines
			.slice(-300)
			.map((line) =>
				make(
					"li",
					{ class: line.warning ? "bad" : line.event === "step" ? "step" : line.event === "odds" ? "soft" : null },
					make("time", {}, line.s === undefined ? "" : `${Number(line.s).toFixed(1)} s`),
					make("span", {}, line.text ?? line.warning),
				),
			);
		const parts = [h2("The story")];
		if (command) parts.push(soft("The same from a terminal: ", make("code", { class: "mono" }, command)));
		if (!net.story.length)
			parts.push(
				empty(
					"Run an attack: four real nodes start, and every block, the payment, the shipment and the verdict are told here as they happen.",
				),
			);
		else
			parts.push(
				make(
					"div",
					{ class: "over", tabindex: 0, "aria-label": "The story" },
					make("ol", { class: "story" }, ...items),
				),
			);
		if (running && !items.length) parts.push(make("p", { role: "status" }, "The nodes start…"));
		show(story, ...parts);
		const box = story.querySelector(".over");
		if (box) box.scrollTop = box.scrollHeight;
		if (outcome) return drawVerdict(outcome);
		show(
			side,
			h2("Verdict"),
			empty(
				running
					? "The attack is under way."
					: "What the attack came to will stand here: balances before and after, the deepest reorganisation, the share of the hash rate that was really achieved.",
			),
		);
	}
	/** @param {any} outcome */
	function drawVerdict(outcome) {
		const { words: said, kind } = judged(outcome);
		const picture = async () => {
			const answer = await fetch("/api/attack/picture");
			return answer.ok ? answer.text() : "";
		};
		const name = `testoon-${outcome.attack}`;
		show(
			side,
			h2("Verdict"),
			make("p", { class: "verdict" }, make("strong", { class: kind }, said), outcome.verdict),
			table(
				[
					["", ""],
					["", "number"],
				],
				measured(outcome),
				"What was measured",
			),
			tools(
				make(
					"button",
					{
						"data-key": "html",
						onclick: async () => save(`${name}.html`, "text/html", report(net.story, await picture())),
					},
					"Save report",
				),
				make(
					"button",
					{ "data-key": "svg", onclick: async () => save(`${name}.svg`, "image/svg+xml", await picture()) },
					"Save picture",
				),
				make(
					"button",
					{
						"data-key": "json",
						onclick: () => save(`${name}.json`, "application/json", JSON.stringify(net.story, null, 1)),
					},
					"Save JSON",
				),
				make("a", { href: "#/replay" }, "Replay it"),
			),
		);
	}

	let drawnForm = "";
	let drawnStory = -1;
	function draw() {
		known = facts(net.story);
		const mark = `${known.running} ${Boolean(known.outcome)} ${net.readOnly}`;
		if (mark !== drawnForm) {
			drawnForm = mark;
			drawForm();
			drawOdds();
		}
		noteTips(net);
		drawEyes();
		drawNow();
		tree.draw();
		const list = orders(net, known, known.waitsFor ?? chosen.confirmations);
		show(shopBox, ...(list ? [make("h3", {}, "The shop's orders"), list] : []));
		show(
			steps,
			...(["double-spend", "eclipse"].includes(known.outcome?.attack ?? chosen.attack) ? [timeline(known)] : []),
		);
		if (net.story.length !== drawnStory) {
			drawnStory = net.story.length;
			drawStory();
		}
	}
	return {
		draw,
		end: () => {
			tree.end();
			clearTimeout(wait);
		},
	};
}
