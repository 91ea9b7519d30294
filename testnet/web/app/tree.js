/**
 * The block tree on a canvas: zoom, pan, choose by mouse or keys. It draws only what is in sight, so that ten thousand blocks pan as
 * smoothly as ten. A reorganisation is shown as it happens: rings around the blocks that are left and those that come, which slide to
 * their new lanes.
 *
 * @typedef {import("./store.js").Network} Network
 * @typedef {import("./store.js").Block} Block
 */
import { make } from "./dom.js";
import { layout } from "./layout.js";
import { look, outline } from "./palette.js";

const STEP = 104,
	LANE = 84,
	BOX = { width: 84, height: 44 };
/** Around the blocks: room for a word above the topmost and for the tips' marks below and beside the last. */
const EDGE = { top: 24, right: 76, left: 14 };
/** How long a reorganisation is shown on the tree, and how long blocks slide to their new places, milliseconds. */
const SHOWN_MS = 5000,
	SLIDE_MS = 900;
const isStill = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const WORDS = {
	main: "on the chain that is followed",
	private: "private: only the attacker has it",
	rival: "on a branch that other nodes follow",
	reversed: "reversed: nodes were on it and have left it",
	lost: "left behind",
};
/** @type {Record<string, number[]>} */
const DASHES = { private: [6, 4], lost: [2, 4], reversed: [2, 4] };

export class Tree {
	/**
	 * @param {Network} net
	 * @param {{eye?: string, tall?: boolean, label: string, onChoose?: (hash: string) => void, marks?: () => Map<string, string>,
	 *   from?: () => number | undefined}} options `from`: the lowest height that is to be in sight while the tip is followed
	 */
	constructor(net, options) {
		this.net = net;
		this.options = options;
		this.eye = options.eye ?? "all";
		this.scale = 1;
		this.x = 0;
		this.y = 0;
		this.follows = true;
		/** @type {string | null} */
		this.chosen = null;
		/** What the layout was made for. */
		this.mark = "";
		/** The reorganisation that is shown, and since when. @type {import("./store.js").Reorganisation | null} */
		this.reorganised = null;
		this.since = 0;
		/** When the last one known was made. */
		this.known = net.lastReorganisation()?.s ?? -1;
		/** Lanes that blocks leave, and since when. @type {Map<string, number>} */
		this.from = new Map();
		this.slidesSince = 0;
		this.frame = 0;
		this.canvas = make("canvas", {
			tabindex: 0,
			role: "application",
			"aria-label": `${options.label}. Arrow keys move along the tree, plus and minus zoom, Enter opens the block.`,
		});
		this.spoken = make("p", { class: "hidden", "aria-live": "polite" });
		this.element = make("div", { class: options.tall ? "canvas tall" : "canvas" }, this.canvas, this.spoken);
		this.listen();
		/** @type {number | undefined} */
		this.timer = undefined;
		this.observer = new ResizeObserver(() => this.draw());
		this.observer.observe(this.canvas);
	}

	end() {
		this.observer.disconnect();
		cancelAnimationFrame(this.frame);
		clearTimeout(this.timer);
	}

	/** Takes up a reorganisation that is new, and forgets the one that was shown long enough. */
	noteReorganisation() {
		const last = this.net.lastReorganisation(),
			now = performance.now();
		if (last && last.s > this.known && last.left.length) {
			this.reorganised = last;
			this.since = now;
		}
		this.known = last?.s ?? -1;
		if (this.reorganised && now > this.since + SHOWN_MS) this.reorganised = null;
		// Still pictures change once more, when it is over; moving ones at every frame.
		cancelAnimationFrame(this.frame);
		clearTimeout(this.timer);
		if (!this.reorganised) return;
		if (isStill()) this.timer = setTimeout(() => this.draw(), this.since + SHOWN_MS - now + 20);
		else this.frame = requestAnimationFrame(() => this.draw());
	}

	/** A block's lane; on the way from its old one while a reorganisation is shown. @param {Block} block */
	lane(block) {
		const lane = this.plan?.lanes.get(block.hash) ?? 0,
			from = this.from.get(block.hash);
		const part = (performance.now() - this.slidesSince) / SLIDE_MS;
		if (from === undefined || part >= 1) return lane;
		// Slow at both ends.
		return from + (lane - from) * part * part * (3 - 2 * part);
	}

	/** Makes the layout anew; in a reorganisation blocks slide from their old lanes. */
	arrange() {
		const old = this.plan;
		this.plan = layout(this.net, this.eye);
		this.lowest = this.plan.blocks[0]?.height ?? 0;
		if (!old || !this.reorganised || isStill()) return;
		const moved = [...this.plan.lanes].filter(([hash, lane]) => (old.lanes.get(hash) ?? lane) !== lane);
		if (!moved.length) return;
		this.from = new Map(moved.map(([hash]) => [hash, old.lanes.get(hash) ?? 0]));
		this.slidesSince = performance.now();
	}

