//! The list of requests to delete: who waits, who may be carried out, who is done.

use super::{DeleteError, DeleteRequest, DeleteStatus, NewDelete};
use crate::hidden::Request;
use crate::store::sweep::deletes_through;
use serde::{Deserialize, Serialize};
use sonde_logql::LogQuery;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::{Manifest, SegmentMeta};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a processed request is still listed.
const LISTED: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many processed requests of a tenant are listed.
const LISTED_MAX: usize = 100;

/// All requests, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(in crate::store) struct Requests {
    /// The number of the last one there was.
    last: u64,
    all: Vec<Listed>,
}

#[derive(Clone, Debug)]
struct Listed {
    tenant: Tenant,
    request: Arc<Request>,
    created_at: UnixNanos,
    processed_at: Option<UnixNanos>,
    unreadable: Option<Unreadable>,
}

/// A saved request of which the query cannot be read. It hides everything in its time, for what
/// it hid must not come back, and deletes nothing, for nobody knows what it meant.
#[derive(Clone, Debug)]
struct Unreadable {
    query: String,
    why: String,
}

/// The requests as the manifest keeps them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::store) struct SavedRequests {
    last: u64,
    requests: Vec<Saved>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Saved {
    number: u64,
    tenant: String,
    query: String,
    start: UnixNanos,
    end: UnixNanos,
    before: Position,
    created_at: UnixNanos,
    processed_at: Option<UnixNanos>,
}

impl Requests {
    /// The requests that were saved. One that cannot be read stops nothing: it is in
    /// [`Self::troubles`], and hides more than it meant until somebody cancels it.
    pub(in crate::store) fn restore(saved: SavedRequests) -> Self {
        let all = saved.requests.into_iter().filter_map(|saved| {
            let Ok(tenant) = Tenant::new(&saved.tenant) else {
                tracing::error!(
                    tenant = saved.tenant,
                    number = saved.number,
                    "a delete request is of a tenant that cannot be; it is forgotten"
                );
                return None;
            };
            let (query, unreadable) = match LogQuery::parse(&saved.query) {
                Ok(query) => (query, None),
                Err(error) => {
                    let unreadable = Unreadable {
                        query: saved.query,
                        why: error.to_string(),
                    };
                    (LogQuery::parse("{}").ok()?, Some(unreadable))
                }
            };
            Some(Listed {
                tenant,
                request: Arc::new(Request {
                    number: saved.number,
                    query,
                    start: saved.start,
                    end: saved.end,
                    before: saved.before,
                }),
                created_at: saved.created_at,
                processed_at: saved.processed_at,
                unreadable,
            })
        });
        let this = Self {
            last: saved.last,
            all: all.collect(),
        };
        this.troubles()
            .for_each(|trouble| tracing::error!("{trouble}"));
        this
    }

    /// What a person should do something about.
    pub(in crate::store) fn troubles(&self) -> impl Iterator<Item = String> {
        let waiting = self.all.iter().filter(|l| l.processed_at.is_none());
        waiting.filter_map(|listed| {
            let unreadable = listed.unreadable.as_ref()?;
            let query: String = unreadable.query.chars().take(100).collect();
            Some(format!(
                "the delete request {} of tenant {} cannot be read ({}): {query:?}; until it is cancelled it hides every record of its time, and neither it nor a later one removes anything from disk",
                listed.id(),
                listed.tenant,
                unreadable.why,
            ))
        })
    }

    /// The requests to be saved.
    pub(in crate::store) fn save(&self) -> SavedRequests {
        let saved = self.all.iter().map(|listed| Saved {
            number: listed.request.number,
            tenant: listed.tenant.as_str().to_owned(),
            query: listed.query(),
            start: listed.request.start,
            end: listed.request.end,
            before: listed.request.before,
            created_at: listed.created_at,
            processed_at: listed.processed_at,
        });
        SavedRequests {
            last: self.last,
            requests: saved.collect(),
        }
    }

    /// Takes a request for the records before a position.
    pub(super) fn add(
        &mut self,
        tenant: &Tenant,
        new: NewDelete,
        before: Position,
    ) -> DeleteRequest {
        self.last += 1;
        let listed = Listed {
            tenant: tenant.clone(),
            request: Arc::new(Request {
                number: self.last,
                query: new.query,
                start: new.start,
                end: new.end,
                before,
            }),
            created_at: new.created_at,
            processed_at: None,
            unreadable: None,
        };
        let shown = listed.shown();
        self.all.push(listed);
        shown
    }

