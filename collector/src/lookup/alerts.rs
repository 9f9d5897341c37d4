//! Which alerts belong to what was found: those that name it, and those that fired meanwhile on
//! a service, a pod or a node that it touched.

use super::part::Part;
use super::ran::Ran;
use sonde_alerts::AlertStatus;
use sonde_proto::UnixNanos;
use std::collections::BTreeSet;
use std::time::Duration;

const ALERTS_MAX: usize = 100;
/// How long before an alert fires its cause may lie: the windows of its rules.
const CAUSE_WITHIN: Duration = Duration::from_secs(5 * 60);
/// The labels that name a pod, its namespace, and a node: as scraped, as recorded from
/// cAdvisor, and as translated from OTLP.
const POD_LABELS: [&str; 2] = ["pod", "k8s_pod_name"];
const NAMESPACE_LABELS: [&str; 2] = ["namespace", "k8s_namespace_name"];
const NODE_LABELS: [&str; 3] = ["host_name", "node", "k8s_node_name"];

/// What was found.
pub(super) struct About<'a> {
    pub(super) id: &'a str,
    pub(super) trace_ids: &'a [String],
    pub(super) services: &'a BTreeSet<&'a str>,
    pub(super) ran: &'a [Ran],
    /// From when until when; nothing where nothing has a time.
    pub(super) period: Option<(UnixNanos, UnixNanos)>,
}

/// Those of all alerts that belong to it, the newest first.
pub(super) fn belonging(all: Vec<AlertStatus>, about: &About<'_>) -> Part<AlertStatus> {
    let found = all
        .into_iter()
        .filter(|alert| about.is_named(alert) || about.was_meanwhile(alert));
    let mut part = Part::new(found.collect(), None);
    if part.found.len() > ALERTS_MAX {
        part.found.truncate(ALERTS_MAX);
        part.cut(format!(
            "there are more than these newest {ALERTS_MAX} alerts"
        ));
    }
    part
}

impl About<'_> {
    fn is_named(&self, alert: &AlertStatus) -> bool {
        let mut texts = alert.labels.iter().chain(alert.annotations.iter());
        texts.any(|(_, text)| {
            has_word(text, self.id) || self.trace_ids.iter().any(|id| text.contains(id.as_str()))
        })
    }

    fn was_meanwhile(&self, alert: &AlertStatus) -> bool {
        let Some((start, end)) = self.period else {
            return false;
        };
        let is_then = alert.starts_at.minus(CAUSE_WITHIN) <= end
            && alert.ends_at.is_none_or(|ended| ended >= start);
        is_then && self.is_touched(alert)
    }

    /// Whether the alert is about a service, a pod or a node that was touched. One that names a
    /// pod is about that pod, whatever else it names.
    fn is_touched(&self, alert: &AlertStatus) -> bool {
        let says = |labels: &[&'static str]| {
            let mut said = labels.iter().map(|label| alert.labels.get(label));
            said.find(|text| !text.is_empty())
        };
        if let Some(pod) = says(&POD_LABELS) {
            let namespace = says(&NAMESPACE_LABELS);
            let is_same = |ran: &&Ran| {
                ran.pod == pod
                    && namespace.is_none_or(|n| ran.namespace.is_empty() || ran.namespace == n)
            };
            return self.ran.iter().any(|ran| is_same(&ran));
        }
        let on_node = says(&NODE_LABELS)
            .is_some_and(|node| self.ran.iter().any(|ran| ran.nodes.contains(node)));
        on_node || self.services.contains(alert.labels.get("service"))
    }
}

/// Whether a text has a word, with no letter or digit going on before or after it.
fn has_word(text: &str, word: &str) -> bool {
    if word.is_empty() {
        return false;
    }
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        [before, after]
            .into_iter()
            .flatten()
            .all(|c| !c.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_alerts::AlertState;
    use sonde_proto::Labels;

    fn alert(labels: &[(&str, &str)], (starts, ends): (u64, Option<u64>)) -> AlertStatus {
        let labels: Labels = labels.iter().copied().collect();
        AlertStatus {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: [("summary", "order 4711 is late")].into_iter().collect(),
            starts_at: UnixNanos::from_secs(starts),
            ends_at: ends.map(UnixNanos::from_secs),
            updated_at: UnixNanos::from_secs(starts),
            state: AlertState::Firing,
            suppressed: false,
            inhibited_by: Vec::new(),
            generator_url: String::new(),
            receivers: Vec::new(),
        }
    }

    /// Whether an alert belongs to what ran from 10,000 s to 10,001 s in the pod shop/cart-1 on
    /// node n1, as service cart.
    fn check(labels: &[(&str, &str)], times: (u64, Option<u64>), expected: bool) {
        let ran = [Ran {
            namespace: "shop".into(),
            pod: "cart-1".into(),
            nodes: BTreeSet::from(["n1".to_owned()]),
            ..Ran::default()
        }];
        let about = About {
            id: "471",
            trace_ids: &[],
            services: &BTreeSet::from(["cart"]),
            ran: &ran,
            period: Some((UnixNanos::from_secs(10_000), UnixNanos::from_secs(10_001))),
        };
        let found = belonging(vec![alert(labels, times)], &about).found;
        assert_eq!(found.len() == 1, expected, "{labels:?} {times:?}");
    }

    #[test]
    fn an_alert_belongs_by_service_pod_or_node_and_by_its_time() {
        let then = (9_000, None);
        check(&[("service", "cart")], then, true);
        check(&[("service", "pay")], then, false);
        check(&[("host_name", "n1")], then, true);
        check(&[("node", "n2")], then, false);
        check(&[("pod", "cart-1"), ("namespace", "shop")], then, true);
        check(&[("pod", "cart-1"), ("namespace", "test")], then, false);
        check(&[("pod", "cart-1")], then, true);
        check(&[("pod", "cart-2"), ("service", "cart")], then, false);
        check(&[("service", "cart")], (9_000, Some(9_999)), false);
        check(&[("service", "cart")], (9_000, Some(10_000)), true);
        check(&[("service", "cart")], (10_301, None), true);
        check(&[("service", "cart")], (10_302, None), false);
    }

    #[test]
    fn a_name_is_a_whole_word() {
        check(&[("order", "471")], (1, Some(2)), true);
        check(&[("order", "x-471.")], (1, Some(2)), true);
        check(&[("order", "4711")], (1, Some(2)), false);
        assert!(!has_word("é471", "471") && has_word("é-471", "471") && !has_word("a", ""));
    }

    #[test]
    fn alerts_without_end_are_cut_aloud() {
        let all = (0..=ALERTS_MAX).map(|_| alert(&[("order", "471")], (1, None)));
        let about = About {
            id: "471",
            trace_ids: &[],
            services: &BTreeSet::new(),
            ran: &[],
            period: None,
        };
        let part = belonging(all.collect(), &about);
        assert_eq!(part.found.len(), ALERTS_MAX);
        assert!(part.cut.is_some());
    }
}
