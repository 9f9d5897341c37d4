//! The functions of templates.

use super::*;

/// What a template yields for the labels `word="Hello World"`, `n="42"`, `json` and `app`.
fn check(template: &str, expected: &str) {
    let text = format!("| logfmt | line_format `{template}`");
    let line = br#"word="Hello World" n=42 json="{\"a\":{\"b\":[1,\"x\"]}}""#;
    let outcome = outcome(&compiled(&text), &mut Scratch::default(), line);
    let (found, _) = outcome.rsplit_once(" | json=").unwrap();
    assert_eq!(found, expected, "{template}: {outcome}");
    assert!(!outcome.contains("__error__"), "{template}: {outcome}");
}

#[test]
fn texts() {
    check("{{lower .word}}", "hello world");
    check("{{ToLower .word}}", "hello world");
    check("{{upper .word}}", "HELLO WORLD");
    check("{{ToUpper .word}}", "HELLO WORLD");
    check("{{upper \"größe é\"}} {{lower \"ÉİΣ\"}}", "GRÖßE É éiσ");
    check(
        "{{title \"hello wide-world it's\"}}",
        "Hello Wide-World It's",
    );
    check("<{{trim \" x \"}}>", "<x>");
    check("<{{TrimSpace \" x \"}}>", "<x>");
    check("{{trimAll \"$,\" \"$5,\"}}", "5");
    check("{{Trim \"xxaxx\" \"x\"}}", "a");
    check("{{TrimLeft \"xxaxx\" \"x\"}}", "axx");
    check("{{TrimRight \"xxaxx\" \"x\"}}", "xxa");
    check("{{trimPrefix \"He\" .word}}", "llo World");
    check("{{TrimPrefix .word \"He\"}}", "llo World");
    check("{{trimSuffix \"ld\" .word}}", "Hello Wor");
    check("{{TrimSuffix .word \"ld\"}}", "Hello Wor");
    check("{{replace \"l\" \"L\" .word}}", "HeLLo WorLd");
    check("{{Replace .word \"l\" \"L\" 1}}", "HeLlo World");
    check("{{Replace .word \"l\" \"L\" -1}}", "HeLLo WorLd");
    check("{{contains \"lo W\" .word}}", "true");
    check("{{hasPrefix \"lo\" .word}}", "false");
    check("{{hasSuffix \"ld\" .word}}", "true");
    check("{{repeat 3 \"ab\"}}", "ababab");
    check("{{.word | trunc 5}}", "Hello");
    check("{{.word | trunc -5}}", "World");
    check("{{.word | trunc 99}}", "Hello World");
    check("{{trunc 2 \"éèà\"}}", "éè");
    check("{{substr 0 5 .word}}", "Hello");
    check("{{substr 6 -1 .word}}", "World");
    check("{{substr -1 5 .word}}", "Hello");
    check("{{substr 6 99 .word}}", "World");
    check("{{substr 99 100 .word}}", "");
    check("{{substr 5 2 .word}}", "");
    check(
        "{{alignLeft 3 .word}}|{{alignLeft 13 .word}}|",
        "Hel|Hello World  |",
    );
    check(
        "{{alignRight 3 .word}}|{{alignRight 13 .word}}|",
        "rld|  Hello World|",
    );
    check("{{alignLeft -1 .word}}", "Hello World");
    check("{{default \"-\" .nothing}}{{default \"-\" .n}}", "-42");
    check("{{b64enc .word}}", "SGVsbG8gV29ybGQ=");
    check(
        "{{b64enc \"\"}}{{b64enc \"a\"}}{{b64enc \"ab\"}}{{b64enc \"abc\"}}",
        "YQ==YWI=YWJj",
    );
    check(
        "{{b64dec \"SGVsbG8gV29ybGQ=\"}}{{b64dec \"YQ==\"}}{{b64dec \"YWJj\"}}",
        "Hello Worldaabc",
    );
    check("{{urlencode \"a b/c?d=é\"}}", "a+b%2Fc%3Fd%3D%C3%A9");
    check("{{urldecode \"a+b%2Fc%3Fd%3D%C3%A9\"}}", "a b/c?d=é");
    check("{{len .word}}", "11");
}

#[test]
fn indents() {
    check("{{indent 2 \"a\\nb\"}}", "  a\n  b");
    check("x{{nindent 2 \"a\\nb\"}}", "x\n  a\n  b");
}

#[test]
fn regular_expressions() {
    check(
        "{{regexReplaceAll \"(o)\" .word \"<$1>\"}}",
        "Hell<o> W<o>rld",
    );
    check(
        "{{regexReplaceAll \"(?P<v>o)\" .word \"${v}${v}\"}}",
        "Helloo Woorld",
    );
    check(
        "{{regexReplaceAllLiteral \"(o)\" .word \"$1\"}}",
        "Hell$1 W$1rld",
    );
    check("{{regexReplaceAll \"\\\\d\" \"٣4\" \"n\"}}", "٣n");
    check("{{count \"o|l\" .word}}", "5");
    check("{{.word | count \"x\"}}", "0");
}

