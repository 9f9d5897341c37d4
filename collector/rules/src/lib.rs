//! Prometheus rule files: recording and alerting rules, evaluated on time, with a state that
//! outlives the process.
//!
//! ```text
//! rule file ─▶ file ─▶ Engine ─▶ group ─▶ recording ─▶ samples
//!            checked     when     in order  alerting ─▶ samples, alerts
//!                       schedule             alert: pending ─▶ firing ─▶ resolved
//! ```
//!
//! Nothing here reads a clock, a store or a file: time is passed in, queries go through
//! [`Query`], and what comes out ([`Evaluation`]) is written and sent by the caller.
//!
//! What a rule may rely on:
//!
//! - The rules of a group are evaluated one after the other, all for the same time. Recorded
//!   samples reach the store only after the evaluation, so a rule that reads what another
//!   rule records sees the value of the evaluation before: one interval late, also within
//!   one group. (Prometheus writes between two rules of a group. To do so here, an
//!   evaluation would have to wait for the journal once per rule.)
//! - An evaluation that was missed is not made up for: the next one is made for the newest
//!   time that is due, and the missed ones are counted.
//! - A rule whose query fails keeps its alerts as they are: they neither resolve nor expire.
//! - `for` and `keep_firing_for` count from the times in the state, whether or not the
//!   process ran in between. An edited rule begins anew.
//! - After a downtime, an alert that was active before does not end for want of samples:
//!   its absence counts once the process has run for as long as it was down, at most 5 min.
//! - Groups take turns ([`Engine::evaluate_next`]), the most overdue first: a slow one
//!   delays the others by one evaluation of its own, not by everybody's.

mod query;
mod file;
mod template;
mod schedule;
mod series;
mod recording;
mod downtime;
mod alert;
mod alerting;
mod group;
mod engine;
mod state;
mod show;
mod telemetry;
#[cfg(test)]
mod fake;

pub use alerting::AlertUpdate;
pub use engine::{Engine, EngineConfig, Evaluation};
pub use file::{RuleFile, read};
pub use query::{ExprError, Query, RuleSample, Sample};
pub use show::{AlertStatus, GroupStatus, Health, RuleStatus};
pub use state::StateError;
