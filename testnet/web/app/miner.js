/**
 * A worker that looks for a header's nonce, so that the page stays at hand meanwhile. It is sent `{header, target}` (bytes, and a bigint) and
 * answers `{hashes}` now and then, at last `{hashes, nonce, hash}`. To stop it, end it.
 */
import { HeaderHasher, value } from "./sha256.js";

/** Hashes between two answers. */
const HASHES_PER_ANSWER = 50_000;

self.onmessage = ({ data: { header, target } }) => {
	const hasher = new HeaderHasher(header),
		// Most hashes are too high by their first word already.
		most = Number(target >> 224n);
	for (let nonce = 0; nonce < 2 ** 32; nonce++) {
		const digest = hasher.hash(nonce);
		if (digest.getUint32(28, true) <= most && value(digest) <= target)
			return self.postMessage({ hashes: nonce + 1, nonce, hash: value(digest).toString(16).padStart(64, "0") });
		if ((nonce + 1) % HASHES_PER_ANSWER === 0) self.postMessage({ hashes: nonce + 1 });
	}
	self.postMessage({ hashes: 2 ** 32, nonce: null, hash: null });
};
