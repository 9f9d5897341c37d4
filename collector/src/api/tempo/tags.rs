//! `GET /api/search/tags`, `/api/search/tag/{tag}/values` and the same of version 2: what can be
//! asked for, as the query editor suggests it. Names and values are those of the newest spans
//! that the query finds; services and operations are all there are.

use super::answer::TempoError;
use super::parameters::Parameters;
use super::tag::{INTRINSICS, Intrinsic, Place, Tag};
use super::{Api, tenant};
use crate::api::answer::cut_short;
use crate::api::{ApiError, Sources};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use prost::Message as _;
use serde::Serialize;
use serde_json::json;
use sonde_proto::otlp::common::{AnyValue, KeyValue, any_value::Value as Any};
use sonde_proto::otlp::text;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, TracesData};
use sonde_proto::{Deadline, Tenant, UnixNanos, semconv};
use sonde_traces::{Search, TraceQuery};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How many of the newest traces are looked at, and how many found spans of each.
const TRACES_MAX: usize = 200;
const SPANS_MAX: usize = 1_000;
/// How many names or values are told.
const TOLD_DEFAULT: usize = 1_000;
const TOLD_MAX: usize = 10_000;

/// A value, and what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct TagValue {
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
}

/// Names by scope.
pub(super) async fn scoped_names(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let (scopes, cut) = names(&api, &headers, &parameters).await?;
    let scope = |(name, tags): (&str, Vec<String>)| json!({ "name": name, "tags": tags });
    let scopes: Vec<_> = scopes.into_iter().map(scope).collect();
    let body = Json(json!({ "scopes": scopes, "metrics": {} }));
    Ok((cut_short(cut.as_deref()), body).into_response())
}

/// Names of all scopes.
pub(super) async fn bare_names(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let (scopes, cut) = names(&api, &headers, &parameters).await?;
    let names: BTreeSet<String> = scopes.into_values().flatten().collect();
    let body = Json(json!({ "tagNames": names, "metrics": {} }));
    Ok((cut_short(cut.as_deref()), body).into_response())
}

/// Values with their types.
pub(super) async fn typed_values(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let tag = Tag::read(&name).filter(|tag| !matches!(tag, Tag::Bare(_)));
    let tag = tag.ok_or_else(|| {
        TempoError::bad_request(format!(
            "{:?} is no tag; write its scope before it, as in span.{0} or .{0}",
            name.chars().take(100).collect::<String>()
        ))
    })?;
    let (values, cut) = values(&api, &headers, tag, &parameters).await?;
    let body = Json(json!({ "tagValues": values, "metrics": {} }));
    Ok((cut_short(cut.as_deref()), body).into_response())
}

/// Values as texts.
pub(super) async fn bare_values(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let tag = Tag::read(&name).unwrap_or(Tag::Bare(name));
    let (values, cut) = values(&api, &headers, tag, &parameters).await?;
    let texts: BTreeSet<String> = values.into_iter().map(|value| value.value).collect();
    let body = Json(json!({ "tagValues": texts, "metrics": {} }));
    Ok((cut_short(cut.as_deref()), body).into_response())
}

type Found<T> = Result<(T, Option<String>), TempoError>;

async fn names(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Found<BTreeMap<&'static str, Vec<String>>> {
    let wanted = match parameters.get("scope") {
        None | Some("none") => None,
        Some("intrinsic") => Some("intrinsic"),
        Some(scope) => Some(Place::named(scope).map(Place::name).ok_or_else(|| {
            TempoError::bad_request(
                "scope must be resource, span, event, link, instrumentation, intrinsic or none",
            )
        })?),
    };
    let limit = parameters.count("limit", TOLD_DEFAULT, TOLD_MAX)?;
    let question = Question::read(api, headers, parameters).await?;
    let mut found: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    let mut cut = None;
    if wanted != Some("intrinsic") {
        (found, cut) = question
            .ask(
                api,
                move |resource, scope, span, found: &mut BTreeMap<_, BTreeSet<_>>| {
                    for place in Place::ALL {
                        if wanted.is_none_or(|wanted| wanted == place.name()) {
                            let names: &mut BTreeSet<String> =
                                found.entry(place.name()).or_default();
                            each_attribute(place, resource, scope, span, |kv| {
                                if names.len() < limit && !names.contains(&kv.key) {
                                    names.insert(kv.key.clone());
                                }
                            });
                        }
                    }
                },
            )
            .await?;
    }
    found.retain(|_, names| !names.is_empty());
    let mut scopes: BTreeMap<_, Vec<String>> = found
        .into_iter()
        .map(|(scope, names)| (scope, names.into_iter().collect()))
        .collect();
    if wanted.is_none_or(|wanted| wanted == "intrinsic") {
        scopes.insert("intrinsic", INTRINSICS.map(str::to_owned).to_vec());
    }
    Ok((scopes, cut))
}

