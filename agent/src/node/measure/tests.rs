//! File systems that hang.

use super::*;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

/// As long as nobody waits who has to be answered.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(50);

static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// Hangs below `/hangs` until the gate is opened.
fn ask(path: &Path) -> Option<Usage> {
    if path.starts_with("/hangs") {
        let open = GATE.0.lock().ok()?;
        drop(GATE.1.wait_while(open, |open| !*open));
    }
    Some(Usage {
        size: 3,
        free: 2,
        available: 1,
    })
}

#[test]
fn a_file_system_that_hangs_holds_up_nothing_else_and_comes_back() {
    let mut measure = Measure::new(ask, LONG);
    let (good, bad) = (Path::new("/good"), Path::new("/hangs"));
    assert!(measure.usage(good).is_some());
    measure.wait = SHORT;
    assert_eq!(measure.usage(bad), None);
    // Whoever asks what hangs now waits long, so what comes at once was not asked.
    measure.wait = LONG;
    assert!(measure.usage(good).is_some(), "another thread goes on");
    let asked = Instant::now();
    assert_eq!(measure.usage(bad), None);
    assert!(asked.elapsed() < LONG, "it is not asked again");
    measure.wait = SHORT;
    for n in 1..HANGING_MAX {
        assert_eq!(measure.usage(&bad.join(n.to_string())), None);
    }
    measure.wait = LONG;
    assert_eq!(measure.usage(good), None, "no more threads are started");
    if let Ok(mut open) = GATE.0.lock() {
        *open = true;
    }
    GATE.1.notify_all();
    let opened = Instant::now();
    while measure.usage(bad).is_none() {
        assert!(opened.elapsed() < LONG, "it never came back");
        std::thread::yield_now();
    }
    assert!(measure.usage(good).is_some());
}

#[test]
fn the_system_answers_for_the_root() {
    let usage = Measure::default().usage(Path::new("/"));
    assert!(usage.is_some_and(|u| u.size >= u.free && u.free >= u.available));
}
