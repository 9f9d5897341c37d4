//! The text format read the obvious way: a character at a time, everything copied. Knows what
//! well-made bodies hold and panics on others.

use crate::collect::Value;
use std::collections::BTreeMap;

/// A sample as one would read it by hand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plain {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: Value,
    pub(crate) time: Option<i64>,
}

/// All samples, and the type of each name.
pub(crate) fn read(body: &str) -> (Vec<Plain>, BTreeMap<String, String>) {
    let (mut samples, mut types) = (Vec::new(), BTreeMap::new());
    for line in body.split('\n') {
        if let Some(text) = line.strip_prefix("# TYPE ") {
            let (name, kind) = text.split_once(' ').unwrap();
            types.insert(name.to_owned(), kind.to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            samples.push(sample(line));
        }
    }
    // What the types say of bounds: they are numbers, written as OpenMetrics does.
    for plain in &mut samples {
        let of = |suffix: &str| types.get(plain.name.strip_suffix(suffix).unwrap_or(""));
        let is_bucket = of("_bucket").is_some_and(|kind| kind == "histogram");
        let is_quantile = types.get(&plain.name).is_some_and(|kind| kind == "summary");
        for (name, value) in &mut plain.labels {
            if (is_bucket && name == "le") || (is_quantile && name == "quantile") {
                *value = with_point(value);
            }
        }
    }
    (samples, types)
}

fn with_point(text: &str) -> String {
    if text.contains(['.', 'e', 'I']) {
        text.to_owned()
    } else {
        format!("{text}.0")
    }
}

fn sample(line: &str) -> Plain {
    let mut chars = line.chars().peekable();
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| !matches!(c, '{' | ' ')) {
        name.push(c);
    }
    let mut labels = Vec::new();
    if chars.next_if_eq(&'{').is_some() {
        while chars.next_if_eq(&'}').is_none() {
            let mut label = String::new();
            while let Some(c) = chars.next_if(|c| *c != '=') {
                label.push(c);
            }
            assert_eq!((chars.next(), chars.next()), (Some('='), Some('"')));
            let mut value = String::new();
            loop {
                match chars.next().unwrap() {
                    '"' => break,
                    '\\' => match chars.next().unwrap() {
                        'n' => value.push('\n'),
                        c => value.push(c),
                    },
                    c => value.push(c),
                }
            }
            labels.push((label, value));
            chars.next_if_eq(&',');
        }
    }
    let rest: String = chars.collect();
    let words: Vec<_> = rest.split(' ').filter(|word| !word.is_empty()).collect();
    let number: f64 = words[0].parse().unwrap();
    let number = if number.is_nan() {
        f64::from_bits(0x7ff8_0000_0000_0001)
    } else {
        number
    };
    Plain {
        name,
        labels,
        value: Value::float(number),
        time: words.get(1).map(|word| word.parse().unwrap()),
    }
}
