//! What summaries and sections say, against the streams themselves.

use super::*;
use crate::record::metadata::name_of;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn stream(labels: &[(String, String)], resource: &[(String, String)]) -> Arc<Stream> {
    let labels = labels.iter().map(|(n, v)| (n.as_str(), v.clone()));
    Arc::new(Stream {
        labels: labels.collect(),
        resource: resource.into(),
        level: Level::Info,
    })
}

fn opened(streams: &[Arc<Stream>], room: u64) -> Streams {
    let file = write(streams).unwrap().unwrap();
    let pool = Arc::new(StreamPool::new(room));
    Streams::open(OwnedBytes::new(file), &pool, &Arc::default()).unwrap()
}

/// Names and values of which some come often, and some are long.
fn pairs_strategy() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![9 => "[a-d]", 1 => "[a-z]{1,30}"];
    let value = prop_oneof![9 => "[0-9]{1,2}", 2 => "[a-zä]{1,9}", 1 => "x{60,300}"];
    prop::collection::vec((name, value), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_summary_never_denies_what_a_stream_has(
        all in prop::collection::vec((pairs_strategy(), pairs_strategy()), 0..600),
    ) {
        let all: Vec<_> = all.iter().map(|(labels, resource)| stream(labels, resource)).collect();
        let list = opened(&all, 0);
        list.check().unwrap();
        prop_assert_eq!(&list.all().unwrap()[..], &all[..]);
        let names = all.iter().flat_map(|s| s.labels.iter().map(|(n, _)| n.to_owned()));
        let mut names: BTreeSet<String> = names.collect();
        names.insert("none".into());
        for section in 0..list.sections() {
            let ordinals = list.ordinals(section).unwrap();
            let own = &all[ordinals.start as usize..ordinals.end as usize];
            prop_assert_eq!(&list.section(section).unwrap()[..], own);
            let summary = list.summary(section).unwrap();
            for name in &names {
                let there: BTreeSet<&str> = own.iter().map(|s| s.labels.get(name)).collect();
                match summary.values(name).unwrap() {
                    Values::Are(told) => {
                        prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), there);
                    }
                    Values::Between(least, greatest, lacks) => {
                        for value in there {
                            let within = (least..=greatest).contains(&value);
                            prop_assert!(within || (value.is_empty() && lacks));
                        }
                    }
                    Values::Unknown => {}
                }
                let has = own.iter().any(|s| s.resource.iter().any(|(n, _)| name_of(n) == *name));
                let may = summary.may_have_resource(|own| name_of(own) == *name).unwrap();
                prop_assert!(may || !has);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in any::<u8>()) {
        let whole = write(&[stream(&[("a".into(), "1".into())], &[])]).unwrap().unwrap();
        for file in [bytes.clone(), [&whole[..usize::from(cut) % whole.len()], &bytes[..]].concat()] {
            let pool = Arc::new(StreamPool::new(0));
            if let Ok(list) = Streams::open(OwnedBytes::new(file), &pool, &Arc::default()) {
                let _ = list.check();
                for section in 0..list.sections().min(5) {
                    let _ = (list.ordinals(section), list.section(section));
                    if let Ok(summary) = list.summary(section) {
                        let _ = (summary.values("a"), summary.may_have_resource(|_| false));
                    }
                }
            }
        }
        if let Some(summary) = Summary::read(&bytes) {
            let _ = (summary.values("a"), summary.may_have_resource(|_| false));
        }
    }
}

#[test]
fn neighbours_with_few_values_are_told_and_many_names_are_not() {
    let pair = |n: &str, v: String| (n.to_owned(), v);
    let all: Vec<_> = (100..200)
        .map(|n| {
            let labels = [
                pair("pod", format!("pod-{n}")),
                pair("service", format!("s{}", n / 50)),
            ];
            stream(
                &labels[..1 + usize::from(n % 2 == 0)],
                &[pair("os.type", "x".into())],
            )
        })
        .collect();
    let list = opened(&all, 0);
    let summary = list.summary(0).unwrap();
    let values = |name| summary.values(name).unwrap();
    assert_eq!(values("pod"), Values::Between("pod-100", "pod-199", false));
    assert_eq!(values("service"), Values::Are(vec!["s2", "s3", ""]));
    assert_eq!(values("node"), Values::Are(vec![""]));
    assert_eq!(
        summary.may_have_resource(|name| name == "os.type"),
        Some(true)
    );
    assert_eq!(summary.may_have_resource(|name| name == "os"), Some(false));

    let named = |n: usize| stream(&[pair(&format!("name{n}"), "1".into())], &[]);
    let list = opened(&(0..100).map(named).collect::<Vec<_>>(), 0);
    let summary = list.summary(0).unwrap();
    assert_eq!(summary.values("name1"), Some(Values::Unknown));
    assert_eq!(summary.values("other"), Some(Values::Unknown));
    assert_eq!(summary.may_have_resource(|_| false), Some(true));
}

#[test]
fn a_damaged_section_takes_nothing_but_itself() {
    let pair = |n: usize| [("pod".to_owned(), format!("pod-{n:04}"))];
    let all: Vec<_> = (0..600).map(|n| stream(&pair(n), &[])).collect();
    let mut file = write(&all).unwrap().unwrap();
    file[3] ^= 1;
    let pool = Arc::new(StreamPool::new(u64::MAX));
    let list = Streams::open(OwnedBytes::new(file), &pool, &Arc::default()).unwrap();
    list.check_index().unwrap();
    let damage = list.section(0).unwrap_err();
    assert!(damage.0.contains("section 0 of streams"), "{damage}");
    assert_eq!(list.section(1).unwrap()[..], all[256..512]);
    assert!(list.check().is_err() && list.all().is_err());
}
