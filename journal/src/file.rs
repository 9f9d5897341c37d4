//! The journal in files of one machine.
//!
//! ```text
//! <dir>/format                      the format's number and the key of the frames
//! <dir>/lock                        held while the journal is open
//! <dir>/reserve                     space given back when the disk is full
//! <dir>/quarantine/                 copies of damaged pieces
//! <dir>/logs-0/00000000000000000000.journal     named by its first position
//! <dir>/logs-0/00000000000000004711.journal     the active file, pre-written with zeros
//! <dir>/logs-0/spare-1                          a trimmed file, to be used again
//! ```
//!
//! Invariant: an append is acknowledged only after an `fdatasync` of its frame succeeded.
//! Files are pre-written because a sync of a file that does not grow writes no metadata.
//! After a failed sync the file is abandoned: what the kernel dropped then would be
//! reported by no later sync.

mod config;
mod home;
mod frame;
mod storage;
mod scan;
mod partition;
mod writer;
mod reader;
mod commit;
mod journal;
mod telemetry;
#[cfg(test)]
mod sim;

pub use config::FileConfig;
pub use journal::{FileJournal, OpenError};
