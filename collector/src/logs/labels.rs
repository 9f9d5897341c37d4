//! The labels of pushed streams under their own names.
//!
//! A stream that was pushed has its labels as attributes `loki.label.<name>` of its resource
//! ([`crate::receive::loki_push::labels`]), which the store keeps as labels
//! `loki_label_<name>`. They are shown without the prefix, and selectors are asked several
//! times: of streams that have their labels by themselves, and of pushed ones. A pushed stream
//! always has a service, so that tells the two apart. Every stream has a `level`; a pushed one
//! may have brought its own.

use crate::receive::loki_push::labels::SERVICE_NAME;
use sonde_proto::{Labels, LabelsBuilder, MatchOp, Matcher};

/// What stands before the name of a pushed label in the store.
const STORED: &str = "loki_label_";
const LEVEL: &str = "level";

/// The store's configuration with what gives pushed streams their labels.
pub(crate) fn with_pushed(config: &sonde_logs::Config) -> sonde_logs::Config {
    let mut config = config.clone();
    config
        .labels
        .push(format!("{}*", crate::receive::loki_push::labels::PREFIX));
    config
}

/// Which streams are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Those that have their labels by themselves.
    Own,
    /// Those that were pushed; their levels do not matter.
    Pushed,
    /// Those of them that brought a level.
    PushedWithLevel,
    /// Those of them that did not.
    PushedWithoutLevel,
}

/// The kinds of streams that a selector must be asked of, each stream being of one of them.
pub(super) fn kinds(matchers: &[Matcher]) -> &'static [Kind] {
    if matchers.iter().any(|matcher| matcher.name == LEVEL) {
        &[Kind::Own, Kind::PushedWithLevel, Kind::PushedWithoutLevel]
    } else {
        &[Kind::Own, Kind::Pushed]
    }
}

/// A selector as the store must be asked for streams of one kind.
pub(super) fn stored(matchers: &[Matcher], kind: Kind) -> Vec<Matcher> {
    let is_pushed = kind != Kind::Own;
    let own_level = kind == Kind::PushedWithoutLevel;
    let mut asked: Vec<Matcher> = matchers
        .iter()
        .map(|matcher| {
            let mut asked = matcher.clone();
            if is_pushed && !(own_level && matcher.name == LEVEL) {
                asked.name = format!("{STORED}{}", matcher.name);
            }
            asked
        })
        .collect();
    asked.extend(present(SERVICE_NAME, is_pushed));
    match kind {
        Kind::Own | Kind::Pushed => {}
        Kind::PushedWithLevel => asked.extend(present(LEVEL, true)),
        Kind::PushedWithoutLevel => asked.extend(present(LEVEL, false)),
    }
    asked
}

/// That a stream has, or has not, a pushed label.
fn present(name: &str, is_there: bool) -> Option<Matcher> {
    let op = if is_there {
        MatchOp::NotEqual
    } else {
        MatchOp::Equal
    };
    Matcher::new(&format!("{STORED}{name}"), op, "").ok()
}

/// A stream's labels as they are shown.
pub(super) fn shown(labels: &Labels) -> Labels {
    if labels.get(&format!("{STORED}{SERVICE_NAME}")).is_empty() {
        return labels.clone();
    }
    let mut shown = LabelsBuilder::default();
    shown.set(LEVEL, labels.get(LEVEL));
    for (name, value) in labels.iter() {
        if let Some(name) = name.strip_prefix(STORED) {
            shown.set(name, value);
        }
    }
    shown.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_labels_are_shown_and_asked_under_their_own_names() {
        let own: Labels = [("job", "x"), ("level", "info")].into_iter().collect();
        let pushed: Labels = [
            ("loki_label_job", "x"),
            ("loki_label_service_name", "s"),
            ("service_name", "s"),
            ("level", "info"),
        ]
        .into_iter()
        .collect();
        assert_eq!(shown(&own), own);
        assert_eq!(
            shown(&pushed).to_string(),
            r#"{job="x", level="info", service_name="s"}"#
        );
        let told: Labels = pushed.iter().chain([("loki_label_level", "ERR")]).collect();
        assert_eq!(
            shown(&told).to_string(),
            r#"{job="x", level="ERR", service_name="s"}"#
        );
        let check = |labels: &Labels, selector: &[Matcher], expected: Option<Kind>| {
            let is = |kind: &&Kind| {
                let asked = stored(selector, **kind);
                asked.iter().all(|matcher| matcher.matches_labels(labels))
            };
            let found: Vec<Kind> = kinds(selector).iter().filter(is).copied().collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{labels}");
        };
        let job = [Matcher::new("job", MatchOp::Regex, "x|y").unwrap()];
        check(&own, &job, Some(Kind::Own));
        check(&pushed, &job, Some(Kind::Pushed));
        check(&told, &job, Some(Kind::Pushed));
        let info = [Matcher::new("level", MatchOp::Equal, "info").unwrap()];
        check(&own, &info, Some(Kind::Own));
        check(&pushed, &info, Some(Kind::PushedWithoutLevel));
        check(&told, &info, None);
        let err = [Matcher::new("level", MatchOp::Equal, "ERR").unwrap()];
        check(&told, &err, Some(Kind::PushedWithLevel));
    }
}
