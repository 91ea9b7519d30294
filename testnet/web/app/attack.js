// @ts-check
/**
 * The attack view: choose, run, watch both branches, read the story and the verdict. The odds beside the form are the launcher's
 * formulas; the story is what `testoon attack … --json` says, line by line.
 */
import { ask } from "./store.js";
import { counted, field, make, odds, percent, show, table } from "./dom.js";
import { legend, Tree } from "./tree.js";

/** @typedef {import("./main.js").Page} Page */

/** @type {Record<string, {name: string, share: number, what: string, fields: string[]}>} */
const ATTACKS = {
  "double-spend": { name: "Double spend", share: 0.6, fields: ["confirmations", "give_up", "premine"], what: "Mallory pays the shop, mines a secret branch in which the same coins go back to her, waits until the shop has shipped, and publishes the branch if it is longer." },
  selfish: { name: "Selfish mining", share: 0.4, fields: ["blocks"], what: "The attacker keeps found blocks secret and publishes them when others come close, so that honest miners waste their work (Eyal and Sirer)." },
  censor: { name: "Censorship", share: 0.6, fields: ["target", "blocks"], what: "The attacker never confirms somebody's payments, and leaves every block that does behind." },
  halt: { name: "Halt", share: 0.6, fields: ["blocks"], what: "The attacker mines empty blocks only and leaves all others behind: nothing is confirmed any more." },
  eclipse: { name: "Eclipse", share: 0.3, fields: ["confirmations"], what: "The shop's node is surrounded, so that it sees only what the attacker shows it." },
  timewarp: { name: "Timewarp", share: 0.6, fields: [], what: "Header times are bent so that the target grows (on a chain without BIP94)." },
};

