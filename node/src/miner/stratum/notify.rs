//! `mining.notify`: a pool's job in Stratum's byte orders, and the header that a miner makes of it.
//!
//! The coinbase comes in two parts, between which a miner puts the extranonces; its txid and the Merkle branch give
//! the root. The branch is in hashing order; the parent's hash is in hashing order with the bytes of each 32-bit
//! word reversed (as `getwork` had it); version, target and time are big-endian numbers.

use chain_spec::merkle::root_from_branch;
use chain_spec::{BlockHash, CompactTarget, Header, Txid, hash};
use serde_json::{Value, json};

/// Longest job id that is read, bytes.
const ID_BYTES_MAX: usize = 64;
/// Longest half of a coinbase that is read, bytes.
const COINBASE_BYTES_MAX: usize = 50_000;
/// Longest Merkle branch that is read: more than any block has.
const BRANCH_MAX: usize = 32;

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Named in each share.
    pub id: String,
    /// What a header is made of.
    pub work: Work,
    /// Earlier jobs are of no use any more.
    pub clean: bool,
}

/// What a job's headers are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The parent.
    pub previous: BlockHash,
    /// The coinbase's bytes before the extranonces.
    pub coinbase_start: Vec<u8>,
    /// The coinbase's bytes behind the extranonces.
    pub coinbase_end: Vec<u8>,
    /// The Merkle branch of the coinbase, from the leaves up.
    pub branch: Vec<[u8; 32]>,
    /// The header's version.
    pub version: i32,
    /// The block's compact target.
    pub bits: CompactTarget,
    /// Unix seconds.
    pub time: u32,
}

/// What a miner chose for one header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The pool's part of the extranonce.
    pub extranonce1: &'a [u8],
    /// The miner's part of the extranonce.
    pub extranonce2: &'a [u8],
    /// Unix seconds.
    pub time: u32,
    /// The nonce.
    pub nonce: u32,
    /// The version.
    pub version: i32,
}

impl Work {
    /// The coinbase's bytes.
    pub fn coinbase(&self, extranonce1: &[u8], extranonce2: &[u8]) -> Vec<u8> {
        [&self.coinbase_start, extranonce1, extranonce2, &self.coinbase_end].concat()
    }

    /// The header of a choice.
    pub fn header(&self, choice: &Choice) -> Header {
        let coinbase = self.coinbase(choice.extranonce1, choice.extranonce2);
        Header {
            version: choice.version,
            previous: self.previous,
            merkle_root: root_from_branch(Txid::from_bytes(hash::sha256d(&coinbase)), &self.branch),
            time: choice.time,
            bits: self.bits,
            nonce: choice.nonce,
        }
    }
}

impl Notify {
    /// The parameters of `mining.notify`.
    pub fn to_params(&self) -> Value {
        let work = &self.work;
        json!([
            self.id,
            hex::encode(swap_words(*work.previous.as_bytes())),
            hex::encode(&work.coinbase_start),
            hex::encode(&work.coinbase_end),
            work.branch.iter().map(hex::encode).collect::<Vec<_>>(),
            format!("{:08x}", work.version),
            work.bits.to_string(),
            format!("{:08x}", work.time),
            self.clean,
        ])
    }

    /// Reads the parameters of `mining.notify`.
    ///
    /// # Errors
    /// Which parameter is missing or cannot be read.
    pub fn from_params(params: &Value) -> Result<Notify, String> {
        let text = |index: usize, name: &str| {
            params[index].as_str().ok_or_else(|| format!("mining.notify: {name} is missing or no text"))
        };
        let bytes = |index: usize, name: &str| {
            let text = Some(text(index, name)?).filter(|text| text.len() <= 2 * COINBASE_BYTES_MAX);
            text.and_then(|text| hex::decode(text).ok())
                .ok_or_else(|| format!("mining.notify: {name} is no hexadecimal text of a fitting length"))
        };
        let number = |index: usize, name: &str| {
            let text = text(index, name)?;
            parse_u32(text).ok_or_else(|| format!("mining.notify: {name} {text:?} is not 8 hexadecimal digits"))
        };
        let id = text(0, "the job's id")?.to_owned();
        if id.len() > ID_BYTES_MAX {
            return Err(format!("mining.notify: the job's id has more than {ID_BYTES_MAX} bytes"));
        }
        let previous = <[u8; 32]>::try_from(bytes(1, "the parent's hash")?)
            .map_err(|_| "mining.notify: the parent's hash does not have 32 bytes".to_owned())?;
        let branch = params[4].as_array().filter(|branch| branch.len() <= BRANCH_MAX);
        let branch = branch.and_then(|branch| branch.iter().map(hash_from_hex).collect::<Option<Vec<_>>>());
        Ok(Notify {
            id,
            work: Work {
                previous: BlockHash::from_bytes(swap_words(previous)),
                coinbase_start: bytes(2, "the coinbase's first part")?,
                coinbase_end: bytes(3, "the coinbase's second part")?,
                branch: branch.ok_or("mining.notify: the Merkle branch is no list of hashes")?,
                version: number(5, "the version")? as i32,
                bits: CompactTarget::from_bits(number(6, "the compact target")?),
                time: number(7, "the time")?,
            },
            clean: params[8].as_bool().unwrap_or(true),
        })
    }
}

