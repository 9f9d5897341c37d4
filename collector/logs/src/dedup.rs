//! Records that were sent twice.
//!
//! The agent gives every line it tails a `log.record.uid`: the file's identity and the
//! line's offset, 16 hex digits each, and sends each file's lines in the order of their
//! offsets, one request in flight. So one number a file is enough: what is at or before
//! the highest offset seen has been taken already.
//!
//! The marks belong to a journal position: they are kept in the manifest beside `covers`
//! and rebuilt from there by the replay.

use serde::{Deserialize, Serialize};
use sonde_proto::Tenant;
use std::collections::HashMap;

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uid {
    file: u64,
    offset: u64,
}

impl Uid {
    /// Reads `<16 hex>-<16 hex>`; anything else identifies nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (file, offset) = text.split_once('-')?;
        Some(Self {
            file: hex(file)?,
            offset: hex(offset)?,
        })
    }
}

fn hex(text: &str) -> Option<u64> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok())?
}

/// The highest offset seen of every file, of the files seen last.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    files: HashMap<(Tenant, u64), Mark>,
    files_max: usize,
    tick: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    offset: u64,
    seen: u64,
}

/// The marks as the manifest keeps them, the file that was silent longest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedMarks(Vec<(String, String, u64)>);

impl Marks {
    pub(crate) fn new(files_max: u64) -> Self {
        let files_max = usize::try_from(files_max).unwrap_or(usize::MAX).max(1);
        Self {
            files: HashMap::new(),
            files_max,
            tick: 0,
        }
    }

    /// The marks that were saved.
    pub(crate) fn restore(files_max: u64, saved: &SavedMarks) -> Self {
        let mut marks = Self::new(files_max);
        for (tenant, file, offset) in &saved.0 {
            if let (Ok(tenant), Some(file)) = (Tenant::new(tenant), hex(file)) {
                marks.is_new(
                    &tenant,
                    Uid {
                        file,
                        offset: *offset,
                    },
                );
            }
        }
        marks
    }

    /// The marks to be saved.
    pub(crate) fn save(&self) -> SavedMarks {
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_unstable_by_key(|(_, mark)| mark.seen);
        let saved = files
            .into_iter()
            .map(|((t, file), m)| (t.as_str().to_owned(), format!("{file:016x}"), m.offset));
        SavedMarks(saved.collect())
    }

    /// Whether the line has not been taken yet; it is marked as taken.
    pub(crate) fn is_new(&mut self, tenant: &Tenant, uid: Uid) -> bool {
        self.tick += 1;
        let seen = self.tick;
        let key = (tenant.clone(), uid.file);
        if let Some(mark) = self.files.get_mut(&key) {
            mark.seen = seen;
            let new = uid.offset > mark.offset;
            mark.offset = mark.offset.max(uid.offset);
            return new;
        }
        if self.files.len() >= self.files_max {
            self.forget_silent();
        }
        self.files.insert(
            key,
            Mark {
                offset: uid.offset,
                seen,
            },
        );
        true
    }

    /// Forgets the eighth of the files that were silent longest, at least one.
    fn forget_silent(&mut self) {
        let mut seen: Vec<u64> = self.files.values().map(|m| m.seen).collect();
        let nth = seen.len() / 8;
        let (_, last_forgotten, _) = seen.select_nth_unstable(nth);
        let last_forgotten = *last_forgotten;
        self.files.retain(|_, mark| mark.seen > last_forgotten);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(file: u64, offset: u64) -> Uid {
        Uid::parse(&format!("{file:016x}-{offset:016x}")).unwrap()
    }

    #[test]
    fn what_is_at_or_before_the_mark_was_taken_already() {
        let (a, b) = (Tenant::new("a").unwrap(), Tenant::new("b").unwrap());
        let mut marks = Marks::new(10);
        let taken: Vec<bool> = [(&a, 0), (&a, 7), (&a, 7), (&a, 3), (&b, 3), (&a, 8)]
            .into_iter()
            .map(|(tenant, offset)| marks.is_new(tenant, uid(1, offset)))
            .collect();
        assert_eq!(taken, [true, true, false, false, true, true]);
        let mut restored = Marks::restore(10, &marks.save());
        assert!(!restored.is_new(&a, uid(1, 8)));
        assert!(restored.is_new(&a, uid(1, 9)));
    }

    #[test]
    fn the_files_silent_longest_are_forgotten() {
        let tenant = Tenant::default();
        let mut marks = Marks::new(16);
        for file in 0..100 {
            assert!(marks.is_new(&tenant, uid(file, 1)));
            assert!(marks.files.len() <= 16);
        }
        assert!(!marks.is_new(&tenant, uid(99, 1)));
        assert!(marks.is_new(&tenant, uid(0, 1)));
    }

    #[test]
    fn other_texts_identify_nothing() {
        for text in [
            "",
            "-",
            "1-2",
            "000000000000000g-0000000000000000",
            "+000000000000001-0000000000000000",
        ] {
            assert_eq!(Uid::parse(text), None, "{text}");
        }
    }
}
