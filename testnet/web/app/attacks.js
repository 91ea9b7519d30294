/** The attacks that can be staged: what each is, which fields its form has, and with what it begins. */

const REVENUE = ["blocks"];
/** @type {Record<string, {name: string, share: number, what: string, fields: string[], z?: number}>} */
export const ATTACKS = {
	"double-spend": {
		name: "Double spend",
		share: 0.6,
		z: 2,
		fields: ["confirmations", "give_up", "premine"],
		what: "Mallory pays the shop, mines a secret branch in which the same coins go back to her, waits until the shop has shipped, and publishes the branch if it is longer.",
	},
	eclipse: {
		name: "Eclipse",
		share: 0.3,
		z: 2,
		fields: ["confirmations"],
		what: "The shop's node is surrounded, so that it sees only what the attacker shows it.",
	},
	censor: {
		name: "Censorship",
		share: 0.6,
		z: 6,
		fields: ["confirmations", "target", "blocks"],
		what: "The attacker never confirms somebody's payments, and leaves every block that does behind.",
	},
	halt: {
		name: "Halt",
		share: 0.6,
		z: 6,
		fields: ["confirmations", "target", "blocks"],
		what: "The attacker mines empty blocks only and leaves all others behind: nothing is confirmed any more.",
	},
	selfish: {
		name: "Selfish mining",
		share: 0.4,
		fields: REVENUE,
		what: "The attacker keeps found blocks secret and publishes them when others come close, so that honest miners waste their work (Eyal and Sirer).",
	},
	"optimal-selfish": {
		name: "Optimal selfish mining",
		share: 0.4,
		fields: REVENUE,
		what: "The best way to keep blocks secret for profit (Sapirshtein and others).",
	},
	"lead-stubborn": {
		name: "Lead-stubborn mining",
		share: 0.4,
		fields: REVENUE,
		what: "Selfish mining that never cashes a lead in (Nayak and others).",
	},
	"equal-fork-stubborn": {
		name: "Equal-fork-stubborn mining",
		share: 0.4,
		fields: REVENUE,
		what: "Selfish mining that keeps a block found in a tie (Nayak and others).",
	},
	"trail-stubborn": {
		name: "Trail-stubborn mining",
		share: 0.4,
		fields: REVENUE,
		what: "Selfish mining that goes on one block behind (Nayak and others).",
	},
	lazy: {
		name: "Lazy mining",
		share: 0.4,
		fields: REVENUE,
		what: "Keeps back the newest block only: the worked example of docs/strategies.md.",
	},
	timewarp: {
		name: "Timewarp",
		share: 0.6,
		fields: [],
		what: "Header times are bent so that the target grows (on a chain without BIP94).",
	},
};