    pub(super) fn cancel(
        &mut self,
        tenant: &Tenant,
        id: &str,
        due_through: u64,
        force: bool,
    ) -> Result<(), DeleteError> {
        let is_it = |l: &Listed| l.tenant == *tenant && l.id() == id;
        let Some(at) = self.all.iter().position(is_it) else {
            return Err(DeleteError::Unknown(id.chars().take(100).collect()));
        };
        let listed = &self.all[at];
        if listed.processed_at.is_some() {
            return Err(DeleteError::Processed(listed.id()));
        }
        if listed.request.number <= due_through && !force {
            return Err(DeleteError::Begun(listed.id()));
        }
        self.all.remove(at);
        Ok(())
    }

    /// How many requests of a tenant wait.
    pub(super) fn waiting(&self, tenant: &Tenant) -> u64 {
        let waits = |l: &&Listed| l.processed_at.is_none() && l.tenant == *tenant;
        self.all.iter().filter(waits).count() as u64
    }

    /// The requests of a tenant, the oldest first.
    pub(in crate::store) fn of(&self, tenant: &Tenant) -> Vec<DeleteRequest> {
        let of_tenant = self.all.iter().filter(|l| l.tenant == *tenant);
        of_tenant.map(Listed::shown).collect()
    }

    /// The requests that hide records, by tenant.
    pub(in crate::store) fn in_force(&self) -> BTreeMap<Tenant, Vec<Arc<Request>>> {
        let mut by_tenant = BTreeMap::<_, Vec<_>>::new();
        for listed in self.all.iter().filter(|l| l.processed_at.is_none()) {
            let of_tenant = by_tenant.entry(listed.tenant.clone()).or_default();
            of_tenant.push(Arc::clone(&listed.request));
        }
        by_tenant
    }

    /// The number up to which requests may be carried out: they are in the order in which
    /// they came, so that one number for a segment says which were.
    pub(in crate::store) fn due_through(&self, now: UnixNanos, cancel_seconds: u64) -> u64 {
        let delay = Duration::from_secs(cancel_seconds);
        let may_be_cancelled =
            |l: &Listed| l.unreadable.is_some() || l.created_at.plus(delay) > now;
        let waits = |l: &&Listed| l.processed_at.is_none() && may_be_cancelled(l);
        let first = self.all.iter().find(waits);
        first.map_or(self.last, |listed| listed.request.number - 1)
    }

    /// Finds those of the due requests processed of which no segment has anything, and
    /// forgets processed ones that are old or too many. The names of the former.
    pub(super) fn finish(
        &mut self,
        manifest: &Manifest,
        due_through: u64,
        now: UnixNanos,
    ) -> Vec<String> {
        let mut done = Vec::new();
        for listed in &mut self.all {
            let request = &listed.request;
            let is_due = listed.processed_at.is_none() && request.number <= due_through;
            let of_tenant = |s: &&SegmentMeta| s.tenant == listed.tenant;
            if is_due
                && manifest.covers >= request.before
                && !manifest
                    .segments
                    .iter()
                    .filter(of_tenant)
                    .any(|s| may_have(s, request))
            {
                listed.processed_at = Some(now);
                done.push(listed.id());
            }
        }
        if !done.is_empty() {
            self.forget(now);
        }
        done
    }

    fn forget(&mut self, now: UnixNanos) {
        let mut listed = BTreeMap::<Tenant, usize>::new();
        let mut kept: Vec<Listed> = std::mem::take(&mut self.all);
        kept.reverse();
        kept.retain(|l| match l.processed_at {
            None => true,
            Some(at) => {
                let of_tenant = listed.entry(l.tenant.clone()).or_default();
                *of_tenant += 1;
                *of_tenant <= LISTED_MAX && at.plus(LISTED) > now
            }
        });
        kept.reverse();
        self.all = kept;
    }
}

/// Whether a segment may still have what the request deletes.
fn may_have(segment: &SegmentMeta, request: &Request) -> bool {
    deletes_through(segment) < request.number
        && segment.positions.0 < request.before
        && request.start <= segment.end
        && segment.start <= request.end
}

impl Listed {
    fn id(&self) -> String {
        format!("{:08x}", self.request.number)
    }

    /// The query as it is kept.
    fn query(&self) -> String {
        match &self.unreadable {
            Some(unreadable) => unreadable.query.clone(),
            None => self.request.query.to_string(),
        }
    }

    fn shown(&self) -> DeleteRequest {
        DeleteRequest {
            id: self.id(),
            query: self.query(),
            start: self.request.start,
            end: self.request.end,
            created_at: self.created_at,
            status: match self.processed_at {
                None => DeleteStatus::Received,
                Some(_) => DeleteStatus::Processed,
            },
        }
    }
}

#[cfg(test)]
mod tests;