#[test]
fn numbers() {
    check("{{add 1 2 .n}}", "45");
    check("{{sub .n 2}}", "40");
    check("{{mul 2 3 .n}}", "252");
    check("{{div .n 5}} {{mod .n 5}} {{div -7 2}}", "8 2 -3");
    check("{{max 1 .n 7}} {{min 3 .n 7}}", "42 3");
    check("{{addf 0.1 0.2}}", "0.3");
    check(
        "{{addf 1.5 2}} {{subf 7.5 2 3}} {{mulf 1.1 1.1}} {{divf 10 4}}",
        "3.5 2.5 1.21 2.5",
    );
    check("{{divf 1 3}}", "0.3333333333333333");
    check("{{divf 2 3}}", "0.6666666666666667");
    check("{{maxf 1 2.5}} {{minf 1.5 2}}", "2.5 1.5");
    check("{{ceil 1.2}} {{floor 1.8}} {{floor -1.2}}", "2 1 -2");
    check(
        "{{round 123.5555 3}} {{round 123.5 0}} {{round 2.5 0 0.6}}",
        "123.556 124 2",
    );
    check(
        "{{int \"7.0\"}} {{int 7.9}} {{int \"x\"}} {{int \"0x1f\"}} {{int \"010\"}} {{int true}}",
        "7 7 0 31 8 1",
    );
    check("{{float64 \"1.25\"}} {{float64 \"x\"}}", "1.25 0");
    check("{{bytes \"1KB\"}} {{bytes \"2KiB\"}}", "1000 2048");
    check(
        "{{duration \"1m30s\"}} {{duration_seconds \"250ms\"}}",
        "90 0.25",
    );
    check("{{if gt (int .n) 40}}many{{end}}", "many");
}

#[test]
fn values() {
    check("{{(fromJson .json).a.b}}", "[1 x]");
    check("{{range (fromJson .json).a.b}}{{.}},{{end}}", "1,x,");
    check("{{fromJson \"no\"}}", "<no value>");
}

#[test]
fn times() {
    check(
        "{{toDate \"2006-01-02 15:04:05\" \"2024-02-29 01:02:03\" | unixEpoch}}",
        "1709168523",
    );
    check(
        "{{toDate \"2006-01-02T15:04:05Z07:00\" \"2024-02-29T01:02:03+01:00\" | unixEpoch}}",
        "1709164923",
    );
    check(
        "{{toDate \"2006-01-02T15:04:05Z07:00\" \"2024-02-29T01:02:03.25Z\" | unixEpochMillis}}",
        "1709168523250",
    );
    check(
        "{{toDate \"Jan _2 15:04:05 2006\" \"Feb  9 01:02:03 2024\" | date \"02.01.06\"}}",
        "09.02.24",
    );
    check(
        "{{toDate \"Monday, January 2, 2006 3:04PM\" \"Thursday, February 29, 2024 11:05PM\" | date \"15:04\"}}",
        "23:05",
    );
    check(
        "{{toDate \"02/Jan/2006:15:04:05 -0700\" \"29/Feb/2024:00:00:00 +0200\" | date \"2006-01-02T15:04:05Z07:00\"}}",
        "2024-02-29T00:00:00+02:00",
    );
    check(
        "{{toDate \"2006 002\" \"2024 060\" | date \"01-02\"}}",
        "02-29",
    );
    check(
        "{{toDate \"15:04:05.000\" \"01:02:03.5\" | date \"05.0\"}}",
        "03.5",
    );
    check("{{(toDate \"2006-01-02\" \"no date\").IsZero}}", "true");
    check("{{(toDate \"2006-01-02\" \"2023-02-29\").IsZero}}", "true");
    check(
        "{{toDateInZone \"2006-01-02 15:04\" \"UTC\" \"2024-02-29 01:02\" | unixEpoch}}",
        "1709168520",
    );
    check(
        "{{toDateInZone \"2006-01-02 15:04\" \"No/Where\" \"2024-02-29 01:02\" | unixEpoch}}",
        "1709168520",
    );
    check("{{date \"2006-01-02\" 86400}}", "1970-01-02");
    check(
        "{{unixToTime \"19373\" | date \"2006-01-02\"}}",
        "2023-01-16",
    );
    check(
        "{{unixToTime \"1673798889\" | date \"15:04:05\"}}",
        "16:08:09",
    );
    check(
        "{{unixToTime \"1673798889902\" | date \"05.000\"}}",
        "09.902",
    );
    check(
        "{{unixToTime \"1673798889902001\" | date \"05.000000\"}}",
        "09.902001",
    );
    check(
        "{{unixToTime \"1673798889902001002\" | unixEpochNanos}}",
        "1673798889902001002",
    );
    check("{{gt (now | unixEpoch) \"1700000000\"}}", "true");
}

#[test]
fn what_functions_refuse() {
    let check = |template: &str, message: &str| {
        let text = format!("| line_format `{template}`");
        let outcome = outcome(&compiled(&text), &mut Scratch::default(), b"");
        assert!(
            outcome.contains("TemplateFormatErr") && outcome.contains(message),
            "{outcome}"
        );
    };
    check("{{b64dec \"a\"}}", "no base64");
    check("{{b64dec \"****\"}}", "no base64");
    check("{{urldecode \"%g0\"}}", "hexadecimal");
    check("{{bytes \"x\"}}", "no number of bytes");
    check("{{duration \"x\"}}", "no duration");
    check("{{unixToTime \"12\"}}", "digits");
    check("{{unixEpoch \"x\"}}", "takes a time");
    check("{{lower}}", "want 1 got 0");
    check("{{mod 1 0}}", "division by zero");
    check("{{divf 1 0}}", "division by zero");
    check("{{indent 9999999 \"x\"}}", "more than");
    check(
        "{{replace \"\" (repeat 5000 \"x\") (repeat 5000 \"x\")}}",
        "more than",
    );
    check(
        "{{regexReplaceAll \"\" (repeat 5000 \"x\") (repeat 5000 \"x\")}}",
        "more than",
    );
    check("{{alignLeft 99999999 \"x\"}}", "more than");
    check("{{add}}", "want at least 1 got 0");
}
