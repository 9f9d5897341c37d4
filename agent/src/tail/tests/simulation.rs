//! Thousands of schedules of writes, rotations, deletions, crashes and lost answers.
//!
//! What must hold, whatever happens: a line that was not destroyed before it could be read
//! arrives; a line that arrives again has its uid again, and no line has two; the lines of
//! one file and stream arrive in their order (the collector drops what comes late). Where
//! nothing crashes and nothing is destroyed, each byte is read once.
//!
//! A failure names its seed: put it first in `SEEDS`.

use super::agent::{Agent, limits};
use super::world::{Deed, Shared, World};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const SCHEDULES: u64 = 2_000;
const STEPS: usize = 60;
/// Every program starts with this line: beginnings of files are alike.
const BANNER: &str = "starting up";

/// Schedules that failed once.
const SEEDS: [u64; 0] = [];

/// What a schedule may contain.
#[derive(Clone, Copy, Debug)]
struct Faults {
    crashes: bool,
    copies: bool,
    destroys: bool,
}

struct Simulation {
    rng: ChaCha8Rng,
    world: Shared,
    agent: Agent,
    writers: Vec<Writer>,
    written: BTreeSet<String>,
    bytes: u64,
}

/// A program that writes a log.
struct Writer {
    path: PathBuf,
    is_cri: bool,
    lines: u64,
    /// The rest of a line, of which the beginning is written.
    rest: Vec<u8>,
    /// A record of which partial lines are written, by stream.
    partial: [Option<String>; 2],
}

#[test]
fn lines_survive_every_schedule() {
    let seeds = SEEDS.into_iter().chain(0..SCHEDULES);
    let given = std::env::var("SONDE_SEED")
        .ok()
        .and_then(|s| s.parse().ok());
    for seed in seeds.filter(|seed| given.is_none_or(|given: u64| given == *seed)) {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(
            outcome.is_ok(),
            "schedule {seed} failed: SONDE_SEED={seed} runs it alone"
        );
    }
}

