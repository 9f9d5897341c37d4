//! What is LogQL, and what is not: the grammar that Grafana's query editor reads with, an
//! implementation by others, is asked about thousands of queries beside the parser here.
//!
//! It checks the syntax alone, so it takes queries that no engine can run; and it lags behind
//! the language in places. What differs is explained in [`explain`], and nothing else differs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "grammar/editor.rs"]
mod editor;
#[path = "grammar/explain.rs"]
mod explain;
#[path = "grammar/generate.rs"]
mod generate;
#[path = "grammar/tokens.rs"]
mod tokens;

use editor::Editor;
use generate::Generator;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use sonde_logql::parse;
use std::collections::BTreeMap;

const SEED: u64 = 0x10_6c;
const VALID: usize = 4000;
const MUTATED: usize = 12_000;

/// Another seed, when one looks for more differences.
fn seed() -> u64 {
    let given = std::env::var("SONDE_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(SEED)
}

/// Asks both about each query and panics with those whose difference nobody explained.
fn compare(editor: &Editor, queries: &[String]) -> [usize; 2] {
    let verdicts = editor.takes(queries);
    let (mut taken, mut explained) = (0, BTreeMap::<&str, usize>::new());
    let mut differences = Vec::new();
    for (query, theirs) in queries.iter().zip(verdicts) {
        let ours = parse(query);
        taken += usize::from(ours.is_ok());
        if ours.is_ok() == theirs {
            continue;
        }
        let refusal = ours.err().map(|error| error.message);
        match explain::why(query, refusal.as_deref()) {
            Some(why) => *explained.entry(why).or_default() += 1,
            None => differences.push(match refusal {
                None => format!("only taken here:   {query}"),
                Some(message) => format!("only taken there:  {query}\n     {message}"),
            }),
        }
    }
    for (why, count) in &explained {
        println!("{count:6} {why}");
    }
    let shown = differences.iter().take(40).cloned().collect::<Vec<_>>();
    assert!(
        differences.is_empty(),
        "{} of {} queries are judged differently:\n{}",
        differences.len(),
        queries.len(),
        shown.join("\n")
    );
    [taken, explained.values().sum()]
}

#[test]
fn queries_that_the_language_has_are_taken_by_both() {
    let Some(editor) = Editor::find() else { return };
    let mut generator = Generator::new(ChaCha8Rng::seed_from_u64(seed()));
    let queries: Vec<_> = (0..VALID).map(|_| generator.query()).collect();
    for query in &queries {
        if let Err(error) = parse(query) {
            panic!("a valid query is refused: {query}\n{error}");
        }
    }
    let [_, explained] = compare(&editor, &queries);
    assert!(
        explained * 5 < VALID,
        "{explained} of {VALID} are explained away"
    );
}

#[test]
fn queries_with_a_mistake_are_refused_by_both() {
    let Some(editor) = Editor::find() else { return };
    let mut generator = Generator::new(ChaCha8Rng::seed_from_u64(seed() + 1));
    let queries: Vec<_> = (0..MUTATED).map(|_| generator.mutated()).collect();
    let [taken, explained] = compare(&editor, &queries);
    // Mutations that change nothing, or nothing that matters, prove nothing.
    assert!(taken * 2 < MUTATED, "{taken} of {MUTATED} are still valid");
    println!("{taken} still valid, {explained} explained");
}