async fn values(
    api: &Api,
    headers: &HeaderMap,
    tag: Tag,
    parameters: &Parameters,
) -> Found<Vec<TagValue>> {
    let limit = parameters.count("limit", TOLD_DEFAULT, TOLD_MAX)?;
    let question = Question::read(api, headers, parameters).await?;
    if let Tag::Intrinsic(intrinsic) = tag
        && let Some(words) = intrinsic.words()
    {
        let word = |word: &&str| TagValue {
            kind: "keyword",
            value: (*word).to_owned(),
        };
        return Ok((words.iter().map(word).collect(), None));
    }
    if question.is_of_all
        && let Some(names) = all_names(api, &question.tenant, &tag).await?
    {
        return Ok((names, None));
    }
    let (values, cut) = question
        .ask(
            api,
            move |resource, scope, span, values: &mut BTreeSet<TagValue>| {
                each_value(&tag, resource, scope, span, |value| {
                    if values.len() < limit {
                        values.insert(value);
                    }
                });
            },
        )
        .await?;
    Ok((values.into_iter().collect(), cut))
}

/// All services or operations, which the store knows without looking at spans.
async fn all_names(
    api: &Api,
    tenant: &Tenant,
    tag: &Tag,
) -> Result<Option<Vec<TagValue>>, ApiError> {
    let is_service = |name: &str| name == semconv::SERVICE_NAME;
    let of_services = match tag {
        Tag::Attribute(Place::Resource, name) | Tag::Any(name) | Tag::Bare(name)
            if is_service(name) =>
        {
            true
        }
        Tag::Intrinsic(Intrinsic::RootService) => true,
        Tag::Intrinsic(Intrinsic::Name) => false,
        _ => return Ok(None),
    };
    let tenant = tenant.clone();
    let asker = api.of(&tenant);
    let names = asker.ask(move |sources, deadline| {
        let traces = &sources.stores.traces;
        let services = traces.services(&tenant);
        if of_services {
            return Ok(services);
        }
        let before_the_end = services.iter().take_while(|_| !deadline.has_passed());
        let names: BTreeSet<String> = before_the_end
            .flat_map(|service| traces.operations(&tenant, service))
            .collect();
        Ok(names.into_iter().collect())
    });
    let value = |value| TagValue {
        kind: "string",
        value,
    };
    Ok(Some(
        names.await?.into_iter().take(TOLD_MAX).map(value).collect(),
    ))
}

/// Whose spans are looked at.
struct Question {
    tenant: Tenant,
    query: TraceQuery,
    /// Whether the query leaves no span out.
    is_of_all: bool,
    start: UnixNanos,
    end: UnixNanos,
}

impl Question {
    async fn read(
        api: &Api,
        headers: &HeaderMap,
        parameters: &Parameters,
    ) -> Result<Self, TempoError> {
        let tenant = tenant(headers)?;
        let (start, end) = parameters.period(api.now())?;
        let text = parameters.get("q").unwrap_or("{}").to_owned();
        let (query, is_of_all) = api.of(&tenant).read(move || complete(&text)).await??;
        Ok(Self {
            tenant,
            query,
            is_of_all,
            start,
            end,
        })
    }

    /// Hands the spans that are found to `see`.
    async fn ask<T: Default + Send + 'static>(
        self,
        api: &Api,
        see: impl Fn(&ResourceSpans, &ScopeSpans, &Span, &mut T) + Send + 'static,
    ) -> Found<T> {
        let answer = api
            .of(&self.tenant)
            .ask(move |sources, deadline| self.look(sources, deadline, see));
        Ok(answer.await?)
    }

    fn look<T: Default>(
        self,
        sources: &Sources,
        deadline: &Deadline,
        see: impl Fn(&ResourceSpans, &ScopeSpans, &Span, &mut T),
    ) -> Result<(T, Option<String>), ApiError> {
        let failed = |error: &dyn std::error::Error| ApiError::internal(error.to_string());
        let traces = &sources.stores.traces;
        let search = Search {
            query: self.query,
            start: self.start,
            end: self.end,
            limit: TRACES_MAX,
            spans_per_set: SPANS_MAX,
            deadline: deadline.clone(),
        };
        let answer = traces
            .search(&self.tenant, &search)
            .map_err(|error| failed(&error))?;
        let mut cut = answer.cut;
        if answer.traces.len() >= TRACES_MAX {
            cut = cut.or_else(|| Some(format!("these are of the newest {TRACES_MAX} traces")));
        }
        let mut found = T::default();
        for trace in answer.traces {
            if deadline.has_passed() {
                cut = cut.or_else(|| Some("the time ran out; narrow the time range".into()));
                break;
            }
            let sets = trace.span_sets.iter().flat_map(|set| &set.spans);
            let ids: HashSet<&[u8]> = sets.map(|span| &span.span_id.as_bytes()[..]).collect();
            let read = traces.otlp(&self.tenant, &trace.summary.trace_id);
            let Some(read) = read.map_err(|error| failed(&error))? else {
                continue;
            };
            let data = TracesData::decode(read.bytes.as_slice()).map_err(|error| failed(&error))?;
            for resource in &data.resource_spans {
                for scope in &resource.scope_spans {
                    let those = scope
                        .spans
                        .iter()
                        .filter(|span| ids.contains(&span.span_id[..]));
                    those.for_each(|span| see(resource, scope, span, &mut found));
                }
            }
        }
        Ok((found, cut))
    }
}

