//! A machine's disk in memory: names, inodes that are given away again, and what was
//! written where.

use crate::tail::disk::{Disk, FileKey, Found, Stat};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How many rotated files a log keeps.
const ROTATED_MAX: usize = 3;

/// An inode; given away when no name and no open handle is left.
#[derive(Debug)]
pub(super) struct Inode {
    number: u64,
    born: u64,
    pub(super) content: Vec<u8>,
    modified: u64,
    links: u64,
    free: Rc<RefCell<Vec<u64>>>,
}

impl Drop for Inode {
    fn drop(&mut self) {
        self.free.borrow_mut().push(self.number);
    }
}

pub(super) type File = Rc<RefCell<Inode>>;

/// All files, and what is known to be gone.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) now: u64,
    pub(super) names: BTreeMap<PathBuf, File>,
    free: Rc<RefCell<Vec<u64>>>,
    inodes: u64,
    tells_birth: bool,
    /// Texts that stood in content when it was destroyed.
    pub(super) destroyed: BTreeSet<String>,
    /// Open calls fail while this is set.
    pub(super) refuses_open: bool,
}

pub(super) type Shared = Rc<RefCell<World>>;

impl World {
    pub(super) fn new(tells_birth: bool) -> Shared {
        Rc::new(RefCell::new(Self {
            now: 1_700_000_000_000_000_000,
            tells_birth,
            ..Self::default()
        }))
    }

    fn create(&mut self, path: &Path, content: Vec<u8>) -> File {
        let reused = self.free.borrow_mut().pop();
        let number = reused.unwrap_or_else(|| {
            self.inodes += 1;
            self.inodes
        });
        let file = Rc::new(RefCell::new(Inode {
            number,
            born: if self.tells_birth { self.now } else { 0 },
            content,
            modified: self.now,
            links: 1,
            free: Rc::clone(&self.free),
        }));
        self.names.insert(path.to_path_buf(), Rc::clone(&file));
        file
    }

    /// Appends; makes the file where it is missing.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) {
        let file = match self.names.get(path) {
            Some(file) => Rc::clone(file),
            None => self.create(path, Vec::new()),
        };
        let mut file = file.borrow_mut();
        file.content.extend_from_slice(bytes);
        file.modified = self.now;
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        if let Some(file) = self.names.remove(from) {
            self.unlink(to);
            self.names.insert(to.to_path_buf(), file);
        }
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        if let Some(file) = self.names.remove(path) {
            file.borrow_mut().links = 0;
            self.note_destroyed(&file.borrow().content);
        }
    }

    pub(super) fn truncate(&mut self, path: &Path) {
        let Some(file) = self.names.get(path).cloned() else {
            return;
        };
        self.note_destroyed(&file.borrow().content);
        let mut file = file.borrow_mut();
        file.content.clear();
        file.modified = self.now;
    }

    fn note_destroyed(&mut self, content: &[u8]) {
        let text = String::from_utf8_lossy(content).into_owned();
        self.destroyed.extend(text.lines().map(str::to_owned));
    }

    /// `a.log` → `a.log.1` → `a.log.2` → …; gives the name that is free now.
    pub(super) fn make_room(&mut self, base: &Path) -> PathBuf {
        let name = |n: usize| PathBuf::from(format!("{}.{n}", base.display()));
        self.unlink(&name(ROTATED_MAX));
        for n in (1..ROTATED_MAX).rev() {
            self.rename(&name(n), &name(n + 1));
        }
        name(1)
    }

    /// The first `bytes` of `base`, copied to `to`.
    pub(super) fn copy(&mut self, base: &Path, to: &Path, bytes: usize) {
        let Some(file) = self.names.get(base).cloned() else {
            return;
        };
        let content = file.borrow().content[..bytes].to_vec();
        match self.names.get(to).cloned() {
            Some(copy) => {
                copy.borrow_mut().content = content;
                copy.borrow_mut().modified = self.now;
            }
            None => drop(self.create(to, content)),
        }
    }

    pub(super) fn size(&self, path: &Path) -> usize {
        self.names.get(path).map_or(0, |f| f.borrow().content.len())
    }
}

/// The tail's view of the world.
pub(super) struct FakeDisk(pub(super) Shared);

fn stat(file: &Inode) -> Stat {
    Stat {
        key: FileKey {
            device: 1,
            inode: file.number,
        },
        size: file.content.len() as u64,
        modified: file.modified,
        born: file.born,
        links: file.links,
    }
}

impl Disk for FakeDisk {
    type Handle = File;

    fn list(&mut self, known: &[&Path]) -> Vec<Found> {
        let world = self.0.borrow();
        let is_listed = |found: &Found| {
            let base = found.base.as_deref();
            base.is_none_or(|base| known.contains(&base) || world.names.contains_key(base))
        };
        let found = |(path, file): (&PathBuf, &File)| {
            let base = path.extension().filter(|e| *e != "log");
            Found {
                path: path.clone(),
                aliases: Vec::new(),
                base: base.map(|_| path.with_extension("")),
                matched: base.is_none(),
                stat: stat(&file.borrow()),
            }
        };
        let mut all: Vec<_> = world.names.iter().map(found).filter(is_listed).collect();
        all.sort_by_key(|f| (f.base.is_none(), f.stat.modified));
        all
    }

    fn open(&mut self, path: &Path) -> io::Result<File> {
        let world = self.0.borrow();
        if world.refuses_open {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        world
            .names
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn stat(&mut self, file: &File) -> io::Result<Stat> {
        Ok(stat(&file.borrow()))
    }

    fn read_at(&mut self, file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let file = file.borrow();
        let from =
            usize::try_from(offset).map_or(file.content.len(), |at| at.min(file.content.len()));
        let n = out.len().min(file.content.len() - from);
        out[..n].copy_from_slice(&file.content[from..from + n]);
        Ok(n)
    }
}
