//! The whole journal on a folder in memory whose power fails between any two operations,
//! and whose operations fail when they are told to. Some payloads hold forged frames.
//!
//! What a crash leaves: of the changes of names since the last folder sync a random
//! prefix, of the writes since a file's last sync a random choice of 512-byte sectors.

mod folder;
mod life;
mod schedules;
mod full;
