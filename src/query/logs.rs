//! `sonde query logs`: LogQL in the terminal.

use super::caret::with_caret;
use super::context::with_context;
use super::follow::follow;
use super::line::Style;
use super::pages::{self, Wanted};
use super::period::{self, Period};
use crate::Failure;
use crate::client::{AskError, Client};
use crate::command::{LogArguments, LogOutput};
use crate::render::{self, Text, Tone};
use serde_json::Value;
use std::process::ExitCode;

/// Asks and prints: lines, or numbers made of them.
pub(super) async fn logs(arguments: &LogArguments) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.server)?;
    let query = completed(&arguments.query);
    let now = period::now();
    let answered = if arguments.follow {
        let start = match (&arguments.from, &arguments.since) {
            (None, None) => now,
            (from, since) => Period::read(from.as_deref(), "now", since.as_deref(), now)?.start,
        };
        if !asks_for_lines(&query) {
            return Err("only lines can be followed, and this query asks for numbers".into());
        }
        follow(&client, &query, (start, arguments.limit), style(arguments)).await
    } else {
        let (from, since) = (arguments.from.as_deref(), arguments.since.as_deref());
        let period = Period::read(from, &arguments.to, since, now)?;
        if asks_for_lines(&query) {
            lines(&client, &query, period, arguments).await
        } else {
            numbers(&client, &query, period, arguments).await
        }
    };
    answered.map_err(|error| with_caret(&query, &error.to_string()).into())
}

fn style(arguments: &LogArguments) -> Style {
    let json = arguments.server.json.then_some(LogOutput::Json);
    Style {
        output: json.or(arguments.output),
        labels: arguments.labels,
        marked: arguments.context > 0,
    }
}

async fn lines(
    client: &Client,
    query: &str,
    period: Period,
    arguments: &LogArguments,
) -> Result<ExitCode, AskError> {
    let wanted = Wanted {
        query,
        period,
        limit: arguments.limit,
        forward: arguments.forward,
    };
    let mut found = pages::fetch(client, wanted).await?;
    if found.lines.is_empty() {
        render::note(&nothing_found(query, period));
    }
    let style = style(arguments);
    let mut out = Text::stdout();
    if arguments.context == 0 {
        style.put_all(&mut out, &found.lines);
    } else {
        let (blocks, cut) = with_context(client, found.lines, arguments.context).await?;
        found.cut = found.cut.or(cut);
        for (number, block) in blocks.iter().enumerate() {
            if number > 0 && style.output.is_none() {
                out.line(Tone::Dim, "--");
            }
            style.put_all(&mut out, block);
        }
    }
    if let Some(cut) = found.cut {
        render::note(&cut);
    }
    Ok(out.finish())
}

async fn numbers(
    client: &Client,
    query: &str,
    period: Period,
    arguments: &LogArguments,
) -> Result<ExitCode, AskError> {
    let (start, end) = (period.start.to_string(), period.end.to_string());
    let answer = match &arguments.step {
        None => {
            let parameters = [("query", query), ("time", &end)];
            client.loki("query", &parameters).await?
        }
        Some(step) => {
            let parameters = [
                ("query", query),
                ("start", &start),
                ("end", &end),
                ("step", step),
            ];
            client.loki("query_range", &parameters).await?
        }
    };
    let mut out = Text::stdout();
    put_numbers(&mut out, &answer.data, style(arguments).output);
    answer.warnings.iter().for_each(|why| render::note(why));
    Ok(out.finish())
}

fn put_numbers(out: &mut Text, data: &Value, output: Option<LogOutput>) {
    match output {
        Some(LogOutput::Json) => out.json(data),
        Some(LogOutput::Raw) => {
            for series in render::list(data, "result") {
                let one = std::slice::from_ref(&series["value"]);
                let values = series["values"].as_array().map_or(one, Vec::as_slice);
                let values = values.iter().filter_map(|value| value[1].as_str());
                values.for_each(|value| out.verbatim(value));
            }
        }
        Some(LogOutput::Table) | None => render::metric_table(out, data),
    }
}

fn nothing_found(query: &str, period: Period) -> String {
    let time = |nanos| render::time(Some(nanos));
    let (start, end) = (time(period.start), time(period.end));
    let hint = if query.contains("{service=") || query.contains(" service=") {
        "; the label of services is service_name"
    } else {
        ""
    };
    format!("nothing is found from {start} to {end}{hint}")
}

/// A query as it is asked: without a selector it is about all streams.
fn completed(query: &str) -> String {
    let query = query.trim();
    match query.chars().next() {
        None => "{}".into(),
        Some('|' | '!') => format!("{{}} {query}"),
        Some(_) => query.into(),
    }
}

/// Only a query for lines begins with a selector, within parentheses or not.
fn asks_for_lines(query: &str) -> bool {
    let mut rest = query;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        match rest.strip_prefix('#') {
            Some(comment) => rest = comment.split_once('\n').map_or("", |(_, rest)| rest),
            None => return rest.starts_with('{'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_numbers_are_told_apart_by_how_a_query_begins() {
        for query in [
            "",
            "{a=\"b\"}",
            "|= \"x\"",
            "!= \"x\"",
            " # all\n({} | json)",
        ] {
            assert!(asks_for_lines(&completed(query)), "{query}");
        }
        for query in [
            "rate({a=\"b\"}[1m])",
            "sum by (a) (count_over_time({}[5m]))",
            "# {}\n(vector(1))",
            "#",
        ] {
            assert!(!asks_for_lines(&completed(query)), "{query}");
        }
        assert_eq!(completed("|= \"x\""), "{} |= \"x\"");
    }
}
