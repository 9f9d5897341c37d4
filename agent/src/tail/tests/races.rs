//! What other programs do to a log between two of the agent's calls to the disk.

use super::agent::{Agent, limits};
use super::world::{Deed, World};
use std::path::{Path, PathBuf};

const LOG: &str = "/logs/a.log";
const COPY: &str = "/logs/a.log.1";
/// A log that always has something, so that the agent takes turn after turn before it looks.
const BUSY: &str = "/logs/busy.log";
/// More calls than the agent makes until it has seen all of it.
const CALLS_MAX: u32 = 60;

fn lines(what: &str, count: usize) -> Vec<u8> {
    let line = |n| format!("{what} number {n}\n");
    (0..count).map(line).collect::<String>().into_bytes()
}

/// A log begins with `first` and has been looked at, then `second` is appended; meanwhile
/// `deeds` happen, each after so many calls of the agent to the disk.
fn read_while(first: &[u8], second: &[u8], deeds: &[(u32, Deed)]) -> Agent {
    let (log, busy) = (Path::new(LOG), Path::new(BUSY));
    let world = World::new(true);
    let (tail, mut export) = limits();
    export.batch_bytes_max = 1 << 20;
    let mut agent = Agent::new(&world, (tail, export));
    world.borrow_mut().write(busy, b"busy\n");
    world.borrow_mut().write(log, first);
    agent.settle();
    if !second.is_empty() {
        world.borrow_mut().write(log, second);
    }
    world.borrow_mut().meanwhile.extend(deeds.iter().cloned());
    for _ in 0..CALLS_MAX {
        world.borrow_mut().now += 50_000_000;
        world.borrow_mut().write(Path::new(BUSY), b"busy\n");
        agent.step(true);
    }
    world.borrow_mut().happen_all();
    world.borrow_mut().write(log, &lines("last", 5));
    agent.settle();
    agent.collector.texts.remove("busy");
    agent
}

fn copy() -> Deed {
    Deed::Copy(PathBuf::from(LOG), PathBuf::from(COPY), 100)
}

fn truncate() -> Deed {
    Deed::Truncate(PathBuf::from(LOG))
}

fn write(bytes: Vec<u8>) -> Deed {
    Deed::Write(PathBuf::from(LOG), bytes)
}

/// Every line arrived, and once; nothing is said to be lost.
fn assert_read_once(agent: &Agent, lines: usize, deeds: &[(u32, Deed)]) {
    let calls: Vec<_> = deeds.iter().map(|(calls, _)| calls).collect();
    let texts = &agent.collector.texts;
    assert_eq!(texts.len(), lines, "after {calls:?} calls");
    let doubled: Vec<_> = texts.iter().filter(|(_, uids)| **uids != 1).collect();
    assert!(doubled.is_empty(), "after {calls:?} calls: {doubled:?}");
    let drops = agent.telemetry.drops();
    assert!(drops.is_empty(), "after {calls:?} calls: {drops:?}");
}

#[test]
fn a_copied_and_truncated_log_is_read_once_whenever_that_happens() {
    for copied in 0..8 {
        for truncated in 0..CALLS_MAX / 2 {
            for (grown, count) in [(0, 1), (1, 1), (2, 10), (0, 60), (3, 60), (9, 10)] {
                let deeds = [
                    (copied, copy()),
                    (truncated, truncate()),
                    (grown, write(lines("new", count))),
                ];
                let agent = read_while(&lines("first", 20), &lines("second", 20), &deeds);
                assert_read_once(&agent, 45 + count, &deeds);
            }
        }
    }
}

#[test]
fn a_log_copied_as_soon_as_its_first_line_is_whole_is_read_once() {
    for whole in 0..10 {
        for copied in 0..10 {
            for truncated in (0..CALLS_MAX).step_by(3) {
                let deeds = [
                    (whole, write(lines(" and the first", 20))),
                    (copied, copy()),
                    (truncated, truncate()),
                    (2, write(lines("new", 10))),
                ];
                let agent = read_while(b"begun", b"", &deeds);
                assert_read_once(&agent, 35, &deeds);
            }
        }
    }
}

#[test]
fn what_is_truncated_before_it_is_read_is_counted_once() {
    for truncated in 1..30 {
        let deeds = [(truncated, truncate()), (0, write(lines("new", 3)))];
        let agent = read_while(&lines("first", 20), &lines("second", 20), &deeds);
        let texts = &agent.collector.texts;
        let is_read = texts.contains_key("second number 0");
        assert_eq!(texts.len(), if is_read { 48 } else { 28 });
        let counted = agent.telemetry.drops().get("truncated").copied();
        let seen = truncated > 1 && !is_read;
        assert_eq!(counted, seen.then_some(1), "after {truncated} calls");
    }
}