/// A number of 32 bits as Stratum writes it: exactly eight hexadecimal digits.
pub fn parse_u32(text: &str) -> Option<u32> {
    let mut bytes = [0; 4];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(u32::from_be_bytes(bytes))
}

fn hash_from_hex(value: &Value) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(value.as_str()?, &mut bytes).ok()?;
    Some(bytes)
}

/// Reverses the bytes of each 32-bit word; twice is nothing.
fn swap_words(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::miner::stratum::difficulty::Difficulty;
    use chain_spec::ProofOfWork;

    /// The worked example of Slush Pool's documentation of Stratum (2012): job and share of a real miner at
    /// difficulty 1.
    const EXAMPLE: &str = r#"["bf","4d16b6f85af6e2198f44ae2a6de67f78487ae5611b77c6c0440b921e00000000","01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff20020862062f503253482f04b8864e5008","072f736c7573682f000000000100f2052a010000001976a914d23fcdf86f7e756a64a7a9688ef9903327048ed988ac00000000",[],"00000002","1c2ac4af","504e86b9",false]"#;

    #[test]
    fn slush_s_worked_example_is_a_share_of_difficulty_one() {
        let params: Value = serde_json::from_str(EXAMPLE).unwrap();
        let notify = Notify::from_params(&params).unwrap();
        assert_eq!(notify.to_params(), params, "what is written is what was read");
        let previous = "00000000440b921e1b77c6c0487ae5616de67f788f44ae2a5af6e2194d16b6f8";
        assert_eq!(notify.work.previous.to_string(), previous);

        // mining.subscribe answered "08000002", 4; mining.submit was ["slush.miner1", "bf", "00000001", "504e86ed",
        // "b2957c02"].
        let choice = Choice {
            extranonce1: &[8, 0, 0, 2],
            extranonce2: &[0, 0, 0, 1],
            time: parse_u32("504e86ed").unwrap(),
            nonce: parse_u32("b2957c02").unwrap(),
            version: notify.work.version,
        };
        let header = notify.work.header(&choice);
        let one = Difficulty::new(1.0).unwrap().target(ProofOfWork::Sha256d);
        assert!(one.is_met_by(&header.hash()), "{}", header.hash());
        for wrong in [
            Choice { extranonce2: &[1, 0, 0, 0], ..choice },
            Choice { nonce: choice.nonce.swap_bytes(), ..choice },
            Choice { time: choice.time + 1, ..choice },
        ] {
            assert!(!one.is_met_by(&notify.work.header(&wrong).hash()), "{wrong:?}");
        }
    }

    #[test]
    fn a_damaged_job_says_what_is_wrong_with_it() {
        let params: Value = serde_json::from_str(EXAMPLE).unwrap();
        for (index, value, word) in [
            (0, json!(7), "id"),
            (0, json!("x".repeat(65)), "id"),
            (1, json!("4d16"), "32 bytes"),
            (2, json!("0"), "first part"),
            (3, json!(null), "second part"),
            (4, json!(["00"]), "branch"),
            (4, json!(vec!["00".repeat(32); 33]), "branch"),
            (5, json!("2"), "version"),
            (6, json!("1c2ac4a"), "target"),
            (7, json!("+04e86b9"), "time"),
        ] {
            let mut damaged = params.clone();
            damaged[index] = value.clone();
            let error = Notify::from_params(&damaged).unwrap_err();
            assert!(error.contains(word), "{value}: {error}");
        }
        for value in [json!(null), json!([]), json!({"a": 1}), json!("text")] {
            assert!(Notify::from_params(&value).is_err(), "{value}");
        }
    }
}