fn run(seed: u64) {
    let faults = Faults {
        crashes: seed & 1 != 0,
        copies: seed & 2 != 0,
        destroys: seed & 4 != 0,
    };
    let mut simulation = Simulation::new(seed);
    for _ in 0..STEPS {
        simulation.step(faults);
    }
    simulation.finish_writing();
    simulation.agent.settle();
    simulation.judge(faults);
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let world = World::new(rng.random_bool(0.5));
        let (mut tail, export) = limits();
        if rng.random_bool(0.2) {
            tail.open_files_max = 2;
        }
        // The very first start leaves rotated files alone: it comes before everything.
        let mut agent = Agent::new(&world, (tail, export));
        agent.step(true);
        agent.save();
        let writer = |(name, is_cri): (&str, bool)| Writer {
            path: Path::new("/logs").join(name),
            is_cri,
            lines: 0,
            rest: Vec::new(),
            partial: [None, None],
        };
        let writers = [
            ("a.log", false),
            ("b.log", true),
            ("c.log", rng.random_bool(0.5)),
        ];
        Self {
            rng,
            agent,
            writers: writers.map(writer).into(),
            world,
            written: BTreeSet::new(),
            bytes: 0,
        }
    }

    fn step(&mut self, faults: Faults) {
        let at = self.rng.random_range(0..self.writers.len());
        match self.rng.random_range(0..100) {
            0..35 => self.write(at),
            35..43 => self.rotate(at, faults),
            43..53 if faults.copies => self.copy_and_truncate(at, faults),
            53..56 if faults.destroys => self.destroy(at),
            56..60 if faults.crashes => {
                let arrives = self.rng.random();
                self.agent.crash(arrives);
            }
            60..64 => self.agent.save(),
            64..75 => {
                let acknowledge = self.rng.random_bool(0.8);
                self.agent.deliver(acknowledge);
            }
            _ => self.pause_and_step(),
        }
    }

    /// Some lines; sometimes only a part of the last one.
    fn write(&mut self, at: usize) {
        let mut bytes = std::mem::take(&mut self.writers[at].rest);
        let is_new = self.world.borrow().size(&self.writers[at].path) == 0 && bytes.is_empty();
        if is_new && self.rng.random_bool(0.5) {
            self.line(at, BANNER.to_owned(), &mut bytes);
        }
        self.lines(at, &mut bytes);
        let whole = bytes.len();
        if self.rng.random_bool(0.2) {
            let cut = self.rng.random_range(0..whole.min(30));
            self.writers[at].rest = bytes.split_off(whole - cut);
        }
        self.append(at, &bytes);
    }

    /// A few lines.
    fn lines(&mut self, at: usize, bytes: &mut Vec<u8>) {
        for _ in 0..self.rng.random_range(1..6) {
            let writer = &mut self.writers[at];
            writer.lines += 1;
            let name = writer
                .path
                .file_stem()
                .map(|n| n.to_string_lossy().into_owned());
            let filler = "x".repeat(self.rng.random_range(0..60));
            let text = format!("{} {} {filler}", name.unwrap_or_default(), writer.lines);
            self.line(at, text, bytes);
        }
    }

    fn append(&mut self, at: usize, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.world.borrow_mut().write(&self.writers[at].path, bytes);
    }

    /// One line: a record, or a part of one that goes on in a later line of its stream.
    fn line(&mut self, at: usize, text: String, bytes: &mut Vec<u8>) {
        let writer = &mut self.writers[at];
        if !writer.is_cri {
            bytes.extend_from_slice(format!("{text}\n").as_bytes());
            self.written.insert(text);
            return;
        }
        let stream = self.rng.random_range(0..2);
        let goes_on = self.rng.random_bool(0.2) && text != BANNER;
        let name = ["stdout", "stderr"][stream];
        let tag = if goes_on { "P" } else { "F" };
        let line = format!("2026-01-02T03:04:05.123456789Z {name} {tag} {text}\n");
        bytes.extend_from_slice(line.as_bytes());
        let whole = writer.partial[stream].take().unwrap_or_default() + &text;
        if goes_on {
            writer.partial[stream] = Some(whole);
        } else {
            self.written.insert(whole);
        }
    }

    /// What is begun is ended: programs and runtimes do not change files within a line.
    fn end_line(&mut self, at: usize) {
        let mut bytes = std::mem::take(&mut self.writers[at].rest);
        for (stream, name) in ["stdout", "stderr"].into_iter().enumerate() {
            if let Some(whole) = self.writers[at].partial[stream].take() {
                let line = format!("2026-01-02T03:04:05Z {name} F !\n");
                bytes.extend_from_slice(line.as_bytes());
                self.written.insert(whole + "!");
            }
        }
        if !bytes.is_empty() {
            self.append(at, &bytes);
        }
    }

    /// By rename. The oldest goes; without `destroys` it waits until that is read.
    fn rotate(&mut self, at: usize, faults: Faults) {
        self.wait_for_oldest(at, faults);
        self.end_line(at);
        let path = self.writers[at].path.clone();
        // A log that was never there when the agent looked is not known by its rotated files.
        let is_known = self.agent.tailer.ledger().bases.contains_key(&path);
        let mut world = self.world.borrow_mut();
        let to = world.make_room(&path);
        world.rename(&path, &to);
        if faults.crashes || !is_known || self.rng.random_bool(0.7) {
            world.write(&path, b"");
        }
    }

    /// Lets the agent read the oldest rotated file before it goes.
    fn wait_for_oldest(&mut self, at: usize, faults: Faults) {
        let oldest = PathBuf::from(format!("{}.3", self.writers[at].path.display()));
        if !faults.destroys && self.world.borrow().names.contains_key(&oldest) {
            self.finish_writing();
            self.agent.settle();
        }
    }

    /// A part of the copy, all of it, the truncation; the agent may look in between, or all of
    /// it happens while it looks.
    fn copy_and_truncate(&mut self, at: usize, faults: Faults) {
        self.wait_for_oldest(at, faults);
        self.end_line(at);
        let path = self.writers[at].path.clone();
        let size = self.world.borrow().size(&path);
        if size == 0 {
            return;
        }
        let to = self.world.borrow_mut().make_room(&path);
        if self.rng.random_bool(0.5) {
            self.copy_and_truncate_meanwhile(at, &path, &to);
            return;
        }
        for bytes in [size / 2, size] {
            self.world.borrow_mut().copy(&path, &to, bytes);
            if self.rng.random_bool(0.5) {
                self.pause_and_step();
            }
        }
        let mut world = self.world.borrow_mut();
        let destroyed = world.destroyed.clone();
        world.truncate(&path);
        // The copy has it all.
        world.destroyed = destroyed;
    }

    /// Between any two calls of the agent to the disk.
    fn copy_and_truncate_meanwhile(&mut self, at: usize, path: &Path, to: &Path) {
        let mut deeds = vec![
            Deed::Copy(path.to_path_buf(), to.to_path_buf(), 50),
            Deed::Copy(path.to_path_buf(), to.to_path_buf(), 100),
            Deed::Truncate(path.to_path_buf()),
        ];
        for _ in 0..self.rng.random_range(0..3) {
            let mut bytes = Vec::new();
            self.lines(at, &mut bytes);
            self.bytes += bytes.len() as u64;
            deeds.push(Deed::Write(path.to_path_buf(), bytes));
        }
        for deed in deeds {
            let calls = self.rng.random_range(0..12);
            self.world.borrow_mut().meanwhile.push_back((calls, deed));
        }
        for _ in 0..self.rng.random_range(1..4) {
            self.pause_and_step();
        }
        self.world.borrow_mut().happen_all();
    }

    fn pause_and_step(&mut self) {
        let pause = self.rng.random_range(1..400);
        self.world.borrow_mut().now += pause * 1_000_000;
        let can_save = self.rng.random_bool(0.9);
        self.agent.step(can_save);
    }

    /// Content goes that nobody may have read.
    fn destroy(&mut self, at: usize) {
        self.end_line(at);
        let path = self.writers[at].path.clone();
        let is_known = self.agent.tailer.ledger().bases.contains_key(&path);
        let mut world = self.world.borrow_mut();
        match self.rng.random_range(0..3) {
            0 => world.truncate(&path),
            1 if is_known => world.unlink(&path),
            1 => {}
            n => world.unlink(&PathBuf::from(format!("{}.{n}", path.display()))),
        }
    }

    fn finish_writing(&mut self) {
        for at in 0..self.writers.len() {
            self.end_line(at);
        }
    }

    fn judge(&mut self, faults: Faults) {
        let arrived = &self.agent.collector.texts;
        let world = self.world.borrow();
        for text in self.written.iter().filter(|text| *text != BANNER) {
            let destroyed = |text: &str| {
                world
                    .destroyed
                    .iter()
                    .any(|line| text.contains(line_text(line)))
            };
            assert!(
                arrived.contains_key(text) || (faults.destroys && destroyed(text)),
                "{text:?} is lost; {:?}",
                self.agent.telemetry.drops()
            );
        }
        // Each line comes once, however often its log is copied and truncated. Where the agent was
        // down meanwhile, or what a copy was made of is destroyed before it was looked at, copies
        // may be left that nothing tells apart from files of their own.
        let is_certain = !faults.copies || !(faults.destroys || faults.crashes);
        for (text, uids) in arrived.iter().filter(|(text, _)| *text != BANNER) {
            let is_whole = self.written.contains(text);
            assert!(is_whole || faults.destroys, "{text:?} was never written so");
            assert!(*uids == 1 || !is_certain, "{text:?} came as {uids} records");
        }
        let t = &self.agent.telemetry;
        if !faults.crashes && !faults.destroys {
            assert_eq!(t.bytes.get(), self.bytes, "each byte is read once");
        }
        if !faults.destroys {
            // Where nothing of a file was read when it was truncated, its copy is read as a file
            // of its own, and the count is on the safe side.
            let mut drops = t.drops();
            if faults.copies {
                drops.remove("truncated");
            }
            assert!(drops.is_empty(), "{drops:?}");
            assert!(t.damages().is_empty(), "{:?}", t.damages());
        }
        drop(world);
        if !is_certain {
            return;
        }
        let (records, texts) = (t.records.get(), self.agent.collector.texts.len());
        self.agent.crash(false);
        self.agent.settle();
        assert_eq!(
            self.agent.telemetry.records.get(),
            records,
            "a restart sends nothing again"
        );
        assert_eq!(self.agent.collector.texts.len(), texts);
    }
}

/// The text of a line, in either format.
fn line_text(line: &str) -> &str {
    line.split_once(" P ")
        .or_else(|| line.split_once(" F "))
        .map_or(line, |(_, text)| text)
}
