/** The odds view: how likely a double spend is, over the attacker's share and the confirmations the shop waits for; what was measured. */

import { box, counted, empty, h2, make, odds, percent, show, soft, table, tools, why } from "./dom.js";
import { FILE_BYTES_MAX, pointsIn } from "./results.js";
import { ask } from "./store.js";

/**
 * @typedef {import("./main.js").Page} Page
 * @typedef {import("./results.js").Point & {matching?: number}} Point a rate, and what the formula says with its parameters
 */

const FORMULAS = {
	matching: "this chain's rules: a tie wins nothing",
	rosenfeld: "Rosenfeld 2014",
	nakamoto: "Nakamoto 2008",
};

/** What is measured when asked. */
const MEASURED = { shares: [0.1, 0.2, 0.3, 0.4, 0.45], confirmations: [1, 2, 3, 6], give_up: 30, runs: 1000 };
/** Where points come from, with a mark each. */
const SIMULATOR = "simulator",
	LIVE = "recorded live attacks";
const mark = (/** @type {string} */ from) => ({ [SIMULATOR]: "●", [LIVE]: "▲" })[from] ?? "◆";

/** @param {Page} page @param {HTMLElement} element */
export function oddsView(page, element) {
	const section = box(),
		measured = box(),
		files = box();
	element.append(section, measured, files);
	/** @type {keyof typeof FORMULAS} */
	let formula = "matching";
	/** @type {any} */
	let grid = null;
	/** @type {Point[]} */
	let points = [];
	/** Plots of studies, as they were opened. @type {Array<{name: string, url: string}>} */
	const plots = [];
	let isMeasuring = false,
		isOver = false;
	ask("/api/odds/grid").then(
		(found) => {
			grid = found;
			draw();
		},
		(error) => page.tell(why(error), section),
	);
	ask("/api/odds/recorded").then(
		(found) => take(found.points.map((/** @type {any} */ point) => ({ ...point, from: LIVE }))),
		(error) => page.tell(why(error), measured),
	);

	/** Holds points against the formula, with their own patience and blocks in advance. @param {Point[]} found */
	async function take(found) {
		for (const point of found) {
			const patience = point.give_up === null ? "" : `&give_up=${point.give_up}`;
			const { matching } = await ask(
				`/api/odds?share=${point.share}&confirmations=${point.confirmations}&premine=${point.premine}${patience}`,
			);
			const isSame = (/** @type {Point} */ other) =>
				["from", "share", "confirmations", "premine", "give_up"].every(
					(key) => /** @type {any} */ (other)[key] === /** @type {any} */ (point)[key],
				);
			points = [...points.filter((other) => !isSame(other)), { ...point, matching }];
			if (isOver) return;
		}
		draw();
		drawMeasured();
	}

	/** Plays a part of the grid in the simulator, cell by cell. */
	async function measureAll() {
		isMeasuring = true;
		draw();
		try {
			for (const share of MEASURED.shares)
				for (const confirmations of MEASURED.confirmations) {
					const { answer } = await ask(
						`/api/odds/measure?share=${share}&confirmations=${confirmations}&give_up=${MEASURED.give_up}&runs=${MEASURED.runs}`,
					);
					if (isOver) return;
					await take([{ ...answer, from: SIMULATOR }]);
				}
		} catch (error) {
			page.tell(why(error), section);
		}
		isMeasuring = false;
		draw();
	}

	/** Reads files that were chosen: points of tables, pictures of plots. @param {FileList | null} list */
	async function open(list) {
		page.tell("");
		for (const file of list ?? []) {
			try {
				if (file.size > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX >> 20} MiB`);
				const text = await file.text();
				if (/\.svg$/i.test(file.name)) {
					// As an image: whatever the file holds, nothing of it runs.
					plots.push({ name: file.name, url: `data:image/svg+xml,${encodeURIComponent(text)}` });
					continue;
				}
				const found = pointsIn(file.name, text);
				if (!found.length)
					throw new Error("it holds no double spend's rate over share and confirmations; see docs/studies.md");
				await take(found);
			} catch (error) {
				page.tell(`${file.name} is left out: ${why(error)}.`, files);
			}
		}
		drawFiles();
	}

	/** @param {any} cell */
	function drawCell(cell) {
		const p = cell[formula],
			go = () => page.go(`/attack/double-spend/${Math.round(cell.share * 100)}/${cell.confirmations}`);
		const td = make(
			"td",
			{
				tabindex: 0,
				role: "link",
				title: `${percent(cell.share)} against ${cell.confirmations}: stage it`,
				onclick: go,
				onkeydown: (/** @type {KeyboardEvent} */ event) => {
					if (event.key === "Enter") go();
				},
			},
			odds(p),
			...points
				.filter((point) => point.share === cell.share && point.confirmations === cell.confirmations && !point.premine)
				.map((point) =>
					make("div", { class: "point", title: about(point) }, `${mark(point.from)} ${odds(point.rate)}`),
				),
		);
		// From one in a million (0) to certain (1), on a scale of powers of ten.
		const heat = Math.max(0, Math.min(1, 1 + Math.log10(Math.max(p, 1e-6)) / 6));
		td.style.background = `color-mix(in srgb, var(--bad) ${Math.round(heat * 55)}%, var(--panel))`;
		return td;
	}
	const about = (/** @type {Point} */ point) =>
		`${point.from}: ${counted(point.runs, "run")}, 95 %: ${odds(point.interval95[0])} to ${odds(point.interval95[1])}`;

	function draw() {
		if (isOver) return;
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
			make("tr", {}, make("th", { scope: "row" }, percent(row.share)), ...row.cells.map(drawCell)),
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
					{ "data-key": "measure", disabled: isMeasuring, onclick: measureAll },
					isMeasuring ? "Measuring…" : "Measure in the simulator",
				),
			),
			soft(
				`Measured points: ● the simulator (${MEASURED.runs} double spends, giving up ${MEASURED.give_up} blocks behind), ▲ recorded live attacks, ◆ a file; point at one for its 95 % interval.`,
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

	/** Every measured point beside what the formula says with the same parameters. */
	function drawMeasured() {
		if (isOver) return;
		const sorted = [...points].sort((a, b) => a.share - b.share || a.confirmations - b.confirmations);
		const list = sorted.map((point) => {
			const [low, high] = point.interval95,
				expected = point.matching ?? 0;
			return [
				make("span", { title: point.from }, `${mark(point.from)} ${point.from}`),
				percent(point.share),
				point.confirmations,
				point.premine,
				point.give_up ?? "never",
				point.runs,
				`${odds(point.rate)} (${odds(low)} to ${odds(high)})`,
				odds(expected),
				low <= expected && expected <= high ? "inside" : "outside",
			];
		});
		show(
			measured,
			h2("Measured, and what the formula says"),
			list.length
				? make(
						"div",
						{ class: "over", tabindex: 0, "aria-label": "Measured points" },
						table(
							[
								["from"],
								["share", "number"],
								["waits for", "number"],
								["in advance", "number"],
								["patience", "number"],
								["runs", "number"],
								["succeeds (95 %)", "number"],
								["formula", "number"],
								["of the interval"],
							],
							list,
							"Measured points",
						),
					)
				: empty(
						"Double spends that are run on live nodes are counted here, those of the same parameters together; and what the simulator or a file measured.",
					),
			list.length ? soft("One interval in twenty leaves the true value outside: that is what 95 % means.") : "",
		);
	}

	function drawFiles() {
		const input = make("input", {
			type: "file",
			multiple: true,
			accept: ".csv,.json,.jsonl,.svg",
			onchange: () => open(input.files),
		});
		show(
			files,
			h2("Results of studies"),
			make("label", { class: "field" }, "Open results.csv, plot.svg, or what --json printed", input),
			...plots.map(({ name, url }) => make("img", { src: url, alt: `The plot in ${name}`, class: "plot" })),
			soft(
				"Of ",
				make("code", { class: "mono" }, "testoon study"),
				" (docs/studies.md) and ",
				make("code", { class: "mono" }, "testoon attack double-spend --live-runs 20 --json"),
				". Files are read on this page and go nowhere.",
			),
		);
	}
	draw();
	drawMeasured();
	drawFiles();
	return {
		end: () => {
			isOver = true;
		},
	};
}
