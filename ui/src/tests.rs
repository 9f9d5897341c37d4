//! What the embedded files promise their server.

use super::*;

fn page() -> String {
    let page = asset("index.html").expect("the bundle has a page");
    String::from_utf8(page.bytes.into_owned()).expect("the page is UTF-8")
}

/// The values of every `src="…"` and `href="…"` in the page.
fn references(page: &str) -> Vec<String> {
    ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next().map(str::to_owned))
        .collect()
}

#[test]
fn the_root_is_the_page_and_is_asked_for_again() {
    let root = asset("/").expect("the root is served");
    assert_eq!(root.content_type, "text/html; charset=utf-8");
    assert!(!root.immutable);
    assert_eq!(
        root.etag,
        asset("").expect("the empty path is the page").etag
    );
}

#[test]
fn everything_the_page_names_is_embedded_and_immutable() {
    let references = references(&page());
    assert!(
        references.len() >= 3,
        "script, style and icon: {references:?}"
    );
    for reference in references {
        let file = asset(&reference).unwrap_or_else(|| panic!("{reference} is not embedded"));
        assert!(file.immutable, "{reference}");
        assert!(!file.bytes.is_empty(), "{reference}");
        assert_ne!(file.content_type, "application/octet-stream", "{reference}");
    }
}

#[test]
fn the_page_needs_nothing_its_policy_forbids() {
    let page = page();
    assert!(!page.contains("style="), "inline style");
    assert!(
        !page.contains("http:") && !page.contains("https:"),
        "another origin"
    );
    for script in page.split("<script").skip(1) {
        let body = script
            .split_once('>')
            .and_then(|(_, rest)| rest.split_once("</script>"));
        assert_eq!(body.map(|(body, _)| body.trim()), Some(""), "inline script");
    }
    assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
}

#[test]
fn the_first_load_is_small() {
    let page = page();
    let bytes: usize = references(&page)
        .iter()
        .filter_map(|reference| asset(reference))
        .map(|file| file.bytes.len())
        .sum();
    assert!(bytes < 100_000, "{bytes} bytes before compression");
}

#[test]
fn unknown_and_climbing_paths_find_nothing() {
    for path in [
        "nothing.js",
        "../Cargo.toml",
        "assets/../index.html",
        "assets",
        "/etc/passwd",
    ] {
        assert!(asset(path).is_none(), "{path}");
    }
}
