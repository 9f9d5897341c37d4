//! Whose turn it is.
//!
//! There are so many turns, and one tenant has at most half of them: however much it asks,
//! others are answered too. Who finds none free waits in line, and the lines are bounded as
//! well. Leaving the line, or ending the turn, is dropping it.

use super::ApiError;
use parking_lot::Mutex;
use sonde_proto::Tenant;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many requests of one tenant, and of all together, may wait.
const WAITING_OF_TENANT_MAX: usize = 256;
const WAITING_MAX: usize = 1024;

/// A number of turns. Clones hand out the same ones.
#[derive(Clone)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    count: usize,
    present: Arc<Mutex<Present>>,
}

/// Who has a turn or waits for one.
#[derive(Default)]
struct Present {
    requests: usize,
    tenants: HashMap<Tenant, Share>,
}

/// What one tenant may have.
struct Share {
    free: Arc<Semaphore>,
    requests: usize,
}

/// A turn, as long as it is kept.
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _any: OwnedSemaphorePermit,
    _place: Place,
}

impl Turns {
    pub(super) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            count,
            present: Arc::default(),
        }
    }

    /// How many one tenant may have.
    pub(super) fn share(&self) -> usize {
        self.count.div_ceil(2)
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When too many wait already, and when the time was over before it came.
    pub(super) async fn wait(&self, tenant: &Tenant, within: Duration) -> Result<Turn, ApiError> {
        let (place, own) = self.enter(tenant)?;
        let turn = async {
            // The share first: who waits for it keeps no turn from others.
            let own = own.acquire_owned().await;
            let any = Arc::clone(&self.free).acquire_owned().await;
            own.and_then(|own| Ok((own, any?)))
        };
        let (own, any) = tokio::time::timeout(within, turn)
            .await
            .map_err(|_| ApiError::timeout("too many queries are running; try again"))?
            .map_err(|_| ApiError::unavailable("the collector is stopping"))?;
        Ok(Turn {
            _own: own,
            _any: any,
            _place: place,
        })
    }

    /// Takes a turn that is free; `None` where there is none for this tenant.
    pub(super) fn take(&self, tenant: &Tenant) -> Option<Turn> {
        let (place, own) = self.enter(tenant).ok()?;
        Some(Turn {
            _own: own.try_acquire_owned().ok()?,
            _any: Arc::clone(&self.free).try_acquire_owned().ok()?,
            _place: place,
        })
    }

    fn enter(&self, tenant: &Tenant) -> Result<(Place, Arc<Semaphore>), ApiError> {
        let mut present = self.present.lock();
        let own = present.tenants.get(tenant).map_or(0, |own| own.requests);
        if own >= self.share() + WAITING_OF_TENANT_MAX {
            return Err(ApiError::too_many(format!(
                "{WAITING_OF_TENANT_MAX} queries of this tenant wait already; ask fewer at once, or raise http.queries_max"
            )));
        }
        if present.requests >= self.count + WAITING_MAX {
            return Err(ApiError::too_many(format!(
                "{WAITING_MAX} queries wait already; try again"
            )));
        }
        present.requests += 1;
        let share = present.tenants.entry(tenant.clone());
        let share = share.or_insert_with(|| Share {
            free: Arc::new(Semaphore::new(self.share())),
            requests: 0,
        });
        share.requests += 1;
        let place = Place {
            present: Arc::clone(&self.present),
            tenant: tenant.clone(),
        };
        Ok((place, Arc::clone(&share.free)))
    }
}

/// A place among those who have a turn or wait for one.
struct Place {
    present: Arc<Mutex<Present>>,
    tenant: Tenant,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.present.lock();
        present.requests -= 1;
        if let Some(share) = present.tenants.get_mut(&self.tenant) {
            share.requests -= 1;
            if share.requests == 0 {
                present.tenants.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    const LONG: Duration = Duration::from_secs(600);

    fn tenant(name: &str) -> Tenant {
        Tenant::new(name).unwrap()
    }

    #[tokio::test]
    async fn a_tenant_that_asks_for_everything_leaves_half_to_others() {
        let turns = Turns::new(4);
        let (greedy, other) = (tenant("greedy"), tenant("other"));
        let mut first = vec![
            turns.wait(&greedy, LONG).await.ok().unwrap(),
            turns.wait(&greedy, LONG).await.ok().unwrap(),
        ];
        assert!(turns.take(&greedy).is_none());
        let mut third = pin!(turns.wait(&greedy, LONG));
        assert!(futures::poll!(&mut third).is_pending());
        // Who waits for its own share is in nobody's way.
        let others = [turns.take(&other), turns.take(&other)];
        assert!(others.iter().all(Option::is_some));
        assert!(turns.take(&tenant("third")).is_none());
        // The turn that ends is for whoever waits.
        first.pop();
        let third = third.await.ok().unwrap();
        drop((first, third, others));
        assert!(turns.present.lock().tenants.is_empty());
        assert_eq!(turns.present.lock().requests, 0);
    }

    #[tokio::test]
    async fn who_waits_too_long_and_who_finds_the_line_full_is_told() {
        let turns = Turns::new(1);
        let (greedy, other) = (tenant("greedy"), tenant("other"));
        let turn = turns.take(&greedy).unwrap();
        let late = turns.wait(&greedy, Duration::ZERO).await.err().unwrap();
        assert_eq!(late.status, http::StatusCode::GATEWAY_TIMEOUT);
        let mut waiting = Vec::new();
        for _ in 0..WAITING_OF_TENANT_MAX {
            let mut one = Box::pin(turns.wait(&greedy, LONG));
            assert!(futures::poll!(&mut one).is_pending());
            waiting.push(one);
        }
        let full = turns.wait(&greedy, LONG).await.err().unwrap();
        assert_eq!(full.status, http::StatusCode::TOO_MANY_REQUESTS);
        // Others still wait for their turn.
        let mut others = Box::pin(turns.wait(&other, LONG));
        assert!(futures::poll!(&mut others).is_pending());
        // Whoever leaves makes room, and leaves nothing behind.
        drop((waiting, turn));
        assert!(others.await.is_ok());
        assert!(turns.take(&greedy).is_some());
    }

    #[tokio::test]
    async fn however_many_tenants_wait_the_lines_are_bounded() {
        let turns = Turns::new(1);
        let turn = turns.take(&tenant("first")).unwrap();
        let mut waiting = Vec::new();
        for number in 0..WAITING_MAX {
            let tenant = tenant(&format!("t{number}"));
            let turns = turns.clone();
            let mut one = Box::pin(async move { turns.wait(&tenant, LONG).await });
            assert!(futures::poll!(&mut one).is_pending());
            waiting.push(one);
        }
        let full = turns.wait(&tenant("last"), LONG).await.err().unwrap();
        assert_eq!(full.status, http::StatusCode::TOO_MANY_REQUESTS);
        drop((waiting, turn));
        assert!(turns.present.lock().tenants.is_empty());
    }
}
