//! The books on disk: a file to which every second's work is appended and synced, so that kill -9 or a power cut
//! loses no share older than that.
//!
//! A line is the CRC-32 of an entry's JSON in eight hexadecimal digits, a space, and the JSON. A last line that is
//! torn was never promised to anybody and is cut off; damage before it is told and never passed over. When enough
//! was appended, the file is replaced by one entry that holds everything.

use super::account::Counts;
use super::books::{Books, FoundBlock, Slice};
use super::payout::User;
use crate::shell::files;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The file's name in the data directory.
pub const LEDGER_FILE: &str = "pool.log";
/// The file is made anew when this much was appended, or as much as it had then if that is more, bytes.
const APPENDED_BYTES_MAX: u64 = 16 << 20;
/// Characters before an entry's JSON.
const CHECKSUM_LEN: usize = 9;

/// What is appended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Everything before it.
    Everything(Box<Everything>),
    /// About a second's work.
    Second(Second),
    /// A block, noted before it is submitted.
    Block(FoundBlock),
}

/// About a second's work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Second {
    /// By user.
    pub slice: Slice,
    /// How much of the last work PPLNS counted then, in expected hashes.
    pub window: u128,
    /// What was counted of each worker.
    pub workers: Vec<WorkerCounts>,
}

/// All that is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Everything {
    /// The books.
    pub books: Books,
    /// Of each worker.
    pub workers: Vec<WorkerCounts>,
}

/// What was counted of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WorkerCounts {
    /// Its name.
    pub name: String,
    /// Who is paid.
    pub user: User,
    /// What was counted.
    pub counts: Counts,
}

/// Why the books cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The system refuses.
    #[error("cannot use the pool's books {}: {error}; check the directory's owner, mode and free space", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// Something changed the file, or the disk did.
    #[error("the pool's books {} are damaged at line {line}; restore the file, or move it away to begin new books", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first line that cannot be read.
        line: usize,
    },
}

/// The open file.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    /// Up to here the file is whole.
    bytes: u64,
    /// Where what was appended since the file was made anew begins.
    appended_from: u64,
}

impl Ledger {
    /// Opens the books of a data directory, or begins them, and reads every entry.
    pub fn open(datadir: &Path) -> Result<(Ledger, Vec<Entry>), LedgerError> {
        let path = datadir.join(LEDGER_FILE);
        let failed = |error| LedgerError::File { path: path.clone(), error };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let (entries, whole) = read(&text).map_err(|line| LedgerError::Damaged { path: path.clone(), line })?;
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        file.set_len(whole).and_then(|()| file.sync_all()).map_err(failed)?;
        files::sync_directory_of(&path).map_err(failed)?;
        let appended_from = match entries.first() {
            Some(Entry::Everything(_)) => text.iter().position(|byte| *byte == b'\n').map_or(0, |end| end as u64 + 1),
            _ => 0,
        };
        Ok((Ledger { path, file, bytes: whole, appended_from }, entries))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends an entry; when this returns, it survives a power cut.
    ///
    /// # Errors
    /// The system's; the file is as it was then.
    pub fn append(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let line = line(entry).map_err(|error| self.failed(error))?;
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What was written of the line would be damage in the midst of the file later. If this fails as well,
            // the next start finds a torn last line, since nothing is appended behind it.
            let _ = self.file.set_len(self.bytes);
            return Err(self.failed(error));
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Whether it is time for [`Ledger::replace`].
    pub fn is_long(&self) -> bool {
        self.bytes - self.appended_from > APPENDED_BYTES_MAX.max(self.appended_from)
    }

    /// Replaces the file by one entry that holds everything.
    pub fn replace(&mut self, everything: Everything) -> Result<(), LedgerError> {
        let replaced = line(&Entry::Everything(Box::new(everything))).and_then(|line| {
            files::replace(&self.path, &line, files::Access::Owner)?;
            Ok((OpenOptions::new().append(true).open(&self.path)?, line.len() as u64))
        });
        let (file, bytes) = replaced.map_err(|error| self.failed(error))?;
        (self.file, self.bytes, self.appended_from) = (file, bytes, bytes);
        Ok(())
    }

    fn failed(&self, error: io::Error) -> LedgerError {
        LedgerError::File { path: self.path.clone(), error }
    }
}

fn line(entry: &Entry) -> io::Result<Vec<u8>> {
    let json = serde_json::to_string(entry).map_err(io::Error::other)?;
    Ok(format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes())).into_bytes())
}

