//! Writes a tail as a segment.

use super::columns::Columns;
use super::ids::write_ids;
use super::parts::SpansWritten;
use super::shells::ShellList;
use super::tokens::Taken;
use super::{Fragment, INDEX, SPANS, checksum, name_key, summary_key, value};
use crate::raw::{RawSpan, collapse};
use crate::tail::Tail;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::SegmentMeta;
use sonde_segment::blocks::{BlockError, Writer, Written};
use std::fs;
use std::path::Path;

/// What a segment is called and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) tenant: Tenant,
    pub(crate) positions: (Position, Position),
    pub(crate) received: (UnixNanos, UnixNanos),
}

/// Writes the directory of a segment from a tail that has spans.
pub(crate) fn write_tail(
    path: &Path,
    id: u64,
    tenant: &Tenant,
    tail: &Tail,
) -> Result<SegmentMeta, BlockError> {
    create(path)?;
    let shells = ShellList::of(tail);
    let (spans, records) = write_spans(path, tail, &shells)?;
    let index = write_index(path, tail, &shells)?;
    let label = Label {
        id,
        tenant: tenant.clone(),
        positions: tail.positions.unwrap_or_default(),
        received: tail.received.unwrap_or_default(),
    };
    let fragments = || tail.traces.values().map(|t| &t.fragment);
    Ok(meta(label, fragments(), records, spans, index))
}

pub(super) fn create(path: &Path) -> Result<(), BlockError> {
    fs::create_dir_all(path).map_err(|cause| BlockError::Io {
        operation: "create the directory of",
        cause,
    })
}

pub(super) fn meta<'a>(
    label: Label,
    fragments: impl Iterator<Item = &'a Fragment> + Clone,
    records: u64,
    spans: SpansWritten,
    index: Written,
) -> SegmentMeta {
    let (start, end, count) = (
        fragments.clone().map(|f| f.start).min(),
        fragments.clone().map(|f| f.end).max(),
        fragments.count(),
    );
    SegmentMeta {
        id: label.id,
        tenant: label.tenant,
        start: start.unwrap_or_default(),
        end: end.unwrap_or_default(),
        positions: label.positions,
        bytes: spans.bytes + index.bytes,
        records,
        checksum: checksum(spans.checksum, index.checksum),
        extra: serde_json::json!({
            "format": spans.format(),
            "received": [label.received.0, label.received.1],
            "fragments": count,
        }),
    }
}

/// When the entries of a segment arrived: first and last.
pub(crate) fn received(meta: &SegmentMeta) -> (UnixNanos, UnixNanos) {
    let at = |n: usize| meta.extra["received"][n].as_u64().map(UnixNanos);
    (at(0).unwrap_or(meta.start), at(1).unwrap_or(meta.end))
}

fn write_spans(
    path: &Path,
    tail: &Tail,
    shells: &ShellList,
) -> Result<(SpansWritten, u64), BlockError> {
    let mut writer = Writer::create(&path.join(SPANS))?;
    let mut traces: Vec<_> = tail.traces.iter().collect();
    traces.sort_unstable_by_key(|(id, _)| **id);
    let (mut records, mut room) = (0, Vec::new());
    for (id, trace) in traces {
        let mut spans: Vec<&RawSpan> = trace.spans.iter().collect();
        collapse(&mut spans);
        records += spans.len() as u64;
        value::of_tail(&spans, shells, &mut room, |value| {
            writer.add(id.as_bytes(), value)
        })?;
    }
    Ok((SpansWritten::of(&[writer.finish()?]), records))
}

fn write_index(path: &Path, tail: &Tail, shells: &ShellList) -> Result<Written, BlockError> {
    let mut writer = Writer::create(&path.join(INDEX))?;
    let mut traces: Vec<_> = tail.traces.values().collect();
    traces.sort_unstable_by_key(|t| t.fragment.order());
    let mut columns = Columns::default();
    for trace in &traces {
        columns.add(&trace.codes, &mut writer)?;
    }
    columns.finish(&mut writer)?;
    shells.write(&mut writer)?;
    write_names(&mut writer, tail.names())?;
    let mut taken = Taken::of(&traces);
    write_ids(&mut writer, std::mem::take(&mut taken.ids))?;
    for (ordinal, trace) in (0..).zip(&traces) {
        writer.add(&summary_key(ordinal), &trace.fragment.encode())?;
    }
    taken.write_tokens(&mut writer)?;
    writer.finish()
}

/// Writes names in the order of their keys, which is not quite the order of the names.
pub(super) fn write_names<'a>(
    writer: &mut Writer,
    names: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), BlockError> {
    let without_zero = |name: &str| name.replace('\0', "");
    let mut keys: Vec<Vec<u8>> = names
        .map(|(service, operation)| name_key(&without_zero(service), &without_zero(operation)))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys.iter()
        .filter(|key| key.len() <= sonde_segment::blocks::KEY_BYTES_MAX)
        .try_for_each(|key| writer.add(key, &[]))
}
