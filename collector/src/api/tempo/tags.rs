//! `GET /api/search/tags`, `/api/search/tag/{tag}/values` and the same of version 2: what can be
//! asked for, as the query editor suggests it while a query is being written.

use super::answer::TempoError;
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::api::ApiError;
use crate::api::answer::cut_short;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use sonde_lex::quoted;
use sonde_proto::{Deadline, UnixNanos, semconv};
use sonde_traces::{Field, Intrinsic, Scope, TagAnswer, TagSearch, ValueAnswer};
use std::collections::BTreeSet;

/// How many names or values are told.
const TOLD_DEFAULT: usize = 1_000;
const TOLD_MAX: usize = 10_000;
/// The longest name that is read.
const NAME_BYTES_MAX: usize = 4 << 10;

/// Names by scope.
pub(super) async fn scoped_names(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let TagAnswer { scopes, cut } = names(&api, &headers, &parameters).await?;
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
    let TagAnswer { scopes, cut } = names(&api, &headers, &parameters).await?;
    let body = Json(json!({ "tagNames": without_scopes(scopes), "metrics": {} }));
    Ok((cut_short(cut.as_deref()), body).into_response())
}

/// Values with their types.
pub(super) async fn typed_values(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let tag = named(&name)?;
    let ValueAnswer { values, cut } = values(&api, &headers, tag, &parameters).await?;
    let value = |(kind, text): (&str, String)| json!({ "type": type_of(kind), "value": text });
    let values: Vec<_> = values.into_iter().map(value).collect();
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
    let tag = named_long_ago(&name)?;
    let ValueAnswer { values, cut } = values(&api, &headers, tag, &parameters).await?;
    let body = Json(json!({ "tagValues": without_types(values), "metrics": {} }));
    Ok((cut_short(cut.as_deref()), body).into_response())
}

pub(super) fn without_scopes(scopes: Vec<(&str, Vec<String>)>) -> Vec<String> {
    let names: BTreeSet<String> = scopes.into_iter().flat_map(|(_, names)| names).collect();
    names.into_iter().collect()
}

pub(super) fn without_types(values: Vec<(&str, String)>) -> Vec<String> {
    let texts: BTreeSet<String> = values.into_iter().map(|(_, text)| text).collect();
    texts.into_iter().collect()
}

/// What Tempo calls a type: the words of the language are keywords.
pub(super) fn type_of(kind: &str) -> &str {
    match kind {
        "status" | "kind" => "keyword",
        other => other,
    }
}

pub(super) async fn names(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<TagAnswer, TempoError> {
    let scope = match parameters.get("scope") {
        None | Some("none") => None,
        Some("intrinsic") => return Ok(intrinsics()),
        Some(name) => Some(Scope::named(name).ok_or_else(|| {
            TempoError::bad_request(
                "scope must be resource, span, event, link, instrumentation, intrinsic or none",
            )
        })?),
    };
    let tenant = tenant(headers)?;
    let asked = Asked::read(parameters, api.now())?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let found = sources
            .stores
            .traces
            .tags(&tenant, scope, &asked.search(deadline));
        found.map_err(|error| ApiError::internal(error.to_string()))
    });
    Ok(answer.await?)
}

fn intrinsics() -> TagAnswer {
    let names = Intrinsic::ALL
        .into_iter()
        .map(|(intrinsic, ..)| intrinsic.label().to_owned());
    TagAnswer {
        scopes: vec![("intrinsic", names.collect())],
        cut: None,
    }
}

pub(super) async fn values(
    api: &Api,
    headers: &HeaderMap,
    tag: Field,
    parameters: &Parameters,
) -> Result<ValueAnswer, TempoError> {
    let tenant = tenant(headers)?;
    let asked = Asked::read(parameters, api.now())?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let found = sources
            .stores
            .traces
            .tag_values(&tenant, &tag, &asked.search(deadline));
        found.map_err(|error| ApiError::internal(error.to_string()))
    });
    Ok(answer.await?)
}

/// Among which spans to look.
struct Asked {
    query: String,
    start: UnixNanos,
    end: UnixNanos,
    limit: usize,
}

impl Asked {
    fn read(parameters: &Parameters, now: UnixNanos) -> Result<Self, TempoError> {
        let (start, end) = parameters.period(now)?;
        Ok(Self {
            query: parameters.get("q").unwrap_or_default().to_owned(),
            start,
            end,
            limit: parameters.count("limit", TOLD_DEFAULT, TOLD_MAX)?,
        })
    }

    fn search(self, deadline: &Deadline) -> TagSearch {
        TagSearch {
            query: self.query,
            start: self.start,
            end: self.end,
            limit: self.limit,
            deadline: deadline.clone(),
        }
    }
}

fn no_tag(name: &str) -> TempoError {
    let shown: String = name.chars().take(100).collect();
    TempoError::bad_request(format!(
        "{shown:?} is no tag; write its scope before it, as in span.http.route or .http.route"
    ))
}

/// Reads a tag with its scope.
pub(super) fn named(text: &str) -> Result<Field, TempoError> {
    tag_of(text).ok_or_else(|| no_tag(text))
}

/// Reads a tag that may be named without a scope, as before there were any.
pub(super) fn named_long_ago(text: &str) -> Result<Field, TempoError> {
    named(text).or_else(|error| tag_of(&format!(".{text}")).ok_or(error))
}

/// Reads a tag, which may be escaped once more than the URL demands, and whose name may have
/// signs that a query would have to quote.
fn tag_of(text: &str) -> Option<Field> {
    let text = unescaped(text);
    if text.len() > NAME_BYTES_MAX {
        return None;
    }
    let tag = Field::parse_tag(&text).ok().or_else(|| {
        let (scope, name) = text.split_once('.')?;
        let is_scope = scope.is_empty() || Scope::named(scope).is_some();
        let is_named = is_scope && !name.is_empty();
        is_named.then(|| Field::parse_tag(&format!("{scope}.{}", quoted(name))).ok())?
    })?;
    // The services are known, where they are looked for on resources.
    let is_service = matches!(&tag, Field::Attribute(attribute)
        if attribute.scope == Scope::Any && !attribute.of_parent && attribute.name == semconv::SERVICE_NAME);
    if is_service {
        return Field::parse_tag(&format!("resource.{}", semconv::SERVICE_NAME)).ok();
    }
    Some(tag)
}

/// Undoes one escaping; what is no escape stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digit = |at: usize| {
            let digit = char::from(*after.get(at)?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        rest = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                &after[2..]
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_with_its_scope_however_it_is_escaped() {
        let check = |text: &str, expected: Option<&str>| {
            let expected = expected.map(|text| Field::parse_tag(text).unwrap());
            assert_eq!(tag_of(text), expected, "{text}");
        };
        check("resource.service.name", Some("resource.service.name"));
        check(".service.name", Some("resource.service.name"));
        check("resource.k8s%2Fpod", Some("resource.\"k8s/pod\""));
        check("span.\"a b\"", Some("span.\"a b\""));
        check("span.%22a%20b%22", Some("span.\"a b\""));
        check("span.a b", Some("span.\"a b\""));
        check("span.é%", Some("span.\"é%\""));
        check(".http.method", Some(".http.method"));
        check("name", Some("name"));
        check("span:status", Some("span:status"));
        for nothing in [
            "", ".", "span.", "nonsense", "5", "{", "1.5", "x.y", "%zz%f",
        ] {
            check(nothing, None);
        }
        assert_eq!(tag_of(&"a".repeat(1 << 20)), None);
    }
}
