//! File systems that hang.

use super::*;
use std::sync::{Condvar, Mutex};

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
    let mut measure = Measure::new(ask, Duration::from_millis(50));
    let (good, bad) = (Path::new("/good"), Path::new("/hangs"));
    assert!(measure.usage(good).is_some());
    assert_eq!(measure.usage(bad), None);
    assert!(measure.usage(good).is_some(), "another thread goes on");
    let asked = std::time::Instant::now();
    assert_eq!(measure.usage(bad), None);
    assert!(
        asked.elapsed() < Duration::from_millis(50),
        "it is not asked again"
    );
    for n in 1..HANGING_MAX {
        assert_eq!(measure.usage(&bad.join(n.to_string())), None);
    }
    assert_eq!(measure.usage(good), None, "no more threads are started");
    if let Ok(mut open) = GATE.0.lock() {
        *open = true;
    }
    GATE.1.notify_all();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while measure.usage(bad).is_none() {
        assert!(std::time::Instant::now() < deadline, "it never came back");
        std::thread::yield_now();
    }
    assert!(measure.usage(good).is_some());
}

#[test]
fn the_system_answers_for_the_root() {
    let usage = Measure::default().usage(Path::new("/"));
    assert!(usage.is_some_and(|u| u.size >= u.free && u.free >= u.available));
}
