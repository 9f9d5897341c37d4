//! What is remembered stays within its bytes, and answers do not depend on it.

use super::*;

const MEMORY: u64 = 4 << 20;
const SEGMENTS: u64 = 4;
const SERVICES: u64 = 1_000;

/// Letters that no other number has.
fn word(n: u64) -> String {
    (0..6)
        .map(|digit| char::from(b'a' + (n / 26_u64.pow(digit) % 26) as u8))
        .collect()
}

fn service(n: u64) -> String {
    format!("{}-{}", word(n), "s".repeat(250))
}

fn config(memory_bytes_max: u64) -> Config {
    Config {
        memory_bytes_max,
        ..quiet()
    }
}

/// What of each segment is remembered after some questions, and their answers.
fn asked(store: &LogStore) -> Vec<usize> {
    let count = |query: String| bodies(store, &query).len();
    let mut counts = Vec::new();
    for n in (0..SEGMENTS * SERVICES).step_by(400) {
        counts.push(count(format!("{{}} |= `of {} took 7`", word(n))));
        counts.push(count(format!("{{service_name=\"{}\"}}", service(n))));
    }
    counts.push(store.services(&Tenant::default()).len());
    counts
}

#[test]
fn what_is_remembered_stays_within_its_bytes_and_answers_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(MEMORY));
    let mut most = 0;
    for n in 0..SEGMENTS * SERVICES {
        let text = word(n).repeat(160);
        let lines = (0..4).map(|line| {
            let body = format!("{text} of {} took {line}{n} ms", word(n));
            record(1 + n, &body)
        });
        apply(&store, n, &service(n), lines.collect());
        most = most.max(store.writer.lock().intake.known_bytes());
        if n % SERVICES == SERVICES - 1 {
            store.seal(NOW).unwrap();
        }
    }
    // Half of a half is what is known now, beside what was known before; one stream may be over.
    let (known, one) = (MEMORY as usize / 4, 8 << 10);
    assert!((known / 2..=known + one).contains(&most), "{most}");
    drop(store);

    let store = open(dir.path(), &config(MEMORY));
    let answers = asked(&store);
    let (streams, templates) = store.common.bytes_kept();
    assert!(streams <= MEMORY / 4 && templates <= MEMORY / 4);
    // With room for more there is more.
    let store = open(dir.path(), &config(64 * MEMORY));
    assert_eq!(asked(&store), answers);
    let (streams, templates) = store.common.bytes_kept();
    assert!(streams > MEMORY / 4, "{streams}");
    assert!(templates > MEMORY / 4, "{templates}");
}

#[test]
fn too_little_memory_is_refused_by_name() {
    let error = config(1 << 20).check().unwrap_err();
    assert!(
        error.starts_with("memory_bytes_max: with 1048576 bytes"),
        "{error}"
    );
    config(MEMORY).check().unwrap();
}
