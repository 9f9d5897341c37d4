//! Deleting what a query finds: asked for, hidden at once, removed from disk later.
//!
//! A request is in the manifest before it is acknowledged, so no crash forgets it. From then
//! on it hides ([`crate::hidden`]) the records that were applied before it. Once it cannot be
//! cancelled any more, segments that have such records are rewritten without them
//! ([`super::sweep`]), and when none is left the request is processed and hides nothing.

mod requests;

pub(super) use requests::{Requests, SavedRequests};

use super::writer::Writer;
use super::{LogStore, StoreError};
use serde::{Deserialize, Serialize};
use sonde_logql::LogQuery;
use sonde_logql::ast::Stage;
use sonde_proto::{Tenant, UnixNanos};
use sonde_segment::{Manifest, SwapError};

/// What is to be deleted.
#[derive(Clone, Debug)]
pub struct NewDelete {
    /// A selector, and line filters where not all lines are meant.
    pub query: LogQuery,
    /// The earliest time.
    pub start: UnixNanos,
    /// The latest time, which is among them.
    pub end: UnixNanos,
    /// When it was asked for.
    pub created_at: UnixNanos,
}

/// A request to delete records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeleteRequest {
    /// Its name, of its own among all tenants.
    pub id: String,
    /// Which records: a selector and line filters.
    pub query: String,
    /// The earliest time.
    pub start: UnixNanos,
    /// The latest time, which is among them.
    pub end: UnixNanos,
    /// When it was asked for.
    pub created_at: UnixNanos,
    /// How far it is.
    pub status: DeleteStatus,
}

/// How far a request to delete is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeleteStatus {
    /// What it deletes is hidden, and not all removed from disk yet.
    Received,
    /// What it deletes is gone, but for segments that were found damaged and moved aside
    /// before: these keep what they had.
    Processed,
}

/// Why a request to delete was refused, or could not be cancelled.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The query does more than to choose records.
    #[error(
        "cannot delete by {0:?}: only a selector and line filters belong in a delete request, as in {{app=\"shop\"}} |= \"secret\""
    )]
    Stage(String),
    /// It could not be kept: as it is written down, it cannot be read again.
    #[error(
        "cannot delete by this query, for it could not be kept: written down it is {bytes} bytes, and {why}; ask for less at a time"
    )]
    Query {
        /// How long it is as it would be kept.
        bytes: usize,
        /// Why that is no query.
        why: String,
    },
    /// The times are the wrong way round.
    #[error("cannot delete: the end is before the start")]
    Times,
    /// Too many requests wait.
    #[error(
        "{0} delete requests wait already; wait until some are processed, or raise logs.deletes_max"
    )]
    TooMany(u64),
    /// There is no such request.
    #[error("there is no delete request {0:?}")]
    Unknown(String),
    /// Removing has begun.
    #[error(
        "the delete request {0:?} can no longer be cancelled, for records are being removed; what is left of them comes back if that is forced"
    )]
    Begun(String),
    /// Everything is removed.
    #[error("the delete request {0:?} is processed: what it deleted is gone")]
    Processed(String),
    /// It could not be written, and is not in force.
    #[error("the delete request could not be written: {0}")]
    Store(#[from] StoreError),
    /// It was written and counts, but nobody knows whether it would survive a power cut.
    #[error(
        "the delete request {id} {state}, but that may not survive a power cut, for it could not be synced: {cause}; look at the list of requests after the next start"
    )]
    Unsynced {
        /// Its name.
        id: String,
        /// What became of it.
        state: &'static str,
        /// What failed.
        cause: SwapError,
    },
}

impl LogStore {
    /// Hides the records that a query finds among those applied before, at once and from
    /// every answer, and removes them from disk later. The request is durable when this
    /// returns.
    ///
    /// # Errors
    /// [`DeleteError`] when it is refused or cannot be written; nothing is deleted then, but
    /// for [`DeleteError::Unsynced`].
    pub fn delete(&self, tenant: &Tenant, new: NewDelete) -> Result<DeleteRequest, DeleteError> {
        if let Some(stage) = other_stage(&new.query) {
            return Err(DeleteError::Stage(stage));
        }
        if new.end < new.start {
            return Err(DeleteError::Times);
        }
        can_be_kept(&new.query)?;
        let mut writer = self.writer.lock();
        let mut requests = writer.requests.clone();
        let max = self.config.deletes_max;
        if requests.waiting(tenant) >= max {
            return Err(DeleteError::TooMany(max));
        }
        let request = requests.add(tenant, new, self.applied_to());
        self.put_requests(&mut writer, requests)
            .map_err(|error| refused(&request.id, "is in force", error))?;
        tracing::info!(%tenant, id = request.id, query = request.query, "hiding log records that are to be deleted");
        Ok(request)
    }

