/**
 * SHA-256 twice over a block header (FIPS 180-4), for many nonces in a row: the browser's own `crypto.subtle` answers one question at a
 * time, which costs tens of microseconds each.
 */

/** @type {number[]} */
const primes = [];
for (let number = 2; primes.length < 64; number++) if (primes.every((prime) => number % prime)) primes.push(number);
/** The first 32 bits of a number's fraction. @param {number} value */
const fraction = (value) => ((value - Math.floor(value)) * 2 ** 32) | 0;
/** FIPS 180-4, 4.2.2 and 5.3.3. */
const ROUNDS = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));

/** Mixes a block of 16 words, the first of 64, into a state. @param {Int32Array} state @param {Int32Array} w */
function compress(state, w) {
	for (let t = 16; t < 64; t++) {
		const x = w[t - 15],
			y = w[t - 2];
		const low = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
		const high = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
		w[t] = (w[t - 16] + low + w[t - 7] + high) | 0;
	}
	let a = state[0],
		b = state[1],
		c = state[2],
		d = state[3],
		e = state[4],
		f = state[5],
		g = state[6],
		h = state[7];
	for (let t = 0; t < 64; t++) {
		const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
		const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[t] + w[t]) | 0;
		const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
		const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
		h = g;
		g = f;
		f = e;
		e = (d + t1) | 0;
		d = c;
		c = b;
		b = a;
		a = (t1 + t2) | 0;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

/** A header whose nonce is tried: what comes before the nonce's 64 bytes is hashed once. */
export class HeaderHasher {
	/** @param {Uint8Array} header 80 bytes */
	constructor(header) {
		const view = new DataView(header.buffer, header.byteOffset, 80);
		const words = new Int32Array(64);
		for (let at = 0; at < 16; at++) words[at] = view.getInt32(4 * at);
		this.middle = START.slice();
		compress(this.middle, words);
		this.tail = [view.getInt32(64), view.getInt32(68), view.getInt32(72)];
		this.state = new Int32Array(8);
		this.words = words;
		this.digest = new DataView(new ArrayBuffer(32));
	}

	/** The hash with a nonce, in the order of its bytes; the same memory at every call. @param {number} nonce */
	hash(nonce) {
		const { words, state, tail, digest } = this;
		words.fill(0, 0, 16);
		words.set(tail);
		// The nonce is little-endian, a word of SHA-256 is not.
		digest.setUint32(0, nonce, true);
		words[3] = digest.getInt32(0);
		words[4] = 1 << 31;
		words[15] = 8 * 80;
		state.set(this.middle);
		compress(state, words);
		words.fill(0, 0, 16);
		words.set(state);
		words[8] = 1 << 31;
		words[15] = 8 * 32;
		state.set(START);
		compress(state, words);
		for (let at = 0; at < 8; at++) digest.setInt32(4 * at, state[at]);
		return digest;
	}
}

/** The number that a hash stands for, which the target bounds: its bytes are read from the last. @param {DataView} digest */
export function value(digest) {
	let number = 0n;
	for (let at = 24; at >= 0; at -= 8) number = (number << 64n) | digest.getBigUint64(at, true);
	return number;
}
