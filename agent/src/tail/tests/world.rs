//! A machine's disk in memory: names, inodes that are given away again, and what was
//! written where.

use crate::tail::disk::{Disk, FileKey, Found, Stat};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    /// What other programs do while the agent works: each after so many of its calls to the
    /// disk, counted from the one before.
    pub(super) meanwhile: VecDeque<(u32, Deed)>,
}

/// What a program does to its log.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Write(PathBuf, Vec<u8>),
    /// Copies a part of what is there, in percent.
    Copy(PathBuf, PathBuf, usize),
    /// Truncates what was copied.
    Truncate(PathBuf),
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

    /// The agent calls: what is due happens before the answer.
    fn call(&mut self) {
        if let Some((calls, _)) = self.meanwhile.front_mut() {
            *calls = calls.saturating_sub(1);
        }
        while let Some((_, deed)) = self.meanwhile.pop_front_if(|(calls, _)| *calls == 0) {
            self.happen(deed);
        }
    }

    /// Whatever the agent did not get to see happen.
    pub(super) fn happen_all(&mut self) {
        for (_, deed) in std::mem::take(&mut self.meanwhile) {
            self.happen(deed);
        }
    }

    fn happen(&mut self, deed: Deed) {
        match deed {
            Deed::Write(path, bytes) => self.write(&path, &bytes),
            Deed::Copy(path, to, percent) => {
                let bytes = self.size(&path) * percent / 100;
                self.copy(&path, &to, bytes);
            }
            Deed::Truncate(path) => {
                let destroyed = self.destroyed.clone();
                self.truncate(&path);
                self.destroyed = destroyed;
            }
        }
    }

    /// The files whose log, for rotated ones, is one that is asked for.
    fn found(&self, is_listed: impl Fn(Option<&Path>) -> bool) -> Vec<Found> {
        let found = |(path, file): (&PathBuf, &File)| {
            let is_rotated = path.extension().is_some_and(|e| e != "log");
            Found {
                path: path.clone(),
                aliases: Vec::new(),
                base: is_rotated.then(|| path.with_extension("")),
                matched: !is_rotated,
                stat: stat(&file.borrow()),
            }
        };
        let found = self.names.iter().map(found);
        found.filter(|f| is_listed(f.base.as_deref())).collect()
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
        // First the logs, then what is beside them: no listing is of one moment.
        self.0.borrow_mut().call();
        let mut all = self.0.borrow().found(|base| base.is_none());
        self.0.borrow_mut().call();
        let world = self.0.borrow();
        let is_listed = |base: &Path| known.contains(&base) || world.names.contains_key(base);
        all.extend(world.found(|base| base.is_some_and(is_listed)));
        all.sort_by_key(|f| (f.base.is_none(), f.stat.modified));
        all
    }

    fn open(&mut self, path: &Path) -> io::Result<File> {
        self.0.borrow_mut().call();
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
        self.0.borrow_mut().call();
        Ok(stat(&file.borrow()))
    }

    fn read_at(&mut self, file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().call();
        let file = file.borrow();
        let from =
            usize::try_from(offset).map_or(file.content.len(), |at| at.min(file.content.len()));
        let n = out.len().min(file.content.len() - from);
        out[..n].copy_from_slice(&file.content[from..from + n]);
        Ok(n)
    }
}
