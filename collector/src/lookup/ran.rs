//! Where something ran: pods and nodes, as spans and log lines name them.

use super::part::Part;
use super::place::{Place, Resource};
use serde::Serialize;
use sonde_logs::LogRecord;
use sonde_proto::Labels;
use sonde_proto::semconv::{
    HOST_NAME, K8S_CONTAINER_NAME, K8S_NAMESPACE_NAME, K8S_POD_NAME, K8S_POD_UID,
};
use sonde_traces::Trace;
use std::collections::{BTreeMap, BTreeSet};

const PLACES_MAX: usize = 20;
/// How many names of one kind a place has.
const NAMES_MAX: usize = 20;
const NODE_NAME: &str = "k8s.node.name";
const IMAGE_NAME: &str = "container.image.name";

/// A pod, or a node outside of Kubernetes, and what ran there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Ran {
    /// Empty where it is not told.
    pub(crate) namespace: String,
    /// Empty outside of Kubernetes.
    pub(crate) pod: String,
    pub(crate) pod_uids: BTreeSet<String>,
    pub(crate) nodes: BTreeSet<String>,
    pub(crate) containers: BTreeSet<String>,
    pub(crate) images: BTreeSet<String>,
    pub(crate) services: BTreeSet<String>,
}

impl Ran {
    /// A pod of which only the name is known.
    pub(super) fn of_pod(namespace: &str, pod: &str) -> Self {
        Self {
            namespace: namespace.into(),
            pod: pod.into(),
            ..Self::default()
        }
    }
}

/// Everything that spans and lines say about where they come from; of a place, its own only.
pub(super) fn resources<'a>(
    place: Option<Place<'a>>,
    traces: &'a [Trace],
    logs: &'a [LogRecord],
) -> impl Iterator<Item = Resource<'a>> {
    let spans = traces.iter().flat_map(|trace| &trace.spans);
    let all = spans
        .map(Resource::Span)
        .chain(logs.iter().map(Resource::Line));
    all.filter(move |resource| place.is_none_or(|place| place.has(*resource)))
}

/// The pods and nodes, each with what ran there.
pub(super) fn ran<'a>(resources: impl Iterator<Item = Resource<'a>>) -> Part<Ran> {
    let mut part = Part::default();
    let mut found: BTreeMap<(&str, &str, &str), Ran> = BTreeMap::new();
    for resource in resources {
        let (namespace, pod) = (resource.get(K8S_NAMESPACE_NAME), resource.get(K8S_POD_NAME));
        let node = resource.get(NODE_NAME);
        let host = resource.get(HOST_NAME);
        let own = match (pod, node) {
            ("", "") => host,
            ("", node) => node,
            _ => "",
        };
        if pod.is_empty() && own.is_empty() {
            continue;
        }
        let key = (namespace, pod, own);
        if found.len() >= PLACES_MAX && !found.contains_key(&key) {
            part.cut(format!(
                "of pods and nodes the first {PLACES_MAX} are shown"
            ));
            continue;
        }
        let ran = found.entry(key).or_default();
        namespace.clone_into(&mut ran.namespace);
        pod.clone_into(&mut ran.pod);
        let Ran {
            pod_uids,
            nodes,
            containers,
            images,
            services,
            ..
        } = ran;
        add(nodes, host);
        add(nodes, node);
        add(pod_uids, resource.get(K8S_POD_UID));
        add(containers, resource.get(K8S_CONTAINER_NAME));
        add(images, resource.get(IMAGE_NAME));
        add(services, resource.service());
    }
    part.found = found.into_values().collect();
    part
}

/// The pods and containers that labels of metrics name.
pub(super) fn of_labels<'a>(all: impl Iterator<Item = &'a Labels>) -> Vec<Ran> {
    let mut found: BTreeMap<(&str, &str), Ran> = BTreeMap::new();
    for labels in all {
        let (namespace, pod) = (labels.get("namespace"), labels.get("pod"));
        if found.len() < PLACES_MAX || found.contains_key(&(namespace, pod)) {
            let ran = found.entry((namespace, pod));
            let ran = ran.or_insert_with(|| Ran::of_pod(namespace, pod));
            add(&mut ran.containers, labels.get("container"));
        }
    }
    found.into_values().collect()
}

fn add(names: &mut BTreeSet<String>, name: &str) {
    if !name.is_empty() && names.len() < NAMES_MAX && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::super::critical::tests::{span, trace};
    use super::*;

    fn of(resources: &[&[(&str, &str)]]) -> Trace {
        let spans = resources.iter().zip(1..).map(|(resource, id)| {
            let mut span = span(id, 0, id, id + 1);
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            span.resource = resource.iter().map(owned).collect();
            span
        });
        trace(spans.collect())
    }

    #[test]
    fn spans_of_one_pod_are_one_place_and_nodes_stand_alone() {
        let cart = [("k8s.pod.name", "cart"), ("k8s.namespace.name", "shop")];
        let traces = [of(&[
            &[cart[0], cart[1], ("k8s.node.name", "n1")],
            &[cart[0], cart[1], ("k8s.container.name", "app")],
            &[cart[0], ("k8s.namespace.name", "test")],
            &[("host.name", "vm")],
            &[],
        ])];
        let found = ran(resources(None, &traces, &[])).found;
        let names: Vec<_> = found.iter().map(|r| (&*r.namespace, &*r.pod)).collect();
        assert_eq!(names, [("", ""), ("shop", "cart"), ("test", "cart")]);
        assert!(found[0].nodes.contains("vm") && found[1].nodes.contains("n1"));
        assert!(found[1].containers.contains("app") && found[1].services.contains("shop"));
        let place = Place::of("test/cart");
        let own = ran(resources(place, &traces, &[])).found;
        assert_eq!(own, found[2..]);
    }

    #[test]
    fn places_without_end_are_cut_aloud() {
        let names: Vec<_> = (0..50).map(|n| format!("vm-{n}")).collect();
        let resources_of: Vec<_> = names.iter().map(|n| [("host.name", n.as_str())]).collect();
        let resources_of: Vec<_> = resources_of.iter().map(|r| &r[..]).collect();
        let traces = [of(&resources_of)];
        let part = ran(resources(None, &traces, &[]));
        assert_eq!(part.found.len(), PLACES_MAX);
        assert!(part.cut.is_some());
    }
}
