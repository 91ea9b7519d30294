/**
 * What is known of a network: one snapshot, then a stream of changes (docs/web-api.md). Views listen for `change`, which comes at
 * most once a frame however many events arrived.
 *
 * @typedef {{hash: string, previous: string, height: number, miner: string, transactions: number, size: number, time: number,
 *   bits: string, difficulty: number, seen_s: number, only: string[], txids: string[]}} Block
 * @typedef {{name: string, role: string, pid: number | null, rpc: string, datadir: string, height: number | null, tip: string | null,
 *   peers: number | null, mempool: number | null, share_asked: number, share_achieved: number | null}} NodeStatus
 * @typedef {{s: number, nodes: string[], left: string[], came: string[], waiting: string[], lost: string[]}} Reorganisation blocks with the
 *   highest first; payments that wait again, and such as are in no block and no mempool any more
 */

/** Blocks kept below the highest; the server keeps as many. */
const HEIGHTS_MAX = 10_000;
/** Happenings kept. */
const HAPPENINGS_MAX = 500;

export class Network extends EventTarget {
	/** @param {"net" | "attack" | "recorded"} key */
	constructor(key) {
		super();
		this.key = key;
		/** @type {Map<string, Block>} */
		this.blocks = new Map();
		/** @type {Array<{s: number, text: string}>} */
		this.happenings = [];
		/** @type {any[]} the lines of the attack that runs or ran last */
		this.story = [];
		/** @type {{chain: string | null, spacing_s: number | null, running: boolean, hashes_per_second: number, partition: string[][], nodes: NodeStatus[]}} */
		this.network = { chain: null, spacing_s: null, running: false, hashes_per_second: 0, partition: [], nodes: [] };
		this.connected = false;
		this.readOnly = false;
		/** A student's page: it looks on and places orders. */
		this.isClass = false;
		/** The attack was started in a terminal, which alone ends it. */
		this.isOther = false;
		/** Blocks that some node was on and has left. @type {Set<string>} */
		this.left = new Set();
		/** Grows with every change of the blocks, so that layouts are made only when they must be. */
		this.version = 0;
		this.frame = 0;
		/** @type {EventSource | null} */
		this.source = null;
	}

	/** What happened, events that several nodes had at one time told once: the newest last. */
	told() {
		/** @type {Array<{s: number, text: string}>} */
		const told = [];
		/** @type {any} */
		let last = null,
			nodes = 0;
		for (const one of /** @type {any[]} */ (this.happenings)) {
			if (
				last &&
				one.event === "reorganisation" &&
				last.event === one.event &&
				one.depth === last.depth &&
				one.tip === last.tip
			) {
				nodes++;
				told[told.length - 1] = {
					s: last.s,
					// What became of payments is said at the end, by each node the same.
					text: `${nodes} nodes leave ${one.depth === 1 ? "a block" : `${one.depth} blocks`} for a branch with more work${one.text.split("with more work")[1] ?? ""}`,
				};
				continue;
			}
			last = one;
			nodes = 1;
			told.push(one);
		}
		return told;
	}

	/** The last reorganisation, with every node that made it. @returns {Reorganisation | null} */
	lastReorganisation() {
		const all = /** @type {any[]} */ (this.happenings).filter((one) => one.event === "reorganisation");
		const last = all.at(-1);
		if (!last) return null;
		const same = all.filter((one) => one.tip === last.tip && one.depth === last.depth);
		const union = (/** @type {"waiting" | "lost"} */ key) => [...new Set(same.flatMap((one) => one[key] ?? []))];
		return {
			s: last.s,
			nodes: same.map((one) => one.node),
			left: last.left ?? [],
			came: last.came ?? [],
			waiting: union("waiting"),
			lost: union("lost"),
		};
	}

	/** Loads everything and follows. */
	async open() {
		this.source?.close();
		this.source = null;
		try {
			const answer = await fetch(`/api/${this.key}/state`);
			if (!answer.ok) throw new Error(await answer.text());
			const state = await answer.json();
			this.blocks = new Map(state.blocks.map((/** @type {Block} */ block) => [block.hash, block]));
			this.network = state.network ?? this.network;
			this.happenings = state.happenings;
			this.left = new Set(state.happenings.flatMap((/** @type {any} */ one) => one.left ?? []));
			this.isClass = state.class;
			this.readOnly = state.read_only;
			if (this.key === "attack") {
				const story = await (await fetch("/api/story")).json();
				this.story = story.lines;
				this.isOther = story.own;
			}
			this.version++;
			this.follow(state.last_event);
		} catch {
			this.lost();
		}
	}

