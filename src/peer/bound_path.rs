//! The file that bind(2) makes for a Unix path: removed by who made it, and nobody else's.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::net::Addr;

/// A socket file, known by its inode: the name may come to mean another file.
#[derive(Debug)]
pub(super) struct BoundPath {
    path: PathBuf,
    device: u64,
    inode: u64,
    removed: bool,
}

impl BoundPath {
    /// The file of an address that was just bound; `None` where there is none.
    pub(super) fn of(address: &Addr) -> io::Result<Option<Self>> {
        let Addr::Unix(name) = address else {
            return Ok(None);
        };
        if matches!(**name, [] | [0, ..]) {
            return Ok(None);
        }
        // Absolute, for the process may change its directory.
        let path = std::path::absolute(Path::new(OsStr::from_bytes(name)))?;
        let made = fs::symlink_metadata(&path)?;
        Ok(Some(Self {
            path,
            device: made.dev(),
            inode: made.ino(),
            removed: false,
        }))
    }

    /// unlink(2), if the name still means that file. To be called while the listener is open: until
    /// then the inode number cannot be given to another file.
    pub(super) fn remove(mut self) -> io::Result<()> {
        self.removed = true;
        self.unlink()
    }

    fn unlink(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Ok(now) if (now.dev(), now.ino()) == (self.device, self.inode) => {
                fs::remove_file(&self.path)
            }
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for BoundPath {
    /// For the ways out that nobody planned.
    fn drop(&mut self) {
        if !self.removed {
            drop(self.unlink());
        }
    }
}
