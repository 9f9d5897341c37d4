//! How soon answers come, warm, beside a search through the same bodies in files.

use crate::Failure;
use crate::ask::{Question, Shape, ask, number};
use crate::check;
use crate::corpus::{Corpus, Kind};
use crate::limit::{Grep, Plain};
use crate::process::Sonde;
use crate::send::{self, Ledger};
use crate::text::needles;
use crate::times::Times;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WORD: &str = "timeout";
const HOUR_MS: u64 = 3_600_000;
const HOURS: u64 = 10;
/// How long one kind of question is repeated at most.
const REPEAT_WITHIN: Duration = Duration::from_secs(30);
const GREP_TIMES: usize = 5;

/// A kind of question.
struct Case {
    name: &'static str,
    /// For 10 million records.
    budget: &'static str,
    questions: Vec<Question>,
    /// What a search through files would look for, and where.
    plain: Option<(String, PathBuf)>,
}

pub(crate) async fn run(records: u64) -> Result<(), Failure> {
    let corpus = Corpus::of_ten_hours(Kind::Few, records);
    let dir = tempfile::tempdir()?;
    let sonde = Sonde::start(&dir.path().join("data")).await?;
    let ledger = Arc::new(Ledger::default());
    let fresh = Arc::new(corpus.clone());
    send::send(sonde.grpc(), 0..corpus.requests, fresh, &ledger).await?;
    let mut plain = Plain::new(dir.path().join("plain"));
    for request in 0..corpus.requests {
        plain.add(&corpus, request)?;
    }
    plain.finish()?;
    let status = sonde.merged().await?;
    println!(
        "\nquery: {} records, {:.0} MB of bodies, {:.0} MB stored in {} segments",
        status.records,
        ledger.body_bytes() as f64 / 1e6,
        status.stored_bytes as f64 / 1e6,
        status.segments,
    );
    let grep = Grep::find();
    let beside = grep.map_or("no rg, no grep", |grep| grep.name);
    println!(
        "{:>10} {:>10} {:>9} {:>6} {:>9} {:>12}  question",
        "p50 ms", "p99 ms", "budget", "times", "values", beside
    );
    for case in cases(&corpus, &plain) {
        let asked = asked(&sonde, &case).await?;
        let beside = match (grep, &case.plain) {
            (Some(grep), Some((text, dir))) => {
                let mut times = Times::default();
                for _ in 0..GREP_TIMES {
                    times.push(grep.count(text, dir)?.1);
                }
                format!("{:.1}", times.quantile_ms(0.5))
            }
            _ => "-".into(),
        };
        println!(
            "{:>10.2} {:>10.2} {:>9} {:>6} {:>9.1} {beside:>12}  {}",
            asked.times.quantile_ms(0.5),
            asked.times.quantile_ms(0.99),
            case.budget,
            asked.times.count(),
            asked.values as f64 / asked.times.count() as f64,
            case.name,
        );
    }
    if grep.is_none() {
        println!("nothing beside: neither rg nor grep is installed (Debian's package ripgrep)");
    }
    println!(
        "most memory: {:.0} MB",
        sonde.used()?.rss_peak_bytes as f64 / 1e6
    );
    check::check(&sonde, &corpus, &ledger).await?.report()?;
    if let Some(grep) = grep {
        agree(&sonde, &corpus, grep, &plain).await?;
    }
    sonde.complain();
    Ok(())
}

