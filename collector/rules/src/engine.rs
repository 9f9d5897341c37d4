//! All groups, and what the evaluation of one of them yields.

use crate::alerting::AlertUpdate;
use crate::downtime::Downtime;
use crate::file::RuleFile;
use crate::group::Group;
use crate::query::{Query, RuleSample};
use crate::schedule::Slot;
use crate::series;
use crate::show::{self, AlertStatus, GroupStatus};
use crate::state::{self, StateError};
use crate::telemetry::Telemetry;
use prometheus_client::registry::Registry;
use sonde_proto::{Labels, UnixNanos};
use sonde_template::Limits;
use std::collections::BTreeSet;
use std::time::Duration;

/// What holds for all groups.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// How often a group without an interval of its own is evaluated.
    pub default_interval: Duration,
    /// How far in the past groups query that do not say it themselves, so that late data
    /// still counts.
    pub default_query_offset: Duration,
    /// Where people reach this collector, without a slash at the end.
    pub external_url: String,
    /// `$externalLabels` in templates.
    pub external_labels: Labels,
    /// After how long a firing or resolved alert is told again.
    pub resend_delay: Duration,
    /// How many alerts one rule may have.
    pub alerts_max: usize,
    /// What the expansion of one template may use.
    pub template_limits: Limits,
    /// How much the templates of one rule may write in one evaluation, over all its alerts.
    pub template_bytes_max: usize,
    /// How many different queries the templates of one rule may make in one evaluation.
    pub template_queries_max: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            default_interval: Duration::from_secs(60),
            default_query_offset: Duration::ZERO,
            external_url: String::new(),
            external_labels: Labels::empty(),
            resend_delay: Duration::from_secs(60),
            alerts_max: 10_000,
            template_limits: Limits {
                steps: 100_000,
                output_bytes: 64 << 10,
                ..Limits::default()
            },
            template_bytes_max: 16 << 20,
            template_queries_max: 1_000,
        }
    }
}

/// What the evaluation of one group yields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Samples to write.
    pub samples: Vec<RuleSample>,
    /// Alerts to tell.
    pub alerts: Vec<AlertUpdate>,
}

/// The rules at work.
#[derive(Debug)]
pub struct Engine {
    pub(crate) groups: Vec<Group>,
    /// Series of rules that are no more, until their end has been written.
    pub(crate) orphans: BTreeSet<Labels>,
    pub(crate) downtime: Downtime,
    config: EngineConfig,
    telemetry: Telemetry,
}

fn groups(files: Vec<RuleFile>, config: &EngineConfig) -> Vec<Group> {
    let of_file = |RuleFile { name, groups }: RuleFile| {
        let group = move |spec| Group::new(&name, spec, config);
        groups.into_iter().map(group).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(of_file).collect()
}

/// Schedules that have not been started are, on the way.
fn take_most_overdue(groups: &mut [Group], now: UnixNanos) -> Option<(&mut Group, Slot)> {
    let mut taken: Option<(UnixNanos, usize)> = None;
    for (at, group) in groups.iter_mut().enumerate() {
        group.start(now);
        let due = group.due(now);
        if due <= now && taken.is_none_or(|(earliest, _)| due < earliest) {
            taken = Some((due, at));
        }
    }
    let group = &mut groups[taken?.1];
    let slot = group.take(now)?;
    Some((group, slot))
}

impl Engine {
    /// An engine whose rules have no past.
    #[must_use]
    pub fn new(files: Vec<RuleFile>, config: &EngineConfig, registry: &mut Registry) -> Self {
        Self {
            groups: groups(files, config),
            orphans: BTreeSet::new(),
            downtime: Downtime::default(),
            config: config.clone(),
            telemetry: Telemetry::register(registry),
        }
    }

    /// Goes on with other rules. Those that are unedited keep their state; the others begin
    /// anew, and the series of those that are gone are ended.
    ///
    /// # Errors
    /// [`StateError`] when the own state cannot be carried over, which is a defect; then the
    /// rules begin anew.
    pub fn reload(&mut self, files: Vec<RuleFile>) -> Result<(), StateError> {
        let state = self.state();
        let downtime = self.downtime;
        self.groups = groups(files, &self.config);
        let restored = self.restore(&state);
        // It was not down.
        self.downtime = downtime;
        restored
    }

    /// Continues from a state that [`Engine::state`] returned. Rules that have been edited
    /// since begin anew, and the series of those that are gone are ended.
    ///
    /// # Errors
    /// [`StateError`] when it is damaged or of another version; then nothing has changed.
    pub fn restore(&mut self, state: &[u8]) -> Result<(), StateError> {
        state::restore(self, state)
    }

    /// Everything that must outlive the process, as JSON.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        state::of(self)
    }

    /// When [`Engine::evaluate_next`] is to be called next.
    #[must_use]
    pub fn next_due(&self, now: UnixNanos) -> UnixNanos {
        let due = self.groups.iter().map(|group| group.due(now));
        due.min().unwrap_or(UnixNanos(u64::MAX))
    }

    /// Evaluates the group that is most overdue, or returns `None` when none is due. The
    /// first call starts the groups' schedules: what is due before it is not evaluated.
    ///
    /// Deliver what comes out before the next call, and take `now` anew for it: one group
    /// can be slow.
    pub fn evaluate_next(&mut self, now: UnixNanos, query: &dyn Query) -> Option<Evaluation> {
        let (group, slot) = take_most_overdue(&mut self.groups, now)?;
        let down_since = self.downtime.evaluates(now);
        let (config, telemetry) = (&self.config, &self.telemetry);
        let mut evaluation = group.evaluate(slot, now, down_since, query, config, telemetry);
        self.end_orphans(now, &mut evaluation);
        Some(evaluation)
    }

    /// The groups with their rules, as `/api/v1/rules` shows them.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupStatus> {
        self.groups.iter().map(show::group).collect()
    }

    /// The alerts that are pending or firing, as `/api/v1/alerts` shows them.
    #[must_use]
    pub fn alerts(&self) -> Vec<AlertStatus> {
        let rules = self.groups.iter().flat_map(|group| &group.rules);
        rules.flat_map(show::alerts).collect()
    }

    /// Ends the series of rules that are no more. Not before every group has been evaluated:
    /// a rule that was only edited may make the same series again.
    fn end_orphans(&mut self, now: UnixNanos, evaluation: &mut Evaluation) {
        if self.orphans.is_empty() || self.groups.iter().any(|group| group.last.is_none()) {
            return;
        }
        let orphans = std::mem::take(&mut self.orphans);
        let alive: BTreeSet<Labels> = self
            .groups
            .iter()
            .flat_map(|group| &group.rules)
            .flat_map(|rule| rule.kind.series())
            .collect();
        let ended = series::ended(&orphans, &alive, now);
        evaluation.samples.extend(ended);
    }
}

#[cfg(test)]
mod tests;
