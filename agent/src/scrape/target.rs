//! One target: its labels, its URL, when it is its turn.

use super::Labels;
use super::job::Job;
use super::relabel::{self, get};
use http::Uri;
use sha2::{Digest as _, Sha256};
use sonde_proto::period::Period;
use std::collections::BTreeMap;
use std::time::Duration;

/// Labels that begin like this are gone once relabelling is over.
const INTERNAL: &str = "__";
/// What begins the label of a parameter.
const PARAMETER: &str = "__param_";

/// A target that is scraped.
#[derive(Debug)]
pub(crate) struct Target {
    /// The same for the same labels and URL.
    pub(crate) id: u64,
    /// Before relabelling.
    pub(crate) discovered: Labels,
    /// What its series carry, `job` and `instance` among them.
    pub(crate) labels: Labels,
    pub(crate) uri: Uri,
    pub(crate) interval: Period,
    pub(crate) timeout: Period,
}

/// What became of labels that were found.
#[derive(Debug)]
pub(crate) enum Found {
    Active(Box<Target>),
    /// Relabelling dropped it; its labels before that.
    Dropped(Labels),
}

impl Target {
    /// What labels with an `__address__` come to.
    ///
    /// # Errors
    /// Why it cannot be a target.
    pub(crate) fn find(job: &Job, mut labels: Labels) -> Result<Found, String> {
        for (name, value) in [
            ("job", job.name.clone()),
            ("__scrape_interval__", job.interval.to_string()),
            ("__scrape_timeout__", job.timeout.to_string()),
            ("__metrics_path__", job.metrics_path.clone()),
            ("__scheme__", job.scheme.to_owned()),
        ] {
            if get(&labels, name).is_empty() {
                labels.insert(name.into(), value);
            }
        }
        for (name, values) in &job.params {
            if let Some(first) = values.first() {
                labels.insert(format!("{PARAMETER}{name}"), first.clone());
            }
        }
        labels.retain(|name, value| !name.is_empty() && !value.is_empty());
        let discovered = labels.clone();
        if !relabel::apply(&job.relabel, &mut labels) {
            return Ok(Found::Dropped(discovered));
        }
        let uri = uri(job, &labels)?;
        let period = |name: &str| {
            let read = Period::read(get(&labels, name)).map_err(|why| format!("{name}: {why}"))?;
            let is_zero = read.is_zero();
            (!is_zero)
                .then_some(read)
                .ok_or_else(|| format!("{name} must not be 0"))
        };
        let (interval, timeout) = (
            period("__scrape_interval__")?,
            period("__scrape_timeout__")?,
        );
        if timeout > interval {
            return Err(format!(
                "the timeout, {timeout}, must not be longer than the interval, {interval}"
            ));
        }
        if get(&labels, "instance").is_empty() {
            let address = get(&labels, "__address__").to_owned();
            labels.insert("instance".into(), address);
        }
        labels.retain(|name, _| !name.starts_with(INTERNAL));
        Ok(Found::Active(Box::new(Self {
            id: id(&labels, &uri),
            discovered,
            labels,
            uri,
            interval,
            timeout,
        })))
    }

    /// How long after `now`, in nanoseconds since 1970, its next turn is. Turns are spread over
    /// the interval by the target, and are at the same times after a restart.
    pub(crate) fn offset(&self, now: u64) -> Duration {
        let interval = u64::try_from(self.interval.duration().as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        let turn = self.id % interval;
        let at = now % interval;
        Duration::from_nanos((turn + interval - at) % interval)
    }
}

fn uri(job: &Job, labels: &Labels) -> Result<Uri, String> {
    let address = get(labels, "__address__");
    if address.is_empty() {
        return Err("it has no __address__; relabelling must leave it one".into());
    }
    if address.contains(['/', '@', '?', '#', ' ']) {
        return Err(format!(
            "{address:?} is no address; write host:port, and the rest in scheme, metrics_path and params"
        ));
    }
    let scheme = get(labels, "__scheme__");
    if !matches!(scheme, "http" | "https") {
        return Err(format!("the scheme {scheme:?} is neither http nor https"));
    }
    let mut params: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, values) in &job.params {
        params.insert(name, values.iter().map(String::as_str).collect());
    }
    for (name, value) in labels {
        let Some(name) = name.strip_prefix(PARAMETER) else {
            continue;
        };
        let values = params.entry(name).or_default();
        match values.first_mut() {
            Some(first) => *first = value,
            None => values.push(value),
        }
    }
    let pairs = params
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{}={}", escaped(name, ""), escaped(value, "")))
        .collect();
    let mut path = escaped(get(labels, "__metrics_path__"), "/$&+,:;=@");
    if !path.starts_with('/') {
        path.insert(0, '/');
    }
    let query = if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", pairs.join("&"))
    };
    Uri::builder()
        .scheme(scheme)
        .authority(address)
        .path_and_query(format!("{path}{query}"))
        .build()
        .map_err(|error| format!("its URL cannot be made: {error}"))
}

/// Percent signs for everything but letters, digits, `-._~` and `also`.
fn escaped(text: &str, also: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || also.contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn id(labels: &Labels, uri: &Uri) -> u64 {
    let mut hash = Sha256::new();
    for (name, value) in labels {
        for text in [name, value] {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
    }
    hash.update(uri.to_string());
    let digest = hash.finalize();
    let (first, _) = digest
        .as_slice()
        .split_first_chunk()
        .unwrap_or((&[0; 8], &[]));
    u64::from_le_bytes(*first)
}

#[cfg(test)]
mod tests;
