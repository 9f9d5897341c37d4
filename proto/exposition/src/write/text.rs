//! The two text formats.

use crate::content::{Answer, Format};
use crate::family::{Exemplar, Family, Kind, Label, Sample};
use crate::names::{is_legacy_label_name, is_legacy_metric_name};
use crate::number;
use sonde_proto::SampleValue;
use std::borrow::Cow;
use std::io::Write as _;

/// The lines that were not handed over yet.
pub(super) struct Lines {
    out: Vec<u8>,
    answer: Answer,
    /// The `_created` line of the group under way, written after it.
    created: Vec<u8>,
    next_created: Vec<u8>,
}

impl Lines {
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            out: Vec::new(),
            answer,
            created: Vec::new(),
            next_created: Vec::new(),
        }
    }

    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn is_open_metrics(&self) -> bool {
        self.answer.protocol.format() == Format::OpenMetrics
    }

    /// Writes what is said of a family before its first sample, which has this name.
    pub(super) fn begin(&mut self, family: &Family<'_>, sample: &str) {
        let (name, kind) = if self.is_open_metrics() {
            open_metrics_head(family, sample)
        } else {
            text_head(family, sample)
        };
        let name = self.answer.escaping.metric_name(name);
        let open_metrics = self.is_open_metrics();
        if !family.help.is_empty() {
            self.out.extend_from_slice(b"# HELP ");
            push_name(&mut self.out, &name);
            self.out.push(b' ');
            push_escaped(&mut self.out, &family.help, open_metrics);
            self.out.push(b'\n');
        }
        self.out.extend_from_slice(b"# TYPE ");
        push_name(&mut self.out, &name);
        let _ = writeln!(self.out, " {kind}");
        let has_unit = name.strip_suffix(family.unit.as_ref());
        let has_unit = has_unit.is_some_and(|stem| stem.ends_with('_')) && !family.unit.is_empty();
        if open_metrics && has_unit {
            self.out.extend_from_slice(b"# UNIT ");
            push_name(&mut self.out, &name);
            let _ = writeln!(self.out, " {}", family.unit);
        }
    }

    pub(super) fn add(&mut self, family: &Family<'_>, sample: &Sample<'_>) {
        let SampleValue::Float(value) = sample.value else {
            return;
        };
        let open_metrics = self.is_open_metrics();
        if open_metrics {
            self.note_created(family, sample);
        }
        let escaping = self.answer.escaping;
        let name = escaping.metric_name(sample.name);
        push_series(&mut self.out, &name, sample.labels, None, |name| {
            escaping.label_name(name)
        });
        self.out.push(b' ');
        number::write(&mut self.out, value, open_metrics);
        if let Some(time) = sample.time {
            self.out.push(b' ');
            if open_metrics {
                push_seconds(&mut self.out, time);
            } else {
                let _ = write!(self.out, "{time}");
            }
        }
        let may_have_exemplar = sample.name.ends_with("_total") || sample.name.ends_with("_bucket");
        if open_metrics
            && may_have_exemplar
            && let Some(exemplar) = sample.exemplars.first()
        {
            self.exemplar(exemplar);
        }
        self.out.push(b'\n');
    }

    fn exemplar(&mut self, exemplar: &Exemplar<'_>) {
        let escaping = self.answer.escaping;
        self.out.extend_from_slice(b" # ");
        if exemplar.labels.is_empty() {
            self.out.extend_from_slice(b"{}");
        } else {
            let labels = &exemplar.labels;
            push_series(&mut self.out, "", labels, None, |name| {
                escaping.label_name(name)
            });
        }
        self.out.push(b' ');
        number::write(&mut self.out, exemplar.value, true);
        if let Some(time) = exemplar.time {
            self.out.push(b' ');
            push_seconds(&mut self.out, time);
        }
    }

    /// Writes the start of the group before, if this sample is of another, and keeps its own.
    fn note_created(&mut self, family: &Family<'_>, sample: &Sample<'_>) {
        self.next_created.clear();
        if let Some(start) = sample.start.filter(|_| family.kind.has_created()) {
            let escaping = self.answer.escaping;
            let name = format!("{}_created", family.stem());
            let name = escaping.metric_name(&name);
            push_series(
                &mut self.next_created,
                &name,
                sample.labels,
                family.kind.bound_label(),
                |name| escaping.label_name(name),
            );
            self.next_created.push(b' ');
            push_seconds(&mut self.next_created, start);
            self.next_created.push(b'\n');
        }
        if self.next_created != self.created {
            self.out.extend_from_slice(&self.created);
            std::mem::swap(&mut self.next_created, &mut self.created);
        }
    }

    pub(super) fn end_family(&mut self) {
        self.out.extend_from_slice(&self.created);
        self.created.clear();
    }

    pub(super) fn end(&mut self) {
        if self.is_open_metrics() {
            self.out.extend_from_slice(b"# EOF\n");
        }
    }
}

