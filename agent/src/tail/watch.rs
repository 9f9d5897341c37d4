//! The system's reports about directories: a hint to look earlier, never the truth.
//!
//! Queues overflow and watches run out; discovery finds everything without them. Only what
//! changes names is of interest: lines are found by looking.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Watches directories, as far as the system lets it.
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    reported: bool,
}

impl Watch {
    /// A watch that calls `hint` when a file may have appeared, moved or gone.
    pub(crate) fn new(enabled: bool, hint: impl Fn() + Send + 'static) -> Self {
        let on_event = move |event: notify::Result<notify::Event>| {
            let names_changed = |kind: &EventKind| {
                matches!(
                    kind,
                    EventKind::Create(_)
                        | EventKind::Remove(_)
                        | EventKind::Modify(notify::event::ModifyKind::Name(_))
                )
            };
            if event.map_or(true, |event| {
                event.need_rescan() || names_changed(&event.kind)
            }) {
                hint();
            }
        };
        let watcher = if enabled {
            notify::recommended_watcher(on_event).ok()
        } else {
            None
        };
        Self {
            watcher,
            watched: BTreeSet::new(),
            reported: false,
        }
    }

    /// Watches exactly `directories`.
    pub(crate) fn set(&mut self, directories: BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for gone in self.watched.difference(&directories) {
            // Gone directories are unwatched by the system itself.
            drop(watcher.unwatch(gone));
        }
        for new in directories.difference(&self.watched) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive)
                && !std::mem::replace(&mut self.reported, true)
            {
                tracing::warn!(
                    directory = %new.display(), %error,
                    "cannot watch the directory; rotated files are found by looking every tail.scan_interval_ms. \
                     If the system's limit is reached, raise the sysctl fs.inotify.max_user_watches or max_user_instances"
                );
            }
        }
        self.watched = directories;
    }
}
