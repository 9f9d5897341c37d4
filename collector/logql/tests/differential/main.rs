//! Thousands of random queries over random records: parser, pipelines and metric engine give
//! what the oracle gives, which does one thing after the other as the documentation has it.
//!
//! `SONDE_CASES=100000` asks more, `SONDE_FROM=500000` asks others, `SONDE_SEED=17` asks only
//! that one again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod lines;
mod numbers;
mod source;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sonde_logql::ast::Expr;
use sonde_logql::{format, parse};
use sonde_logql_oracle::World;
use std::cell::RefCell;
use std::rc::Rc;

/// How many queries one world is asked.
const QUERIES_PER_WORLD: u64 = 20;
/// How many differences are shown.
const SHOWN_MAX: usize = 8;

/// How many queries to ask where nothing else is said.
fn cases(usual: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match number("SONDE_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let from = number("SONDE_FROM").unwrap_or(0);
            from..from + number("SONDE_CASES").unwrap_or(usual)
        }
    }
}

/// The world of a query, and the dice that make the query.
fn case(seed: u64) -> (Rc<World>, ChaCha8Rng) {
    thread_local! {
        static LAST: RefCell<(u64, Rc<World>)> = RefCell::new((u64::MAX, Rc::default()));
    }
    let number = seed / QUERIES_PER_WORLD;
    let world = LAST.with_borrow_mut(|(last, world)| {
        if *last != number {
            *last = number;
            *world = Rc::new(World::random(&mut ChaCha8Rng::seed_from_u64(number)));
        }
        Rc::clone(world)
    });
    (world, ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_0000_0000))
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
    let (mut same, mut empty, mut refused, mut lenient, mut undefined) = (0, 0, 0, 0, 0);
    let mut differences = Vec::new();
    for seed in cases {
        let (query, outcome) = one(seed);
        match outcome {
            Outcome::Same => same += 1,
            Outcome::Empty => empty += 1,
            Outcome::Refused => refused += 1,
            Outcome::Lenient => lenient += 1,
            Outcome::Undefined => undefined += 1,
            Outcome::Differs(how) => {
                differences.push(format!("SONDE_SEED={seed}\n{query}\n{how}\n"));
            }
        }
    }
    let counts = format!(
        "{total} queries: {same} answered alike, {empty} alike without any result, {refused} refused by both, {lenient} without errors of labels nobody needs, {undefined} undefined, {} differ",
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
        total < 100 || same * 10 >= total * 6,
        "too few queries find anything: {counts}"
    );
}
