//! Numbered append-only files of records: `blk00000.dat` … for blocks, `rev00000.dat` … for undo data.
//!
//! [`FileSet`] reads by position from any thread; the one [`Appender`] of a set writes. How the files are walked from the
//! front is in [`scan`](super::scan). A record is written with one call and never changed afterwards.

use super::disk::Disk;
use super::error::{damaged, io_error, is_descriptor_shortage};
use super::record::{HEADER_LEN, Kind, RecordHeader};
use super::scan::{Damage, Scan};
use crate::core::store::StoreError;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A file is not appended to past this many bytes (Core: `MAX_BLOCKFILE_SIZE`); offsets fit 32 bits.
pub(super) const FILE_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// File handles kept open for reading, per set.
const HANDLES_MAX: usize = 16;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct Position {
    pub(super) file: u32,
    /// Of the record's header.
    pub(super) offset: u32,
    /// Payload bytes.
    pub(super) length: u32,
}

/// Up to where a set of files is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, bincode::Encode, bincode::Decode)]
pub(super) struct End {
    pub(super) file: u32,
    pub(super) offset: u32,
}

impl Position {
    /// The end of the record.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.offset) + HEADER_LEN as u64 + u64::from(self.length)
    }
}

/// All files of one kind in one directory.
#[derive(Debug)]
pub(super) struct FileSet {
    directory: PathBuf,
    prefix: &'static str,
    pub(super) kind: Kind,
    handles: Mutex<HashMap<u32, Arc<File>>>,
}

impl FileSet {
    pub(super) fn new(directory: &Path, kind: Kind) -> FileSet {
        let prefix = if kind == Kind::Undo { "rev" } else { "blk" };
        FileSet { directory: directory.to_owned(), prefix, kind, handles: Mutex::default() }
    }
    pub(super) fn path(&self, file: u32) -> PathBuf {
        self.directory.join(format!("{}{file:05}.dat", self.prefix))
    }
    /// A handle for reading.
    pub(super) fn open(&self, file: u32) -> Result<Arc<File>, StoreError> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = handles.get(&file) {
            return Ok(handle.clone());
        }
        let path = self.path(file);
        let opened = File::open(&path).or_else(|error| {
            if !is_descriptor_shortage(&error) {
                return Err(error);
            }
            // Handles that are kept for speed are a reserve.
            handles.clear();
            File::open(&path)
        });
        let handle = Arc::new(opened.map_err(|error| io_error("open", &path, &error))?);
        if handles.len() >= HANDLES_MAX {
            handles.clear();
        }
        handles.insert(file, handle.clone());
        Ok(handle)
    }
    /// Numbers and sizes of the files that exist, ascending.
    pub(super) fn list(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        let fail = |error: &std::io::Error| io_error("read the directory", &self.directory, error);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(|error| fail(&error))? {
            let entry = entry.map_err(|error| fail(&error))?;
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_prefix(self.prefix)?.strip_suffix(".dat")?.parse().ok());
            if let Some(number) = number {
                files.push((number, entry.metadata().map_err(|error| fail(&error))?.len()));
            }
        }
        files.sort_unstable();
        Ok(files)
    }
    /// Deletes every file.
    pub(super) fn remove_all(&self) -> Result<(), StoreError> {
        self.list()?.into_iter().try_for_each(|(file, _)| self.remove(file))
    }
    /// Deletes one file.
    pub(super) fn remove(&self, file: u32) -> Result<(), StoreError> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).remove(&file);
        let path = self.path(file);
        std::fs::remove_file(&path).map_err(|error| io_error("remove", &path, &error))
    }
    /// Calls `visit` for every record from `from` on, over all files, and returns where they end.
    pub(super) fn scan(
        &self,
        disk: &Disk,
        from: End,
        damage: Damage,
        mut visit: impl FnMut(Position, &RecordHeader, &[u8]) -> Result<(), StoreError>,
    ) -> Result<End, StoreError> {
        let files = self.list()?;
        let last = files.last().map_or(from.file, |&(last, _)| last);
        if files.is_empty() && from == End::default() {
            return Ok(from);
        }
        let mut end = from;
        for number in from.file..=last.max(from.file) {
            let path = self.path(number);
            if damage == Damage::Skip && !path.exists() {
                tracing::warn!("{} is missing; its blocks will be fetched again", path.display());
                continue;
            }
            let start = if number == from.file { u64::from(from.offset) } else { 0 };
            let scan = Scan { disk, path: &path, start, last: number == last, kinds: &[self.kind], damage };
            let offset = scan.run(|offset, header, payload| {
                let position = Position { file: number, offset: narrow(&path, offset)?, length: header.length };
                visit(position, header, payload)
            })?;
            end = End { file: number, offset: narrow(&path, offset)? };
        }
        Ok(end)
    }
    /// The payload at `position`, which must be the one written for `id`.
    pub(super) fn read(&self, position: Position, id: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
        let path = self.path(position.file);
        let offset = u64::from(position.offset);
        let handle = self.open(position.file)?;
        let mut record = vec![0; HEADER_LEN + position.length as usize];
        handle.read_exact_at(&mut record, offset).map_err(|error| io_error("read", &path, &error))?;
        let header = record.first_chunk::<HEADER_LEN>().and_then(RecordHeader::from_bytes);
        let header = header.ok_or_else(|| damaged(&path, offset, "no record starts here"))?;
        if header.kind != self.kind || header.id != *id || header.length != position.length {
            return Err(damaged(&path, offset, "another record is here than the index says"));
        }
        if !header.payload_matches(&record[HEADER_LEN..]) {
            return Err(damaged(&path, offset, format_args!("the data of block {} fails its checksum", header.hash())));
        }
        record.drain(..HEADER_LEN);
        Ok(record)
    }
}