fn cases(corpus: &Corpus, plain: &Plain) -> Vec<Case> {
    let begin = corpus.begin_ms(0);
    let all = (begin, begin + HOURS * HOUR_MS);
    let last_hour = (all.1 - HOUR_MS, all.1);
    let needles = needles(200);
    let lines = |query: String, period_ms, limit| Question {
        query,
        period_ms,
        shape: Shape::Newest(limit),
    };
    let inside = |period_ms| {
        let some = needles.iter().take(10);
        let questions = some.map(|n| lines(format!("{{}} |= `{}`", &n[2..12]), period_ms, 100));
        questions.collect()
    };
    let found = |text: &str, dir: PathBuf| Some((text.to_owned(), dir));
    // A point counts what lies in the window before it.
    let counted = |query: &str, step_ms: u64| {
        let question = Question {
            query: query.into(),
            period_ms: (all.0 + step_ms, all.1),
            shape: Shape::Every(step_ms),
        };
        vec![question; 20]
    };
    let needle = |query: &dyn Fn(&str) -> String| {
        let questions = needles.iter().map(|n| lines(query(n), all, 100));
        questions.collect::<Vec<_>>()
    };
    let case = |name, budget, questions, plain| Case {
        name,
        budget,
        questions,
        plain,
    };
    let part = &needles[0][2..12];
    let last = plain.hour(HOURS - 1);
    vec![
        case(
            "a request ID, with its lines",
            "10",
            needle(&|n| format!("{{}} |= `{n}`")),
            found(&needles[0], plain.all()),
        ),
        case(
            "a request ID in its text, with its lines",
            "10",
            needle(&|n| format!("{{}} |= `rid={n} `")),
            found(&format!("rid={} ", needles[0]), plain.all()),
        ),
        case(
            "an ID that is not there",
            "10",
            needle(&|n| format!("{{}} |= `f{n}`")),
            found(&format!("f{}", needles[0]), plain.all()),
        ),
        case(
            "ten characters inside an ID, over everything",
            "1200",
            inside(all),
            found(part, plain.all()),
        ),
        case(
            "the same over the last hour",
            "150",
            inside(last_hour),
            found(part, last),
        ),
        case(
            "the newest 100",
            "10",
            vec![lines("{}".into(), all, 100); 50],
            None,
        ),
        case(
            "the newest 100 of level=\"error\"",
            "10",
            vec![lines("{level=\"error\"}".into(), all, 100); 50],
            None,
        ),
        case(
            "the newest 100 with a common word",
            "",
            vec![lines(format!("{{}} |= `{WORD}`"), all, 100); 20],
            None,
        ),
        case(
            "histogram of 1 minute by level",
            "100",
            counted("sum by (level) (count_over_time({}[1m]))", 60_000),
            None,
        ),
        case(
            "word by service, 5 minutes",
            "1200/100",
            counted(&by_service(), 300_000),
            found(WORD, plain.all()),
        ),
    ]
}

fn by_service() -> String {
    format!("sum by (service_name) (count_over_time({{}} |= `{WORD}` [5m]))")
}

/// What came of a case.
struct Asked {
    times: Times,
    values: usize,
}

async fn asked(sonde: &Sonde, case: &Case) -> Result<Asked, Failure> {
    // Once for the caches.
    for question in case.questions.iter().take(10) {
        ask(sonde, question).await?;
    }
    let mut asked = Asked {
        times: Times::default(),
        values: 0,
    };
    let begun = Instant::now();
    for question in &case.questions {
        let answer = ask(sonde, question).await?;
        asked.values += answer.values();
        asked.times.push(answer.took);
        if begun.elapsed() > REPEAT_WITHIN {
            break;
        }
    }
    Ok(asked)
}

/// Whether Sonde and a search through files count the same.
async fn agree(sonde: &Sonde, corpus: &Corpus, grep: Grep, plain: &Plain) -> Result<(), Failure> {
    const STEP_MS: u64 = 300_000;
    let begin = corpus.begin_ms(0);
    let question = Question {
        query: by_service(),
        period_ms: (begin + STEP_MS, begin + HOURS * HOUR_MS),
        shape: Shape::Every(STEP_MS),
    };
    let answer = ask(sonde, &question).await?;
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for (labels, point) in answer.pairs() {
        let service = labels["service_name"].as_str().unwrap_or_default();
        *counted.entry(service.to_owned()).or_default() += number(point) as u64;
    }
    let (expected, _) = grep.count(WORD, &plain.all())?;
    let total = expected.values().sum::<u64>();
    if counted != expected {
        return Err(format!(
            "{WORD:?} by service: {} counts {total}, Sonde {}; they differ",
            grep.name,
            counted.values().sum::<u64>(),
        )
        .into());
    }
    println!("{WORD:?} by service: both count {total}");
    Ok(())
}
