//! Output descriptors, as far as scripts without keys need them: `addr(ADDRESS)` and `raw(HEX)`, with checksums (BIP380).

use chain_spec::{Address, ChainSpec, Script};

/// Characters a descriptor may hold, in the order BIP380 groups them.
const INPUT_CHARSET: &str =
    "0123456789()[],'/*abcdefgh@:$%{}IJKLMNOPQRSTUVWXYZ&+-.;<=>?!^_|~ijklmnopqrstuvwxyzABCDEFGH`#\"\\ ";
/// Bech32's characters, which checksums are written in.
const CHECKSUM_CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The generator of BIP380's code.
const GENERATOR: [u64; 5] = [0xf5dee51989, 0xa9fdca3312, 0x1bab10e32d, 0x3706b1677a, 0x644d626ffd];

/// The descriptor of a script, with its checksum.
pub fn of_script(script: &Script, address: Option<&Address>) -> String {
    with_checksum(&match address {
        Some(address) => format!("addr({address})"),
        None => format!("raw({})", hex::encode(script.as_bytes())),
    })
}

/// Reads `addr(…)` or `raw(…)`, with or without checksum; the sentence says what is wrong.
pub fn parse(text: &str, spec: &ChainSpec) -> Result<Script, String> {
    let body = match text.split_once('#') {
        None => text,
        Some((body, checksum)) => {
            let expected = checksum_of(body).ok_or("Invalid characters in payload")?;
            if expected != checksum {
                return Err(format!("Provided checksum '{checksum}' does not match computed checksum '{expected}'"));
            }
            body
        }
    };
    let inside = |name: &str| body.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(address) = inside("addr") {
        return Address::parse(address, spec).map(|address| address.script()).map_err(|error| error.to_string());
    }
    if let Some(script) = inside("raw") {
        return hex::decode(script).map(Script::from_bytes).map_err(|error| format!("raw() needs hex: {error}"));
    }
    Err(format!("'{body}' is not addr(ADDRESS) or raw(HEX), the descriptors this node knows"))
}

/// Appends `#` and the checksum.
pub fn with_checksum(body: &str) -> String {
    // What this module writes is within the character set.
    format!("{body}#{}", checksum_of(body).unwrap_or_default())
}

/// BIP380's checksum, or `None` when a character is outside its set.
fn checksum_of(body: &str) -> Option<String> {
    let mut code = 1u64;
    let (mut group, mut group_len) = (0u64, 0);
    for character in body.chars() {
        let position = INPUT_CHARSET.find(character)? as u64;
        code = step(code, position & 31);
        group = group * 3 + (position >> 5);
        group_len += 1;
        if group_len == 3 {
            code = step(code, group);
            (group, group_len) = (0, 0);
        }
    }
    if group_len > 0 {
        code = step(code, group);
    }
    for _ in 0..8 {
        code = step(code, 0);
    }
    code ^= 1;
    Some((0..8).map(|place| char::from(CHECKSUM_CHARSET[(code >> (5 * (7 - place)) & 31) as usize])).collect())
}

/// One symbol of BIP380's polynomial code.
fn step(code: u64, symbol: u64) -> u64 {
    let top = code >> 35;
    let mut next = ((code & 0x7_ffff_ffff) << 5) ^ symbol;
    for (bit, generator) in GENERATOR.iter().enumerate() {
        if top >> bit & 1 == 1 {
            next ^= generator;
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_bip380() {
        assert_eq!(with_checksum("raw(deadbeef)"), "raw(deadbeef)#89f8spxm");
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        let script = Script::from_bytes(vec![0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(parse("raw(deadbeef)#89f8spxm", &spec), Ok(script.clone()));
        assert_eq!(parse("raw(deadbeef)", &spec), Ok(script));
        for wrong in ["raw(deadbeef)#", "raw(deadbeef)#89f8spxmx", "raw(deadbeef)#89f8spx", "raw(deedbeef)#89f8spxm"] {
            assert!(parse(wrong, &spec).is_err(), "{wrong}");
        }
        assert!(parse("raw(Ü)#00000000", &spec).is_err());
    }

    #[test]
    fn an_address_is_read_back_from_its_descriptor() {
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        let address = Address::parse("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", &spec).unwrap();
        let text = of_script(&address.script(), Some(&address));
        assert_eq!(parse(&text, &spec), Ok(address.script()));
        assert!(parse("addr(mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn)", &spec).is_err(), "another network's address");
        assert!(parse("pkh(02)", &spec).is_err());
    }
}
