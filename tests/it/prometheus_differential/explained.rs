//! What the older Prometheus answers otherwise than version 3, which Sonde follows; or what
//! Sonde says otherwise on purpose. Each with its reason, and questions that show it and must
//! go on differing for this reason.

use super::compare::Reply;
use super::generate::Question;

/// A question with two answers that are not alike.
pub(super) struct Pair<'a> {
    pub(super) question: &'a Question,
    pub(super) ours: &'a Reply,
    pub(super) theirs: &'a Reply,
}

/// A known difference.
pub(super) struct Explained {
    pub(super) why: &'static str,
    pub(super) explains: fn(&Pair<'_>) -> bool,
    pub(super) shown_by: &'static [&'static str],
}

impl Pair<'_> {
    fn asks(&self, word: &str) -> bool {
        self.question.expr.contains(word)
    }

    /// Whether neither failed.
    fn both_answer(&self) -> bool {
        self.ours.status == 200 && self.theirs.status == 200
    }

    /// How many subqueries there are.
    fn subqueries(&self) -> usize {
        let brackets = self.question.expr.split('[').skip(1);
        let inside = brackets.filter_map(|text| text.split_once(']'));
        inside.filter(|(inside, _)| inside.contains(':')).count()
    }

    /// Whether a duration stands behind a comma.
    fn has_duration_argument(&self) -> bool {
        let mut behind = self.question.expr.split(',').skip(1);
        behind.any(|text| {
            let text = text.trim_start();
            let unit = text.find(|c: char| !c.is_ascii_digit());
            unit.is_some_and(|at| at > 0 && text[at..].starts_with(['s', 'm', 'h']))
        })
    }

    /// What we and they say of a failure; nothing where there is none.
    fn errors(&self) -> (&str, &str) {
        (
            self.ours.error().unwrap_or_default(),
            self.theirs.error().unwrap_or_default(),
        )
    }
}

