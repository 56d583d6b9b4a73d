//! Whatever the text is: an answer, and soon.

use proptest::prelude::*;

use super::*;

#[test]
fn hostile_texts_end_in_a_quick_error() {
    let nested_aliases: String =
        (1..1000).fold("a0: &a0 [x]\n".into(), |text, n| format!("{text}a{n}: &a{n} [*a{}]\n", n - 1));
    let bomb: String = (1..10).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".into(), |text, n| {
        let aliases = vec![format!("*a{}", n - 1); 10].join(",");
        format!("{text}a{n}: &a{n} [{aliases}]\n")
    });
    for (name, text, expected) in [
        ("lists", "[".repeat(20_000), "recursion limit exceeded"),
        ("closed lists", format!("a: {}{}", "[".repeat(129), "]".repeat(129)), "inside each other"),
        ("mappings", "{a: ".repeat(20_000), "recursion limit exceeded"),
        ("dashes", "- ".repeat(500_000), "inside each other"),
        ("question marks", "? ".repeat(500_000), "inside each other"),
        ("aliases in aliases", nested_aliases, "inside each other"),
        ("a bomb of aliases", bomb, "more than 200000 values"),
        ("many values", format!("a: [{}]", "x,".repeat(400_000)), "more than 200000 values"),
        ("brackets", "]".repeat(1_000_000), "not valid YAML"),
        ("anchors", "&a ".repeat(300_000), "not valid YAML"),
        ("tags", "!a ".repeat(300_000), "not valid YAML"),
        ("quotes", format!("a: {}", "'' ".repeat(300_000)), "not valid YAML"),
        ("one key per line", "a: b\n".repeat(200_000), "is there twice"),
    ] {
        let told = fault(&text);
        assert!(told.contains(expected), "{name}: {told}");
    }
    let json = Document::parse(Path::new("s.json"), "[".repeat(20_000).as_bytes()).unwrap_err();
    assert!(json.message.contains("recursion limit"), "{json}");
    let many = format!("{{\"a\": [{}0]}}", "0,".repeat(300_000));
    let json = Document::parse(Path::new("s.json"), many.as_bytes()).unwrap_err();
    assert!(json.message.contains("more than 200000 values"), "{json}");
    assert!(yaml(format!("a: {}{}", "[".repeat(127), "]".repeat(127))).is_ok());
}

#[test]
fn work_is_limited() {
    let deep = |levels: usize| format!("{}opt:stage{}", "${opt:".repeat(levels), "}".repeat(levels));
    let lines =
        |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<Vec<_>>().concat();
    let doubling = lines(40, &|n| format!("  d{n}: ${{self:custom.d{0}}}${{self:custom.d{0}}}\n", n + 1));
    let chain = lines(9000, &|n| format!("  c{n}: ${{self:custom.c{}}}\n", n + 1));
    let steep =
        lines(200, &|n| format!("  c{n}: {}custom.c{}{}\n", "${self:".repeat(8), n + 1, "}".repeat(8)));
    for (stage, custom, expected) in [
        ("${self:custom.d0}", format!("{doubling}  d40: x").as_str(), "? too many steps"),
        ("${self:custom.c0}", chain.as_str(), "? too many others"),
        ("${self:custom.c0}", steep.as_str(), "? too many others"),
        (deep(11).as_str(), "  x: y", "? too many variables stand inside each other"),
        ("x".repeat(65_537).as_str(), "  x: y", "? longer than 64 KiB"),
        (
            "${self:custom.x}".repeat(50).as_str(),
            format!("  x: {}", "y".repeat(2000)).as_str(),
            "? longer than 64 KiB",
        ),
        ("${Foo".repeat(12_000).as_str(), "  x: y", "${Foo".repeat(12_000).as_str()),
    ] {
        check(
            &format!("provider: {{stage: '{stage}'}}\ncustom:\n{custom}"),
            &inputs(),
            Document::stage,
            expected,
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        for name in ["s.yml", "s.json"] {
            if let Ok(document) = Document::parse(Path::new(name), &bytes) {
                document.stage(&inputs());
            }
        }
    }

    #[test]
    fn any_text_of_yaml_characters_gives_an_answer(text in "[-a:?,{}\\[\\]#&*!|>'\"%@$\\\\<~0 \n\t\r]{0,200}") {
        if let Ok(document) = yaml(&text) {
            document.app(&inputs());
            document.stage(&inputs());
        }
    }

    #[test]
    fn any_variable_gives_an_answer(stage in "([$\\\\]|\\$\\{|[{}:,()'\" .]|opt|self|env|stage|custom|é){0,40}") {
        let text = serde_json::json!({ "provider": { "stage": stage }, "custom": { "stage": "x" } }).to_string();
        let document = Document::parse(Path::new("s.json"), text.as_bytes()).unwrap();
        document.stage(&inputs());
    }

    #[test]
    fn without_app_no_app_is_found(
        entries in proptest::collection::btree_map("[b-z]{1,8}", "(\\$\\{(self|opt|env):[a-z.]{0,8}\\}|[a-z]){0,4}", 1..8)
    ) {
        let document = Document::parse(Path::new("s.json"), serde_json::json!(entries).to_string().as_bytes()).unwrap();
        prop_assert!(document.app(&inputs()).known().is_none());
    }

    /// Files that include each other, whatever they say: an answer, and no application but one that a file names.
    #[test]
    fn any_inclusions_give_an_answer_and_invent_no_application(
        (values, beside) in (
            proptest::collection::vec(INCLUDING, 4),
            proptest::collection::vec((0..INCLUDED.len(), proptest::collection::btree_map("[a-c]", INCLUDING, 0..4)), 0..6),
        ),
    ) {
        let own = serde_json::json!({
            "app": values[0], "provider": { "stage": values[1] }, "params": { "default": { "a": values[2] } },
            "custom": values[3],
        }).to_string();
        let beside: Vec<(String, String)> = beside
            .iter()
            .map(|(name, entries)| (INCLUDED[*name].to_owned(), serde_json::json!(entries).to_string()))
            .collect();
        let files: Vec<(&str, &str)> = beside.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let document = Document::parse(Path::new("s.json"), own.as_bytes()).unwrap();
        let document = completed(document, &inputs(), &files);
        document.stage(&inputs());
        let app = document.app(&inputs());
        if let Finding::Known(known) = app {
            // Its letters are from somewhere: every value here is made of these, and of what the inputs have.
            prop_assert!(
                known.value.chars().all(|c| "abcx-${}opt:stage.lfei()prodqatrue".contains(c)),
                "{}", known.value
            );
            prop_assert!(known.origin.file == Path::new("s.json") || files.iter().any(|(name, _)| known.origin.file == Path::new(name)));
        }
    }
}

/// The names of files that may be there.
const INCLUDED: [&str; 4] = ["a.json", "b.yml", "c.json", ".env"];
/// Values with variables that lead to files, to each other and to themselves.
const INCLUDING: &str = r"(\$\{(file\((a\.json|b\.yml|c\.json|\$\{self:custom\}|x)\)(:[a-c](\.[a-c])?)?|self:(app|custom|provider)(\.[a-c]|\.stage)?|param:a|env:[a-c]|opt:stage|sls:stage)(, ?'[abcx]{1,3}'|, ?\$\{self:app\})?\}|[abcx]|-){0,3}";
