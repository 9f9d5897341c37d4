//! Moves the blocks of several segments into one, as they are.

use super::{CLOSING, Merged, Rewritten, about, raw_bytes};
use crate::hidden::Hidden;
use crate::segment::{Damage, JoinError, JoinSource, Segment, Written, join, join_well};
use crate::store::seal::Task;
use crate::store::sweep::place;
use sonde_segment::work::Pace;
use std::sync::Arc;
use std::time::Instant;

impl Task {
    /// Joins `sources`; nothing where they are to be written anew, because something of them
    /// is hidden or their blocks are small. What can be hidden was looked for up to the
    /// request `through`.
    pub(in crate::store) fn join(
        &self,
        sources: &[Arc<Segment>],
        pace: &Pace,
        hidden: &Hidden,
        through: u64,
    ) -> Result<Option<Merged>, String> {
        let damaged = |(at, damage): (usize, Damage)| Merged::Damaged {
            id: sources[at].meta.id,
            damage,
        };
        let is_hidden = |source: &Arc<Segment>| !hidden.at(&place(&source.meta)).is_empty();
        if sources.iter().any(is_hidden) {
            return Ok(None);
        }
        match join_well(sources) {
            Err(met) => return Ok(Some(damaged(met))),
            Ok(false) if !self.common.joins_all() => return Ok(None),
            Ok(_) => {}
        }
        let mut met = None;
        // Nothing of them can be hidden, so the requests are carried out.
        let written = self.write_files(about(sources, through), |path| {
            let from = Instant::now();
            let of = |source: &Arc<Segment>| self.dir.path(&self.tenant, source.meta.id);
            let joined = sources.iter().map(|source| JoinSource {
                segment: source,
                dir: of(source),
            });
            let joined = join(path, &joined.collect::<Vec<_>>(), |bytes| {
                pace.may_go_on(bytes, from)
            });
            let written = joined.map_err(|error| match error {
                JoinError::Damaged(at, damage) => {
                    let message = damage.to_string();
                    met = Some((at, damage));
                    message
                }
                JoinError::Write(error) => error.to_string(),
                JoinError::Stopped => CLOSING.into(),
            })?;
            Ok(Written {
                raw_bytes: sources.iter().map(|source| raw_bytes(&source.meta)).sum(),
                ..written
            })
        });
        match (written, met) {
            (Ok(new), None) => Ok(Some(Merged::Written(Rewritten {
                gone: sources.iter().map(|s| s.meta.id).collect(),
                new: Some(new),
                through,
                ..Rewritten::default()
            }))),
            (_, Some(met)) => Ok(Some(damaged(met))),
            (Err(error), None) => Err(error),
        }
    }
}
