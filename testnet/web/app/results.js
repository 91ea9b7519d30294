/**
 * Measured rates of double spends from files: results of `testoon study` (`results.csv`, or what `--json` prints), of
 * `testoon attack double-spend --live-runs N --json` and of `--sim --json`. They are read in the browser and go nowhere.
 *
 * @typedef {{share: number, confirmations: number, premine: number, give_up: number | null, runs: number, rate: number,
 *   interval95: [number, number], from: string}} Point
 */

/** Bytes of a file that is read. */
export const FILE_BYTES_MAX = 4 << 20;

/** The rows of a CSV file by its heading; a cell may be quoted (RFC 4180). @param {string} text @returns {Array<Record<string, string>>} */
export function rows(text) {
	const lines = text.split(/\r?\n/).filter((line) => line.trim());
	const cells = (/** @type {string} */ line) =>
		[...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
			quoted === undefined ? plain : quoted.replaceAll('""', '"'),
		);
	const names = cells(lines.shift() ?? "");
	return lines.map((line) => Object.fromEntries(cells(line).map((cell, at) => [names[at], cell])));
}

/** What an object measured, if it is a double spend's rate. @param {any} one @param {string} from @returns {Point[]} */
function point(one, from) {
	if (one.attack !== undefined && one.attack !== "double-spend") return [];
	const has = (/** @type {any} */ value) => value !== undefined && value !== null && value !== "";
	const rate = has(one.rate) ? one.rate : one.value,
		[low, high] = one.interval95 ?? [one.low95, one.high95];
	const values = [one.share, one.confirmations, rate, low, high];
	if (!values.every((value) => has(value) && Number.isFinite(Number(value)))) return [];
	return [
		{
			share: Number(one.share),
			confirmations: Number(one.confirmations),
			premine: Number(one.premine ?? 0),
			give_up: has(one.give_up) ? Number(one.give_up) : null,
			runs: Number(one.runs ?? 0),
			rate: Number(rate),
			interval95: [Number(low), Number(high)],
			from,
		},
	];
}

/** The points in a file's text. @param {string} name @param {string} text @returns {Point[]} */
export function pointsIn(name, text) {
	if (/\.csv$/i.test(name)) return rows(text).flatMap((row) => point(row, name));
	return text.split("\n").flatMap((line) => {
		try {
			const value = JSON.parse(line);
			return (value?.rows ?? [value]).flatMap((/** @type {any} */ one) => (one ? point(one, name) : []));
		} catch {
			// A line that is no JSON is one that was meant for people.
			return [];
		}
	});
}
