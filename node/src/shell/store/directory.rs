//! A data directory: who uses it, which chain it holds, where things are in it.

use super::disk::Disk;
use super::error::{REINDEX, io_error};
use super::files::FileSet;
use crate::core::store::StoreError;
use chain_spec::ChainSpec;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Layout of the directory; raised when an older node could not read it.
const FORMAT: u32 = 1;
/// Longest lock file worth reading, bytes: it holds a process id.
const LOCK_BYTES_MAX: u64 = 32;

/// What `chain.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct ChainFile {
    format: u32,
    chain: String,
    /// [`ChainSpec::id`] in hexadecimal.
    spec: String,
}

/// A locked data directory of the right chain.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held while this lives; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl Directory {
    /// Creates what is missing, takes the lock and compares the chain.
    pub(super) fn open(path: &Path, spec: &ChainSpec, reindex: bool, disk: &Disk) -> Result<Directory, StoreError> {
        let blocks = path.join("blocks");
        std::fs::create_dir_all(path).map_err(|error| io_error("create the data directory", path, &error))?;
        let directory = Directory { path: path.to_owned(), _lock: lock(path)? };
        directory.check_chain(spec, reindex, disk)?;
        std::fs::create_dir_all(&blocks).map_err(|error| io_error("create", &blocks, &error))?;
        Ok(directory)
    }
    /// Block and undo files.
    pub(super) fn blocks(&self) -> PathBuf {
        self.path.join("blocks")
    }
    /// The coin database.
    pub(super) fn state(&self) -> PathBuf {
        self.path.join("state")
    }
    /// The commit that is being made.
    pub(super) fn redo(&self) -> PathBuf {
        self.path.join("commit.dat")
    }
    /// Kept transactions.
    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("submitted.dat")
    }
    /// Exists while a rebuild is under way, so that an interrupted one is started over.
    fn reindex_marker(&self) -> PathBuf {
        self.path.join("reindex")
    }

    /// Removes what can be rebuilt from the blocks if a rebuild was asked for or was interrupted, and says whether.
    /// Undo data goes too: unlike a block it cannot be checked against its own hash.
    /// In a node that prunes, block files above a gap go as well (Core: `CleanupBlockRevFiles`): without the blocks below they
    /// are of no use, and all of them are fetched again.
    pub(super) fn begin_reindex(
        &self,
        asked: bool,
        prunes: bool,
        (blocks, undos): (&FileSet, &FileSet),
        disk: &Disk,
    ) -> Result<bool, StoreError> {
        let marker = self.reindex_marker();
        if !asked && !marker.exists() {
            return Ok(false);
        }
        tracing::info!("rebuilding the index of {} from its block files", self.path.display());
        disk.replace(&marker, b"a rebuild from the block files is under way\n")?;
        disk.step("remove undo files")?;
        undos.remove_all()?;
        if prunes {
            disk.step("remove block files above a gap")?;
            for (place, (file, _)) in (0..).zip(blocks.list()?) {
                if file != place {
                    blocks.remove(file)?;
                }
            }
        }
        disk.step("remove the database")?;
        for removed in [std::fs::remove_dir_all(self.state()), std::fs::remove_file(self.redo())] {
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io_error("remove the old coin database", &self.state(), &error));
                }
                _ => {}
            }
        }
        disk.sync_directory(&self.path)?;
        Ok(true)
    }
    /// The rebuild is complete.
    pub(super) fn end_reindex(&self, disk: &Disk) -> Result<(), StoreError> {
        let marker = self.reindex_marker();
        disk.step("end the rebuild")?;
        std::fs::remove_file(&marker).map_err(|error| io_error("remove", &marker, &error))
    }

    fn chain_file(&self) -> PathBuf {
        self.path.join("chain.json")
    }
    fn write_chain(&self, spec: &ChainSpec, disk: &Disk) -> Result<(), StoreError> {
        let path = self.chain_file();
        let file = ChainFile { format: FORMAT, chain: spec.name.clone(), spec: hex::encode(spec.id()) };
        let text = serde_json::to_vec_pretty(&file)
            .map_err(|error| StoreError(format!("cannot write {}: {error}", path.display())))?;
        disk.replace(&path, &text)
    }

    fn check_chain(&self, spec: &ChainSpec, reindex: bool, disk: &Disk) -> Result<(), StoreError> {
        let path = self.chain_file();
        let spec_id = hex::encode(spec.id());
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && (reindex || !self.blocks().exists()) => {
                return self.write_chain(spec, disk);
            }
            Err(error) => return Err(io_error("read", &path, &error)),
        };
        let file: ChainFile = match serde_json::from_slice(&text) {
            Ok(file) => file,
            // A rebuild judges every block by the rules of the chain that was asked for.
            Err(_) if reindex => return self.write_chain(spec, disk),
            Err(_) => {
                return Err(StoreError(format!(
                    "{} is damaged, so that it is not known which chain the directory holds; {REINDEX}, with the --chain \
                     that the directory was made for",
                    path.display()
                )));
            }
        };
        if file.format != FORMAT {
            return Err(StoreError(format!(
                "{} was written in format {} and this version reads format {FORMAT}; use the version that wrote it or another --datadir",
                self.path.display(),
                file.format
            )));
        }
        if file.spec == spec_id {
            return Ok(());
        }
        let (theirs, ours) = (shorten(&file.spec), shorten(&spec_id));
        let directory = self.path.display();
        Err(StoreError(match file.chain == spec.name {
            true => format!(
                "the data directory {directory} was made for another version of the chain `{}` (spec {theirs}, now {ours}); choose another --datadir or give the spec it was made with",
                spec.name
            ),
            false => format!(
                "the data directory {directory} holds the chain `{}` (spec {theirs}), not `{}` (spec {ours}); choose another --datadir or start with --chain {}",
                file.chain, spec.name, file.chain
            ),
        }))
    }
}

fn shorten(spec_id: &str) -> &str {
    spec_id.get(..8).unwrap_or(spec_id)
}

/// Takes the directory's lock and writes our process id into it for whoever comes second.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(".lock");
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = file.map_err(|error| io_error("open the lock", &path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Whatever is in there only makes the message better.
            let _ = (&file).take(LOCK_BYTES_MAX).read_to_string(&mut holder);
            let holder = holder.trim().parse::<u32>().map(|pid| format!(" (process {pid})")).unwrap_or_default();
            return Err(StoreError(format!(
                "the data directory {} is in use by another node{holder}; stop it or choose another --datadir",
                directory.display()
            )));
        }
        Err(TryLockError::Error(error)) => return Err(io_error("lock", &path, &error)),
    }
    let pid = format!("{}\n", std::process::id());
    let written = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes()));
    written.map_err(|error| io_error("write", &path, &error))?;
    Ok(file)
}
