//! What cannot be saved is counted.

use super::agent::{Agent, limits};
use super::world::World;
use std::path::Path;

const LOG: &str = "/logs/a.log";

/// An agent that has read `a.log`'s first line.
fn following() -> (super::world::Shared, Agent) {
    let world = World::new(true);
    let agent = Agent::new(&world, limits());
    (world, agent)
}

fn drops(agent: &Agent) -> Vec<(String, u64)> {
    agent.telemetry.drops().into_iter().collect()
}

#[test]
fn a_truncation_before_the_end_was_read_is_counted() {
    let (world, mut agent) = following();
    world.borrow_mut().write(Path::new(LOG), b"one\n");
    agent.settle();
    // The lane is full: the rest is seen but not read.
    for n in 0..200 {
        let line = format!("a long enough line, number {n}\n");
        world.borrow_mut().write(Path::new(LOG), line.as_bytes());
    }
    world.borrow_mut().now += 1_000_000_000;
    agent.step(true);
    world.borrow_mut().truncate(Path::new(LOG));
    agent.step(true);
    world.borrow_mut().write(Path::new(LOG), b"anew\n");
    agent.settle();
    assert_eq!(drops(&agent), [("truncated".to_owned(), 1)]);
    assert!(agent.collector.texts.contains_key("anew"));
}

#[test]
fn a_truncation_after_everything_was_read_loses_nothing() {
    let (world, mut agent) = following();
    for text in ["one\n", "two\n", "three, which is longer\n"] {
        world.borrow_mut().write(Path::new(LOG), text.as_bytes());
        agent.settle();
        world.borrow_mut().truncate(Path::new(LOG));
    }
    agent.settle();
    assert_eq!(drops(&agent), []);
    assert_eq!(agent.collector.texts.len(), 3);
}

#[test]
fn a_file_that_vanishes_unopened_is_counted_and_one_held_open_is_read() {
    let (world, mut agent) = following();
    world.borrow_mut().write(Path::new(LOG), b"held\n");
    agent.step(true);
    world.borrow_mut().unlink(Path::new(LOG));
    agent.settle();
    assert!(agent.collector.texts.contains_key("held"));
    world.borrow_mut().refuses_open = true;
    world.borrow_mut().write(Path::new(LOG), b"never seen\n");
    agent.settle();
    world.borrow_mut().unlink(Path::new(LOG));
    agent.settle();
    let expected = [("unreadable".to_owned(), 1), ("vanished".to_owned(), 1)];
    assert_eq!(drops(&agent), expected);
}

#[test]
fn deleted_files_are_given_up_when_they_hold_too_much() {
    let world = World::new(true);
    let (mut tail, export) = limits();
    tail.deleted_bytes_max = 10_000;
    let mut agent = Agent::new(&world, (tail, export));
    let line = [b"x".repeat(99), b"\n".to_vec()].concat();
    for _ in 0..3 {
        world.borrow_mut().write(Path::new(LOG), &line.repeat(60));
        world.borrow_mut().now += 1_000_000_000;
        agent.step(true);
        world.borrow_mut().unlink(Path::new(LOG));
        agent.step(true);
    }
    assert_eq!(drops(&agent), [("deleted_backlog".to_owned(), 2)]);
}

#[test]
fn lines_over_the_limit_are_cut_and_the_next_is_whole() {
    let (world, mut agent) = following();
    let long = "y".repeat(700);
    for piece in long.as_bytes().chunks(150) {
        world.borrow_mut().write(Path::new(LOG), piece);
        agent.settle();
        agent.crash(true);
    }
    world
        .borrow_mut()
        .write(Path::new(LOG), b"\nnext\n\n\xff\xfe\n");
    agent.settle();
    let texts: Vec<_> = agent.collector.texts.keys().map(String::as_str).collect();
    assert_eq!(texts, ["", "next", &long[..200], "\u{fffd}\u{fffd}"]);
    let damages = agent.telemetry.damages();
    assert_eq!((damages["line_cut"], damages["invalid_utf8"]), (1, 1));
}

#[test]
fn a_last_line_without_a_newline_arrives_when_the_file_is_left() {
    let (world, mut agent) = following();
    world.borrow_mut().write(Path::new(LOG), b"whole\nhalf");
    agent.settle();
    assert!(!agent.collector.texts.contains_key("half"), "it may go on");
    world
        .borrow_mut()
        .rename(Path::new(LOG), Path::new("/logs/a.log.1"));
    world.borrow_mut().write(Path::new(LOG), b"");
    agent.settle();
    assert!(agent.collector.texts.contains_key("half"));
    assert_eq!(drops(&agent), []);
}

#[test]
fn a_reused_inode_is_another_file_even_with_the_same_content() {
    let (world, mut agent) = following();
    for _ in 0..2 {
        world.borrow_mut().write(Path::new(LOG), b"same\nsame\n");
        agent.settle();
        world.borrow_mut().unlink(Path::new(LOG));
        agent.settle();
    }
    assert_eq!(agent.collector.texts["same"], 4);
}