/// All of them.
pub(super) const EXPLAINED: &[Explained] = &[
    Explained {
        why: "version 3 tells NaN and too small a number from one too large",
        explains: |pair| {
            let (ours, theirs) = pair.errors();
            theirs.ends_with(" overflows int64")
                && (ours == "Parameter value is NaN" || ours.ends_with(" underflows int64"))
        },
        shown_by: &["topk(NaN, temperature)", "bottomk(-Inf, temperature)"],
    },
    Explained {
        why: "its parser's number of a token is no part of the message",
        explains: |pair| {
            let (ours, theirs) = pair.errors();
            let named = theirs.split_once("\"<Item ");
            let named = named.and_then(|(before, rest)| Some((before, rest.split_once(">\" ")?.1)));
            named.is_some_and(|(before, after)| format!("{before}{after}") == ours)
        },
        shown_by: &["1 + @ 2"],
    },
    Explained {
        why: "since version 3 labels may be named in quotes",
        explains: |pair| {
            let (_, theirs) = pair.errors();
            theirs.contains("unexpected string")
                && theirs.ends_with("in grouping opts, expected label")
        },
        shown_by: &["sum by (\"job\") (temperature)"],
    },
    Explained {
        why: "since version 3 durations are read by a grammar of their own",
        explains: |pair| {
            let (ours, theirs) = pair.errors();
            let endings = [
                "missing unit character in duration",
                "in offset, expected duration",
                "unclosed left bracket",
                "in subquery selector, expected duration or \"]\"",
            ];
            endings.iter().any(|ending| theirs.ends_with(ending))
                || theirs.contains("bad duration syntax")
                || ours.contains("in duration expression")
                || ours.ends_with("expected number, duration, step(), or range()")
        },
        shown_by: &[
            "rate(temperature[])",
            "temperature[5]",
            "temperature offset -",
            "temperature[5m",
            "temperature[5m@]",
            "temperature[12mx]",
        ],
    },
    Explained {
        why: "since version 3 a duration is a number of seconds",
        explains: |pair| {
            let (_, theirs) = pair.errors();
            theirs.contains("unexpected duration \"")
                || (theirs.ends_with("trailing commas not allowed in function call args")
                    && pair.has_duration_argument())
        },
        shown_by: &["temperature + 5m", "5m", "clamp_min(temperature, 5m)"],
    },
    Explained {
        why: "since version 3 a metric or a label may be named in quotes in braces",
        explains: |pair| {
            let (_, theirs) = pair.errors();
            theirs.contains("unexpected string")
                && theirs.ends_with("in label matching, expected identifier or \"}\"")
        },
        shown_by: &["{\"temperature\"}", "temperature{\"job\"=\"api\"}"],
    },
    Explained {
        why: "since version 3 start and end are functions too, an experiment",
        explains: |pair| {
            let (ours, theirs) = pair.errors();
            let is_off = |f: &&str| ours.ends_with(&format!("function \"{f}\" is not enabled"));
            let is_called = |f: &&str| pair.asks(&format!("{f}("));
            ["start", "end"].iter().any(is_off)
                || (theirs.ends_with("unexpected \"(\"") && ["start", "end"].iter().any(is_called))
        },
        shown_by: &["start()", "1 + end()", "end(temperature @ up)"],
    },
    Explained {
        why: "timestamp forgets the offset of what @ fixes, which is documented to count",
        explains: |pair| {
            pair.both_answer() && pair.asks("timestamp(") && pair.asks("@") && pair.asks("offset")
        },
        shown_by: &["timestamp(limit @ 1700001200.123 offset -40s)"],
    },
    Explained {
        why: "since version 3 the deviation of what is no number is none",
        explains: |pair| {
            pair.both_answer()
                && (pair.asks("stddev(")
                    || pair.asks("stdvar(")
                    || pair.asks("stddev ")
                    || pair.asks("stdvar "))
                && pair.ours.body.to_string().contains("NaN")
        },
        shown_by: &["stddev(vector(NaN))"],
    },
    Explained {
        why: "a range that @ fixes moves on in predict_linear, and is documented to stay",
        explains: |pair| pair.both_answer() && pair.asks("predict_linear") && pair.asks("@"),
        shown_by: &["range predict_linear(temperature[5m] @ 1700001600.123, 600)"],
    },
    Explained {
        why: "what @ fixes moves in a subquery whose steps begin where those of one around it do; it is documented to stay",
        explains: |pair| pair.both_answer() && pair.asks("@") && pair.subqueries() > 1,
        shown_by: &[
            "range sum_over_time((avg_over_time((rate(latency_count[1m] @ 1700001600.123))[1m:1m] offset -2s963ms))[12m:] @ end())",
            "last_over_time((last_over_time((latency_count offset -40s @ 1700001200.123)[12m:47s] @ 1700001600.123))[12m:47s] @ 1700001600.123)",
        ],
    },
    Explained {
        why: "which two of several series are told depends on an order that has no meaning",
        explains: |pair| {
            let (ours, theirs) = pair.errors();
            let told = "found duplicate series for the match group ";
            ours.starts_with(told) && theirs.starts_with(told)
        },
        shown_by: &["sum by (job) (limit) > on () sort_desc(odd)"],
    },
    Explained {
        why: "since version 3 what is wrong with label_replace itself is seen first",
        explains: |pair| {
            let (ours, theirs) = pair.errors();
            !theirs.is_empty()
                && ours.starts_with("invalid regular expression in label_replace(): ")
        },
        shown_by: &["label_replace(topk(NaN, flag), \"a\", \"x\", \"job\", \"[\")"],
    },
    Explained {
        why: "the date of what is no time is one that the processor makes up there",
        explains: |pair| {
            let calendar = ["minute", "hour", "day", "month", "year"];
            let is_none = pair.asks("odd") || pair.asks("Inf") || pair.asks("NaN");
            pair.both_answer()
                && calendar.iter().any(|name| pair.asks(name))
                && (is_none || pair.ours.body.to_string().contains("NaN"))
        },
        shown_by: &["month(vector(NaN))", "days_in_month(vector(-Inf))"],
    },
    Explained {
        why: "columns are characters here, and bytes there",
        explains: |pair| {
            let text = |error: &str| {
                error
                    .split_once("parse error: ")
                    .map(|(_, text)| text.to_owned())
            };
            let (ours, theirs) = pair.errors();
            !pair.question.expr.is_ascii() && text(ours).is_some() && text(ours) == text(theirs)
        },
        shown_by: &["temperature{job=\"ü\"} temperature"],
    },
    Explained {
        why: "the end of the text is no character",
        explains: |pair| {
            pair.errors()
                .1
                .ends_with("unexpected character after '!': '\u{fffd}'")
        },
        shown_by: &["temperature !"],
    },
    Explained {
        why: "its engine does not evaluate what it has found not to change",
        explains: |pair| {
            let (_, theirs) = pair.errors();
            theirs.contains("StepInvariantExpr") || theirs == "unexpected number of samples"
        },
        shown_by: &["('b')", "(temperature[5m] @ 1700001600.123)"],
    },
    Explained {
        why: "what is wrong with a number is said by another program",
        explains: |pair| pair.errors().1.contains("strconv.ParseFloat"),
        shown_by: &["0x1f1.5"],
    },
    Explained {
        why: "any UTF-8 text is a label's name since version 3",
        explains: |pair| {
            pair.errors()
                .1
                .starts_with("invalid destination label name in ")
        },
        shown_by: &["label_join(temperature, \"-\", \"\", \"job\")"],
    },
    Explained {
        why: "since version 3 histograms are trimmed by operators",
        explains: |pair| {
            (pair.asks("</") || pair.asks(">/")) && pair.errors().1.contains("unexpected <op:/>")
        },
        shown_by: &["1 </ 2", "temperature >/ 2"],
    },
    Explained {
        why: "a label may be called without here",
        explains: |pair| {
            let (_, theirs) = pair.errors();
            theirs.ends_with("unexpected <without> in grouping opts, expected label")
        },
        shown_by: &["sum by (without) (temperature)"],
    },
];
