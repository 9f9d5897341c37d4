//! The mail part of a receiver.

use super::check::{Check, RawSecret};
use super::check_receivers::TIMEOUT;
use super::raw::RawGlobal;
use super::raw_receivers::RawEmail;
use crate::notify::{Email, Integration, Kind, Prepared, Smarthost, Threading};
use crate::text::{Escape, Text};
use std::collections::BTreeMap;

impl Check<'_> {
    pub(super) fn email(
        &mut self,
        path: &str,
        raw: &RawEmail,
        global: &RawGlobal,
        at: usize,
    ) -> Option<Integration> {
        for (key, is_there) in [
            ("auth_secret", raw.auth_secret.is_some()),
            ("auth_secret_file", raw.auth_secret_file.is_some()),
            ("force_implicit_tls", raw.force_implicit_tls.is_some()),
        ] {
            self.unsupported(&format!("{path}.{key}"), is_there);
        }
        let to = raw.to.as_deref().filter(|to| !to.trim().is_empty());
        let from = raw
            .from
            .as_deref()
            .or(global.smtp_from.as_deref())
            .filter(|from| !from.is_empty());
        if to.is_none() {
            self.problem(path, "no addressee: give `to`");
        }
        if from.is_none() {
            self.problem(
                path,
                "no sender: give `from` here, or `smtp_from` under `global`",
            );
        }
        let smarthost = self.smarthost(path, raw, global);
        let own = RawSecret {
            key: "auth_password",
            inline: raw.auth_password.as_ref(),
            file: raw.auth_password_file.as_deref(),
        };
        let shared = RawSecret {
            key: "smtp_auth_password",
            inline: global.smtp_auth_password.as_ref(),
            file: global.smtp_auth_password_file.as_deref(),
        };
        let password = self.own_or_shared(path, &own, &shared);
        let username = raw
            .auth_username
            .clone()
            .or(global.smtp_auth_username.clone())
            .filter(|name| !name.is_empty());
        if username.is_some() && password.is_none() {
            self.problem(path, "there is a user name but no password: give `auth_password` or `auth_password_file`");
        }
        let requires_tls = raw.require_tls.or(global.smtp_require_tls).unwrap_or(true);
        let is_open = |host: &Smarthost| !requires_tls && !host.is_smtps() && !host.is_local();
        if username.is_some() && smarthost.as_ref().is_some_and(is_open) {
            self.problem(path, "with `require_tls: false` the password would be sent unencrypted to another machine; remove the login, or `require_tls: false`");
        }
        self.identity(path, raw, global, username.as_deref());
        let (tls_path, tls) = match &raw.tls_config {
            Some(tls) => (format!("{path}.tls_config"), Some(tls)),
            None => (
                "global.smtp_tls_config".to_owned(),
                global.smtp_tls_config.as_ref(),
            ),
        };
        let email = Email {
            to: self.field(path, "to", to, ""),
            from: self.field(path, "from", from, ""),
            hello: raw
                .hello
                .clone()
                .or(global.smtp_hello.clone())
                .unwrap_or("localhost".into()),
            login: username.zip(password),
            requires_tls,
            tls: self.tls(&tls_path, tls),
            headers: self.headers(path, &raw.headers),
            html: self.escaped_text(
                &format!("{path}.html"),
                raw.html.as_deref(),
                r#"{{ template "email.default.html" . }}"#,
                Escape::Html,
            ),
            text: self.field(
                path,
                "text",
                raw.text.as_deref(),
                r#"{{ template "email.default.text" . }}"#,
            ),
            threading: self.threading(path, raw),
            smarthost: smarthost?,
            prepared: Prepared::default(),
        };
        Some(Integration {
            name: format!("email[{at}]"),
            send_resolved: raw.send_resolved.unwrap_or(false),
            timeout: 3 * TIMEOUT,
            kind: Kind::Email(Box::new(email)),
        })
    }

    fn identity(&mut self, path: &str, raw: &RawEmail, global: &RawGlobal, username: Option<&str>) {
        let (place, identity) = match (&raw.auth_identity, &global.smtp_auth_identity) {
            (Some(own), _) => (format!("{path}.auth_identity"), own),
            (None, Some(shared)) => ("global.smtp_auth_identity".to_owned(), shared),
            (None, None) => return,
        };
        self.unsupported(
            &place,
            !identity.is_empty() && Some(identity.as_str()) != username,
        );
    }

    fn smarthost(&mut self, path: &str, raw: &RawEmail, global: &RawGlobal) -> Option<Smarthost> {
        let (place, text) = match (&raw.smarthost, &global.smtp_smarthost) {
            (Some(own), _) => (format!("{path}.smarthost"), own),
            (None, Some(shared)) => ("global.smtp_smarthost".to_owned(), shared),
            (None, None) => {
                self.problem(
                    path,
                    "no mail server: give `smarthost` here, or `smtp_smarthost` under `global`",
                );
                return None;
            }
        };
        let smarthost = Smarthost::parse(text);
        if smarthost.is_none() {
            self.problem(
                &place,
                format!("{text:?} is no mail server; write host:port, like mail.example.org:587"),
            );
        }
        smarthost
    }

    fn headers(&mut self, path: &str, raw: &BTreeMap<String, String>) -> Vec<(String, Text)> {
        let mut found: BTreeMap<String, (String, Text)> = BTreeMap::new();
        for (name, value) in raw {
            let place = format!("{path}.headers.{name}");
            let is_name =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
            if !is_name {
                self.problem(&place, format!("{name:?} is no header's name"));
            } else if found.contains_key(&name.to_lowercase()) {
                self.problem(&place, format!("header `{name}` is given twice"));
            }
            found.insert(
                name.to_lowercase(),
                (name.clone(), self.text(&place, Some(value), "")),
            );
        }
        if !found.contains_key("subject") {
            let subject = self.text(path, None, r#"{{ template "email.default.subject" . }}"#);
            found.insert("subject".into(), ("Subject".into(), subject));
        }
        found.into_values().collect()
    }

    fn threading(&mut self, path: &str, raw: &RawEmail) -> Threading {
        let Some(threading) = raw.threading.as_ref().filter(|threading| threading.enabled) else {
            return Threading::Off;
        };
        match threading.thread_by_date.as_deref().unwrap_or("daily") {
            "daily" => Threading::Daily,
            "none" => Threading::Whole,
            other => {
                self.problem(
                    &format!("{path}.threading.thread_by_date"),
                    format!("{other:?} is neither `daily` nor `none`"),
                );
                Threading::Off
            }
        }
    }
}
