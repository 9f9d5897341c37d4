//! Random queries over random records in a real store, sealed in several segments, merged, and
//! with a tail left: lines and numbers are those of the oracle.
//!
//! `SONDE_CASES=100000` asks more, `SONDE_SEED=17` asks only that one again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lines;
// The same comparison as over the oracle's own records; the source is the store.
#[path = "../../../logql/tests/differential/numbers.rs"]
mod numbers;
mod source;
mod worlds;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sonde_logql::ast::Expr;
use sonde_logql::{format, parse};
use sonde_logql_oracle::World;
use std::rc::Rc;
use std::sync::Arc;
use worlds::Stored;

/// How many queries one world is asked: a store is opened for each.
const QUERIES_PER_WORLD: u64 = 100;
/// How many differences are shown.
const SHOWN_MAX: usize = 8;

/// How many queries to ask where nothing else is said.
fn cases(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("SONDE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SONDE_CASES").unwrap_or(usual),
    }
}

/// The world of a query, as a store has it, and the dice that make the query.
fn case(seed: u64) -> (Rc<World>, ChaCha8Rng) {
    let stored = stored(seed);
    let rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_0000_0000);
    (Rc::new(stored.world.clone()), rng)
}

/// The store of a query's world.
fn stored(seed: u64) -> Arc<Stored> {
    thread_local! {
        static LAST: std::cell::RefCell<Option<(u64, Arc<Stored>)>> = const { std::cell::RefCell::new(None) };
    }
    let number = seed / QUERIES_PER_WORLD;
    LAST.with_borrow_mut(|last| match last {
        Some((known, stored)) if *known == number => Arc::clone(stored),
        _ => {
            let new = Arc::new(Stored::random(number));
            *last = Some((number, Arc::clone(&new)));
            new
        }
    })
}

/// A query's expression: as it is written, or written again by us, or laid out by us.
fn parsed(text: &str, seed: u64) -> Result<Expr, String> {
    let expr = parse(text).map_err(|error| format!("not parsed: {error}"))?;
    let again = match seed % 3 {
        0 => return Ok(expr),
        1 => expr.to_string(),
        _ => format::pretty(&expr),
    };
    parse(&again).map_err(|error| format!("written again as {again}, and not parsed: {error}"))
}

/// What came of one query.
enum Outcome {
    /// The same answer, with something in it.
    Same,
    /// The same answer, with nothing in it.
    Empty,
    /// Both refuse the query.
    Refused,
    /// The answer is that of a query whose unneeded labels were not parsed.
    Lenient,
    /// The documentation does not say what is right.
    Undefined,
    /// Another answer.
    Differs(String),
}

/// Asks all queries and counts what came of them.
fn ask(cases: std::ops::Range<u64>, one: impl Fn(u64) -> (String, Outcome)) {
    let total = cases.end - cases.start;
    let (mut same, mut alike, mut undefined) = (0, 0, 0);
    let mut differences = Vec::new();
    for seed in cases {
        let (query, outcome) = one(seed);
        match outcome {
            Outcome::Same => same += 1,
            Outcome::Empty | Outcome::Refused | Outcome::Lenient => alike += 1,
            Outcome::Undefined => undefined += 1,
            Outcome::Differs(how) => {
                differences.push(format!("SONDE_SEED={seed}\n{query}\n{how}\n"));
            }
        }
    }
    let counts = format!(
        "{total} queries: {same} answered alike, {alike} alike without any result or refused by both, {undefined} undefined, {} differ",
        differences.len()
    );
    println!("{counts}");
    differences.sort_by_key(String::len);
    assert!(
        differences.is_empty(),
        "{counts}\n\n{}",
        differences[..differences.len().min(SHOWN_MAX)].join("\n")
    );
    assert!(
        total < 100 || same * 10 >= total * 5,
        "too few queries find anything: {counts}"
    );
}
