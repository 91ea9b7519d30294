/**
 * A colour and a shape for each node: eight colours that people with any colour vision tell apart (Okabe and Ito), and a
 * new shape after every eight nodes.
 */
import { make } from "./dom.js";

const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a500", "#7f7f7f"];
const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];

/** @param {number} place the node's place in the network; negative for a miner who is no node */
export function look(place) {
	if (place < 0) return { colour: "#8a8a8a", shape: "circle" };
	return { colour: COLOURS[place % COLOURS.length], shape: SHAPES[Math.floor(place / COLOURS.length) % SHAPES.length] };
}

/** The outline of a shape of a size around the origin. @param {string} shape @param {number} r */
export function outline(shape, r) {
	switch (shape) {
		case "square":
			return `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`;
		case "triangle":
			return `M0 ${-r * 1.15}L${r * 1.1} ${r * 0.85}H${-r * 1.1}z`;
		case "diamond":
			return `M0 ${-r * 1.25}L${r * 1.25} 0L0 ${r * 1.25}L${-r * 1.25} 0z`;
		case "cross":
			return `M${-r / 3} ${-r}h${(2 * r) / 3}v${(2 * r) / 3}h${(2 * r) / 3}v${(2 * r) / 3}h${(-2 * r) / 3}v${(2 * r) / 3}h${(-2 * r) / 3}v${(-2 * r) / 3}h${(-2 * r) / 3}v${(-2 * r) / 3}h${(2 * r) / 3}z`;
		default:
			return `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
	}
}

/** The node's mark, for a line of text. @param {number} place */
export function badge(place) {
	const { colour, shape } = look(place);
	return make(
		"svg",
		{ width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" },
		make("path", { d: outline(shape, 4.6), fill: colour }),
	);
}
