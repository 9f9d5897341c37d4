//! Alertmanager's configuration file: read as it is, checked as a whole.
//!
//! ```text
//! text ─▶ raw (names, by sonde-yaml) ─▶ check (meanings) ─▶ AlertConfig
//!                                        └▶ every problem, each at its place
//! ```
//!
//! What the file may say and we cannot do yet is refused with a problem that says so, never
//! ignored. Files that it names are read when they are needed, except templates.

mod raw;
mod raw_receivers;
mod check;
mod check_http;
mod check_intervals;
mod check_receivers;
mod check_slack;
mod check_email;
mod check_pagerduty;
mod check_routes;

use raw::RawConfig;

use crate::core::{Outlet, Plan};
use crate::notify::Integration;
use crate::route::{GroupBy, Route, RouteTree};
use check::Check;
use sonde_yaml::{Checked, Options, Problems};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Receivers by name, each with its integrations.
pub(crate) type Receivers = BTreeMap<String, Vec<Arc<Integration>>>;

/// A checked configuration. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AlertConfig {
    pub(crate) plan: Arc<Plan>,
    pub(crate) receivers: Arc<Receivers>,
}

impl AlertConfig {
    /// The names of the receivers.
    pub fn receivers(&self) -> impl Iterator<Item = &str> {
        self.receivers.keys().map(String::as_str)
    }

    /// The receivers that an alert with these labels goes to, in the order of the routes.
    #[must_use]
    pub fn receivers_of(&self, labels: &sonde_proto::Labels) -> Vec<String> {
        let routes = &self.plan.routes;
        routes
            .matching(labels)
            .into_iter()
            .map(|route| routes.0[route].receiver.clone())
            .collect()
    }

    /// Without a file: alerts are kept and shown, and nobody is told.
    #[must_use]
    pub fn nobody() -> Self {
        let root = Route {
            key: "{}".into(),
            matchers: vec![],
            continues: false,
            children: vec![],
            receiver: "nobody".into(),
            group_by: GroupBy::Labels(["alertname".to_owned()].into()),
            group_wait: GROUP_WAIT,
            group_interval: GROUP_INTERVAL,
            repeat_interval: REPEAT_INTERVAL,
            mute: vec![],
            active: vec![],
        };
        let receivers = Receivers::from([("nobody".to_owned(), vec![])]);
        Self::new(RESOLVE_TIMEOUT, RouteTree(vec![root]), vec![], receivers)
    }

    fn new(
        resolve_timeout: Duration,
        routes: RouteTree,
        inhibit_rules: Vec<crate::inhibit::InhibitRule>,
        receivers: Receivers,
    ) -> Self {
        let outlet = |integration: &Arc<Integration>| Outlet {
            integration: integration.name.clone(),
            send_resolved: integration.send_resolved,
        };
        let outlets = receivers
            .iter()
            .map(|(name, all)| (name.clone(), all.iter().map(outlet).collect()))
            .collect();
        let plan = Plan {
            resolve_timeout,
            routes,
            inhibit_rules,
            receivers: outlets,
        };
        Self {
            plan: Arc::new(plan),
            receivers: Arc::new(receivers),
        }
    }
}

const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);
const GROUP_WAIT: Duration = Duration::from_secs(30);
const GROUP_INTERVAL: Duration = Duration::from_secs(300);
const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 3600);

/// Reads and checks a configuration. `file` is its path: problems carry it, and other paths in
/// the text are relative to its directory.
///
/// # Errors
/// [`Problems`]: everything that is wrong with it, by place.
pub fn read_config(file: &str, text: &str) -> Result<AlertConfig, Problems> {
    let dir = Path::new(file).parent().unwrap_or(Path::new("")).to_owned();
    sonde_yaml::read_and_check(file, text, &Options::default(), |checked| {
        checked_config(&checked, dir)
    })
}

/// What the names mean.
fn checked_config(checked: &Checked<RawConfig>, dir: PathBuf) -> Result<AlertConfig, Problems> {
    let mut check = Check::new(checked, dir);
    let raw = &checked.value;
    check.texts(&raw.templates);
    let resolve_timeout = check.period(
        "global.resolve_timeout",
        raw.global.resolve_timeout.as_deref(),
        RESOLVE_TIMEOUT,
    );
    check.unsupported("tracing", raw.tracing.is_some());
    check.global(&raw.global);
    let intervals = check.intervals(raw);
    let receivers = check.receivers(raw);
    let routes = check.routes(raw, &receivers, &intervals);
    let inhibit_rules = check.inhibit_rules(&raw.inhibit_rules);
    check.finish()?;
    Ok(AlertConfig::new(
        resolve_timeout,
        routes,
        inhibit_rules,
        receivers,
    ))
}

#[cfg(test)]
pub(crate) mod tests;
