//! The checksum behind `#` of an output descriptor (BIP380), which nodes and wallets write and check alike.
//!
//! It stands on nothing. What descriptors mean is read by those who take them: the node's RPC and the wallet's accounts.

/// Characters a descriptor may hold, in the order that the checksum numbers them (BIP380).
const CHARACTERS: &str =
    "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
/// The checksum's alphabet, that of Bech32.
const CHECKSUM_ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Characters of a checksum.
const CHECKSUM_LEN: usize = 8;
/// Coefficients of the checksum's generator over GF(32) (BIP380).
const GENERATOR: [u64; 5] = [0xf5_dee5_1989, 0xa9_fdca_3312, 0x1b_ab10_e32d, 0x37_06b1_677a, 0x64_4d62_6ffd];

/// The eight characters that belong behind `#`. `None` if the text has a character that no descriptor may have.
pub fn checksum(text: &str) -> Option<String> {
    let (mut state, mut group, mut group_len) = (1, 0, 0);
    for character in text.chars() {
        let position = CHARACTERS.find(character)? as u64;
        state = step(state, position & 31);
        group = group * 3 + (position >> 5);
        group_len += 1;
        if group_len == 3 {
            state = step(state, group);
            (group, group_len) = (0, 0);
        }
    }
    if group_len > 0 {
        state = step(state, group);
    }
    for _ in 0..CHECKSUM_LEN {
        state = step(state, 0);
    }
    state ^= 1;
    let symbol = |index| CHECKSUM_ALPHABET[((state >> (5 * (CHECKSUM_LEN - 1 - index))) & 31) as usize] as char;
    Some((0..CHECKSUM_LEN).map(symbol).collect())
}

/// A descriptor with `#` and its checksum behind it; as it is, if it has a character that no descriptor may have.
pub fn with_checksum(text: &str) -> String {
    checksum(text).map_or_else(|| text.to_owned(), |checksum| format!("{text}#{checksum}"))
}

/// One symbol more in the checksum's polynomial.
fn step(state: u64, symbol: u64) -> u64 {
    let top = state >> 35;
    let shifted = ((state & 0x7_ffff_ffff) << 5) ^ symbol;
    GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1).fold(shifted, |state, (_, term)| state ^ term)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP380's vector, and two sums computed by Core's own test framework.
    #[test]
    fn checksums_are_those_of_bip380_and_core() {
        assert_eq!(with_checksum("raw(deadbeef)"), "raw(deadbeef)#89f8spxm");
        for (text, sum) in [
            ("pk(0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798)", "gn28ywm7"),
            ("pkh(02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abf2d91d92e47e00)", "qd6k7hnr"),
        ] {
            assert_eq!(checksum(text).as_deref(), Some(sum));
        }
        assert_eq!(checksum("raw(Ü)"), None);
        assert_eq!(with_checksum("raw(Ü)"), "raw(Ü)");
    }

    /// What one character replaced by another, or two neighbours exchanged, does to the checksum: BIP380 says that it changes.
    #[test]
    fn a_mistake_of_one_or_two_characters_changes_the_checksum() {
        let text = "pkh([d34db33f/44h/1h/0h]tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B/0/*)";
        let right = checksum(text);
        assert!(right.is_some());
        let characters: Vec<char> = text.chars().collect();
        for at in 0..characters.len() {
            for other in CHARACTERS.chars().filter(|other| *other != characters[at]) {
                let mut wrong = characters.clone();
                wrong[at] = other;
                assert_ne!(checksum(&wrong.iter().collect::<String>()), right, "{other} at {at}");
            }
            if at > 0 && characters[at] != characters[at - 1] {
                let mut wrong = characters.clone();
                wrong.swap(at - 1, at);
                assert_ne!(checksum(&wrong.iter().collect::<String>()), right, "{at} exchanged");
            }
        }
    }
}