/** @param {Page} page @param {HTMLElement} element @param {string[]} words */
export function attackView(page, element, words) {
  const net = page.attacked, chosen = { attack: ATTACKS[words[0]] ? words[0] : "double-spend", share: 0.6, confirmations: 2, give_up: 10, premine: 0, blocks: 0, target: "" };
  if (Number(words[1]) > 0) chosen.share = Number(words[1]) / 100; else chosen.share = ATTACKS[chosen.attack].share;
  if (Number(words[2]) > 0) chosen.confirmations = Number(words[2]);
  const form = make("section", { class: "w4" }), stage = make("section", { class: "w8" }), story = make("section", { class: "w6" }), side = make("section", { class: "w6" });
  const oddsBox = make("div", { "aria-live": "polite" });
  let eye = "all", wait = 0, measured = "";
  const tree = new Tree(net, { label: "The attack's block tree", onChoose: () => {}, marks });
  const eyes = make("div", { class: "tools", role: "group", "aria-label": "Whose eyes" });
  const orders = make("div");
  show(stage, make("h2", {}, "Both branches"), eyes, tree.element, legend(true), orders);
  element.append(form, stage, story, side);

  /** What the story says so far. */
  function facts() {
    /** @type {any} */
    const found = { paid: null, conflict: null, shipped: null, published: null, outcome: null, running: false, command: "" };
    for (const line of net.story) {
      if (line.started) { found.running = true; found.command = line.started; }
      if (line.ended) found.running = false;
      found.paid = line.paid_txid ?? line.paid ?? found.paid;
      found.conflict = line.conflicting_txid ?? line.conflicting ?? found.conflict;
      if (line.shipped_at_height) found.shipped = line.shipped_at_height;
      if (line.verdict) found.outcome = line;
    }
    return found;
  }
  /** Words over the blocks that matter. */
  function marks() {
    const { paid, conflict, shipped } = facts(), found = new Map();
    for (const block of net.blocks.values()) {
      if (paid && block.txids.includes(paid)) found.set(block.hash, "payment");
      if (conflict && block.txids.includes(conflict)) found.set(block.hash, "conflict");
    }
    if (shipped) for (const [hash, word] of [...found]) if (word === "payment") {
      for (const block of net.blocks.values()) if (block.height === shipped && !found.has(block.hash) && [...net.branch(block.hash)].some((below) => below.hash === hash)) found.set(block.hash, "shipped");
    }
    return found;
  }

  function drawForm() {
    const about = ATTACKS[chosen.attack], { running } = facts();
    const kinds = make("select", { "data-key": "attack", onchange: () => { chosen.attack = kinds.value; chosen.share = ATTACKS[kinds.value].share; drawForm(); askOdds(); } }, ...Object.entries(ATTACKS).map(([key, { name }]) => make("option", { value: key, selected: key === chosen.attack }, name)));
    const slider = (/** @type {"share" | "confirmations"} */ key, /** @type {number} */ least, /** @type {number} */ most, /** @type {(value: number) => string} */ say, scale = 1) => {
      const output = make("output", {}, say(chosen[key])), input = make("input", { type: "range", min: least, max: most, step: 1, value: Math.round(chosen[key] * scale), "data-key": key, oninput: () => { chosen[key] = Number(input.value) / scale; output.textContent = say(chosen[key]); askOdds(); } });
      return [input, output];
    };
    const number = (/** @type {"give_up" | "premine" | "blocks"} */ key, /** @type {number} */ least, /** @type {number} */ most) => { const input = make("input", { type: "number", min: least, max: most, value: chosen[key], "data-key": key, onchange: () => { chosen[key] = Number(input.value); askOdds(); } }); return input; };
    const [share, shareOutput] = slider("share", 1, 95, (value) => percent(value), 100);
    const [depth, depthOutput] = slider("confirmations", 1, 12, (value) => counted(value, "confirmation"));
    const target = make("input", { value: chosen.target, placeholder: "everybody's", "data-key": "target", onchange: () => { chosen.target = target.value; } });
    /** @type {Record<string, () => Node>} */
    const fields = {
      confirmations: () => field("The shop waits for", depth, depthOutput),
      give_up: () => field("With the goods shipped, gives up this many blocks behind", number("give_up", 1, 1000)),
      premine: () => field("Blocks ahead in secret before paying", number("premine", 0, 10)),
      blocks: () => field("Blocks until the verdict (0: as usual)", number("blocks", 0, 1000)),
      target: () => field("Whose payments: an account or an address", target),
    };
    show(form, make("h2", {}, "Stage an attack"), field("Attack", kinds), make("p", {}, about.what), field("The attacker's part of the hash rate", share, shareOutput), ...about.fields.map((name) => fields[name]()), oddsBox,
      running ? make("button", { onclick: stop, "data-key": "run" }, "End it") : make("button", { class: "main", onclick: start, disabled: net.readOnly, "data-key": "run" }, "Run it on real nodes"));
  }

  function askOdds() {
    clearTimeout(wait);
    measured = "";
    wait = setTimeout(drawOdds, 60);
  }
  async function drawOdds() {
    if (chosen.attack !== "double-spend") return show(oddsBox);
    const where = `share=${chosen.share}&confirmations=${chosen.confirmations}&give_up=${chosen.give_up}&premine=${chosen.premine}`;
    try {
      const found = await ask(`/api/odds?${where}`);
      const measure = make("button", { class: "link", "data-key": "measure", onclick: async () => {
        measured = "measuring…";
        drawOdds();
        try {
          const { answer } = await ask(`/api/odds/measure?${where}&runs=2000`);
          measured = `${odds(answer.rate)} (95 %: ${odds(answer.interval95[0])} to ${odds(answer.interval95[1])}, ${answer.runs} runs)`;
        } catch (error) { measured = /** @type {Error} */ (error).message; }
        drawOdds();
      } }, "measure in the simulator");
      show(oddsBox, table([["odds of success", ""], ["", "number"]], [["this chain's rules (a tie wins nothing)", odds(found.matching)], ["Rosenfeld 2014", odds(found.rosenfeld)], ["Nakamoto 2008", odds(found.nakamoto)], ["simulated", measured || measure]], "Odds"));
    } catch (error) { show(oddsBox, make("p", { class: "bad" }, /** @type {Error} */ (error).message)); }
  }
  async function start() {
    page.tell("");
    /** @type {any} */
    const request = { attack: chosen.attack, share: chosen.share };
    for (const name of ATTACKS[chosen.attack].fields) {
      const value = /** @type {any} */ (chosen)[name];
      if (value !== "" && !(name === "blocks" && !value)) request[name] = value;
    }
    try { await ask("/api/attack", "POST", request); tree.follows = true; } catch (error) { page.tell(/** @type {Error} */ (error).message); }
  }
  async function stop() {
    try { await ask("/api/attack", "DELETE"); } catch (error) { page.tell(/** @type {Error} */ (error).message); }
  }

  function drawEyes() {
    const names = /** @type {Array<[string, string]>} */ ([["all", "Everybody together"], ...net.network.nodes.map((node) => [node.name, node.role === "attacker" ? "The attacker" : node.role === "shop" ? "The shop" : node.name])]);
    show(eyes, "As seen by ", ...names.map(([key, name]) => make("button", { "aria-pressed": key === eye, class: key === eye ? "main" : "", "data-key": `eye-${key}`, onclick: () => { eye = tree.eye = key; draw(); } }, name)));
  }

  function drawStory() {
    const { outcome, running, command } = facts();
    const lines = net.story.filter((line) => line.text || line.warning);
    const items = lines.slice(-200).map((line) => make("li", { class: line.warning ? "bad" : line.event && line.event !== "block" ? "step" : null }, make("time", {}, line.s === undefined ? "" : `${Number(line.s).toFixed(1)} s`), make("span", {}, line.text ?? line.warning)));
    const list = make("ol", { class: "story", "aria-live": "polite" }, ...items);
    const parts = [make("h2", {}, "The story")];
    if (command) parts.push(make("p", { class: "soft" }, "The same from a terminal: ", make("code", { class: "mono" }, command)));
    if (!net.story.length) parts.push(make("p", { class: "empty" }, "Run an attack: four real nodes start, and every block, the payment, the shipment and the verdict are told here as they happen."));
    else parts.push(make("div", { class: "over" }, list));
    if (running && !items.length) parts.push(make("p", { role: "status" }, "The nodes start…"));
    show(story, ...parts);
    const box = story.querySelector(".over");
    if (box) box.scrollTop = box.scrollHeight;
    drawVerdict(outcome, running);
  }
  /** @param {any} outcome @param {boolean} running */
  function drawVerdict(outcome, running) {
    if (!outcome) return show(side, make("h2", {}, "Verdict"), make("p", { class: "empty" }, running ? "The attack is under way." : "What the attack came to will stand here: balances before and after, the deepest reorganisation, the share of the hash rate that was really achieved."));
    /** @type {any[][]} */
    const rows = [];
    const add = (/** @type {string} */ name, /** @type {any} */ value) => { if (value !== null && value !== undefined) rows.push([name, value]); };
    add("hash share, asked", percent(outcome.share_asked));
    add("hash share, achieved", percent(outcome.share_achieved));
    add("shop's balance when it shipped", outcome.shop_balance_before);
    add("shop's balance now", outcome.shop_balance_after);
    for (const [node, depth] of Object.entries(outcome.reorg_depth ?? {})) add(`deepest reorganisation of ${node}`, counted(Number(depth), "block"));
    for (const key of ["revenue", "matching", "rosenfeld", "nakamoto"]) if (typeof outcome[key] === "number") add(key, percent(outcome[key]));
    add("seconds", outcome.seconds);
    show(side, make("h2", {}, "Verdict"), make("p", { class: "verdict" }, make("strong", { class: outcome.succeeded ? "bad" : "good" }, outcome.succeeded ? "The attack succeeded: " : "The attack did not succeed: "), outcome.verdict), table([["", ""], ["", "number"]], rows, "What was measured"));
  }
  /** What the shop's clerk sees. */
  function drawOrders() {
    const { paid, outcome } = facts();
    if (!paid) return show(orders);
    const holder = [...net.blocks.values()].filter((block) => block.txids.includes(paid)), tip = net.publicTip();
    const onPublic = holder.find((block) => tip && [...net.branch(tip.hash)].some((one) => one.hash === block.hash));
    const depth = onPublic && tip ? tip.height - onPublic.height + 1 : 0;
    const state = onPublic ? `${depth} of ${chosen.confirmations} confirmations` : holder.length && (outcome || net.happenings.length) ? "reversed: its block was left behind" : "paid, not confirmed yet";
    show(orders, make("h3", {}, "The shop's order"), table([["payment"], ["state"]], [[make("span", { class: "mono" }, paid), make("span", { class: state.startsWith("reversed") ? "bad" : "" }, state)]], "Orders"));
  }

  let drawnForm = "";
  function draw() {
    const mark = String(facts().running);
    if (mark !== drawnForm) { drawnForm = mark; drawForm(); drawOdds(); }
    drawEyes();
    tree.draw();
    drawOrders();
    drawStory();
  }
  return { draw, end: () => { tree.end(); clearTimeout(wait); } };
}
