//! What the pool keeps, and lets go.

use super::*;
use crate::stream::Level;

fn stream(n: usize) -> Arc<Stream> {
    Arc::new(Stream {
        labels: [("service_name", n.to_string())].into_iter().collect(),
        resource: Arc::default(),
        level: Level::Unknown,
    })
}

fn streams(numbers: std::ops::Range<usize>) -> Vec<Arc<Stream>> {
    numbers.map(stream).collect()
}

#[test]
fn equal_streams_become_one_and_those_of_segments_that_are_gone_are_forgotten() {
    let pool = StreamPool::new(u64::MAX);
    let (a, b) = (Arc::default(), Arc::default());
    let of_a = pool.keep(streams(1..3), (&a, 0, 1));
    let of_b = pool.keep(streams(2..4), (&b, 0, 1));
    assert!(Arc::ptr_eq(&of_a[1], &of_b[0]));
    assert!(Arc::ptr_eq(&of_a, &a.get(0).unwrap()));
    assert_eq!(pool.len(), 3);
    for n in 0..20_000 {
        pool.keep(vec![stream(n + 10)], (&Arc::default(), 0, 1));
        assert!(pool.len() <= SWEEP_MIN + 3);
    }
    assert_eq!(a.get(0).unwrap().len(), 2, "what a segment has stays");
}

#[test]
fn a_full_pool_lets_those_go_that_were_not_used_for_longest() {
    let pool = StreamPool::new(10 * (stream(10).bytes() + 8 + SECTION_BYTES));
    let kept = Arc::default();
    for n in 10..20 {
        pool.keep(vec![stream(n)], (&kept, n as u32, 100));
    }
    assert!((10..20).all(|n| kept.get(n).is_some()));
    // All were used, so the first that came goes; then those that were not used since.
    pool.keep(vec![stream(20)], (&kept, 20, 100));
    assert!(kept.get(10).is_none());
    assert!(kept.get(11).is_some(), "and this is used now");
    pool.keep(vec![stream(21)], (&kept, 21, 100));
    assert!(kept.get(11).is_some() && kept.get(12).is_none());
    assert_eq!(pool.len(), 10);
}

#[test]
fn a_stream_stays_while_another_section_has_it_and_bytes_are_those_of_what_is_there() {
    let pool = StreamPool::new(u64::MAX);
    let (a, b): (Arc<KeptStreams>, Arc<KeptStreams>) = Default::default();
    let lists = [
        pool.keep(streams(0..50), (&a, 0, 1)),
        pool.keep(streams(0..60), (&b, 0, 1)),
    ];
    let all: u64 = streams(0..60).iter().map(|s| s.bytes()).sum();
    assert_eq!(pool.bytes(), all + lists.iter().map(bytes_of).sum::<u64>());
    drop(lists);
    let mut left = Vec::new();
    let most = pool.bytes() - 1;
    a.slot(0).unwrap().used.store(false, Ordering::Relaxed);
    pool.pooled.lock().make_room(most, &mut left);
    assert!(a.get(0).is_none() && b.get(0).is_some());
    assert_eq!(pool.len(), 60, "the other has them all");
    b.slot(0).unwrap().used.store(false, Ordering::Relaxed);
    pool.pooled.lock().make_room(0, &mut left);
    assert_eq!((pool.len(), pool.bytes()), (0, 0));
}

#[test]
fn with_no_room_at_all_streams_are_still_there_for_who_reads_them() {
    let pool = StreamPool::new(0);
    let kept = Arc::default();
    let list = pool.keep(streams(0..5), (&kept, 0, 1));
    assert_eq!(list.len(), 5);
    assert!(kept.get(0).is_none());
    assert_eq!((pool.len(), pool.bytes()), (0, 0));
    // A place that the segment does not have is not kept.
    assert_eq!(pool.keep(streams(0..5), (&kept, 7, 1)).len(), 5);
}
