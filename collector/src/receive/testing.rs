//! What the tests of the doors have behind these.

use crate::admit::{Admission, PointTimes};
use crate::config::OtlpLimits;
use crate::telemetry::Telemetry;
use prometheus_client::registry::Registry;
use sonde_journal::{FileConfig, FileJournal};
use sonde_proto::Clock;
use std::sync::Arc;

/// Admission before a real journal, which is deleted when this is dropped.
pub(super) struct Behind {
    pub(super) admission: Arc<Admission>,
    pub(super) journal: Arc<FileJournal>,
    _dir: tempfile::TempDir,
}

impl Behind {
    pub(super) fn new(limits: &OtlpLimits, clock: Arc<dyn Clock>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = FileConfig {
            reserve_bytes: 0,
            ..FileConfig::default()
        };
        let path = dir.path().join("journal");
        let covered = std::collections::BTreeMap::new();
        let journal = FileJournal::open_at(&path, &config, &mut Registry::default(), &covered);
        let journal = Arc::new(journal.unwrap());
        let admission = Admission::new(
            Arc::clone(&journal) as _,
            clock,
            Arc::new(Telemetry::default()),
            limits,
            PointTimes {
                late_max_seconds: 60,
                future_max_seconds: 60,
            },
            None,
            std::collections::HashSet::new(),
        );
        Self {
            admission: Arc::new(admission),
            journal,
            _dir: dir,
        }
    }
}