/// The name and the kind of a family in the text format, which gives a counter its `_total`
/// and knows five kinds.
fn text_head<'f>(family: &'f Family<'_>, sample: &'f str) -> (&'f str, &'static str) {
    match family.kind {
        Kind::Counter if !family.created_name_is(sample) => (sample, "counter"),
        Kind::Counter => (&family.name, "counter"),
        Kind::Info => (sample, "gauge"),
        Kind::StateSet => (&family.name, "gauge"),
        Kind::GaugeHistogram | Kind::Unknown => (&family.name, "untyped"),
        Kind::Gauge | Kind::Histogram | Kind::Summary => (&family.name, family.kind.word()),
    }
}

/// The same in OpenMetrics, where a counter's samples end with `_total` and an info's with
/// `_info`, and families do not. Those that do not are of a kind that is not known.
fn open_metrics_head<'f>(family: &'f Family<'_>, sample: &'f str) -> (&'f str, &'static str) {
    let suffix = match family.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        _ => return (&family.name, family.kind.word()),
    };
    match sample.strip_suffix(suffix) {
        Some(stem) if !stem.is_empty() => (stem, family.kind.word()),
        _ if family.created_name_is(sample) => (family.stem(), family.kind.word()),
        _ => (sample, Kind::Unknown.word()),
    }
}

/// Writes name and labels, the name inside of the braces if it needs quotes.
fn push_series<'n>(
    out: &mut Vec<u8>,
    name: &str,
    labels: &'n [Label<'_>],
    without: Option<&str>,
    escape: impl Fn(&'n str) -> Cow<'n, str>,
) {
    let is_inside = !name.is_empty() && !is_legacy_metric_name(name);
    let mut separator = b'{';
    if is_inside {
        out.push(b'{');
        separator = b',';
    }
    push_name(out, name);
    for label in labels
        .iter()
        .filter(|label| Some(label.name.as_ref()) != without)
    {
        out.push(separator);
        separator = b',';
        let name = escape(&label.name);
        if is_legacy_label_name(&name) {
            out.extend_from_slice(name.as_bytes());
        } else {
            push_quoted(out, &name);
        }
        out.push(b'=');
        push_quoted(out, &label.value);
    }
    if separator == b',' {
        out.push(b'}');
    }
}

fn push_name(out: &mut Vec<u8>, name: &str) {
    if name.is_empty() || is_legacy_metric_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        push_quoted(out, name);
    }
}

fn push_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text, true);
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &str, quotes: bool) {
    for byte in text.bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            _ => out.push(byte),
        }
    }
}

/// Milliseconds as seconds with a fraction.
fn push_seconds(out: &mut Vec<u8>, millis: i64) {
    let sign = if millis < 0 { "-" } else { "" };
    let millis = millis.unsigned_abs();
    let _ = write!(out, "{sign}{}.{:03}", millis / 1_000, millis % 1_000);
}
