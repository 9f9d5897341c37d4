//! `rules` and `alerts`.

use super::parameters::Parameters;
use super::{Api, Failure, success};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use sonde_proto::{Labels, Matcher};
use sonde_rules::{GroupStatus, RuleStatus};

pub(super) async fn rules(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let wanted = Wanted::read(&api, &headers, &parameters).await?;
    let shown = api.sources.rules.shown();
    let page = Page::read(&parameters)?;
    let groups = shown.groups.iter().filter_map(|group| wanted.of(group));
    let (groups, next) = page.of(groups.collect())?;
    let mut data = json!({ "groups": groups });
    if let Some(next) = next {
        data["groupNextToken"] = next.into();
    }
    Ok(success(data))
}

pub(super) async fn alerts(State(api): State<Api>) -> Result<Response, Failure> {
    let shown = api.sources.rules.shown();
    Ok(success(json!({ "alerts": shown.alerts })))
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

    /// The group with the rules that are asked for; `None` where none of it is.
    fn of(&self, group: &GroupStatus) -> Option<GroupStatus> {
        let is_in = |all: &[String], one: &str| all.is_empty() || all.iter().any(|all| all == one);
        if !is_in(&self.groups, &group.name) || !is_in(&self.files, &group.file) {
            return None;
        }
        let wanted = group.rules.iter().filter(|rule| {
            let (kind, name, labels) = parts(rule);
            let is_kind = self.kind.is_none_or(|wanted| wanted == kind);
            is_kind && is_in(&self.names, name) && self.selects(labels)
        });
        let mut rules: Vec<RuleStatus> = wanted.cloned().collect();
        if rules.is_empty() {
            return None;
        }
        if self.without_alerts {
            for rule in &mut rules {
                if let RuleStatus::Alerting { alerts, .. } = rule {
                    alerts.clear();
                }
            }
        }
        Some(GroupStatus {
            rules,
            ..group.clone()
        })
    }

    fn selects(&self, labels: &Labels) -> bool {
        let satisfies = |selector: &Vec<Matcher>| selector.iter().all(|m| m.matches_labels(labels));
        self.selectors.is_empty() || self.selectors.iter().any(satisfies)
    }
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
    fn of(&self, groups: Vec<GroupStatus>) -> Result<(Vec<GroupStatus>, Option<String>), Failure> {
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