	/**
	 * A ring around a block that was left, or that came: those that left first, then those that came from the lowest on.
	 * @param {CanvasRenderingContext2D} pen @param {Block} block @param {string} bad @param {string} accent
	 */
	drawRing(pen, block, bad, accent) {
		const shown = this.reorganised;
		if (!shown) return;
		const hasLeft = shown.left.includes(block.hash),
			at = shown.came.indexOf(block.hash);
		if (!hasLeft && at < 0) return;
		const age = performance.now() - this.since;
		const begins = hasLeft ? 0 : SLIDE_MS + 150 * (shown.came.length - 1 - at);
		const grown = isStill() ? 1 : Math.min(1, Math.max(0, (age - begins) / 300));
		const fades = isStill() ? 1 : Math.min(1, (SHOWN_MS - age) / 800);
		if (grown <= 0 || fades <= 0) return;
		const { x, y } = this.at(block),
			gap = 5;
		pen.globalAlpha = grown * fades;
		pen.strokeStyle = hasLeft ? bad : accent;
		pen.lineWidth = 3;
		pen.setLineDash(hasLeft ? [3, 5] : []);
		pen.strokeRect(x - gap, y - gap, BOX.width * this.scale + 2 * gap, BOX.height * this.scale + 2 * gap);
		pen.setLineDash([]);
		pen.globalAlpha = 1;
	}

