//! `rules` and `alerts`, written while they are read: a group or an alert at a time beside what
//! the evaluator shows, which nobody copies. A tenant is shown its own.

use super::envelope::put;
use super::parameters::Parameters;
use super::pieces::Listed;
use super::{Api, Failure, tenant};
use crate::evaluate::Shown;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use sonde_proto::{Labels, Matcher};
use sonde_rules::{GroupStatus, RuleStatus};

pub(super) async fn rules(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let wanted = Wanted::read(&api, &headers, &parameters).await?;
    let shown = api.sources.rules.shown_to(&tenant(&headers)?);
    let page = Page::read(&parameters)?;
    let has_any = |at: &usize| wanted.has_any(&shown.groups[*at]);
    let groups: Vec<usize> = (0..shown.groups.len()).filter(has_any).collect();
    let (groups, next) = page.of(groups, |at| token(&shown.groups[*at]))?;
    let mut close = b"]".to_vec();
    if let Some(next) = next {
        close.extend(br#","groupNextToken":"#);
        put(&mut close, &next);
    }
    close.extend(b"}}");
    let listed = Listed {
        open: br#"{"status":"success","data":{"groups":["#.to_vec(),
        count: groups.len(),
        bytes: bytes_of(&shown),
        write: move |at: usize, out: &mut Vec<u8>| put(out, &wanted.of(&shown.groups[groups[at]])),
        close,
    };
    Ok(listed.into_response())
}

pub(super) async fn alerts(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let shown = api.sources.rules.shown_to(&tenant(&headers)?);
    let listed = Listed {
        open: br#"{"status":"success","data":{"alerts":["#.to_vec(),
        count: shown.alerts.len(),
        bytes: bytes_of(&shown),
        write: move |at: usize, out: &mut Vec<u8>| put(out, &shown.alerts[at]),
        close: b"]}}".to_vec(),
    };
    Ok(listed.into_response())
}

/// About what the evaluator's state takes that an answer keeps until it is read: after the next
/// evaluation it may be the only one to do so.
fn bytes_of(shown: &Shown) -> u64 {
    const RULE: usize = 1024;
    let rules: usize = shown.groups.iter().map(|group| group.rules.len()).sum();
    // Each alert stands in its rule's group and in the list of all.
    ((rules + 2 * shown.alerts.len()) * RULE) as u64
}

/// Which rules are asked for.
struct Wanted {
    kind: Option<Type>,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    selectors: Vec<Vec<Matcher>>,
    without_alerts: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Alert,
    Record,
}

impl Wanted {
    async fn read(
        api: &Api,
        headers: &HeaderMap,
        parameters: &Parameters,
    ) -> Result<Self, Failure> {
        let all = |name| parameters.all(name).map(str::to_owned).collect();
        let kind = match parameters.text("type").to_ascii_lowercase().as_str() {
            "" => None,
            "alert" => Some(Type::Alert),
            "record" => Some(Type::Record),
            other => {
                let why = format!("not supported value {other:?}");
                return Err(Failure::parameter("type", why));
            }
        };
        let without_alerts = match parameters.text("exclude_alerts") {
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            other => {
                let why = format!("error converting exclude_alerts: {other:?} is no boolean");
                return Err(Failure::parameter("exclude_alerts", why));
            }
        };
        Ok(Self {
            kind,
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            selectors: parameters.selectors(api, headers).await?,
            without_alerts,
        })
    }

    /// Whether any rule of a group is asked for.
    fn has_any(&self, group: &GroupStatus) -> bool {
        is_in(&self.groups, &group.name)
            && is_in(&self.files, &group.file)
            && group.rules.iter().any(|rule| self.has(rule))
    }

    fn has(&self, rule: &RuleStatus) -> bool {
        let (kind, name, labels) = parts(rule);
        let is_kind = self.kind.is_none_or(|wanted| wanted == kind);
        is_kind && is_in(&self.names, name) && self.selects(labels)
    }

    /// The group with the rules that are asked for.
    fn of(&self, group: &GroupStatus) -> GroupStatus {
        let mut group = group.clone();
        group.rules.retain(|rule| self.has(rule));
        if self.without_alerts {
            for rule in &mut group.rules {
                if let RuleStatus::Alerting { alerts, .. } = rule {
                    alerts.clear();
                }
            }
        }
        group
    }

    fn selects(&self, labels: &Labels) -> bool {
        let satisfies = |selector: &Vec<Matcher>| selector.iter().all(|m| m.matches_labels(labels));
        self.selectors.is_empty() || self.selectors.iter().any(satisfies)
    }
}

/// Whether it is among those that are asked for; without any, all are.
fn is_in(all: &[String], one: &str) -> bool {
    all.is_empty() || all.iter().any(|all| all == one)
}

fn parts(rule: &RuleStatus) -> (Type, &str, &Labels) {
    match rule {
        RuleStatus::Alerting { name, labels, .. } => (Type::Alert, name, labels),
        RuleStatus::Recording { name, labels, .. } => (Type::Record, name, labels),
    }
}

/// A part of the groups: so many, from the one that the page before named.
struct Page {
    limit: Option<usize>,
    from: Option<String>,
}

impl Page {
    fn read(parameters: &Parameters) -> Result<Self, Failure> {
        let from = Some(parameters.text("group_next_token")).filter(|from| !from.is_empty());
        let limit = match parameters.text("group_limit") {
            "" => None,
            text => Some(
                text.parse()
                    .ok()
                    .filter(|limit| *limit > 0)
                    .ok_or_else(|| {
                        Failure::parameter("group_limit", "group_limit needs to be greater than 0")
                    })?,
            ),
        };
        if limit.is_none() && from.is_some() {
            let why = "group_limit needs to be present in order to paginate over the groups";
            return Err(Failure::parameter("group_limit", why));
        }
        Ok(Self {
            limit,
            from: from.map(str::to_owned),
        })
    }

    /// The groups of the page, and the token of the first after it.
    fn of<T>(
        &self,
        groups: Vec<T>,
        token: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Failure> {
        let from = match &self.from {
            None => 0,
            Some(from) => {
                let found = groups.iter().position(|group| token(group) == *from);
                found.ok_or_else(|| {
                    let why =
                        format!("invalid group_next_token '{from}'. were rule groups changed?");
                    Failure::parameter("group_next_token", why)
                })?
            }
        };
        let limit = self.limit.unwrap_or(usize::MAX);
        let next = groups.get(from.saturating_add(limit)).map(token);
        let page = groups.into_iter().skip(from).take(limit);
        Ok((page.collect(), next))
    }
}

/// What names a group between pages.
fn token(group: &GroupStatus) -> String {
    let named = [("file", group.file.as_str()), ("group", &group.name)];
    named
        .into_iter()
        .collect::<Labels>()
        .fingerprint()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_rules::Health;
    use std::time::Duration;

    fn group(name: &str, rules: &[&str]) -> GroupStatus {
        let rule = |name: &&str| RuleStatus::Recording {
            name: (*name).into(),
            query: "vector(1)".into(),
            labels: Labels::default(),
            health: Health {
                health: "ok",
                last_error: None,
                evaluation_time: Duration::ZERO,
                last_evaluation: None,
            },
        };
        GroupStatus {
            name: name.into(),
            file: "rules.yaml".into(),
            rules: rules.iter().map(rule).collect(),
            interval: Duration::ZERO,
            limit: 0,
            evaluation_time: Duration::ZERO,
            last_evaluation: None,
        }
    }

    #[test]
    fn pages_follow_one_another_and_have_the_rules_that_are_asked_for() {
        let all = [
            group("a", &["x", "y"]),
            group("b", &["y"]),
            group("c", &["x"]),
            group("d", &["x", "x"]),
        ];
        let wanted = Wanted {
            kind: Some(Type::Record),
            names: vec!["x".into()],
            groups: Vec::new(),
            files: Vec::new(),
            selectors: Vec::new(),
            without_alerts: true,
        };
        let (mut from, mut seen) = (None, Vec::new());
        loop {
            let page = Page {
                limit: Some(2),
                from,
            };
            let found = (0..all.len()).filter(|at| wanted.has_any(&all[*at]));
            let (found, next) = page.of(found.collect(), |at| token(&all[*at])).unwrap();
            let shown = found.iter().map(|at| wanted.of(&all[*at]));
            seen.push(
                shown
                    .map(|group| (group.name, group.rules.len()))
                    .collect::<Vec<_>>(),
            );
            match next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        let named = |name: &str, rules| (name.to_owned(), rules);
        assert_eq!(
            seen,
            [vec![named("a", 1), named("c", 1)], vec![named("d", 2)]]
        );
        let gone = Page {
            limit: Some(2),
            from: Some("gone".into()),
        };
        assert!(gone.of(vec![0], |at: &usize| token(&all[*at])).is_err());
    }
}
