//! `series`, `labels` and `label/{name}/values`.

use super::{Api, Failure, Parameters, success, tenant};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sonde_proto::UnixNanos;

/// Everything that is kept.
const ALWAYS: (UnixNanos, UnixNanos) = (UnixNanos(0), UnixNanos(u64::MAX));

pub(super) async fn series(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let selectors = parameters.selectors()?;
    if selectors.is_empty() {
        return Err(Failure::bad_data("no match[] parameter provided".into()));
    }
    let (start, end) = period(&api, &parameters)?;
    let limit = parameters.limit()?;
    let found = api.of(&tenant).ask(move |sources, _| {
        Ok(sources
            .stores
            .metrics
            .series(&tenant, &selectors, start, end, limit))
    });
    Ok(success(found.await?))
}

pub(super) async fn labels(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let selectors = parameters.selectors()?;
    let (start, end) = period(&api, &parameters)?;
    let limit = parameters.limit()?;
    let found = api.of(&tenant).ask(move |sources, _| {
        Ok(sources
            .stores
            .metrics
            .label_names(&tenant, &selectors, start, end, limit))
    });
    Ok(success(found.await?))
}

pub(super) async fn values(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let name = unescaped(&name).unwrap_or(name);
    let selectors = parameters.selectors()?;
    let (start, end) = period(&api, &parameters)?;
    let limit = parameters.limit()?;
    let found = api.of(&tenant).ask(move |sources, _| {
        Ok(sources
            .stores
            .metrics
            .label_values(&tenant, &name, &selectors, start, end, limit))
    });
    Ok(success(found.await?))
}

fn period(api: &Api, parameters: &Parameters) -> Result<(UnixNanos, UnixNanos), Failure> {
    let now = api.now();
    Ok((
        parameters.time("start", ALWAYS.0, now)?,
        parameters.time("end", ALWAYS.1, now)?,
    ))
}

/// A name that is not a plain word, as clients write it in a path: `U__`, then its letters
/// and digits, `__` for an underscore, and `_2e_` for a character by its code.
fn unescaped(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut out = String::new();
    while let Some((before, behind)) = rest.split_once('_') {
        out.push_str(before);
        if let Some(after) = behind.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let (code, after) = behind.split_once('_')?;
        let is_code = code.len() <= 6 && code.bytes().all(|b| b.is_ascii_hexdigit());
        let code = u32::from_str_radix(code, 16).ok().filter(|_| is_code)?;
        out.push(char::from_u32(code)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn an_escaped_name_is_read_and_any_other_left() {
        let check = |name: &str, read: Option<&str>| {
            assert_eq!(unescaped(name).as_deref(), read, "{name}");
        };
        check("U__a_2e_b", Some("a.b"));
        check("U__a__b_20__e9_", Some("a_b é"));
        check("U___1F600_", Some("😀"));
        check("U__", Some(""));
        check("a.b", None);
        check("U__a_2e", None);
        check("U__a_zz_", None);
        check("U__a_110000_", None);
        check("U__a_+2e_", None);
    }
}