	listen() {
		const canvas = this.canvas;
		/** @type {{x: number, y: number, moved: boolean} | null} */
		let drag = null;
		canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
			drag = { x: event.clientX, y: event.clientY, moved: false };
			canvas.setPointerCapture(event.pointerId);
		});
		canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
			if (!drag) return;
			const dx = event.clientX - drag.x,
				dy = event.clientY - drag.y;
			if (Math.abs(dx) + Math.abs(dy) > 3 || drag.moved) {
				this.follows = false;
				this.x += dx;
				this.y += dy;
				drag = { x: event.clientX, y: event.clientY, moved: true };
				this.draw();
			}
		});
		canvas.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
			if (drag && !drag.moved) this.pick(event.offsetX, event.offsetY);
			drag = null;
		});
		canvas.addEventListener("dblclick", () => {
			if (this.chosen) this.options.onChoose?.(this.chosen);
		});
		canvas.addEventListener(
			"wheel",
			(/** @type {WheelEvent} */ event) => {
				event.preventDefault();
				this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
			},
			{ passive: false },
		);
		canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
			if (this.key(event.key)) event.preventDefault();
		});
	}

	/** @param {string} key */
	key(key) {
		const { width, height } = this.canvas.getBoundingClientRect();
		if (key === "+" || key === "=") return this.zoom(1.25, width / 2, height / 2);
		if (key === "-") return this.zoom(0.8, width / 2, height / 2);
		if (key === "Enter" && this.chosen) {
			this.options.onChoose?.(this.chosen);
			return true;
		}
		if (key === "End" || key === "Home") {
			this.follows = true;
			this.draw();
			return true;
		}
		const from = this.chosen ? this.net.blocks.get(this.chosen) : this.plan?.tip;
		if (!from || !this.plan) return false;
		const next = { ArrowLeft: from.previous, ArrowRight: this.plan.children.get(from.hash)?.[0] }[key];
		if (key === "ArrowUp" || key === "ArrowDown") {
			const level = this.plan.blocks
				.filter((block) => block.height === from.height)
				.sort((a, b) => (this.plan?.lanes.get(a.hash) ?? 0) - (this.plan?.lanes.get(b.hash) ?? 0));
			const at = level.findIndex((block) => block.hash === from.hash) + (key === "ArrowUp" ? -1 : 1);
			if (level[at]) this.choose(level[at].hash);
			return true;
		}
		if (next && this.net.blocks.has(next)) this.choose(next);
		else if (!this.chosen) this.choose(from.hash);
		return next !== undefined;
	}

	/** @param {number} factor @param {number} x @param {number} y */
	zoom(factor, x, y) {
		this.follows = false;
		const scale = Math.min(2, Math.max(0.04, this.scale * factor));
		this.x = x - ((x - this.x) * scale) / this.scale;
		this.y = y - ((y - this.y) * scale) / this.scale;
		this.scale = scale;
		this.draw();
		return true;
	}

	/** @param {number} x @param {number} y */
	pick(x, y) {
		const found = this.plan?.blocks.find((block) => {
			const at = this.at(block);
			return x >= at.x && x <= at.x + BOX.width * this.scale && y >= at.y && y <= at.y + BOX.height * this.scale;
		});
		if (found) this.choose(found.hash);
	}

	/** @param {string} hash */
	choose(hash) {
		this.chosen = hash;
		const block = this.net.blocks.get(hash);
		if (block && this.plan) {
			this.spoken.textContent = `Block ${block.height} by ${block.miner}, ${WORDS[this.plan.kind(block)]}.`;
			const at = this.at(block),
				{ width } = this.canvas.getBoundingClientRect();
			if (at.x < 0 || at.x > width - BOX.width * this.scale) {
				this.follows = false;
				this.x += width / 2 - at.x;
			}
		}
		this.element.dispatchEvent(new CustomEvent("choose", { detail: hash }));
		this.draw();
	}

	/** @param {Block} block */
	at(block) {
		return {
			x: this.x + (block.height - this.base) * STEP * this.scale,
			y: this.y + this.lane(block) * LANE * this.scale,
		};
	}

	/** The lowest block's height: x is measured from it, so that numbers stay small. */
	get base() {
		return this.lowest ?? 0;
	}

	/** As high as the lanes in sight need, and never lower than before: a canvas that jumps is hard to look at. @param {number} highest @param {number} width */
	fit(highest, width) {
		if (!this.options.tall || !this.plan) return;
		const from = highest - width / (STEP * this.scale) - 1;
		let lanes = 2;
		for (const block of this.plan.blocks)
			if (block.height >= from) lanes = Math.max(lanes, (this.plan.lanes.get(block.hash) ?? 0) + 1);
		const wanted = Math.min(EDGE.top + lanes * LANE * this.scale + 10, innerHeight * 0.62);
		if (wanted > (this.fitted ?? 0) + 1) {
			this.fitted = wanted;
			this.element.style.height = `${Math.round(wanted)}px`;
		}
	}

	/** The blocks in sight: they are sorted by height, so that ten thousand cost no more than ten. @param {number} width */
	sight(width) {
		const blocks = this.plan?.blocks ?? [];
		const step = STEP * this.scale;
		const height = (/** @type {number} */ x) => this.base + (x - this.x) / step;
		const first = (/** @type {number} */ least) => {
			let [low, high] = [0, blocks.length];
			while (low < high) {
				const middle = (low + high) >> 1;
				if (blocks[middle].height < least) low = middle + 1;
				else high = middle;
			}
			return low;
		};
		return blocks.slice(first(height(-2 * step)), first(height(width + step)));
	}

	draw() {
		const canvas = this.canvas,
			{ width, height } = canvas.getBoundingClientRect();
		if (!width) return;
		this.noteReorganisation();
		const mark = `${this.net.version} ${this.eye} ${this.net.network.nodes.map((node) => node.tip).join()}`;
		if (mark !== this.mark) {
			this.mark = mark;
			this.arrange();
		}
		const ratio = window.devicePixelRatio || 1;
		if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
			canvas.width = Math.round(width * ratio);
			canvas.height = Math.round(height * ratio);
		}
		const pen = canvas.getContext("2d");
		if (!pen || !this.plan) return;
		const style = getComputedStyle(canvas);
		const ink = style.getPropertyValue("--ink"),
			soft = style.getPropertyValue("--soft"),
			panel = style.getPropertyValue("--panel"),
			lost = style.getPropertyValue("--lost"),
			secret = style.getPropertyValue("--private"),
			accent = style.getPropertyValue("--accent"),
			bad = style.getPropertyValue("--bad");
		pen.setTransform(ratio, 0, 0, ratio, 0, 0);
		pen.clearRect(0, 0, width, height);
		const plan = this.plan;
		if (!plan.blocks.length) {
			pen.fillStyle = soft;
			pen.font = "14px system-ui, sans-serif";
			pen.fillText("No block is known yet. Blocks appear here as soon as a node answers.", 16, 28);
			return;
		}
		if (this.follows && plan.tip) {
			const highest = plan.blocks[plan.blocks.length - 1].height;
			const from = this.options.from?.();
			// What must be in sight is made to fit, as small as can still be read.
			if (from !== undefined)
				this.scale = Math.max(
					0.46,
					Math.min(1, (width - EDGE.left - EDGE.right) / ((highest - from) * STEP + BOX.width)),
				);
			this.x = Math.min(EDGE.left, width - EDGE.right - ((highest - this.base) * STEP + BOX.width) * this.scale);
			this.y = EDGE.top;
			this.fit(highest, width);
		}
		const scale = this.scale;
		const boxWidth = BOX.width * scale,
			boxHeight = BOX.height * scale;
		const visible = this.sight(width);
		const colours = { main: ink, rival: ink, private: secret, lost, reversed: bad };
		for (const block of visible) {
			const parent = this.net.blocks.get(block.previous);
			if (!parent || !plan.lanes.has(parent.hash)) continue;
			const kind = plan.kind(block),
				from = this.at(parent),
				to = this.at(block);
			pen.strokeStyle = colours[kind];
			pen.lineWidth = kind === "main" ? 2.2 : 1.6;
			pen.setLineDash(DASHES[kind] ?? []);
			pen.beginPath();
			const x1 = from.x + boxWidth,
				y1 = from.y + boxHeight / 2,
				y2 = to.y + boxHeight / 2,
				middle = (x1 + to.x) / 2;
			pen.moveTo(x1, y1);
			pen.bezierCurveTo(middle, y1, middle, y2, to.x, y2);
			pen.stroke();
		}
		const marks = this.options.marks?.() ?? new Map();
		for (const block of visible) {
			const { x, y } = this.at(block),
				kind = plan.kind(block),
				{ colour } = look(this.net.place(block.miner));
			pen.globalAlpha = kind === "lost" ? 0.55 : 1;
			pen.setLineDash(DASHES[kind] ?? []);
			pen.fillStyle = panel;
			pen.strokeStyle = block.hash === this.chosen ? accent : colour;
			pen.lineWidth = block.hash === this.chosen ? 4 : 2;
			pen.beginPath();
			pen.roundRect(x, y, boxWidth, boxHeight, Math.min(6, 6 * scale));
			pen.fill();
			pen.stroke();
			pen.setLineDash([]);
			if (kind === "reversed") {
				pen.strokeStyle = bad;
				pen.lineWidth = 1.5;
				pen.beginPath();
				pen.moveTo(x - 3, y + boxHeight + 3);
				pen.lineTo(x + boxWidth + 3, y - 3);
				pen.stroke();
			}
			if (scale > 0.45) {
				pen.font = `${12 * scale}px system-ui, sans-serif`;
				pen.fillStyle = ink;
				pen.fillText(String(block.height), x + 7 * scale, y + 17 * scale);
				pen.fillStyle = soft;
				pen.fillText(
					block.miner.length > 11 ? `${block.miner.slice(0, 10)}…` : block.miner,
					x + 7 * scale,
					y + 34 * scale,
				);
				if (block.transactions > 1)
					pen.fillText(`+${block.transactions - 1}`, x + boxWidth - 28 * scale, y + 17 * scale);
			}
			pen.globalAlpha = 1;
			this.drawRing(pen, block, bad, accent);
			const word = marks.get(block.hash);
			if (word) {
				pen.font = "bold 11px system-ui, sans-serif";
				pen.fillStyle = kind === "private" ? secret : kind === "reversed" ? bad : accent;
				// Readable over a ring, too.
				pen.strokeStyle = panel;
				pen.lineWidth = 4;
				pen.strokeText(word, x, y - 7);
				pen.fillText(word, x, y - 7);
			}
		}
		if (scale > 0.3) this.drawTips(pen, visible, boxHeight);
	}

	/** Marks of the nodes under the blocks that are their tips. @param {CanvasRenderingContext2D} pen @param {Block[]} visible @param {number} below */
	drawTips(pen, visible, below) {
		for (const block of visible) {
			const here = this.net.network.nodes.filter((node) => node.tip === block.hash);
			const shown = here.slice(0, here.length > 8 ? 6 : 8),
				{ x, y } = this.at(block);
			shown.forEach((node, order) => {
				const { colour, shape } = look(this.net.place(node.name));
				pen.save();
				pen.translate(x + 7 + order * 12, y + below + 9);
				pen.fillStyle = colour;
				pen.fill(new Path2D(outline(shape, 4.2)));
				pen.restore();
			});
			if (shown.length < here.length) {
				pen.fillStyle = getComputedStyle(this.canvas).getPropertyValue("--soft");
				pen.font = "11px system-ui, sans-serif";
				pen.fillText(`+${here.length - shown.length}`, x + 7 + shown.length * 12, y + below + 13);
			}
		}
	}
}

/** What the lines and boxes mean. @param {boolean} hasAttacker */
export function legend(hasAttacker) {
	const line = (/** @type {string} */ dash, /** @type {string} */ colour) =>
		make(
			"svg",
			{ width: 34, height: 10, "aria-hidden": "true" },
			make("line", {
				x1: 1,
				y1: 5,
				x2: 33,
				y2: 5,
				stroke: `var(${colour})`,
				"stroke-width": 2,
				"stroke-dasharray": dash,
			}),
		);
	const row = (/** @type {Node} */ picture, /** @type {string} */ words) => make("span", {}, picture, " ", words);
	return make(
		"div",
		{ class: "legend" },
		row(line("", "--ink"), "followed by a node"),
		hasAttacker ? row(line("6 4", "--private"), "private: only the attacker has it") : null,
		row(line("2 4", "--bad"), "reversed: a node was on it and has left it"),
		row(line("2 4", "--lost"), "left behind"),
		make("span", {}, "Marks under a block: whose tip it is. A box's colour: who mined it."),
	);
}