/// All whole entries and where they end; the error is the number of the first damaged line.
fn read(text: &[u8]) -> Result<(Vec<Entry>, u64), usize> {
    let (mut entries, mut whole) = (Vec::new(), 0);
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        match entry(line) {
            Some(entry) => {
                entries.push(entry);
                whole += line.len() as u64;
            }
            // An append that was cut short has no end of line.
            None if lines.peek().is_none() && !line.ends_with(b"\n") => break,
            None => return Err(index + 1),
        }
    }
    Ok((entries, whole))
}

fn entry(line: &[u8]) -> Option<Entry> {
    let (checksum, json) = line.strip_suffix(b"\n")?.split_at_checked(CHECKSUM_LEN)?;
    let checksum = u32::from_str_radix(std::str::from_utf8(checksum.strip_suffix(b" ")?).ok()?, 16).ok()?;
    (crc32fast::hash(json) == checksum).then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    use super::super::payout::tests::user;
    use super::*;

    fn second(at_s: u64, work: u128) -> Entry {
        let slice = Slice { at_s, work: vec![(user(1), work)] };
        let counts = Counts { accepted: 1, work, ..Counts::default() };
        let workers = vec![WorkerCounts { name: "a.b".into(), user: user(1), counts }];
        Entry::Second(Second { slice, window: 1 << 100, workers })
    }

    fn times(entries: &[Entry]) -> Vec<u64> {
        let time = |entry: &Entry| match entry {
            Entry::Second(second) => second.slice.at_s,
            other => panic!("{other:?}"),
        };
        entries.iter().map(time).collect()
    }

    #[test]
    fn every_cut_of_the_file_leaves_the_entries_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, entries) = Ledger::open(directory.path()).unwrap();
        assert!(entries.is_empty());
        (1..=3).for_each(|at_s| ledger.append(&second(at_s, 1 << 90)).unwrap());
        let path = directory.path().join(LEDGER_FILE);
        let whole = std::fs::read(&path).unwrap();
        let line = whole.len() / 3;
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut ledger, entries) = Ledger::open(directory.path()).unwrap();
            let expected: Vec<u64> = (1..=(cut / line) as u64).collect();
            assert_eq!(times(&entries), expected, "cut at {cut} of {}", whole.len());
            ledger.append(&second(9, 1)).unwrap();
            let (_, entries) = Ledger::open(directory.path()).unwrap();
            assert_eq!(times(&entries), [expected, vec![9]].concat(), "and goes on behind them");
        }
    }

    #[test]
    fn damage_before_the_last_line_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        (1..=3).for_each(|at_s| ledger.append(&second(at_s, 5)).unwrap());
        let path = directory.path().join(LEDGER_FILE);
        let whole = std::fs::read(&path).unwrap();
        for place in 0..2 * whole.len() / 3 {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            std::fs::write(&path, &damaged).unwrap();
            let error = Ledger::open(directory.path()).unwrap_err().to_string();
            let line = 1 + place / (whole.len() / 3);
            assert!(error.contains(&format!("line {line};")), "{place}: {error}");
        }
    }

    #[test]
    fn a_file_made_anew_holds_everything_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let (mut ledger, _) = Ledger::open(directory.path()).unwrap();
        let mut books = Books::default();
        books.add_work(Slice { at_s: 1, work: vec![(user(1), 77)] }, 1_000);
        ledger.replace(Everything { books, workers: Vec::new() }).unwrap();
        assert!(!ledger.is_long());
        ledger.append(&second(2, 1)).unwrap();
        let (ledger, entries) = Ledger::open(directory.path()).unwrap();
        assert!(ledger.appended_from > 0 && ledger.appended_from < ledger.bytes);
        let [Entry::Everything(everything), Entry::Second(_)] = &entries[..] else { panic!("{entries:?}") };
        assert_eq!(everything.books.weights(super::super::payout::Scheme::Pplns, 1_000)[&user(1)], 77);
    }
}
