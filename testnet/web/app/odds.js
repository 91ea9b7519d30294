/** The odds view: how likely a double spend is, over the attacker's share and the confirmations the shop waits for. */

import { box, empty, h2, make, odds, percent, show, soft, tools, why } from "./dom.js";
import { ask } from "./store.js";

/** @typedef {import("./main.js").Page} Page */

const FORMULAS = {
	matching: "this chain's rules: a tie wins nothing",
	rosenfeld: "Rosenfeld 2014",
	nakamoto: "Nakamoto 2008",
};

/** What is measured when asked. */
const MEASURED = { shares: [0.1, 0.2, 0.3, 0.4, 0.45], confirmations: [1, 2, 3, 6], give_up: 30, runs: 1000 };

/** @param {Page} page @param {HTMLElement} element */
export function oddsView(page, element) {
	const section = box();
	element.append(section);
	/** @type {keyof typeof FORMULAS} */
	let formula = "matching";
	/** @type {any} */
	let grid = null;
	ask("/api/odds/grid").then(
		(found) => {
			grid = found;
			draw();
		},
		(error) => page.tell(error.message, section),
	);

	/** Measured points, by share and confirmations. @type {Map<string, any>} */
	const points = new Map();
	let isMeasuring = false,
		isOver = false;
	/** Plays a part of the grid in the simulator, cell by cell. */
	async function measureAll() {
		isMeasuring = true;
		for (const share of MEASURED.shares)
			for (const confirmations of MEASURED.confirmations) {
				if (isOver) return;
				try {
					const { answer } = await ask(
						`/api/odds/measure?share=${share}&confirmations=${confirmations}&give_up=${MEASURED.give_up}&runs=${MEASURED.runs}`,
					);
					points.set(`${share} ${confirmations}`, answer);
				} catch (error) {
					isMeasuring = false;
					page.tell(why(error), section);
					return draw();
				}
				draw();
			}
		isMeasuring = false;
		draw();
	}

	function draw() {
		if (!grid) return show(section, empty("Asking for the odds…"));
		const choice = make(
			"select",
			{
				"data-key": "formula",
				onchange: () => {
					formula = choice.value;
					draw();
				},
			},
			...Object.entries(FORMULAS).map(([key, name]) => make("option", { value: key, selected: key === formula }, name)),
		);
		const head = make(
			"tr",
			{},
			make("th", { scope: "col" }, "share"),
			...grid.rows[0].cells.map((/** @type {any} */ cell) =>
				make("th", { scope: "col", class: "number" }, cell.confirmations),
			),
		);
		const rows = grid.rows.map((/** @type {any} */ row) =>
			make(
				"tr",
				{},
				make("th", { scope: "row" }, percent(row.share)),
				...row.cells.map((/** @type {any} */ cell) => {
					const p = cell[formula],
						open = () => page.go(`/attack/double-spend/${Math.round(cell.share * 100)}/${cell.confirmations}`);
					const td = make(
						"td",
						{
							tabindex: 0,
							role: "link",
							title: `${percent(cell.share)} against ${cell.confirmations}: stage it`,
							onclick: open,
							onkeydown: (/** @type {KeyboardEvent} */ event) => {
								if (event.key === "Enter") open();
							},
						},
						odds(p),
					);
					const point = points.get(`${cell.share} ${cell.confirmations}`);
					if (point)
						td.append(
							make(
								"div",
								{
									class: "point",
									title: `${point.runs} runs, 95 %: ${odds(point.interval95[0])} to ${odds(point.interval95[1])}`,
								},
								`● ${odds(point.rate)}`,
							),
						);
					// From one in a million (0) to certain (1), on a scale of powers of ten.
					const heat = Math.max(0, Math.min(1, 1 + Math.log10(Math.max(p, 1e-6)) / 6));
					td.style.background = `color-mix(in srgb, var(--bad) ${Math.round(heat * 55)}%, var(--panel))`;
					return td;
				}),
			),
		);
		show(
			section,
			h2("Odds of a double spend"),
			make(
				"p",
				{},
				"The attacker's share of the hash rate downward, the confirmations that the shop waits for to the right. Choose a cell to stage that attack.",
			),
			tools(
				make("label", {}, "by the formula of ", choice),
				make(
					"button",
					{
						"data-key": "measure",
						disabled: isMeasuring,
						onclick: () => {
							measureAll();
							draw();
						},
					},
					isMeasuring ? "Measuring…" : "Measure in the simulator",
				),
			),
			soft(
				`● is a measured point: ${MEASURED.runs} double spends played by the simulator, by this chain's rules and giving up ${MEASURED.give_up} blocks behind; point at it for its 95 % interval.`,
			),
			make(
				"div",
				{ class: "over whole" },
				make(
					"table",
					{ class: "heat" },
					make("caption", { class: "hidden" }, "Odds of a double spend"),
					make("thead", {}, head),
					make("tbody", {}, ...rows),
				),
			),
		);
	}
	return {
		draw: () => {},
		end: () => {
			isOver = true;
		},
	};
}
