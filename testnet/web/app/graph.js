/** Parts of the network view: where nodes stand in the graph, and which ones a line drawn around them holds. */

/** Nodes that stand in a circle; more fill its inside too. */
const CIRCLE_MAX = 24;
/** Room around the graph for names, in its own units. */
const EDGE = { x: 90, y: 60, few: 26 };
/** A name needs so much between a node and the next, in the graph's own units. */
const NAME_WIDTH = 52;
/** Turned by this angle from one node to the next, points fill a disc evenly (Vogel 1979), radians. */
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));

/**
 * Where the node of an order stands among `count`, how large its mark is, and whether there is room for names.
 * @param {number} order @param {number} count @param {{width: number, height: number}} size
 */
export function place(order, count, size) {
	const middle = { x: size.width / 2, y: size.height / 2 };
	if (count <= CIRCLE_MAX) {
		const angle = (order / count) * 2 * Math.PI - Math.PI / 2;
		return {
			x: middle.x + Math.cos(angle) * (middle.x - EDGE.x),
			y: middle.y + Math.sin(angle) * (middle.y - EDGE.y),
		};
	}
	const far = Math.sqrt((order + 0.5) / count);
	return {
		x: middle.x + Math.cos(order * GOLDEN_ANGLE) * far * (middle.x - EDGE.few),
		y: middle.y - 8 + Math.sin(order * GOLDEN_ANGLE) * far * (middle.y - EDGE.few),
	};
}

/** How large marks are, and what is written below them. @param {number} count @param {{width: number, height: number}} size */
export function scale(count, size) {
	if (count <= CIRCLE_MAX) return { r: 19, names: true, roles: true };
	// The distance of neighbours, if each has the same part of the ellipse.
	const apart = Math.sqrt((Math.PI * (size.width / 2 - EDGE.few) * (size.height / 2 - EDGE.few)) / count);
	return { r: Math.max(5, Math.min(11, apart / 3)), names: apart >= NAME_WIDTH, roles: false };
}

/** Whether a point is inside a polygon: a ray to the right crosses its sides an odd number of times. @param {{x: number, y: number} | undefined} at @param {Array<{x: number, y: number}>} sides */
export function isInside(at, sides) {
	if (!at) return false;
	let inside = false;
	sides.forEach((a, order) => {
		const b = sides[(order + sides.length - 1) % sides.length];
		if (a.y > at.y !== b.y > at.y && at.x < ((b.x - a.x) * (at.y - a.y)) / (b.y - a.y) + a.x) inside = !inside;
	});
	return inside;
}
