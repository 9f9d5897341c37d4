//! A log file as a container runtime writes it: `time stream tag line`, below the folder
//! of its pod (Kubernetes' CRI log format).

use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// The log of one container.
pub(super) struct ContainerLog(Mutex<File>);

impl ContainerLog {
    /// Creates `<dir>/shop_<service>-0_<uid>/<service>/0.log`.
    pub(super) fn create(dir: &Path, service: &str) -> io::Result<Self> {
        let uid = uid(service);
        let folder = dir.join(format!("shop_{service}-0_{uid}")).join(service);
        std::fs::create_dir_all(&folder)?;
        File::options()
            .create(true)
            .append(true)
            .open(folder.join("0.log"))
            .map(|file| Self(Mutex::new(file)))
    }

    /// Appends one line of the standard output.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        let line = format!("{:.9} stdout F {text}\n", jiff::Timestamp::now());
        self.0.lock().write_all(line.as_bytes())
    }
}

/// A pod's UID, the same at every start so that a kept data directory goes on.
fn uid(service: &str) -> String {
    let number = service
        .bytes()
        .fold(0_u64, |n, b| n.wrapping_mul(257).wrapping_add(u64::from(b)));
    format!(
        "{:08x}-0000-4000-8000-{:012x}",
        number >> 32,
        number & 0xffff_ffff
    )
}
