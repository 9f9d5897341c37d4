//! The path of a log file's bytes to a request, for the benchmark: the tail over a file in
//! memory, and a collector that takes everything at once.

use crate::config::{Config, ExportConfig, TailConfig};
use crate::enrich::Enricher;
use crate::export::batch;
use crate::tail::Tailer;
use crate::tail::cursors::Ledger;
use crate::tail::disk::{Disk, FileKey, Found, Stat};
use crate::telemetry::Telemetry;
use bytes::Bytes;
use sonde_proto::UnixNanos;
use std::path::Path;

/// A disk that holds one file.
struct OneFile {
    content: Bytes,
}

impl OneFile {
    fn fact(&self) -> Stat {
        Stat {
            key: FileKey {
                device: 1,
                inode: 1,
            },
            size: self.content.len() as u64,
            modified: 1,
            born: 1,
            links: 1,
        }
    }
}

impl Disk for OneFile {
    type Handle = ();

    fn list(&mut self, _known: &[&Path]) -> Vec<Found> {
        vec![Found {
            path: "/var/log/pods/shop_cart-7f_2a9c-11/cart/3.log".into(),
            aliases: Vec::new(),
            base: None,
            matched: true,
            stat: self.fact(),
        }]
    }

    fn open(&mut self, _path: &Path) -> std::io::Result<()> {
        Ok(())
    }

    fn stat(&mut self, (): &()) -> std::io::Result<Stat> {
        Ok(self.fact())
    }

    fn read_at(&mut self, (): &(), offset: u64, out: &mut [u8]) -> std::io::Result<usize> {
        let from =
            usize::try_from(offset).map_or(self.content.len(), |at| at.min(self.content.len()));
        let n = out.len().min(self.content.len() - from);
        out[..n].copy_from_slice(&self.content[from..from + n]);
        Ok(n)
    }
}

/// Reads a file of container lines to its end; calls `send` with the pieces of every
/// request. Gives the number of records.
pub fn read_to_requests(content: Bytes, mut send: impl FnMut(&[Bytes])) -> u64 {
    let (config, telemetry) = (Config::default(), Telemetry::default());
    let Ok(enricher) = Enricher::new(&config, "node-1") else {
        return 0;
    };
    let export = ExportConfig {
        lanes: 1,
        ..ExportConfig::default()
    };
    let (disk, tail, ledger) = (
        OneFile { content },
        TailConfig::default(),
        Ledger::default(),
    );
    let mut tailer = Tailer::new(disk, &tail, &export, enricher, telemetry.clone(), ledger);
    let now = UnixNanos::from_secs(1_700_000_000);
    tailer.scan(now);
    tailer.ledger().saved();
    tailer.look(now);
    loop {
        let progressed = tailer.turn(now);
        tailer.ledger().saved();
        let sealed = tailer.sealed(now, true);
        if sealed.is_empty() && !progressed {
            return telemetry.records.get();
        }
        for batch in sealed {
            send(&batch::request(&batch.sections));
            tailer.acknowledged(batch.lane, &batch.progress);
        }
    }
}
