//! Each limit of a query: what just fits is answered, and what does not is refused early.

use super::*;
use sonde_proto::Deadline;

fn limits() -> QueryLimits {
    QueryLimits::default()
}

fn ask(memory: &Memory, query: &str, limits: &QueryLimits) -> Result<QueryValue, QueryError> {
    instant(memory, query, UnixNanos(0), limits)
}

fn refused(memory: &Memory, query: &str, limits: &QueryLimits, why: &str) {
    match ask(memory, query, limits) {
        Err(QueryError::TooLarge(message)) => {
            assert!(message.contains(why), "{query}: {message}");
        }
        other => panic!("{query} is not refused: {other:?}"),
    }
}

/// So many series with one value each.
fn series(count: usize) -> Memory {
    let lines: Vec<String> = (0..count)
        .map(|n| format!("m{{a=\"{n}\",b=\"{}\"}} {n}", n % 7))
        .collect();
    load(
        60_000,
        &lines.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// The query that made 8 times the label at every level, and all of them at once.
#[test]
fn labels_that_grow_by_nesting_are_refused() {
    let nested = |levels: usize| {
        let first = format!(
            r#"label_replace(vector(1), "x", "{}", "", "")"#,
            "a".repeat(60)
        );
        (0..levels).fold(first, |inner, _| {
            format!(r#"label_replace({inner}, "x", "$1$1$1$1$1$1$1$1", "x", "(.*)")"#)
        })
    };
    let none = Memory::default();
    ask(&none, &nested(3), &limits()).unwrap();
    for levels in [4, 9, 80] {
        refused(&none, &nested(levels), &limits(), "label \"x\" longer than");
    }
    let joined = (0..20).fold(String::from("m"), |inner, _| {
        format!(r#"label_join({inner}, "b", "", "b", "b", "b", "b")"#)
    });
    refused(&series(1), &joined, &limits(), "label_join()");
}

/// A histogram a minute, of so many buckets, for a quarter of an hour.
fn wide(buckets: usize) -> Memory {
    let counts = vec!["1"; buckets].join(" ");
    let histogram = format!("{{{{schema:8 sum:1 count:{buckets} buckets:[{counts}]}}}}");
    load(
        60_000,
        &[&format!("m_count{{}} {histogram}+{histogram}x14")],
    )
}

/// Histograms that are made, kept or not, are charged by their size before there are many.
#[test]
fn wide_histograms_need_a_budget_of_their_size() {
    let few_bytes = QueryLimits {
        value_bytes_max: 100_000,
        ..limits()
    };
    let ask = |memory: &Memory, query: &str| {
        let (start, end) = (UnixNanos(0), UnixNanos::from_millis(14 * 60_000));
        let step = Duration::from_secs(10);
        range(memory, query, start, end, step, &few_bytes)
    };
    for query in [
        "sum(rate(m_count[2m]))",
        "count(rate(m_count[2m]))",
        "sum(m_count)",
        "count(-m_count)",
        "count(m_count + m_count)",
        "count(m_count * 2)",
        "sum_over_time(rate(m_count[2m])[5m:1m])",
        "m_count",
    ] {
        ask(&wide(10), query).unwrap();
        let answer = ask(&wide(2000), query);
        let Err(QueryError::TooLarge(message)) = answer else {
            panic!("{query} is not refused");
        };
        assert!(message.contains("bytes of values"), "{query}: {message}");
    }
    let few_samples = QueryLimits {
        samples_max: 10_000,
        ..limits()
    };
    ask_instant(&wide(10), &few_samples).unwrap();
    let refused = ask_instant(&wide(2000), &few_samples);
    assert!(matches!(refused, Err(QueryError::TooLarge(_))));
}

fn ask_instant(memory: &Memory, limits: &QueryLimits) -> Result<QueryValue, QueryError> {
    let at = UnixNanos::from_millis(14 * 60_000);
    instant(memory, "histogram_count(rate(m_count[14m]))", at, limits)
}

/// Where labels are made, the same labels fit into one budget and not into a smaller one.
#[test]
fn made_labels_are_charged_to_the_query() {
    let memory = series(100);
    let source = {
        // What the selector itself keeps: the most that refuses it, found by halving.
        let (mut least, mut most) = (0, limits().label_bytes_max);
        while least < most {
            let label_bytes_max = (least + most) / 2;
            let tried = QueryLimits {
                label_bytes_max,
                ..limits()
            };
            if ask(&memory, "m", &tried).is_ok() {
                most = label_bytes_max;
            } else {
                least = label_bytes_max + 1;
            }
        }
        most
    };
    assert!((100 * 64..100 * 400).contains(&source), "{source}");
    let tight = QueryLimits {
        label_bytes_max: source,
        ..limits()
    };
    ask(&memory, "m", &tight).unwrap();
    ask(&memory, "sum(m)", &tight).unwrap();
    for query in [
        r#"label_replace(m, "x", "$1", "a", "(.*)")"#,
        r#"label_join(m, "x", "-", "a", "b")"#,
        "topk by (a) (1, m)",
        "quantile by (a) (0.5, m)",
        "m + on (a) group_left (b) m",
        "m + on (a) m",
        "m and m",
        "m or m",
        "m unless m",
        "histogram_quantile(0.5, label_replace(m, \"le\", \"$1\", \"a\", \"(.*)\"))",
    ] {
        ask(&memory, query, &limits()).unwrap();
        refused(&memory, query, &tight, "bytes of labels");
    }
    let little = QueryLimits {
        label_bytes_max: 100 * 64,
        ..limits()
    };
    for query in [
        "sum by (a) (m)",
        "sum without (b) (m)",
        r#"count_values("x", m)"#,
        "timestamp(m)",
        "rate(m[5m]) or abs(m)",
    ] {
        ask(&memory, query, &limits()).unwrap();
        refused(&memory, query, &little, "bytes of labels");
    }
}

/// Every level would keep a column of its own, of which no level knew.
#[test]
fn kept_values_are_charged_to_the_query() {
    let memory = series(10);
    let tight = QueryLimits {
        value_bytes_max: 100_000,
        ..limits()
    };
    for (open, close) in [("absent(", ")"), ("vector(scalar(", "))"), ("sum(", ")")] {
        let nested = |levels| {
            let (open, close) = (open.repeat(levels), close.repeat(levels));
            format!("count_over_time({open}vector(1){close}[1000s:1s])")
        };
        ask(&memory, &nested(1), &tight).unwrap();
        refused(&memory, &nested(30), &tight, "bytes of values");
        ask(&memory, &nested(30), &limits()).unwrap();
    }
    for query in [
        "count_over_time(m[20000s:1s])",
        "count_over_time((m * m)[500s:1s])",
        "count_over_time((m and m)[900s:1s])",
        "count_over_time(avg by (a) (m)[300s:1s])",
        "count_over_time(quantile by (a) (0.5, m)[700s:1s])",
        "count_over_time(count_values(\"x\", m)[1200s:1s])",
        "count_over_time(vector(1)[7000s:1s])",
    ] {
        ask(&memory, query, &limits()).unwrap();
        refused(&memory, query, &tight, "bytes of values");
    }
    ask(&memory, "count_over_time(sum(m)[900s:1s])", &tight).unwrap();
}

/// A source that counts how many of its series are read.
struct Counted(Memory, std::cell::Cell<usize>);

struct Reading<'c>(InMemory, &'c std::cell::Cell<usize>);

impl<'c> Source for &'c Counted {
    type Series = Reading<'c>;

    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        room: &mut Room,
    ) -> Result<Vec<Reading<'c>>, Stop> {
        let found = self.0.select(matchers, range, room)?;
        Ok(found.into_iter().map(|s| Reading(s, &self.1)).collect())
    }
}

impl Series for Reading<'_> {
    fn labels(&self) -> Labels {
        self.0.labels()
    }

    fn read(&self, out: &mut Samples) -> Result<(), Stop> {
        self.1.set(self.1.get() + 1);
        self.0.read(out)
    }
}

