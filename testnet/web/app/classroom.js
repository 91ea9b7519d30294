/** The classroom: on the teacher's page the address as a QR code; on a student's page a choice of eyes, and an order to place. */
import { box, h2, make, show, soft, why } from "./dom.js";
import { ask } from "./store.js";

/** @typedef {import("./main.js").Page} Page */

/** Light modules around a QR code (ISO/IEC 18004, 5.3.8). */
const QUIET = 4;

/** @param {string[]} rows dark modules as 1 */
function code(rows) {
	const size = rows.length + 2 * QUIET;
	const path = rows
		.map((row, y) => [...row].map((module, x) => (module === "1" ? `M${x + QUIET} ${y + QUIET}h1v1h-1z` : "")).join(""))
		.join("");
	return make(
		"svg",
		{
			viewBox: `0 0 ${size} ${size}`,
			class: "qr",
			role: "img",
			"aria-label": "The address as a QR code",
			"shape-rendering": "crispEdges",
		},
		make("rect", { width: size, height: size, fill: "#fff" }),
		make("path", { d: path, fill: "#000" }),
	);
}

/** @param {Page} page @param {HTMLElement} element */
export function classroomView(page, element) {
	const main = box("w6");
	const more = box("w6");
	element.append(main, more);
	const net = page.net;
	let drawn = "";

	async function drawTeacher() {
		show(
			more,
			h2("What students can do"),
			make(
				"ul",
				{},
				make("li", {}, "look at every view of this page, through the eyes of any node"),
				make("li", {}, "place an order: alice pays the shop a small amount, and they follow it into a block"),
				make("li", {}, "nothing else: they hold a token that only reads"),
			),
		);
		try {
			const found = await ask("/api/class");
			show(
				main,
				h2("Classroom"),
				code(found.rows),
				make("p", {}, "Students open ", make("span", { class: "mono" }, found.url), "."),
			);
		} catch (error) {
			show(main, h2("Classroom"), make("p", {}, "This page is shown to this machine alone."), soft(why(error)));
		}
	}
	function drawStudent() {
		const order = make(
			"button",
			{
				class: "main",
				onclick: async () => {
					page.tell("");
					order.disabled = true;
					try {
						const { answer } = await ask("/api/class/order", "POST", {});
						page.go(`/explorer/transaction/${answer.txid}`);
					} catch (error) {
						page.tell(why(error), main);
					}
					order.disabled = false;
				},
			},
			"Order from the shop",
		);
		show(
			main,
			h2("Place an order"),
			make(
				"p",
				{},
				"alice pays the shop 0.01 coins. You then see the payment wait in the mempool until a block takes it; every block on top of that one makes it harder to reverse.",
			),
			order,
		);
		const eyes = net.network.nodes.map((node) =>
			make("li", {}, make("a", { href: `#/chain/${encodeURIComponent(node.name)}` }, `${node.name} (${node.role})`)),
		);
		show(
			more,
			h2("Choose a node's eyes"),
			make(
				"p",
				{},
				"The chain as that node sees it. In a partition, or during an attack, they do not all see the same.",
			),
			make("ul", {}, ...eyes),
		);
	}
	return {
		draw: () => {
			const mark = `${net.isClass} ${net.network.nodes.map((node) => node.name).join()}`;
			if (mark === drawn) return;
			drawn = mark;
			if (net.isClass) drawStudent();
			else drawTeacher();
		},
	};
}
