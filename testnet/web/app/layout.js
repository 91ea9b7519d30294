/**
 * Where the blocks of a tree stand: each branch has a lane, the one that is followed the topmost.
 *
 * @typedef {import("./store.js").Network} Network
 * @typedef {import("./store.js").Block} Block
 */

/** Whether a node (`all` for an outsider who sees everything) has a block. @param {Block} block @param {string} eye */
const sees = (block, eye) => eye === "all" || block.only.length === 0 || block.only.includes(eye);

/**
 * Lanes for the blocks an eye sees. Lane 0 is the branch the eye follows: its own tip, or the public one.
 * @param {Network} net @param {string} eye
 */
export function layout(net, eye) {
	const blocks = [...net.blocks.values()].filter((block) => sees(block, eye));
	blocks.sort((a, b) => a.height - b.height);
	const shown = new Set(blocks.map((block) => block.hash));
	const attackers = new Set(net.network.nodes.filter((node) => node.role === "attacker").map((node) => node.name));
	const own = net.network.nodes.find((node) => node.name === eye)?.tip;
	const tip =
		(own && net.blocks.get(own)) ||
		net.publicTip() ||
		blocks.reduce(
			(best, block) => (!best || block.height > best.height ? block : best),
			/** @type {Block | null} */ (null),
		);
	/** @type {Map<string, string[]>} */
	const children = new Map();
	for (const block of blocks) {
		const list = children.get(block.previous);
		if (list) list.push(block.hash);
		else children.set(block.previous, [block.hash]);
	}
	/** Tips that some node is on: a branch under one of them has not lost. */
	const live = new Set(net.network.nodes.map((node) => node.tip).filter((hash) => hash && shown.has(hash)));
	const leaves = blocks.filter((block) => !children.has(block.hash) || live.has(block.hash));
	leaves.sort((a, b) => b.height - a.height || a.seen_s - b.seen_s);
	if (tip) leaves.unshift(tip);
	/** @type {Map<string, number>} */
	const lanes = new Map();
	/** @type {Array<Array<[number, number]>>} */
	const taken = [];
	/** @type {Set<string>} */
	const main = new Set();
	/** @type {Set<string>} */
	const alive = new Set();
	for (const leaf of leaves) {
		const branch = [];
		for (const block of net.branch(leaf.hash)) {
			if (lanes.has(block.hash) || !shown.has(block.hash)) break;
			branch.push(block);
		}
		if (!branch.length) continue;
		const low = branch[branch.length - 1].height - 1,
			high = branch[0].height;
		let lane = leaf === tip ? 0 : 1;
		while (taken[lane]?.some(([from, to]) => from <= high && low <= to)) lane++;
		while (taken.length <= lane) taken.push([]);
		taken[lane].push([low, high]);
		for (const block of branch) lanes.set(block.hash, lane);
	}
	if (tip) for (const block of net.branch(tip.hash)) main.add(block.hash);
	// What some node was on and has left: a branch that nobody ever took is only left behind.
	const left = net.left;
	for (const hash of live)
		for (const block of net.branch(hash)) {
			if (alive.has(block.hash)) break;
			alive.add(block.hash);
		}
	/** @param {Block} block */
	const kind = (block) => {
		if (attackers.size && block.only.length && block.only.every((name) => attackers.has(name))) return "private";
		if (main.has(block.hash)) return "main";
		if (alive.has(block.hash)) return "rival";
		return left.has(block.hash) ? "reversed" : "lost";
	};
	return { blocks, lanes, main, kind, tip, children, lanesMax: taken.length };
}
