//! A delivery as the integrations see it: with the data that templates work on.

use crate::alert::{AlertState, KeptAlert};
use crate::core::Delivery;
use crate::text::{Text, data};
use parking_lot::Mutex;
use sonde_proto::{Labels, UnixNanos};
use sonde_template::Value;
use std::sync::Arc;

/// A message that is being sent.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) delivery: Delivery,
    pub(crate) external_url: String,
    data: Value,
    template_errors: Mutex<Vec<String>>,
}

impl Message {
    pub(crate) fn new(delivery: Delivery, external_url: &str) -> Self {
        let data = data::of(&delivery, external_url);
        Self {
            delivery,
            external_url: external_url.to_owned(),
            data,
            template_errors: Mutex::default(),
        }
    }

    /// Executes a template. When it fails the text is empty and the failure is remembered: a
    /// bad template must not swallow a page.
    pub(crate) fn text(&self, text: &Text) -> String {
        self.text_or(text, String::new)
    }

    /// Executes the template of the part that a person reads first. When it fails, a summary
    /// of our own takes its place.
    pub(crate) fn headline(&self, text: &Text) -> String {
        self.headline_as(text, str::to_owned)
    }

    /// [`Self::headline`] with a summary that is escaped the way the receiver needs.
    pub(crate) fn headline_as(&self, text: &Text, escape: fn(&str) -> String) -> String {
        self.text_or(text, || escape(&self.summary()))
    }

    fn text_or(&self, text: &Text, instead: impl FnOnce() -> String) -> String {
        text.execute(&self.data, self.delivery.at)
            .unwrap_or_else(|error| {
                self.template_errors.lock().push(error);
                instead()
            })
    }

    /// The failures of templates so far.
    pub(crate) fn template_errors(&self) -> Vec<String> {
        std::mem::take(&mut self.template_errors.lock())
    }

    /// What it is about, without a template.
    pub(crate) fn summary(&self) -> String {
        let Delivery {
            status,
            alerts,
            group_labels,
            ..
        } = &self.delivery;
        format!(
            "[{}] {} alerts {group_labels}",
            status.as_str().to_uppercase(),
            alerts.len()
        )
    }

    /// The labels that all alerts share.
    pub(crate) fn common_labels(&self) -> Labels {
        common(&self.delivery.alerts, |alert| &alert.labels)
    }

    /// The annotations that all alerts share.
    pub(crate) fn common_annotations(&self) -> Labels {
        common(&self.delivery.alerts, |alert| &alert.annotations)
    }
}

/// What all alerts share of their labels or annotations.
pub(crate) fn common(
    alerts: &[(Arc<KeptAlert>, AlertState)],
    of: impl Fn(&KeptAlert) -> &Labels,
) -> Labels {
    let Some((first, rest)) = alerts.split_first() else {
        return Labels::empty();
    };
    let is_shared =
        |(name, value): &(&str, &str)| rest.iter().all(|(alert, _)| of(alert).get(name) == *value);
    of(&first.0).iter().filter(is_shared).collect()
}

/// RFC 3339 in UTC with as many digits as needed; the year 1 for "not yet".
pub(crate) fn rfc3339(time: Option<UnixNanos>) -> String {
    let Some(time) = time else {
        return "0001-01-01T00:00:00Z".to_owned();
    };
    let nanos = i128::from(time.0);
    jiff::Timestamp::from_nanosecond(nanos).map_or_else(
        |_| "0001-01-01T00:00:00Z".to_owned(),
        |time| time.to_string(),
    )
}