fn narrow(path: &Path, offset: u64) -> Result<u32, StoreError> {
    u32::try_from(offset).map_err(|_| damaged(path, offset, "the file is longer than 4 GiB"))
}

/// Writes at the end of a set.
#[derive(Debug)]
pub(super) struct Appender {
    set: Arc<FileSet>,
    disk: Disk,
    end: End,
    file: Option<(PathBuf, File)>,
    /// Written to since the last [`Appender::sync`], the open file aside.
    filled: Vec<(PathBuf, File)>,
    unsynced: bool,
    file_bytes_max: u64,
}

impl Appender {
    pub(super) fn new(set: Arc<FileSet>, disk: Disk, end: End, file_bytes_max: u64) -> Appender {
        Appender { set, disk, end, file: None, filled: Vec::new(), unsynced: false, file_bytes_max }
    }
    #[cfg(test)]
    pub(super) fn set_file_bytes_max(&mut self, bytes: u64) {
        self.file_bytes_max = bytes;
    }
    /// Where the next record goes, unless the file is full.
    pub(super) fn end(&self) -> End {
        self.end
    }
    /// Appends a framed record.
    pub(super) fn append(&mut self, record: &[u8]) -> Result<Position, StoreError> {
        if self.end.offset > 0 && u64::from(self.end.offset) + record.len() as u64 > self.file_bytes_max {
            self.filled.extend(self.file.take());
            self.end = End { file: self.end.file + 1, offset: 0 };
        }
        let position = Position {
            file: self.end.file,
            offset: self.end.offset,
            // Framing bounds a record well below 4 GiB.
            length: (record.len() - HEADER_LEN) as u32,
        };
        let (path, file) = match &mut self.file {
            Some(open) => open,
            none => none.insert(self.set.open_end(self.end)?),
        };
        self.unsynced = true;
        self.disk.append(file, path, record)?;
        self.end.offset += record.len() as u32;
        Ok(position)
    }
    /// Makes everything appended so far survive a power cut.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if !self.unsynced {
            return Ok(());
        }
        for (path, file) in self.filled.iter().chain(&self.file) {
            self.disk.sync(file, path)?;
        }
        self.disk.sync_directory(&self.set.directory)?;
        self.filled.clear();
        self.unsynced = false;
        Ok(())
    }
}

impl FileSet {
    /// Opens the file that `end` is in for appending.
    fn open_end(&self, end: End) -> Result<(PathBuf, File), StoreError> {
        let path = self.path(end.file);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let file = file.map_err(|error| io_error("open for writing", &path, &error))?;
        let length = file.metadata().map_err(|error| io_error("examine", &path, &error))?.len();
        if length != u64::from(end.offset) {
            return Err(damaged(&path, length, format_args!("the file should be {} bytes long", end.offset)));
        }
        Ok((path, file))
    }
}
