//! BIP39 words: made, read, checked, and turned into a BIP32 seed.

use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

use super::KeyError;

/// BIP39 words (English list). Erased when dropped; `Debug` does not show them.
#[derive(Clone)]
pub struct Words(Mnemonic);

impl Words {
    /// Fresh words from the operating system's randomness: 12, 15, 18, 21 or 24 of them.
    pub fn generate(count: usize) -> Result<Words, KeyError> {
        if !(12..=24).contains(&count) || !count.is_multiple_of(3) {
            return Err(KeyError::WordCount(count));
        }
        let mut entropy = Zeroizing::new(vec![0u8; count / 3 * 4]);
        getrandom::fill(&mut entropy).map_err(|error| KeyError::Random(error.to_string()))?;
        Words::from_entropy(&entropy)
    }

    /// The words that stand for 16, 20, 24, 28 or 32 bytes.
    pub fn from_entropy(entropy: &[u8]) -> Result<Words, KeyError> {
        Mnemonic::from_entropy(entropy).map(Words).map_err(|_| KeyError::WordCount(entropy.len() / 4 * 3))
    }

    /// Reads words separated by white space, in any case, and checks their checksum.
    pub fn parse(text: &str) -> Result<Words, KeyError> {
        let text = Zeroizing::new(text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase());
        Mnemonic::parse_in(Language::English, text.as_str()).map(Words).map_err(|error| match error {
            bip39::Error::BadWordCount(count) => KeyError::WordCount(count),
            bip39::Error::UnknownWord(index) => {
                let word = text.split(' ').nth(index).unwrap_or_default().to_owned();
                KeyError::UnknownWord { position: index + 1, hint: spelling_hint(&word), word }
            }
            _ => KeyError::Checksum,
        })
    }

    /// The bytes the words stand for.
    pub fn to_entropy(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_entropy())
    }

    /// The BIP39 seed; the passphrase is NFKD-normalised first.
    pub(super) fn seed(&self, passphrase: &str) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.0.to_seed(passphrase))
    }

    /// The words, separated by single spaces.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }
}

impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words(…)")
    }
}

/// The nearest word of the list, if it is near enough to be what was meant.
pub(super) fn spelling_hint(word: &str) -> String {
    let list = Language::English.word_list();
    let nearest = list.iter().map(|known| (edit_distance(word, known), known)).min();
    match nearest.filter(|(distance, _)| *distance <= EDITS_MAX) {
        Some((_, known)) => format!(" (did you mean {known:?}?)"),
        None => String::new(),
    }
}

/// Slips of the pen within which a word is recognised.
const EDITS_MAX: usize = 2;

/// Letters to insert, delete or change to make one word the other (Levenshtein).
pub(super) fn edit_distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, counterpart) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *counterpart);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}
