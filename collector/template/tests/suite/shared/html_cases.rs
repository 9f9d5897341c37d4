//! HTML templates with what they yield, by the documentation of Go's `html/template`.

/// `(template, output)`; no output where it must fail.
pub(crate) const HTML_CASES: &[(&str, Option<&str>)] = &[
    (
        "<b>{{.Quoted}}</b>",
        Some("<b>a &#34;b&#34; &lt;c&gt; &amp; &#39;d&#39;</b>"),
    ),
    ("{{.HTML}}{{.Nil}}{{.Missing}}", Some("<b>&amp;bold</b>")),
    ("{{\"1+1\"}}", Some("1&#43;1")),
    (
        "<a title=\"{{.Quoted}}\" alt='{{.Quoted}}'>",
        Some(
            "<a title=\"a &#34;b&#34; &lt;c&gt; &amp; &#39;d&#39;\" alt='a &#34;b&#34; &lt;c&gt; &amp; &#39;d&#39;'>",
        ),
    ),
    (
        "<a title={{.Quoted}}>",
        Some("<a title=a&#32;&#34;b&#34;&#32;&lt;c&gt;&#32;&amp;&#32;&#39;d&#39;>"),
    ),
    ("<a title={{.Empty}}>", Some("<a title=ZgotmplZ>")),
    ("<a title=\"{{.HTML}}\">", Some("<a title=\"&amp;bold\">")),
    ("<a title={{.HTML}}>", Some("<a title=&amp;bold>")),
    ("<a href=\"{{.Script}}\">", Some("<a href=\"#ZgotmplZ\">")),
    (
        "<a href=\"{{.Link}}\">",
        Some("<a href=\"https://x.org/a%20b?c=d&amp;e=f#g\">"),
    ),
    ("<a href=\"{{.URL}}\">", Some("<a href=\"tel:1%202\">")),
    (
        "<a href=\"/x?q={{.Link}}\">",
        Some("<a href=\"/x?q=https%3a%2f%2fx.org%2fa%20b%3fc%3dd%26e%3df%23g\">"),
    ),
    (
        "<a href=\"/p/{{.Script}}/{{.Str}}\">",
        Some("<a href=\"/p/javascript:alert%281%29/hello\">"),
    ),
    (
        "<a href='{{.Link}}' class={{.Str}}>{{.Str}}</a>",
        Some("<a href='https://x.org/a%20b?c=d&amp;e=f#g' class=hello>hello</a>"),
    ),
    (
        "<img src=\"{{.Script}}\" data-url=\"{{.Script}}\">",
        Some("<img src=\"#ZgotmplZ\" data-url=\"#ZgotmplZ\">"),
    ),
    (
        "<img srcset=\"{{\"/a.png 2x, javascript:x\"}}\">",
        Some("<img srcset=\"/a.png 2x,#ZgotmplZ\">"),
    ),
    (
        "<p style=\"color: {{\"red\"}}; width: {{\"expression(1)\"}}\">",
        Some("<p style=\"color: red; width: ZgotmplZ\">"),
    ),
    (
        "<style>p { color: {{\"#fff\"}} }</style>{{\"<\"}}",
        Some("<style>p { color: #fff }</style>&lt;"),
    ),
    (
        "<title>{{.Quoted}}</title><textarea>{{.HTML}}</textarea>",
        Some(
            "<title>a &#34;b&#34; &lt;c&gt; &amp; &#39;d&#39;</title><textarea>&lt;b&gt;&amp;bold&lt;/b&gt;</textarea>",
        ),
    ),
    ("a<!-- comment {{.Str}} -->b", Some("ab")),
    (
        "<!DOCTYPE html><p>1 < 2 <{{.Str}}",
        Some("<!DOCTYPE html><p>1 &lt; 2 &lt;hello"),
    ),
    (
        "<p {{\"class\"}}=\"a\" {{\"onclick\"}}=\"b\">",
        Some("<p class=\"a\" ZgotmplZ=\"b\">"),
    ),
    (
        "<p {{if .True}}class=\"a\"{{end}} id=\"{{.Int}}\">",
        Some("<p class=\"a\" id=\"42\">"),
    ),
    (
        "<br/>{{.Quoted | html}}",
        Some("<br/>a &#34;b&#34; &lt;c&gt; &amp; &#39;d&#39;"),
    ),
    (
        "<a href=\"?q={{.Quoted | urlquery}}\">",
        Some("<a href=\"?q=a&#43;%22b%22&#43;%3Cc%3E&#43;%26&#43;%27d%27\">"),
    ),
    (
        "{{range .List}}<li title=\"{{.}}\">{{.}}</li>{{end}}",
        Some("<li title=\"a\">a</li><li title=\"b\">b</li><li title=\"c\">c</li>"),
    ),
    (
        "{{define \"a\"}}<i title=\"{{.}}\">{{end}}{{template \"a\" \"<\"}}",
        Some("<i title=\"&lt;\">"),
    ),
    (
        "<input value=\"{{.Quoted}}\" rel={{.Str}} type=\"{{.Str}}\">",
        Some(
            "<input value=\"a &#34;b&#34; &lt;c&gt; &amp; &#39;d&#39;\" rel=hello type=\"hello\">",
        ),
    ),
    (
        "{{.List}} {{.Float}} {{.StartsAt}} {{.WaitFor}}",
        Some("[a b c] 1.5 2024-03-05 07:08:09.123456789 &#43;0000 UTC 1h30m30s"),
    ),
    (
        "<meta http-equiv=\"refresh\" content=\"0;url={{.Script}}\">",
        Some("<meta http-equiv=\"refresh\" content=\"0;url=#ZgotmplZ\">"),
    ),
    (
        "<svg xlink:href=\"{{.Script}}\"></svg>",
        Some("<svg xlink:href=\"#ZgotmplZ\"></svg>"),
    ),
    ("<A HREF=\"{{.Script}}\">", Some("<A HREF=\"#ZgotmplZ\">")),
];

/// Templates that Go escapes as scripts and that are refused here.
pub(crate) const SCRIPTS: &[&str] = &[
    "<script>var x = {{.Str}};</script>",
    "<SCRIPT type=\"application/ld+json\">{\"a\": \"{{.Str}}\"}</SCRIPT>",
    "<a onclick=\"f('{{.Str}}')\">",
];