    /// The delete requests of a tenant, the oldest first: those that wait, and the last of
    /// those that are processed.
    #[must_use]
    pub fn deletes(&self, tenant: &Tenant) -> Vec<DeleteRequest> {
        self.writer.lock().requests.of(tenant)
    }

    /// Cancels a request: what it hides is to be seen again. Once removing has begun, only
    /// with `force`, and what was removed stays so.
    ///
    /// # Errors
    /// [`DeleteError`] when there is none such, it is too late, or it cannot be written; it
    /// stays in force then, but for [`DeleteError::Unsynced`].
    pub fn cancel_delete(
        &self,
        tenant: &Tenant,
        id: &str,
        force: bool,
        now: UnixNanos,
    ) -> Result<(), DeleteError> {
        let mut writer = self.writer.lock();
        let mut requests = writer.requests.clone();
        let due = requests.due_through(now, self.config.delete_cancel_seconds);
        requests.cancel(tenant, id, due, force)?;
        self.put_requests(&mut writer, requests)
            .map_err(|error| refused(id, "is cancelled", error))?;
        tracing::info!(%tenant, id, "a delete request of logs was cancelled");
        Ok(())
    }

    /// Puts requests in force, durably first.
    fn put_requests(&self, writer: &mut Writer, requests: Requests) -> Result<(), SwapError> {
        let mut manifest = writer.manifest.clone();
        put_extra(&mut manifest, &requests);
        let swapped = self.dir.swap(&manifest);
        if swapped
            .as_ref()
            .is_err_and(|error| !error.may_be_in_force())
        {
            return swapped;
        }
        // Whoever reads the disk now finds the new ones, synced or not, and so must everyone
        // else; the next change syncs them too.
        writer.manifest = manifest;
        self.view.write().put_requests(&requests);
        writer.requests = requests;
        swapped
    }

    /// Says of requests that nothing of what they delete is left, and forgets old ones.
    pub(super) fn finish_deletes(
        &self,
        writer: &mut Writer,
        now: UnixNanos,
    ) -> Result<(), SwapError> {
        let due = writer
            .requests
            .due_through(now, self.config.delete_cancel_seconds);
        let mut requests = writer.requests.clone();
        let done = requests.finish(&writer.manifest, due, now);
        if done.is_empty() {
            return Ok(());
        }
        self.put_requests(writer, requests)?;
        for id in done {
            tracing::info!(id, "a delete request of logs is processed");
        }
        Ok(())
    }
}

/// Keeps the requests in what the manifest has for the store.
pub(super) fn put_extra(manifest: &mut Manifest, requests: &Requests) {
    if !manifest.extra.is_object() {
        manifest.extra = serde_json::json!({});
    }
    manifest.extra["deletes"] = serde_json::to_value(requests.save()).unwrap_or_default();
}

fn refused(id: &str, state: &'static str, cause: SwapError) -> DeleteError {
    match cause.may_be_in_force() {
        true => DeleteError::Unsynced {
            id: id.to_owned(),
            state,
            cause,
        },
        false => DeleteError::Store(cause.into()),
    }
}

/// Requests are kept as text, which is longer than what was asked where much is quoted.
fn can_be_kept(query: &LogQuery) -> Result<(), DeleteError> {
    let text = query.to_string();
    let refused = |why| DeleteError::Query {
        bytes: text.len(),
        why,
    };
    match LogQuery::parse(&text) {
        Ok(read) if read.to_string() == text => Ok(()),
        Ok(_) => Err(refused("that is read as another query".into())),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// A stage of the query that does not choose among lines as they came.
fn other_stage(query: &LogQuery) -> Option<String> {
    let mut stages = query.expr().stages.iter();
    stages
        .find(|stage| !matches!(stage, Stage::Line(_)))
        .map(ToString::to_string)
}