	/** @param {number} after */
	follow(after) {
		const source = new EventSource(`/api/${this.key}/events?after=${after}`);
		this.source = source;
		/** @param {string} kind @param {(data: any) => void} take */
		const on = (kind, take) =>
			source.addEventListener(kind, (event) => {
				take(JSON.parse(/** @type {MessageEvent} */ (event).data));
				this.changed();
			});
		on("network", (network) => {
			this.network = network;
		});
		on("block", (block) => this.takeBlock(block));
		on("happening", (happening) => {
			this.happenings.push(happening);
			for (const hash of happening.left ?? []) this.left.add(hash);
			if (this.happenings.length > HAPPENINGS_MAX) this.happenings.shift();
		});
		on("run", (line) => {
			if (line.started) this.story = [];
			this.story.push(line);
		});
		on("reset", () => {
			this.open();
		});
		source.onopen = () => {
			this.connected = true;
			this.changed();
		};
		source.onerror = () => this.lost();
	}

	/** @param {Block} block */
	takeBlock(block) {
		this.blocks.set(block.hash, block);
		this.version++;
		if (this.blocks.size > HEIGHTS_MAX * 1.2) {
			const lowest = this.top() - HEIGHTS_MAX;
			for (const [hash, old] of this.blocks) if (old.height < lowest) this.blocks.delete(hash);
		}
	}

	/** The launcher is gone or was started again: everything is asked for anew, since numbers of events may not be the same ones. */
	lost() {
		this.source?.close();
		this.source = null;
		this.connected = false;
		this.changed();
		setTimeout(() => this.open(), 1000);
	}

	changed() {
		if (!this.frame)
			this.frame = requestAnimationFrame(() => {
				this.frame = 0;
				this.dispatchEvent(new Event("change"));
			});
	}

	/** Height of the highest block of any node that answers. */
	top() {
		return Math.max(0, ...this.network.nodes.map((node) => node.height ?? 0));
	}

	/** @param {string} name */
	place(name) {
		return this.network.nodes.findIndex((node) => node.name === name);
	}

	/** The tip of those who are no attackers: the highest, and among equals the one most nodes are on. */
	publicTip() {
		/** @type {Map<string, number>} */
		const on = new Map();
		for (const node of this.network.nodes)
			if (node.tip && node.role !== "attacker") on.set(node.tip, (on.get(node.tip) ?? 0) + 1);
		const known = [...on].map(([hash, count]) => ({ block: this.blocks.get(hash), count })).filter((tip) => tip.block);
		known.sort(
			(a, b) => /** @type {Block} */ (b.block).height - /** @type {Block} */ (a.block).height || b.count - a.count,
		);
		return known[0]?.block ?? null;
	}

	/** A branch from its tip down. @param {string | null | undefined} tip */
	*branch(tip) {
		for (let block = tip ? this.blocks.get(tip) : undefined; block; block = this.blocks.get(block.previous))
			yield block;
	}
}

const token = () => document.querySelector('meta[name="testoon-token"]')?.getAttribute("content") ?? "";

/**
 * Asks the launcher, and throws its one line where it refuses.
 * @param {string} path
 * @param {string} [method]
 * @param {any} [body]
 */
export async function ask(path, method = "GET", body) {
	let answer;
	try {
		answer = await fetch(path, {
			method,
			headers: method === "GET" ? {} : { "x-testoon-token": token(), "content-type": "application/json" },
			body: body === undefined ? undefined : JSON.stringify(body),
		});
	} catch {
		throw new Error("The launcher does not answer. Start it again with `testoon up` or `testoon web`.");
	}
	const text = await answer.text();
	let value;
	try {
		value = JSON.parse(text);
	} catch {
		value = { error: text.trim() };
	}
	if (!answer.ok) throw new Error(value.error ?? `status ${answer.status}`);
	if (value && value.ok === false) throw new Error(value.error);
	return value;
}

/** Runs one of the program's commands. @param {any} action */
export const act = (action) => ask("/api/do", "POST", action);