/// The part of a query that is written already: an editor asks while it is being typed. With
/// whether it leaves no span out.
fn complete(text: &str) -> Result<(TraceQuery, bool), ApiError> {
    let refused = |error: sonde_traces::ParseError| ApiError::bad_request(error.to_string());
    let all = TraceQuery::parse("{ }").map_err(refused)?;
    let whole = TraceQuery::parse(text)
        .ok()
        .filter(|query| query.metrics.is_none());
    let query = match whole {
        Some(query) => query,
        None => TraceQuery::parse(&written(text)).map_err(refused)?,
    };
    let is_of_all = query == all;
    Ok((query, is_of_all))
}

/// Those conditions of a spanset that are whole; all spans where it has alternatives.
fn written(text: &str) -> String {
    let inside = text
        .trim()
        .trim_start_matches('{')
        .split('}')
        .next()
        .unwrap_or_default();
    let compares = |part: &str| part.contains(['=', '<', '>', '~']);
    let is_whole =
        |part: &&str| compares(part) && TraceQuery::parse(&format!("{{ {part} }}")).is_ok();
    let parts: Vec<&str> = if inside.contains("||") {
        Vec::new()
    } else {
        inside.split("&&").filter(is_whole).map(str::trim).collect()
    };
    format!("{{ {} }}", parts.join(" && "))
}

fn each_attribute<'a>(
    place: Place,
    resource: &'a ResourceSpans,
    scope: &'a ScopeSpans,
    span: &'a Span,
    each: impl FnMut(&'a KeyValue),
) {
    match place {
        Place::Resource => {
            let resource = resource.resource.iter();
            resource
                .flat_map(|resource| &resource.attributes)
                .for_each(each);
        }
        Place::Span => span.attributes.iter().for_each(each),
        Place::Event => span
            .events
            .iter()
            .flat_map(|event| &event.attributes)
            .for_each(each),
        Place::Link => span
            .links
            .iter()
            .flat_map(|link| &link.attributes)
            .for_each(each),
        Place::Instrumentation => {
            let scope = scope.scope.iter();
            scope.flat_map(|scope| &scope.attributes).for_each(each);
        }
    }
}

fn each_value(
    tag: &Tag,
    resource: &ResourceSpans,
    scope: &ScopeSpans,
    span: &Span,
    mut each: impl FnMut(TagValue),
) {
    let (name, places): (_, &[Place]) = match tag {
        Tag::Attribute(place, name) => (name, std::slice::from_ref(place)),
        Tag::Any(name) | Tag::Bare(name) => (name, &[Place::Span, Place::Resource]),
        Tag::Intrinsic(intrinsic) => {
            return intrinsic.each_text(scope, span, |text| {
                each(TagValue {
                    kind: "string",
                    value: text.to_owned(),
                });
            });
        }
    };
    for place in places {
        each_attribute(*place, resource, scope, span, |kv| {
            if kv.key == *name
                && let Some(value) = &kv.value
            {
                each_typed(value, &mut each);
            }
        });
    }
}

/// A value with its type; of a list, each of its items.
fn each_typed(value: &AnyValue, each: &mut impl FnMut(TagValue)) {
    let kind = match &value.value {
        Some(Any::IntValue(_)) => "int",
        Some(Any::DoubleValue(_)) => "float",
        Some(Any::BoolValue(_)) => "bool",
        Some(Any::ArrayValue(list)) => {
            let flat = list
                .values
                .iter()
                .filter(|item| !matches!(item.value, Some(Any::ArrayValue(_))));
            return flat.for_each(|item| each_typed(item, each));
        }
        _ => "string",
    };
    each(TagValue {
        kind,
        value: text(value).into_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_of_a_query_counts() {
        let check = |text: &str, expected: &str| {
            let expected = TraceQuery::parse(expected).unwrap();
            assert_eq!(complete(text).unwrap().0, expected, "{text}");
        };
        check("{}", "{ }");
        check("", "{ }");
        check("{ .a = 1 }", "{ .a = 1 }");
        check("{ .a = 1 && .b = }", "{ .a = 1 }");
        check("{ .a = 1 && .b", "{ .a = 1 }");
        check(
            "{resource.service.name=\"x\" && span.y=\"",
            "{ resource.service.name = \"x\" }",
        );
        check("{ .a = 1 || .b = }", "{ }");
        check("nonsense", "{ }");
        check("{ .a = 1 } | rate()", "{ .a = 1 }");
        assert!(complete("{ }").unwrap().1 && !complete("{ .a = 1 }").unwrap().1);
    }
}
