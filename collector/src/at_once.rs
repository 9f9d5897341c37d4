//! Several questions at once.

/// How many threads one request may keep busy.
const THREADS_MAX: usize = 4;

/// What each item gives, in the order of the items. A panic goes on in the caller.
pub(crate) fn each<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = THREADS_MAX.min(items.len());
    if threads < 2 {
        return items.iter().map(ask).collect();
    }
    // Neighbours often cost alike, so they go to different threads.
    let share = |first: usize| -> Vec<R> {
        let own = items.iter().skip(first).step_by(threads);
        own.map(&ask).collect()
    };
    let shares: Vec<Vec<R>> = std::thread::scope(|scope| {
        let share = &share;
        let others: Vec<_> = (1..threads)
            .map(|first| scope.spawn(move || share(first)))
            .collect();
        let mut shares = vec![share(0)];
        for other in others {
            let done = other.join();
            shares.push(done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        shares
    });
    let mut shares: Vec<_> = shares.into_iter().map(Vec::into_iter).collect();
    (0..items.len())
        .filter_map(|at| shares[at % threads].next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_stays_however_many_there_are() {
        for count in 0..20 {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(each(&items, |n| *n), items);
        }
    }

    #[test]
    fn no_more_threads_than_allowed_are_busy() {
        let seen = each(&[(); 50], |()| std::thread::current().id());
        let ids: std::collections::HashSet<_> = seen.into_iter().collect();
        assert_eq!(ids.len(), THREADS_MAX);
    }

    #[test]
    #[should_panic(expected = "on purpose")]
    fn a_panic_is_no_answer() {
        each(&[1, 2, 3], |n| assert!(*n != 2, "on purpose"));
    }
}
