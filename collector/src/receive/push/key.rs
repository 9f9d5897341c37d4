//! The labels of a group, as its path says them.
//!
//! ```text
//! /metrics/job/some_job/instance/host%3A1      job="some_job", instance="host:1"
//! /metrics/job@base64/YS9i/path@base64/L3Zhcg  job="a/b", path="/var"
//! /metrics/job/a/empty@base64/=                job="a", empty=""
//! ```

use sonde_proto::Tenant;
use std::collections::BTreeMap;

/// What ends the name of a label whose value is written in base64.
const BASE64: &str = "@base64";
/// The most labels of a group.
const LABELS_MAX: usize = 32;

/// Whose group it is, and which.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) tenant: Tenant,
    pub(super) labels: BTreeMap<String, String>,
}

impl Key {
    /// Reads `job` or `job@base64`, and what follows it in a path.
    ///
    /// # Errors
    /// What is wrong with the path.
    pub(super) fn read(tenant: Tenant, first: &str, rest: &str) -> Result<Self, String> {
        if first != "job" && first != "job@base64" {
            return Err(
                "the path must begin with /metrics/job/NAME or /metrics/job@base64/NAME".into(),
            );
        }
        let mut parts: Vec<&str> = std::iter::once(first).chain(rest.split('/')).collect();
        // A slash at the end; after the name of a label it is an empty value.
        if parts.len() % 2 == 1 && parts.last() == Some(&"") {
            parts.pop();
        }
        let (pairs, odd) = parts.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(format!(
                "the path has a label {:?} without a value; write /LABEL/VALUE",
                odd[0]
            ));
        }
        if pairs.len() > LABELS_MAX {
            return Err(format!("the path has more than {LABELS_MAX} labels"));
        }
        let mut labels = BTreeMap::new();
        for [name, value] in pairs {
            let name = decoded(name)?;
            let value = decoded(value)?;
            let (name, value) = match name.strip_suffix(BASE64) {
                Some(name) => (name.to_owned(), from_base64(&value)?),
                None => (name, value),
            };
            if name.is_empty() || name.starts_with("__") {
                return Err(format!("{name:?} is no name for a label of a group"));
            }
            if labels.insert(name.clone(), value).is_some() {
                return Err(format!("the path has the label {name:?} twice"));
            }
        }
        if labels.get("job").is_none_or(String::is_empty) {
            return Err("the job's name is empty".into());
        }
        Ok(Self { tenant, labels })
    }
}

/// `job` and what follows it, of a path that the router has matched.
pub(super) fn parts(path: &str) -> (&str, &str) {
    let own = path.split_once("/metrics/").map_or("", |(_, own)| own);
    own.split_once('/').unwrap_or((own, ""))
}

/// What percent signs stand for.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.ok_or_else(|| format!("{text:?} has a % without two digits"))?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| format!("{text:?} is not UTF-8"))
}

/// What base64 for URLs stands for; padding may be left out, and `=` alone is nothing.
fn from_base64(text: &str) -> Result<String, String> {
    let bad = || format!("{text:?} is no base64 for URLs");
    let digits = text.trim_end_matches('=').as_bytes();
    if digits.len() % 4 == 1 {
        return Err(bad());
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for part in digits.chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            let six = match part.get(at) {
                None => 0,
                Some(c @ b'A'..=b'Z') => c - b'A',
                Some(c @ b'a'..=b'z') => c - b'a' + 26,
                Some(c @ b'0'..=b'9') => c - b'0' + 52,
                Some(b'-') => 62,
                Some(b'_') => 63,
                Some(_) => return Err(bad()),
            };
            bits = bits << 6 | u32::from(six);
        }
        let [_, three @ ..] = bits.to_be_bytes();
        bytes.extend_from_slice(&three[..part.len() - 1]);
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, wanted: &[(&str, &str)]) {
        let (first, rest) = parts(path);
        let key = Key::read(Tenant::default(), first, rest).unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        assert_eq!(key.labels, wanted.iter().map(own).collect(), "{path}");
    }

    #[test]
    fn a_path_says_the_labels_of_its_group() {
        check("/metrics/job/a", &[("job", "a")]);
        check("/metrics/job/a/", &[("job", "a")]);
        check("/metrics/job/a/b/", &[("job", "a"), ("b", "")]);
        check(
            "/metrics/job/a%2Fb/instance/h%3A1",
            &[("job", "a/b"), ("instance", "h:1")],
        );
        check(
            "/metrics/job@base64/YS9i/x/y",
            &[("job", "a/b"), ("x", "y")],
        );
        check(
            "/metrics/job/a/p@base64/L3Zhci90bXA=",
            &[("job", "a"), ("p", "/var/tmp")],
        );
        check(
            "/metrics/job/a/p@base64/L3Zhci90bXA",
            &[("job", "a"), ("p", "/var/tmp")],
        );
        check(
            "/metrics/job/a/none@base64/=",
            &[("job", "a"), ("none", "")],
        );
        check(
            "/metrics/job/a/sun@base64/4piA77iP",
            &[("job", "a"), ("sun", "☀️")],
        );
    }

    #[test]
    fn a_path_that_is_none_is_told() {
        for path in [
            "/metrics/work/a",
            "/metrics/job/",
            "/metrics/job/a/b",
            "/metrics/job/a/__b/c",
            "/metrics/job/a/b/c/b/d",
            "/metrics/job@base64/!!",
            "/metrics/job@base64/A",
            "/metrics/job/%f",
            "/metrics/job/%ff",
            "/metrics/job@base64/=",
        ] {
            let (first, rest) = parts(path);
            let read = Key::read(Tenant::default(), first, rest);
            assert!(read.is_err(), "{path}: {read:?}");
        }
    }
}
