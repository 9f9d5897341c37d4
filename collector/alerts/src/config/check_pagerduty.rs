//! `PagerDuty`'s part of a receiver.

use super::check::{Check, RawSecret};
use super::raw::RawGlobal;
use super::raw_receivers::RawPagerDuty;
use crate::notify::{Integration, Kind, PagerDuty, PagerDutyImage, PagerDutyLink, Poster};
use crate::secret::Secret;
use std::collections::BTreeMap;

const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

impl Check<'_> {
    pub(super) fn pagerduty(
        &mut self,
        path: &str,
        raw: &RawPagerDuty,
        global: &RawGlobal,
        at: usize,
    ) -> Option<Integration> {
        for (key, is_there) in [
            ("service_key", raw.service_key.is_some()),
            ("service_key_file", raw.service_key_file.is_some()),
        ] {
            if is_there {
                self.problem(&format!("{path}.{key}"), format!("`{key}` is of Events API v1, which is not supported; use `routing_key` of Events API v2"));
            }
        }
        let key = RawSecret {
            key: "routing_key",
            inline: raw.routing_key.as_ref(),
            file: raw.routing_key_file.as_deref(),
        };
        let key = self.secret(path, &key);
        if key.is_none() && raw.routing_key.is_none() {
            self.problem(path, "no key: give `routing_key` or `routing_key_file`");
        }
        let url = raw
            .url
            .as_deref()
            .or(global.pagerduty_url.as_deref())
            .unwrap_or(PAGERDUTY_URL);
        let place = if raw.url.is_some() {
            format!("{path}.url")
        } else {
            "global.pagerduty_url".into()
        };
        self.url(&place, &Secret::new(url));
        let client_text = raw
            .client
            .as_deref()
            .unwrap_or(r#"{{ template "pagerduty.default.client" . }}"#);
        let mut details = BTreeMap::from([
            (
                "firing",
                r#"{{ template "pagerduty.default.instances" .Alerts.Firing }}"#,
            ),
            (
                "resolved",
                r#"{{ template "pagerduty.default.instances" .Alerts.Resolved }}"#,
            ),
            ("num_firing", "{{ .Alerts.Firing | len }}"),
            ("num_resolved", "{{ .Alerts.Resolved | len }}"),
        ]);
        details.extend(
            raw.details
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let pagerduty = PagerDuty {
            poster: Poster::new(self.http(
                path,
                raw.http_config.as_ref(),
                global.http_config.as_ref(),
            )),
            url: url.to_owned(),
            client: self.field(path, "client", Some(client_text), ""),
            client_url: self.field(
                path,
                "client_url",
                raw.client_url.as_deref(),
                r#"{{ template "pagerduty.default.clientURL" . }}"#,
            ),
            description: self.field(
                path,
                "description",
                raw.description.as_deref(),
                r#"{{ template "pagerduty.default.description" . }}"#,
            ),
            severity: self.field(path, "severity", raw.severity.as_deref(), "error"),
            source: self.field(path, "source", raw.source.as_deref(), client_text),
            class: self.field(path, "class", raw.class.as_deref(), ""),
            component: self.field(path, "component", raw.component.as_deref(), ""),
            group: self.field(path, "group", raw.group.as_deref(), ""),
            details: details
                .into_iter()
                .map(|(name, value)| {
                    (
                        name.to_owned(),
                        self.field(path, &format!("details.{name}"), Some(value), ""),
                    )
                })
                .collect(),
            images: self.pagerduty_images(path, raw),
            links: self.pagerduty_links(path, raw),
            routing_key: key?,
        };
        Some(Integration {
            name: format!("pagerduty[{at}]"),
            send_resolved: raw.send_resolved.unwrap_or(true),
            timeout: self.timeout(path, raw.timeout.as_deref()),
            kind: Kind::PagerDuty(Box::new(pagerduty)),
        })
    }

    fn pagerduty_images(&mut self, path: &str, raw: &RawPagerDuty) -> Vec<PagerDutyImage> {
        let mut found = Vec::new();
        for (at, image) in raw.images.iter().enumerate() {
            let path = format!("{path}.images[{at}]");
            found.push(PagerDutyImage {
                src: self.field(&path, "src", Some(&image.src), ""),
                alt: self.field(&path, "alt", Some(&image.alt), ""),
                href: self.field(&path, "href", Some(&image.href), ""),
            });
        }
        found
    }

    fn pagerduty_links(&mut self, path: &str, raw: &RawPagerDuty) -> Vec<PagerDutyLink> {
        let mut found = Vec::new();
        for (at, link) in raw.links.iter().enumerate() {
            let path = format!("{path}.links[{at}]");
            found.push(PagerDutyLink {
                href: self.field(&path, "href", Some(&link.href), ""),
                text: self.field(&path, "text", Some(&link.text), ""),
            });
        }
        found
    }
}
