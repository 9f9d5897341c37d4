//! Queries for lines.

use crate::worlds::Stored;
use crate::{Outcome, ask, cases, parsed, stored};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sonde_logql::ast::Expr;
use sonde_logql::{Category, LogQuery};
use sonde_logql_oracle::{Direction, Row, check_rows, query, rows, text, world};
use sonde_logs::{LogRecord, Search};
use sonde_proto::{Deadline, MatchOp, Tenant, UnixNanos};
use std::time::Duration;

#[test]
fn lines_are_those_of_the_oracle() {
    ask(cases(3000), |seed| {
        let stored = stored(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed_0000_0000);
        let expr = query::log(&mut rng, &stored.world);
        let query = text::log(&mut rng, &expr);
        compare(&stored, &query, seed, &mut rng)
    });
}

/// What narrows blocks: equalities of labels, metadata, columns and identifiers.
#[test]
fn equalities_leave_nothing_out() {
    ask(cases(1000), |seed| {
        let stored = stored(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xe9a1_0000_0000);
        let stream = &stored.world.streams[rng.random_range(0..stored.world.streams.len())];
        let record = &stream.records[rng.random_range(0..stream.records.len())];
        let labels = stream.labels.iter();
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let metadata = stream.metadata.iter().chain(&record.metadata).cloned();
        let all: Vec<(String, String)> = labels.chain(metadata).collect();
        let mut query = "{}".to_owned();
        for _ in 0..rng.random_range(1..3) {
            let (name, value) = &all[rng.random_range(0..all.len())];
            query.push_str(&format!(" | {name}{}{value:?}", MatchOp::Equal.as_str()));
        }
        compare(&stored, &query, seed, &mut rng)
    });
}

fn compare(stored: &Stored, query: &str, seed: u64, rng: &mut ChaCha8Rng) -> (String, Outcome) {
    let start = UnixNanos(world::EPOCH + rng.random_range(0..world::SPREAD / 4));
    let end = UnixNanos(world::EPOCH + world::SPREAD - rng.random_range(0..world::SPREAD / 4));
    let (direction, own) = [
        (Direction::Forward, sonde_logs::Direction::Forward),
        (Direction::Backward, sonde_logs::Direction::Backward),
    ][rng.random_range(0..2)];
    let limit = [1, 5, 100, 1000][rng.random_range(0..4)];
    let outcome = || {
        let Expr::Log(expr) = parsed(query, seed)? else {
            return Err("parsed as a metric query".to_owned());
        };
        let mut expected = rows(&stored.world, &expr, start, end, direction);
        for row in &mut expected {
            row.line = String::from_utf8_lossy(&row.line).into_owned().into_bytes();
        }
        let search = Search {
            query: LogQuery::compile(&expr).map_err(|e| format!("not compiled: {e}"))?,
            start,
            end,
            limit,
            direction: own,
            interval: Duration::ZERO,
            deadline: Deadline::never(),
        };
        let found = stored.store.search(&Tenant::default(), &search);
        let found = found.map_err(|error| error.to_string())?;
        if let Some(cut) = found.cut {
            return Err(format!("cut: {cut}"));
        }
        let got: Vec<Row> = found.records.into_iter().map(row).collect();
        check_rows(&expected, &got, limit)?;
        Ok(match expected.is_empty() {
            true => Outcome::Empty,
            false => Outcome::Same,
        })
    };
    (query.to_owned(), outcome().unwrap_or_else(Outcome::Differs))
}

fn row(record: LogRecord) -> Row {
    let line = record.line.unwrap();
    let mut row = Row {
        time: record.time,
        line: line.text.into_bytes(),
        ..Row::default()
    };
    for (name, value, category) in line.labels {
        if name == "__error__" {
            row.error = value;
            continue;
        }
        let kind = match category {
            Category::Stream => &mut row.stream,
            Category::StructuredMetadata => &mut row.metadata,
            Category::Parsed => &mut row.parsed,
        };
        if !name.starts_with("__error") {
            let before = kind.insert(name, value);
            assert_eq!(before, None, "each name once");
        }
    }
    row
}
