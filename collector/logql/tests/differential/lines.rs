//! Queries for lines.

use crate::{Outcome, ask, case, cases, parsed};
use rand::Rng;
use sonde_logql::ast::Expr;
use sonde_logql::source::{Record, StreamView};
use sonde_logql::{Category, LineFilter, LogQuery, Pipeline, PipelineLimits, Scratch};
use sonde_logql_oracle::{Direction, Row, World, check_rows, query, rows, text, world};
use sonde_proto::UnixNanos;

#[test]
fn lines_are_those_of_the_oracle() {
    ask(cases(3000), |seed| {
        let (world, mut rng) = case(seed);
        let expr = query::log(&mut rng, &world);
        let query = text::log(&mut rng, &expr);
        let start = UnixNanos(world::EPOCH + rng.random_range(0..world::SPREAD / 4));
        let end = UnixNanos(world::EPOCH + world::SPREAD - rng.random_range(0..world::SPREAD / 4));
        let direction = [Direction::Forward, Direction::Backward][rng.random_range(0..2)];
        let limit = [5, 100, 1000][rng.random_range(0..3)];
        let expected = rows(&world, &expr, start, end, direction);
        let outcome = match parsed(&query, seed)
            .and_then(|expr| answer(&world, expr, (start, end), direction, limit))
        {
            Err(error) => Outcome::Differs(error),
            Ok(got) => match check_rows(&expected, &got, limit) {
                Err(how) => Outcome::Differs(how),
                Ok(()) if expected.is_empty() => Outcome::Empty,
                Ok(()) => Outcome::Same,
            },
        };
        (query, outcome)
    });
}

#[test]
fn a_wrong_line_is_noticed() {
    let (world, mut rng) = case(3);
    let expr = query::log(&mut rng, &world);
    let (start, end) = (UnixNanos(0), UnixNanos(u64::MAX));
    let right = rows(&world, &expr, start, end, Direction::Forward);
    assert_eq!(check_rows(&right, &right, 1000), Ok(()));
    let mut wrong = right.clone();
    wrong[0].line.push(b'x');
    assert!(check_rows(&right, &wrong, 1000).is_err());
    assert!(check_rows(&right, &right[1..], 1000).is_err());
    let mut wrong = right.clone();
    wrong[0].parsed.insert("more".into(), "labels".into());
    assert!(check_rows(&right, &wrong, 1000).is_err());
}

/// Compiles and carries out a query, one record after the other.
fn answer(
    world: &World,
    expr: Expr,
    (start, end): (UnixNanos, UnixNanos),
    direction: Direction,
    limit: usize,
) -> Result<Vec<Row>, String> {
    let Expr::Log(expr) = expr else {
        return Err("parsed as a metric query".into());
    };
    let query = LogQuery::compile(&expr).map_err(|e| format!("not compiled: {e}"))?;
    let mut records = Vec::new();
    for stream in &world.streams {
        if query.matches_labels(&stream.labels) {
            records.extend(stream.records.iter().map(|record| (stream, record)));
        }
    }
    records.retain(|(_, record)| start <= record.time && record.time < end);
    records.sort_by_key(|(_, record)| record.time);
    if direction == Direction::Backward {
        records.reverse();
    }
    let (mut scratch, mut fresh) = (Scratch::default(), Scratch::default());
    let untouched = Pipeline::compile(&[], &PipelineLimits::default()).unwrap();
    let mut rows = Vec::new();
    for (stream, record) in records {
        if rows.len() == limit {
            break;
        }
        hints_hold(query.filters(), &record.line)?;
        if !query.matches_line(&record.line) {
            continue;
        }
        let pairs = record.metadata.iter();
        let metadata: Vec<_> = pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let record = Record {
            time: record.time,
            line: &record.line,
            stream: StreamView {
                labels: &stream.labels,
                metadata: &stream.metadata,
            },
            metadata: &metadata,
        };
        let Some(processed) = query.pipeline().run(&record, &mut scratch) else {
            continue;
        };
        let before = untouched.run(&record, &mut fresh).unwrap();
        for (name, value) in query.pipeline().equalities() {
            if before.labels.get(name) != Some(value) {
                return Err(format!("a line is kept whose {name} is not {value}"));
            }
        }
        let mut row = Row {
            time: record.time,
            line: processed.line.to_vec(),
            error: processed.labels.error().unwrap_or("").to_owned(),
            ..Row::default()
        };
        processed.labels.for_each(|name, value, category| {
            if name.starts_with("__error") || value.is_empty() {
                return;
            }
            let kind = match category {
                Category::Stream => &mut row.stream,
                Category::StructuredMetadata => &mut row.metadata,
                Category::Parsed => &mut row.parsed,
            };
            let before = kind.insert(name.into_owned(), value.to_owned());
            assert_eq!(before, None, "each name once");
        });
        rows.push(row);
    }
    Ok(rows)
}

/// What filters promise a store is so for every line: that one of some texts is in it, or that
/// nothing but one text matters.
fn hints_hold(filters: &[LineFilter], line: &[u8]) -> Result<(), String> {
    let has = |text: &[u8]| {
        let mut places = line.windows(text.len().max(1));
        text.is_empty() || places.any(|place| place == text)
    };
    for filter in filters {
        let matches = filter.matches(line);
        if let Some(texts) = filter.any_of()
            && matches
            && !texts.iter().any(|text| has(text))
        {
            return Err(format!("{filter} matches, and none of {texts:?} is there"));
        }
        if let Some((text, negated)) = filter.as_contains()
            && matches != (has(text) != negated)
        {
            return Err(format!("{filter} is not only about {text:?}"));
        }
    }
    Ok(())
}
