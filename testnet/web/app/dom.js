/**
 * Elements and texts. Elements are made, never parsed, so that whatever a node says is text and nothing else.
 */

const SVG_NAMES = new Set(["svg", "g", "rect", "text", "path", "circle", "title", "line", "polygon", "polyline"]);

/**
 * Makes an element. Attributes whose name begins with `on` are listeners; `null`, `undefined` and `false` leave one out.
 * @param {string} name
 * @param {Record<string, any>} [attributes]
 * @param {...(Node | string | number | null | undefined)} children
 * @returns {any}
 */
export function make(name, attributes = {}, ...children) {
	const element = SVG_NAMES.has(name)
		? document.createElementNS("http://www.w3.org/2000/svg", name)
		: document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) {
		if (value === null || value === undefined || value === false) continue;
		if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
		else element.setAttribute(key, value === true ? "" : String(value));
	}
	for (const child of children)
		if (child !== null && child !== undefined) element.append(child instanceof Node ? child : String(child));
	return element;
}

/**
 * A table. A column is `[heading, class]`; a cell is a node or a text.
 * @param {Array<[string, string?]>} columns
 * @param {Array<Array<any>>} rows
 * @param {string} caption read by screen readers
 */
export function table(columns, rows, caption) {
	const head = make("tr", {}, ...columns.map(([name, kind]) => make("th", { class: kind, scope: "col" }, name)));
	const body = rows.map((cells) =>
		make("tr", {}, ...cells.map((cell, place) => make("td", { class: columns[place][1] }, cell))),
	);
	return make(
		"table",
		{},
		make("caption", { class: "hidden" }, caption),
		make("thead", {}, head),
		make("tbody", {}, ...body),
	);
}

/**
 * A labelled field. What it is set to stands beside its label where an output is given; a label would name the output and not the input.
 * @param {string} label
 * @param {HTMLElement} input
 * @param {HTMLElement} [output]
 */
export function field(label, input, output) {
	if (!output) return make("label", { class: "field" }, make("span", {}, label), input);
	input.setAttribute("aria-label", label);
	return make("div", { class: "field" }, make("span", {}, label, " ", output), input);
}

/**
 * Replaces what an element shows, and keeps the focus where it was by the `data-key` of what had it, and what was typed there; and the line
 * that says what was refused here.
 * @param {Element} element
 * @param {...(Node | string)} children
 */
export function show(element, ...children) {
	const had = element.contains(document.activeElement) ? document.activeElement : null;
	const key = had?.getAttribute("data-key");
	const notice = element.querySelector(":scope > #notice");
	element.replaceChildren(...children);
	if (notice) element.append(notice);
	if (!key) return;
	const has = /** @type {HTMLElement | null} */ (element.querySelector(`[data-key="${CSS.escape(key)}"]`));
	if (had instanceof HTMLInputElement && has instanceof HTMLInputElement && had.type !== "checkbox")
		has.value = had.value;
	has?.focus();
}

/** A section's heading. @param {...any} words */
export const h2 = (...words) => make("h2", {}, ...words);
/** What stands where nothing is yet. @param {...any} words */
export const empty = (...words) => make("p", { class: "empty" }, ...words);
/** A section so wide: `w4` to `w8` of twelve columns, all of them without. @param {string} [width] */
export const box = (width) => make("section", { class: width });
/** Things in a row. @param {...any} things */
export const tools = (...things) => make("div", { class: "tools" }, ...things);
/** A line of less weight. @param {...any} words */
export const soft = (...words) => make("p", { class: "soft" }, ...words);
/** What an error says. @param {unknown} error */
export const why = (error) => (error instanceof Error ? error.message : String(error));
/** @param {string} hash */
export const short = (hash) => (hash ? `…${hash.slice(-8)}` : "–");
/** @param {number | null | undefined} part */
export const percent = (part) => (part === null || part === undefined ? "–" : `${(part * 100).toFixed(1)} %`);
/** @param {number} seconds */
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
/** @param {number | string} amount */
export const coins = (amount) =>
	Number(amount)
		.toFixed(8)
		.replace(/\.?0+$/, "");
/** @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many) => `${count} ${count === 1 ? one : (many ?? `${one}s`)}`;

/** @param {number} rate hashes a second */
export function hashes(rate) {
	for (const [unit, size] of /** @type {Array<[string, number]>} */ ([
		["GH/s", 1e9],
		["MH/s", 1e6],
		["kH/s", 1e3],
	])) {
		if (rate >= size) return `${(rate / size).toFixed(rate >= 100 * size ? 0 : 1)} ${unit}`;
	}
	return `${rate.toFixed(0)} H/s`;
}

/** A large number in words: 24 billion. @param {number} value */
export function large(value) {
	for (const [name, size] of /** @type {Array<[string, number]>} */ ([
		["trillion", 1e12],
		["billion", 1e9],
		["million", 1e6],
	])) {
		if (value >= size) return `${Number((value / size).toPrecision(3)).toLocaleString()} ${name}`;
	}
	return Number(value.toPrecision(3)).toLocaleString();
}

/** @param {number} seconds */
export function duration(seconds) {
	if (!Number.isFinite(seconds)) return "for ever";
	for (const [unit, size] of /** @type {Array<[string, number]>} */ ([
		["years", 31557600],
		["days", 86400],
		["hours", 3600],
		["minutes", 60],
	])) {
		if (seconds >= size) return `${large(seconds / size)} ${unit}`;
	}
	return `${seconds.toPrecision(3)} s`;
}

/** A probability in as many digits as it needs; nearly sure is not sure. @param {number} p */
export function odds(p) {
	if (p > 0 && p < 0.0001) return `${(p * 100).toExponential(1)} %`;
	if (p >= 0.9995 && p < 1) return ">99.9 %";
	return `${(p * 100).toFixed(p < 0.1 ? 2 : 1)} %`;
}
