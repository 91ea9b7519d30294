/** Bitcoin's bytes in the browser: a block's hexadecimal digits as named fields, and SHA-256 twice. */

/** @typedef {{name: string, hex: string, what: string}} Field */

/** @param {string} hex */
export const fromHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
/** @param {Uint8Array} bytes */
export const toHex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
/** Hashes are shown with their bytes reversed. @param {string} hex */
export const reversed = (hex) => (hex.match(/../g) ?? []).reverse().join("");

/** @param {Uint8Array} bytes */
export async function hash256(bytes) {
	const once = await crypto.subtle.digest("SHA-256", /** @type {BufferSource} */ (bytes));
	return new Uint8Array(await crypto.subtle.digest("SHA-256", once));
}

/** The target that a compact target stands for. @param {string} bits eight digits as shown */
export function target(bits) {
	const compact = parseInt(bits, 16),
		size = compact >>> 24,
		mantissa = BigInt(compact & 0x7fffff);
	return size <= 3 ? mantissa >> BigInt(8 * (3 - size)) : mantissa << BigInt(8 * (size - 3));
}
/** Hashes that meeting a target takes on average. @param {string} bits */
export const expectedHashes = (bits) => Number((1n << 256n) / (target(bits) + 1n));

class Reader {
	/** @param {string} hex */
	constructor(hex) {
		this.hex = hex;
		this.at = 0;
		/** @type {Field[]} */
		this.fields = [];
	}
	/** @param {number} bytes @param {string} name @param {(hex: string) => string} [say] */
	take(bytes, name, say = (hex) => hex) {
		const hex = this.hex.slice(this.at, this.at + 2 * bytes);
		if (hex.length < 2 * bytes) throw new Error(`the bytes end in the middle of: ${name}`);
		this.at += 2 * bytes;
		this.fields.push({ name, hex, what: say(hex) });
		return hex;
	}
	/** @param {string} name */
	size(name) {
		const first = parseInt(this.hex.slice(this.at, this.at + 2), 16),
			bytes = first < 0xfd ? 1 : first === 0xfd ? 3 : first === 0xfe ? 5 : 9;
		let value = first;
		this.take(bytes, name, (hex) => {
			value = bytes === 1 ? first : number(hex.slice(2));
			return `${value} (CompactSize)`;
		});
		return value;
	}
}
/** A little-endian number. @param {string} hex */
const number = (hex) => Number(BigInt(`0x${reversed(hex) || "0"}`));
const time = (/** @type {string} */ hex) => new Date(number(hex) * 1000).toISOString();
const amount = (/** @type {string} */ hex) => `${(number(hex) / 1e8).toFixed(8)} coins`;

/** @param {Reader} reader */
function transaction(reader) {
	const start = reader.at,
		first = reader.fields.length;
	reader.take(4, "version", (hex) => String(number(hex)));
	const inputs = reader.size("how many inputs");
	for (let input = 0; input < inputs; input++) {
		reader.take(32, `input ${input}: the transaction whose output it spends`, reversed);
		reader.take(4, `input ${input}: which of its outputs`, (hex) =>
			hex === "ffffffff" ? "none: a coinbase" : String(number(hex)),
		);
		reader.take(
			reader.size(`input ${input}: bytes of the unlocking script`),
			`input ${input}: unlocking script (signature and public key, or a coinbase's own words)`,
		);
		reader.take(4, `input ${input}: sequence number`);
	}
	const outputs = reader.size("how many outputs");
	for (let output = 0; output < outputs; output++) {
		reader.take(8, `output ${output}: value`, amount);
		reader.take(
			reader.size(`output ${output}: bytes of the script`),
			`output ${output}: script that says who can spend it`,
		);
	}
	reader.take(4, "lock time", (hex) => String(number(hex)));
	return { hex: reader.hex.slice(start, reader.at), fields: reader.fields.slice(first) };
}

/** A transaction's fields. @param {string} hex */
export const transactionFields = (hex) => transaction(new Reader(hex)).fields;

/** A header's fields. @param {string} hex 160 digits */
export function headerFields(hex) {
	const reader = new Reader(hex);
	reader.take(4, "version", (digits) => `0x${reversed(digits)}`);
	reader.take(32, "hash of the block before", reversed);
	reader.take(32, "Merkle root: commits to every transaction", reversed);
	reader.take(4, "time", time);
	reader.take(4, "compact target", (digits) => reversed(digits));
	reader.take(4, "nonce", (digits) => String(number(digits)));
	return reader.fields;
}

/** A block's header, its transactions' digits and all of its fields. @param {string} hex */
export function parseBlock(hex) {
	const reader = new Reader(hex);
	reader.fields = headerFields(hex.slice(0, 160));
	reader.at = 160;
	const count = reader.size("how many transactions"),
		transactions = [];
	for (let index = 0; index < count; index++) transactions.push(transaction(reader).hex);
	return { header: hex.slice(0, 160), transactions, fields: reader.fields };
}

/** The Merkle root over transactions, in header byte order. @param {string[]} transactions digits of each */
export async function merkleRoot(transactions) {
	let level = await Promise.all(transactions.map((hex) => hash256(fromHex(hex))));
	while (level.length > 1) {
		const next = [];
		for (let at = 0; at < level.length; at += 2)
			next.push(hash256(Uint8Array.from([...level[at], ...(level[at + 1] ?? level[at])])));
		level = await Promise.all(next);
	}
	return toHex(level[0]);
}