#[test]
fn columns_are_charged_before_the_first_series_is_read() {
    let counted = Counted(series(1000), std::cell::Cell::default());
    let at = |samples_max, query: &str| {
        counted.1.set(0);
        let tried = QueryLimits {
            samples_max,
            ..limits()
        };
        let (end, step) = (UnixNanos::from_millis(99_000), Duration::from_secs(1));
        let answer = range(&&counted, query, UnixNanos(0), end, step, &tried);
        (answer, counted.1.get())
    };
    for query in [
        "m",
        "rate(m[5m])",
        "absent_over_time(m[5m])",
        "timestamp(m)",
    ] {
        let (answer, read) = at(99_999, query);
        assert!(
            matches!(answer, Err(QueryError::TooLarge(_))),
            "{query} {answer:?}"
        );
        assert_eq!(read, 0, "{query}");
        let (answer, read) = at(110_000, query);
        answer.unwrap();
        assert_eq!(read, 1000, "{query}");
    }
}

/// A source whose deadline passes while its last series is read.
struct Slow(Memory, Deadline);

struct Late(InMemory, Deadline);

impl Source for Slow {
    type Series = Late;

    fn select(&self, m: &[Matcher], range: TimeRange, room: &mut Room) -> Result<Vec<Late>, Stop> {
        let found = self.0.select(m, range, room)?;
        Ok(found.into_iter().map(|s| Late(s, self.1.clone())).collect())
    }
}

impl Series for Late {
    fn labels(&self) -> Labels {
        self.0.labels()
    }

    fn read(&self, out: &mut Samples) -> Result<(), Stop> {
        self.0.read(out)?;
        while !self.1.has_passed() {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

/// The work after reading is itself enough that the clock is looked at.
#[test]
fn the_deadline_is_seen_by_what_comes_after_reading() {
    for query in [
        r#"label_replace(m, "x", "$1", "a", "(.*)")"#,
        r#"label_join(m, "x", "-", "a", "b")"#,
    ] {
        let deadline = Deadline::within(Duration::from_millis(20));
        let slow = Slow(series(1), deadline.clone());
        let late = QueryLimits {
            deadline,
            ..limits()
        };
        let answer = instant(&slow, query, UnixNanos(0), &late);
        assert!(
            matches!(answer, Err(QueryError::Timeout(_))),
            "{query} {answer:?}"
        );
    }
    for query in [
        "abs(m)",
        "clamp(m, 0, 1)",
        "m + 1",
        "m + m",
        "m and m",
        "m or m",
        "sum(m)",
        "quantile(0.5, m)",
        "topk(1, m)",
        r#"count_values("x", m)"#,
        "sort_by_label(m, \"a\")",
        "absent(m)",
        "scalar(m) + vector(1)",
        "hour(m)",
        "timestamp(-m)",
        "-m",
    ] {
        let deadline = Deadline::within(Duration::from_millis(20));
        let slow = Slow(series(10), deadline.clone());
        let late = QueryLimits {
            deadline,
            ..limits()
        };
        let (end, step) = (UnixNanos::from_millis(10_000_000), Duration::from_secs(1));
        let answer = range(&slow, query, UnixNanos(0), end, step, &late);
        assert!(
            matches!(answer, Err(QueryError::Timeout(_))),
            "{query} {answer:?}"
        );
    }
}
