//! `patterns`: what the lines of a query look like, and how many there are of each over time.
//! The store counts all lines of a selector; where there are stages behind it, a sample of the
//! newest lines is looked at.

use super::answer::{LokiError, success_with};
use super::parameters::{Parameters, QUERY_PERIOD};
use super::query::{compiled, found, newest};
use super::{Api, tenant};
use crate::logs::Line;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use sonde_logql::ast::Expr;
use sonde_patterns::{ClusterLimits, Clusters, Pattern};
use sonde_proto::{Deadline, Matcher, Tenant, UnixNanos};
use std::time::Duration;

/// How many lines are looked at where there are stages.
const LINES_MAX: usize = 10_000;
/// How long lines are counted: the newest come first, so that what there is then is an answer.
const COUNTING_MAX: Duration = Duration::from_secs(8);

pub(super) async fn patterns(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let tenant = tenant(&headers)?;
    let Expr::Log(log) = parameters.query(&api, &tenant).await? else {
        return Err(LokiError::bad_request(
            "query: patterns are those of lines; ask for lines, not for numbers",
        ));
    };
    let period = parameters.period(api.now(), QUERY_PERIOD)?;
    let step = parameters.step(period)?;
    if log.stages.is_empty() {
        return stored(&api, tenant, log.matchers, period, step).await;
    }
    let step = step.as_secs().max(1);
    let query = compiled(&api, &tenant, log).await?;
    let search = newest(query, period, LINES_MAX);
    let asked = api.of(&tenant).ask(move |sources, deadline| {
        let found = found(sources, &tenant, search, deadline)?;
        let (patterns, is_whole) = clustered(&found.lines, step, deadline);
        let late = || "the query ran out of time, and not all lines were looked at".to_owned();
        Ok((
            patterns,
            found.reading.cut.or_else(|| (!is_whole).then(late)),
        ))
    });
    let (patterns, cut) = asked.await?;
    Ok(answer(patterns, cut))
}

/// The patterns that the store counts.
async fn stored(
    api: &Api,
    tenant: Tenant,
    matchers: Vec<Matcher>,
    period: (UnixNanos, UnixNanos),
    step: Duration,
) -> Result<Response, LokiError> {
    let asked = api.of(&tenant).ask(move |sources, deadline| {
        let deadline = deadline.at_most(COUNTING_MAX);
        let logs = &sources.logs;
        Ok(logs.patterns(&tenant, &matchers, period, step, &deadline))
    });
    let found = asked.await?;
    Ok(answer(found.patterns, found.reading.cut))
}

fn answer(patterns: Vec<Pattern>, cut: Option<String>) -> Response {
    let patterns = patterns.into_iter();
    let data = patterns.map(|p| json!({ "pattern": p.text, "samples": p.samples }));
    success_with(data.collect::<Vec<_>>(), cut)
}

/// The patterns of lines, the most frequent first, with how many there are in each step of so
/// many seconds; and whether all lines were looked at in time.
fn clustered(lines: &[Line], step: u64, deadline: &Deadline) -> (Vec<Pattern>, bool) {
    let mut clusters = Clusters::new(ClusterLimits::default());
    let mut is_whole = true;
    for line in lines {
        if deadline.has_passed() {
            is_whole = false;
            break;
        }
        let seconds = line.time.0 / 1_000_000_000 / step * step;
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        clusters.add_line(line.text.as_bytes(), seconds);
    }
    (clusters.finish(), is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_look_alike_are_one_pattern_with_counts_over_time() {
        let line = |(text, seconds): &(&str, u64)| Line {
            time: UnixNanos::from_secs(*seconds),
            text: (*text).into(),
            labels: Vec::new(),
        };
        let lines = [
            ("GET items 1 took 5ms", 10),
            ("GET items 2 took 7ms", 14),
            ("GET items 7 took 1ms", 20),
            ("stopped", 20),
        ];
        let lines = lines.iter().map(line).collect::<Vec<_>>();
        let (found, is_whole) = clustered(&lines, 5, &Deadline::never());
        assert!(is_whole);
        let samples: Vec<_> = found.iter().map(|p| p.samples.clone()).collect();
        assert_eq!(samples, [vec![(10, 2), (20, 1)], vec![(20, 1)]]);
        assert!(
            found[0].text.starts_with("GET items <_>"),
            "{}",
            found[0].text
        );
        let late = Deadline::within(Duration::ZERO);
        assert_eq!(clustered(&lines, 5, &late), (Vec::new(), false));
    }
}
