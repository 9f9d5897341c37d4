//! The folder in memory.

use crate::file::storage::{Storage, StoredFile};
use parking_lot::Mutex;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const SECTOR: usize = 512;

/// What happens at one of the operations to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// From this operation on, nothing is done any more. A file under creation is there in
    /// part.
    PowerOff(u64),
    /// This one operation fails.
    Fail(u64, io::ErrorKind),
    /// There is no room for another file.
    DiskFull,
    /// All goes well.
    Well,
}

/// A folder; clones share it.
#[derive(Clone)]
pub(super) struct Folder(Arc<Mutex<State>>);

struct State {
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<Change>,
    files: Vec<Content>,
    operations: u64,
    fate: Fate,
    at_next_read: Option<Box<dyn FnOnce() + Send>>,
}

#[derive(Clone)]
enum Change {
    Put(String, usize),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Writes since the last sync, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
}

fn apply(names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Put(name, file) => {
            names.insert(name.clone(), *file);
        }
        Change::Rename(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Change::Remove(name) => {
            names.remove(name);
        }
    }
}

impl Folder {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            files: Vec::new(),
            operations: 0,
            fate: Fate::Well,
            at_next_read: None,
        })))
    }

    /// Lets something happen while somebody reads: before the next bytes are there.
    pub(super) fn at_next_read(&self, happens: impl FnOnce() + Send + 'static) {
        self.0.lock().at_next_read = Some(Box::new(happens));
    }

    /// How many operations were done.
    pub(super) fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// Decides what is to happen.
    pub(super) fn decide(&self, fate: Fate) {
        self.0.lock().fate = fate;
    }

    /// Changes one byte of a file that is at rest.
    pub(super) fn damage(&self, name: &str, offset: usize) {
        let mut state = self.0.lock();
        let file = state.names[name];
        state.files[file].now[offset] ^= 0x5a;
        state.files[file].durable[offset] ^= 0x5a;
    }

    /// The process is started again after a kill: the system has kept whatever was done.
    pub(super) fn restart_process(&self) {
        self.0.lock().fate = Fate::Well;
    }

    /// The power comes back: what was not durable is there in part, or not at all.
    pub(super) fn restart(&self, random: &mut ChaCha8Rng) {
        let mut state = self.0.lock();
        let state = &mut *state;
        let survive = random.random_range(0..=state.pending_names.len());
        for change in &state.pending_names[..survive] {
            apply(&mut state.durable_names, change);
        }
        state.pending_names.clear();
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            for (offset, bytes) in std::mem::take(&mut file.unsynced) {
                for (sector, part) in bytes.chunks(SECTOR).enumerate() {
                    if random.random_bool(0.5) {
                        put(&mut file.durable, offset + sector * SECTOR, part);
                    }
                }
            }
            file.now = file.durable.clone();
        }
        state.fate = Fate::Well;
    }

    fn operate<T>(&self, operation: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.lock();
        state.operations += 1;
        match state.fate {
            Fate::PowerOff(at) if state.operations >= at => {
                Err(io::Error::other("the power is off"))
            }
            Fate::Fail(at, kind) if state.operations == at => Err(kind.into()),
            Fate::PowerOff(_) | Fate::Fail(..) | Fate::DiskFull | Fate::Well => {
                operation(&mut state)
            }
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) {
    let end = offset + part.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(part);
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    fn create(&mut self, name: &str, bytes: usize) -> usize {
        self.files.push(Content {
            now: vec![0; bytes],
            durable: vec![0; bytes],
            unsynced: Vec::new(),
        });
        let file = self.files.len() - 1;
        self.change(Change::Put(name.into(), file));
        file
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.pending_names.push(change);
    }
}

/// An open file of a folder.
pub(super) struct OpenFile {
    folder: Folder,
    file: usize,
}

impl Storage for Folder {
    type File = OpenFile;

    fn list(&self) -> io::Result<Vec<String>> {
        self.operate(|state| Ok(state.names.keys().cloned().collect()))
    }

    fn open(&self, name: &str) -> io::Result<OpenFile> {
        let file = self.operate(|state| state.names.get(name).copied().ok_or_else(missing))?;
        Ok(OpenFile {
            folder: self.clone(),
            file,
        })
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<OpenFile> {
        let bytes = usize::try_from(bytes).unwrap();
        {
            let mut state = self.0.lock();
            if state.fate == Fate::PowerOff(state.operations + 1) {
                state.create(name, bytes / 3);
            }
        }
        let file = self.operate(|state| {
            if state.fate == Fate::DiskFull {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(state.create(name, bytes))
        })?;
        Ok(OpenFile {
            folder: self.clone(),
            file,
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operate(|state| {
            state.names.get(from).ok_or_else(missing)?;
            state.change(Change::Rename(from.into(), to.into()));
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.operate(|state| {
            state.change(Change::Remove(name.into()));
            Ok(())
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.operate(|state| {
            state.pending_names.clear();
            state.durable_names = state.names.clone();
            Ok(())
        })
    }
}

impl StoredFile for OpenFile {
    fn len(&self) -> io::Result<u64> {
        self.folder
            .operate(|state| Ok(state.files[self.file].now.len() as u64))
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let happens = self.folder.0.lock().at_next_read.take();
        if let Some(happens) = happens {
            happens();
        }
        self.folder.operate(|state| {
            let now = &state.files[self.file].now;
            let from = usize::try_from(offset).unwrap().min(now.len());
            let n = out.len().min(now.len() - from);
            out[..n].copy_from_slice(&now[from..from + n]);
            Ok(n)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.folder.operate(|state| {
            let file = &mut state.files[self.file];
            put(&mut file.now, offset, bytes);
            file.unsynced.push((offset, bytes.to_vec()));
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        let result = self.folder.operate(|state| {
            let file = &mut state.files[self.file];
            for (offset, bytes) in std::mem::take(&mut file.unsynced) {
                put(&mut file.durable, offset, &bytes);
            }
            Ok(())
        });
        let mut state = self.folder.0.lock();
        if result.is_err() && matches!(state.fate, Fate::Fail(..)) {
            // A failed sync has written something or nothing; the rest is dropped, and no
            // later one tells of it.
            let something = state.operations.is_multiple_of(2);
            let file = &mut state.files[self.file];
            for (offset, bytes) in std::mem::take(&mut file.unsynced) {
                if something {
                    put(&mut file.durable, offset, &bytes);
                }
            }
        }
        drop(state);
        result
    }
}
