//! Conditions on one span, as TraceQL: what dialects ask that have no language of their own.

use super::ApiError;
use sonde_lex::quoted;
use sonde_proto::semconv;
use sonde_traces::TraceQuery;

/// Conditions that one span satisfies together.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<String>);

impl Conditions {
    /// The service it happened in.
    pub(super) fn service(&mut self, name: &str) {
        self.add(format!(
            "resource.{} = {}",
            semconv::SERVICE_NAME,
            quoted(name)
        ));
    }

    /// What was done.
    pub(super) fn name(&mut self, name: &str) {
        self.add(format!("name = {}", quoted(name)));
    }

    /// Compares a duration, as in `traceDuration >= 5ns`.
    pub(super) fn duration(&mut self, what: &str, op: &str, nanos: u64) {
        self.add(format!("{what} {op} {nanos}ns"));
    }

    /// A tag that an attribute of the span or its resource has, or what stands for one: tags
    /// are texts, and the attribute may be a number or a boolean that is written so.
    pub(super) fn tag(&mut self, key: &str, value: &str) {
        let text = quoted(value);
        self.add(match (key, value) {
            ("error", "true") => "status = error".into(),
            ("error", "false") => "status != error".into(),
            ("otel.status_code" | "status.code" | "status", "OK" | "ok") => "status = ok".into(),
            ("otel.status_code" | "status.code" | "status", "ERROR" | "error") => {
                "status = error".into()
            }
            ("span.kind", "server" | "client" | "producer" | "consumer" | "internal") => {
                format!("kind = {value}")
            }
            ("otel.scope.name", _) => format!("instrumentation:name = {text}"),
            ("otel.scope.version", _) => format!("instrumentation:version = {text}"),
            ("otel.status_description", _) => format!("statusMessage = {text}"),
            ("name", _) => format!("name = {text}"),
            ("root.name", _) => format!("rootName = {text}"),
            ("root.service.name", _) => format!("rootServiceName = {text}"),
            _ => of_attribute(key, value, &text),
        });
    }

    fn add(&mut self, condition: String) {
        self.0.push(condition);
    }

    /// As a query.
    pub(super) fn query(&self) -> Result<TraceQuery, ApiError> {
        let text = format!("{{ {} }}", self.0.join(" && "));
        TraceQuery::parse(&text).map_err(|error| ApiError::bad_request(error.to_string()))
    }
}

fn of_attribute(key: &str, value: &str, text: &str) -> String {
    let key = format!(".{}", quoted(key));
    let is_typed = matches!(value, "true" | "false") || is_number(value);
    if is_typed {
        format!("({key} = {text} || {key} = {value})")
    } else {
        format!("{key} = {text}")
    }
}

/// Digits with at most one point among them and a sign before them, as TraceQL has it too.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut parts = digits.split('.');
    let is_part = |part: Option<&str>| {
        part.is_none_or(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    };
    let (whole, fraction) = (parts.next(), parts.next());
    digits.len() <= 18 && is_part(whole) && is_part(fraction) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tags: &[(&str, &str)], expected: &str) {
        let mut conditions = Conditions::default();
        for (key, value) in tags {
            conditions.tag(key, value);
        }
        let expected = TraceQuery::parse(expected).unwrap();
        assert_eq!(conditions.query().unwrap(), expected, "{tags:?}");
    }

    #[test]
    fn a_tag_is_what_it_is_called_in_traceql() {
        check(&[], "{ }");
        check(&[("http.route", "/x")], "{ .http.route = \"/x\" }");
        check(
            &[("error", "true"), ("a", "b")],
            "{ status = error && .a = \"b\" }",
        );
        check(&[("span.kind", "server")], "{ kind = server }");
        check(&[("span.kind", "odd")], "{ .span.kind = \"odd\" }");
        check(&[("n", "200")], "{ .n = \"200\" || .n = 200 }");
        check(&[("n", "-2.5")], "{ .n = \"-2.5\" || .n = -2.5 }");
        check(&[("is", "true")], "{ .is = \"true\" || .is = true }");
        check(&[("n", "1.2.3")], "{ .n = \"1.2.3\" }");
    }

    #[test]
    fn no_name_and_no_value_can_leave_its_place() {
        let odd = "\" } || { \\ \n `'";
        let mut conditions = Conditions::default();
        conditions.tag(odd, odd);
        conditions.service(odd);
        conditions.name(odd);
        conditions.duration("duration", ">=", 5);
        let query = conditions.query().unwrap();
        let quoted = quoted(odd);
        let same = format!(
            "{{ .{quoted} = {quoted} && resource.service.name = {quoted} && name = {quoted} && duration >= 5ns }}"
        );
        assert_eq!(query, TraceQuery::parse(&same).unwrap());
    }
}
