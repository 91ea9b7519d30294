/**
 * Part of the replay view: what the rest of a recorded double spend could come to from any moment, as it was planned and with something
 * changed, in the simulator and on live nodes, outcomes side by side. It is `testoon replay` that plays.
 */
import { clock, counted, empty, field, h2, make, odds, percent, show, soft, table, tools, why } from "./dom.js";
import { ask } from "./store.js";
import { judged } from "./story.js";

/** @typedef {import("./main.js").Page} Page */

/** Times that the simulator plays each future. */
const RUNS = 2000;
/** Live runs of one question: each takes its blocks' time. */
const LIVE_MAX = 20;
/** Defences of everybody but the attacker (docs/defences.md), as `--fork-rule` takes them. */
const DEFENCES = {
	"": "none",
	"reorg-limit=6": "no reorganisation deeper than 6",
	mess: "MESS",
	"uniform-tie": "a tie is decided by lot",
};

/** @param {Page} page @param {HTMLElement} section @param {string} network @param {string} name */
export function whatIf(page, section, network, name) {
	/** What was asked, of any moment: a row each, by moment and change. @type {Map<string, any[]>} */
	const outcomes = new Map();
	let offered = "",
		isBusy = false;

	/** @param {import("./replay.js").Recorded} net @param {import("./story.js").Facts} known */
	function draw(net, known) {
		const at = known.odds,
			title = h2("What if");
		if (!at || net.head.attack !== "double-spend") {
			offered = "";
			show(
				section,
				title,
				empty(
					net.head.attack === "double-spend"
						? "The race has not begun at this moment: go on until the payment is out and a block is found."
						: "This run is no double spend: there is no race whose rest could be played.",
				),
			);
			return;
		}
		// What was typed must survive the next line: the form is made anew only when the race stands otherwise.
		const mark = `${at.own} ${at.public} ${at.confirmations}`;
		if (mark === offered && section.querySelector("form")) return;
		offered = mark;
		const number = (
			/** @type {string} */ key,
			/** @type {number} */ value,
			/** @type {number} */ least,
			/** @type {number} */ most,
		) =>
			make("input", {
				type: "number",
				name: key,
				value,
				min: least,
				max: most,
				required: true,
				"data-key": `if-${key}`,
			});
		const defence = make(
			"select",
			{ name: "defence", "data-key": "if-defence" },
			...Object.entries(DEFENCES).map(([key, words]) => make("option", { value: key }, words)),
		);
		const form = make(
			"form",
			{
				onsubmit: (/** @type {SubmitEvent} */ event) => {
					event.preventDefault();
					play(net, at, form);
				},
			},
			make("p", {}, `At this moment: ${at.text}.`),
			tools(
				field("Share, per cent", number("share", Math.round(net.head.share * 100), 1, 99)),
				field("Confirmations", number("confirmations", net.head.confirmations, 1, 100)),
				field("Gives up behind", number("give_up", net.head.give_up ?? 10, 1, 1000)),
				field("The others' defence", defence),
				field("Also on live nodes, times", number("live", 0, 0, LIVE_MAX)),
			),
			make(
				"button",
				{ class: "main", "data-key": "rest", disabled: isBusy || net.readOnly || page.net.readOnly },
				`Play the rest ${RUNS.toLocaleString()} times`,
			),
			page.net.readOnly ? soft("This page only looks on.") : "",
		);
		show(section, title, form, outcomeTable(net));
	}

	/** @param {import("./replay.js").Recorded} net */
	function outcomeTable(net) {
		const ended = net.lines.find((line) => line.verdict);
		const recorded = ended ? [["", "as recorded", "", "", judged(ended).words.replace(/: $/, "")]] : [];
		return make(
			"div",
			{ class: "over", tabindex: 0, "aria-label": "Outcomes side by side" },
			table(
				[["from"], ["future"], ["formula", "number"], ["simulated (95 %)"], ["on live nodes"]],
				[...recorded, ...outcomes.values()],
				"Outcomes side by side",
			),
		);
	}

	/** @param {any} played */
	const rate = ({ rate: part, interval95: [low, high] }) => `succeeds in ${odds(part)} (${odds(low)} to ${odds(high)})`;

	/** What differs from the recorded run, as `--change` takes it. @param {any} head @param {FormData} data */
	function changes(head, data) {
		const value = (/** @type {string} */ key) => Number(data.get(key));
		const list = [];
		if (value("share") !== Math.round(head.share * 100)) list.push(`share=${value("share") / 100}`);
		if (value("confirmations") !== head.confirmations) list.push(`confirmations=${value("confirmations")}`);
		if (value("give_up") !== (head.give_up ?? 10)) list.push(`give-up=${value("give_up")}`);
		if (data.get("defence")) list.push(`fork-rule=${data.get("defence")}`);
		return list.join(",");
	}

	/** @param {import("./replay.js").Recorded} net @param {any} at @param {HTMLFormElement} form */
	async function play(net, at, form) {
		page.tell("");
		const data = new FormData(form),
			button = /** @type {HTMLButtonElement} */ (form.querySelector("[data-key=rest]")),
			change = changes(net.head, data);
		const live = Number(data.get("live"));
		isBusy = button.disabled = true;
		button.textContent = live ? `Playing, ${counted(live, "time")} on live nodes…` : "Playing…";
		try {
			const { answer } = await ask("/api/replay", "POST", {
				network,
				run: name,
				at: at.s,
				change,
				runs: RUNS,
				live_runs: live,
			});
			for (const future of answer.futures) {
				const key = `${at.s} ${future.change}`;
				outcomes.set(key, [
					`${clock(at.s)}, ${standing(answer.state)}`,
					future.change || "as it was planned",
					future.odds === null ? "–" : odds(future.odds),
					rate(future.simulated),
					future.live ? `${future.live.successes} of ${future.live.runs} succeeded` : (outcomes.get(key)?.at(-1) ?? ""),
				]);
			}
			section.querySelector(".over")?.replaceWith(outcomeTable(net));
		} catch (error) {
			page.tell(why(error), section);
		}
		isBusy = button.disabled = false;
		button.textContent = `Play the rest ${RUNS.toLocaleString()} times`;
	}
	return { draw };
}

/** @param {{have: number, own: number, public: number, share: number}} state */
const standing = (state) =>
	`${counted(state.own, "secret block")} against ${state.public}, ${percent(state.share)} of the hash rate`;
