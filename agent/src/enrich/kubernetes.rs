//! What kubelet's paths say:
//!
//! ```text
//! /var/log/pods/<namespace>_<pod>_<uid>/<container>/<restart count>.log
//! /var/log/containers/<pod>_<namespace>_<container>-<container ID>.log
//! ```
//!
//! The path alone names the pod: no API server has to answer before a line can be sent.

use sonde_proto::semconv;
use std::path::Path;

/// The container's identifier.
const CONTAINER_ID: &str = "container.id";

/// The attributes that `path` gives; none when it is not one of kubelet's.
pub(super) fn attributes(path: &Path) -> Vec<(&'static str, String)> {
    of_pods(path)
        .or_else(|| of_containers(path))
        .unwrap_or_default()
}

fn of_pods(path: &Path) -> Option<Vec<(&'static str, String)>> {
    let restarts = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let container = path.parent()?.file_name()?.to_str()?;
    let pod = path.parent()?.parent()?;
    if pod.parent()?.file_name()? != "pods"
        || restarts.is_empty()
        || !restarts.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    // Names of namespaces and pods have no underscore.
    let mut parts = pod.file_name()?.to_str()?.split('_');
    let (namespace, name, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let pairs = [
        (semconv::K8S_NAMESPACE_NAME, namespace),
        (semconv::K8S_POD_NAME, name),
        (semconv::K8S_POD_UID, uid),
        (semconv::K8S_CONTAINER_NAME, container),
        (semconv::K8S_CONTAINER_RESTART_COUNT, restarts),
    ];
    (parts.next().is_none()).then(|| pairs.map(|(key, value)| (key, value.to_owned())).to_vec())
}

fn of_containers(path: &Path) -> Option<Vec<(&'static str, String)>> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".log")?;
    if path.parent()?.file_name()? != "containers" {
        return None;
    }
    let mut parts = stem.splitn(3, '_');
    let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
    let (container, id) = container.rsplit_once('-')?;
    let whole = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let pairs = [
        (semconv::K8S_POD_NAME, pod),
        (semconv::K8S_NAMESPACE_NAME, namespace),
        (semconv::K8S_CONTAINER_NAME, container),
        (CONTAINER_ID, id),
    ];
    whole.then(|| pairs.map(|(key, value)| (key, value.to_owned())).to_vec())
}
