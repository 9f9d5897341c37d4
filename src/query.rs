//! `sonde query`: logs, metrics and traces in the terminal.

mod period;
mod line;
mod pages;
mod context;
mod follow;
mod caret;
mod logs;
mod explain;

pub(crate) use period::duration;

use crate::Failure;
use crate::client::Client;
use crate::command::{MetricArguments, QueryCommand, SearchArguments};
use crate::render::{self, Text};
use serde_json::Value;
use std::process::ExitCode;

/// Asks and prints.
pub(crate) async fn query(command: &QueryCommand) -> Result<ExitCode, Failure> {
    match command {
        QueryCommand::Logs(arguments) => logs::logs(arguments).await,
        QueryCommand::Metrics(arguments) => metrics(arguments).await,
        QueryCommand::Traces(arguments) => traces(arguments).await,
    }
}

async fn search(path: &str, arguments: &SearchArguments) -> Result<Value, Failure> {
    let limit = arguments.limit.to_string();
    let parameters = [
        ("query", arguments.query.as_str()),
        ("start", &arguments.start),
        ("end", &arguments.end),
        ("limit", &limit),
    ];
    Ok(Client::new(&arguments.server)?
        .get(path, &parameters)
        .await?
        .json)
}

async fn traces(arguments: &SearchArguments) -> Result<ExitCode, Failure> {
    let answer = search("/sonde/v1/traces", arguments).await?;
    let mut out = Text::stdout();
    if arguments.server.json {
        out.json(&answer);
    } else {
        render::trace_table(&mut out, render::list(&answer, "traces"));
        out.note_if_cut(&answer);
    }
    Ok(out.finish())
}

async fn metrics(arguments: &MetricArguments) -> Result<ExitCode, Failure> {
    let client = Client::new(&arguments.server)?;
    let query = arguments.query.as_str();
    if arguments.explain {
        return explain::metrics(&client, arguments).await;
    }
    let answer = match &arguments.start {
        None => {
            client
                .get(
                    "/api/v1/query",
                    &[("query", query), ("time", &arguments.time)],
                )
                .await?
        }
        Some(start) => {
            let parameters = [
                ("query", query),
                ("start", start),
                ("end", &arguments.end),
                ("step", &arguments.step),
            ];
            client.get("/api/v1/query_range", &parameters).await?
        }
    };
    let data = &answer.json["data"];
    let mut out = Text::stdout();
    if arguments.server.json {
        out.json(data);
    } else {
        render::metric_table(&mut out, data);
    }
    Ok(out.finish())
}
