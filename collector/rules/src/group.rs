//! A group: rules that are evaluated together, one after the other, for the same time.

use crate::alerting::{AlertUpdate, Alerting};
use crate::engine::{EngineConfig, Evaluation};
use crate::file::{GroupSpec, RuleSpec};
use crate::query::{Query, RuleSample};
use crate::recording::Recording;
use crate::schedule::{Schedule, Slot};
use crate::telemetry::Telemetry;
use sonde_proto::{Labels, UnixNanos};
use std::collections::BTreeSet;
use std::time::Duration;

/// One evaluation of one group.
pub(crate) struct Turn<'a> {
    /// The time that is evaluated.
    pub(crate) at: UnixNanos,
    /// The time that is queried and under which samples are written: earlier by the
    /// group's `query_offset`.
    pub(crate) sampled_at: UnixNanos,
    pub(crate) interval: Duration,
    /// While absence may be for want of samples: since when there were none.
    pub(crate) down_since: Option<UnixNanos>,
    /// How many series or alerts a rule may yield; 0 is without end.
    pub(crate) limit: usize,
    pub(crate) config: &'a EngineConfig,
    pub(crate) telemetry: &'a Telemetry,
    pub(crate) file: &'a str,
    pub(crate) group: &'a str,
}

impl Turn<'_> {
    /// Refuses more than the group allows.
    pub(crate) fn check_limit(&self, count: usize, what: &str) -> Result<(), String> {
        let limit = self.limit;
        if limit > 0 && count > limit {
            return Err(format!("exceeded limit of {limit} with {count} {what}"));
        }
        Ok(())
    }

    /// Refuses more alerts than any rule may have.
    pub(crate) fn check_alerts_max(&self, count: usize) -> Result<(), String> {
        let limit = self.config.alerts_max;
        if count > limit {
            return Err(format!(
                "the expression yields {count} alerts, more than the {limit} that one rule may have; aggregate it"
            ));
        }
        Ok(())
    }
}

/// A group at work.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) interval: Duration,
    pub(crate) limit: usize,
    pub(crate) rules: Vec<Rule>,
    pub(crate) last: Option<Last>,
    query_offset: Duration,
    schedule: Schedule,
}

/// The last evaluation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Last {
    pub(crate) at: UnixNanos,
    pub(crate) took: Duration,
}

/// A rule at work.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) kind: Kind,
    pub(crate) last: Option<Last>,
    pub(crate) error: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Recording(Recording),
    Alerting(Alerting),
}

impl Group {
    pub(crate) fn new(file: &str, spec: GroupSpec, config: &EngineConfig) -> Self {
        let key: Labels = [("file", file), ("name", &spec.name)].into_iter().collect();
        let interval = spec.interval.unwrap_or(config.default_interval);
        Self {
            file: file.into(),
            name: spec.name,
            interval,
            limit: spec.limit,
            rules: spec.rules.into_iter().map(Rule::new).collect(),
            last: None,
            query_offset: spec.query_offset.unwrap_or(config.default_query_offset),
            schedule: Schedule::new(interval, key.fingerprint()),
        }
    }

    /// When it is to be evaluated next.
    pub(crate) fn due(&self, now: UnixNanos) -> UnixNanos {
        self.schedule.due(now)
    }

    /// Starts its schedule, unless it has been started.
    pub(crate) fn start(&mut self, now: UnixNanos) {
        self.schedule.start(now);
    }

    /// The slot to evaluate, if one is due. It is not given again.
    pub(crate) fn take(&mut self, now: UnixNanos) -> Option<Slot> {
        self.schedule.take(now)
    }

    /// Evaluates its rules, beginning at `now`.
    pub(crate) fn evaluate(
        &mut self,
        Slot { at, missed }: Slot,
        now: UnixNanos,
        down_since: Option<UnixNanos>,
        query: &dyn Query,
        config: &EngineConfig,
        telemetry: &Telemetry,
    ) -> Evaluation {
        let turn = Turn {
            at,
            sampled_at: at.minus(self.query_offset),
            interval: self.interval,
            down_since,
            limit: self.limit,
            config,
            telemetry,
            file: &self.file,
            group: &self.name,
        };
        let begun = query.elapsed();
        let (mut evaluation, mut failed) = (Evaluation::default(), 0);
        for rule in &mut self.rules {
            match rule.evaluate(&turn, query) {
                Some(samples) => evaluation.samples.extend(samples),
                None => failed += 1,
            }
        }
        let took = query.elapsed().saturating_sub(begun);
        // Also those of rules that failed: nobody may take a query that fails for an alert
        // that has ended.
        for rule in &mut self.rules {
            evaluation
                .alerts
                .extend(rule.updates(&turn, now.plus(took)));
        }
        self.last = Some(Last { at, took });
        let group = telemetry.group(&self.file, &self.name);
        group.missed.inc_by(missed);
        group.evaluations.inc_by(self.rules.len() as u64);
        group.failures.inc_by(failed);
        group.last_seconds.set(took.as_secs_f64());
        if took > self.interval {
            group.slow.inc();
        }
        evaluation
    }
}

impl Rule {
    fn new(spec: RuleSpec) -> Self {
        Self {
            kind: match spec {
                RuleSpec::Recording(spec) => Kind::Recording(Recording::new(spec)),
                RuleSpec::Alerting(spec) => Kind::Alerting(Alerting::new(spec)),
            },
            last: None,
            error: None,
        }
    }

    /// The name of what it records or of its alerts.
    pub(crate) fn name(&self) -> &str {
        match &self.kind {
            Kind::Recording(rule) => &rule.spec.record,
            Kind::Alerting(rule) => &rule.spec.alert,
        }
    }

    /// Evaluates it. Returns its samples unless that failed.
    fn evaluate(&mut self, turn: &Turn<'_>, query: &dyn Query) -> Option<Vec<RuleSample>> {
        let begun = query.elapsed();
        let result = self.kind.evaluate(turn, query);
        let took = query.elapsed().saturating_sub(begun);
        turn.telemetry.seconds.observe(took.as_secs_f64());
        self.last = Some(Last { at: turn.at, took });
        match result {
            Ok(samples) => {
                self.error = None;
                Some(samples)
            }
            Err(error) => {
                // Told once, not in every interval until it is mended.
                if self.error.as_ref() != Some(&error) {
                    let (name, Turn { file, group, .. }) = (self.name(), turn);
                    tracing::warn!("rule {name:?} of group {group:?} in {file} failed: {error}");
                }
                self.error = Some(error);
                None
            }
        }
    }

    fn updates(&mut self, turn: &Turn<'_>, told_at: UnixNanos) -> Vec<AlertUpdate> {
        match &mut self.kind {
            Kind::Recording(_) => Vec::new(),
            Kind::Alerting(rule) => rule.updates(turn, told_at),
        }
    }
}

impl Kind {
    /// The series it makes, as of the last evaluation that succeeded.
    pub(crate) fn series(&self) -> BTreeSet<Labels> {
        match self {
            Self::Recording(rule) => rule.series.clone(),
            Self::Alerting(rule) => rule.all_series(),
        }
    }

    fn evaluate(&mut self, turn: &Turn<'_>, query: &dyn Query) -> Result<Vec<RuleSample>, String> {
        match self {
            Self::Recording(rule) => rule.evaluate(turn, query),
            Self::Alerting(rule) => rule.evaluate(turn, query),
        }
    }
}
