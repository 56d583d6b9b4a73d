//! Tables of whole configurations: text, inputs, expected answer.

use super::*;

mod limits;
mod variables;

fn yaml(text: impl AsRef<[u8]>) -> Result<Document, Fault> {
    Document::parse(Path::new("serverless.yml"), text.as_ref())
}

fn fault(text: impl AsRef<[u8]>) -> String {
    yaml(text).unwrap_err().to_string()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

/// `--stage prod --verbose`, and an environment.
fn inputs() -> Inputs {
    Inputs {
        options: pairs(&[("stage", "prod"), ("verbose", "true")]),
        parameters: BTreeMap::new(),
        environment: pairs(&[
            ("STAGE", "qa"),
            ("KEY", "stage"),
            ("EMPTY", ""),
            ("NESTED", "${opt:stage}-x"),
            ("LOOP", "${env:LOOP}"),
            ("TOKEN", "${hunter2:hunter2}"),
        ]),
    }
}

/// `-` for absent, `?` and the reason for unknown, else the value.
fn told(finding: &Finding) -> String {
    match finding {
        Finding::Absent => "-".into(),
        Finding::Known(known) => known.value.clone(),
        Finding::Unknown(unknown) => format!("? {}", unknown.reason),
    }
}

/// Whether an answer is the expected one; an expected `? words` needs the words somewhere in the reason.
fn agrees(answer: &str, expected: &str) -> bool {
    match expected.strip_prefix("? ") {
        Some(words) => answer.starts_with("? ") && answer.contains(words),
        None => answer == expected,
    }
}

/// The document with what it needs: these files, no `.env` file, no repository and no composition. Any other file is
/// one that may not be read.
fn completed(mut document: Document, inputs: &Inputs, files: &[(&str, &str)]) -> Document {
    let mut found = Inclusions::new();
    for _ in 0..9 {
        for need in document.needs(inputs) {
            let answer = match &need {
                Need::File(path) => match files.iter().find(|(name, _)| path == Path::new(name)) {
                    Some((_, text)) => Found::parse(path, text.as_bytes()),
                    None if path.starts_with(".env") || path.to_string_lossy().starts_with(".env.") => {
                        Found::Absent
                    }
                    None => Found::Refused("may not be read".into()),
                },
                Need::Head(_) | Need::Composition(_) => Found::Absent,
            };
            found.insert(need, answer);
        }
        document = document.with(Arc::new(found.clone()));
    }
    document
}

fn check(text: &str, inputs: &Inputs, ask: fn(&Document, &Inputs) -> Finding, expected: &str) {
    let answer = told(&ask(&completed(yaml(text).unwrap(), inputs, &[]), inputs));
    assert!(agrees(&answer, expected), "{text:?}: {answer:?} instead of {expected:?}");
}

#[test]
fn the_format_is_in_the_name() {
    for (name, format) in [
        ("serverless.yml", Some(Format::Yaml)),
        ("a/b.yaml", Some(Format::Yaml)),
        ("serverless.json", Some(Format::Json)),
        ("serverless.toml", Some(Format::Toml)),
        ("serverless.ts", None),
        ("serverless", None),
        (".yml", None),
    ] {
        assert_eq!(Format::of(Path::new(name)), format, "{name}");
    }
    let program = Document::parse(Path::new("serverless.js"), b"app: hunter2").unwrap();
    assert!(program.is_program());
    let Finding::Unknown(unknown) = program.app(&inputs()) else { panic!("a program is not read") };
    assert!(
        unknown.reason.contains("serverless.js is a program, which brokerd never runs"),
        "{}",
        unknown.reason
    );
    let fault = Document::parse(Path::new("serverless.ini"), b"x").unwrap_err();
    assert!(fault.message.contains(".yml, .yaml, .json and .toml are"));
}

#[test]
fn every_field_is_found_where_it_may_stand() {
    type Ask = fn(&Document, &Inputs) -> Finding;
    let table: &[(Ask, &str, &str)] = &[
        (Document::app, "app: shop", "shop"),
        (Document::app, "custom: {brokerd: {app: shop}}", "shop"),
        (Document::app, "app: a\ncustom: {brokerd: {app: b}}", "a"),
        (Document::app, "app:\ncustom: {brokerd: {app: b}}", "b"),
        (Document::app, "service: shop", "-"),
        (Document::app, "custom: {brokerd: {}}", "-"),
        (Document::app, "custom: {brokerd: on}", "-"),
        (Document::app, "custom: ${file(custom.yml)}", "? `brokerctl allow --app NAME`"),
        (Document::app, "custom: {brokerd: '${file(custom.yml)}'}", "? may not be read"),
        (Document::app, "app: shop\ncustom: ${file(custom.yml)}", "shop"),
        (Document::app, "app: ${ssm:/app, 'x'}\ncustom: {brokerd: {app: b}}", "? ${ssm:/app}"),
        (Document::org, "org: acme\ntenant: old", "acme"),
        (Document::org, "tenant: old", "old"),
        (Document::org, "org: ''\ntenant: old", "old"),
        (Document::org, "app: shop", "-"),
        (Document::service, "service: cart", "cart"),
        (Document::service, "service: {name: cart}", "cart"),
        (Document::service, "service: {awsKmsKeyArn: x}", "-"),
        (Document::service, "service: ${self:custom.s}\ncustom: {s: {name: cart}}", "cart"),
        (Document::service, "service: [cart]", "? a list stands where a name is needed"),
        (Document::stage, "provider: {name: aws, stage: dev}", "dev"),
        (Document::stage, "provider: aws", "-"),
        (Document::stage, "provider:", "-"),
        (Document::stage, "service: cart", "-"),
        (Document::stage, "provider: {stage: }", "-"),
        (Document::stage, "provider: {stage: ''}", "-"),
        (Document::stage, "provider: {stage: 12}", "12"),
        (Document::stage, "provider: {stage: 1.10}", "1.1"),
        (Document::stage, "provider: {stage: 017}", "17"),
        (Document::stage, "provider: {stage: 012345678901}", "12345678901"),
        (Document::stage, "provider: {stage: '1.10'}", "1.10"),
        (Document::stage, "provider: {stage: true}", "true"),
        (Document::stage, "provider: {stage: yes}", "yes"),
        (Document::stage, "provider: {stage: false}", "? false without quotes"),
        (Document::stage, "provider: {stage: 0}", "? 0 without quotes"),
        (Document::stage, "provider: {stage: 2020-01-31}", "? a date"),
        (Document::stage, "provider: {stage: [dev]}", "? a list"),
        (Document::stage, "provider: {stage: {Ref: Stage}}", "? a mapping"),
        (Document::stage, "provider: ${file(provider.yml)}", "? ${file(provider.yml)}"),
        (
            Document::stage,
            "provider: ${file(provider.yml), self:custom.p}\ncustom: {p: {stage: x}}",
            "? may not be read",
        ),
        (Document::region, "provider: {region: eu-central-1}", "eu-central-1"),
        (Document::region, "provider: {region: '${opt:region, \"us-east-1\"}'}", "us-east-1"),
        (Document::region, "provider: {stage: dev}", "-"),
        (Document::region, "provider: ${file(provider.yml)}", "? ${file(provider.yml)}"),
    ];
    for &(ask, text, expected) in table {
        check(text, &inputs(), ask, expected);
    }
}

#[test]
fn yaml_is_read_like_js_yaml_reads_it() {
    for (text, expected) in [
        ("\u{FEFF}provider: {stage: dev}", "dev"),
        ("provider:\r\n  stage: dev\r\n", "dev"),
        ("%YAML 1.2\n---\nprovider: {stage: dev}\n...\n", "dev"),
        ("provider:\n  stage: >-\n    a\n    b", "a b"),
        ("provider:\n  stage: |\n    dev", "dev\n"),
        ("provider: {stage: !!str 017}", "017"),
        ("provider: {stage: ! 017}", "017"),
        ("provider: {stage: !<tag:yaml.org,2002:str> 017}", "017"),
        ("provider: {stage: !!int '5'}", "5"),
        ("provider: {stage: !!int x}", "? an intrinsic function"),
        ("provider: !!map {stage: dev}", "dev"),
        ("? provider\n: {stage: dev}", "dev"),
        ("12: x\n~: y\n2020-01-31: z\n2020-02-01: z\nprovider: {stage: dev}", "dev"),
        // Anchors, aliases and merge keys.
        ("x: &x dev\nprovider: {stage: *x}", "dev"),
        ("x: &x {stage: dev}\nprovider: *x", "dev"),
        ("x: &x 1\ny: &x 2\nprovider: {stage: *x}", "2"),
        ("x: &x {stage: a}\nprovider: {<<: *x}", "a"),
        ("x: &x {stage: a}\nprovider: {<<: *x, stage: own}", "own"),
        ("x: &x {stage: a}\nprovider: {stage: own, <<: *x}", "own"),
        ("provider: {<<: [{stage: a}, {stage: b, region: r}]}", "a"),
        ("provider: {<<: {stage: a}, <<: {stage: b}}", "a"),
        ("provider: {'<<': {stage: a}}", "-"),
        ("provider: {<<: []}", "-"),
        ("a: [<<]\nprovider: {stage: <<}", "<<"),
        // CloudFormation's tags are no error anywhere, and no name.
        ("provider: {stage: !Ref Stage}", "? an intrinsic function"),
        ("provider: {stage: !Sub [a, {b: c}]}", "? an intrinsic function"),
        ("provider: !Transform {stage: dev}", "? an intrinsic function"),
        ("provider: {stage: !Unheard {a: b}}", "? an intrinsic function"),
    ] {
        check(text, &inputs(), Document::stage, expected);
    }
}

#[test]
fn cloudformation_tags_are_accepted_in_every_shape() {
    for tag in [
        "And",
        "Base64",
        "Cidr",
        "Condition",
        "Equals",
        "FindInMap",
        "GetAtt",
        "GetAZs",
        "GetStackOutput",
        "If",
        "ImportValue",
        "Join",
        "Not",
        "Or",
        "Ref",
        "Select",
        "Split",
        "Sub",
        "Transform",
    ] {
        for value in ["a.b", "[a, b]", "{a: b}", "\n  - a\n  - !Ref b"] {
            let text = format!("app: shop\nresources: !{tag} {value}\ncopy: &c !{tag} x\nagain: *c");
            check(&text, &inputs(), Document::app, "shop");
        }
    }
}

#[test]
fn what_no_cli_would_deploy_is_a_fault_with_its_place() {
    for (text, expected) in [
        ("", "serverless.yml: the configuration is empty"),
        (" \n# nothing\n", "serverless.yml: the configuration is empty"),
        ("---\n", "serverless.yml: the configuration is empty"),
        ("- a", "serverless.yml:1:1: the configuration has to be a mapping, not a list"),
        ("just text", "serverless.yml:1:1: the configuration has to be a mapping, not a text"),
        (
            "!Ref {a: b}",
            "serverless.yml:1:1: the configuration has to be a mapping, not an intrinsic function",
        ),
        ("a: 1\nb: 2\na: 3", "serverless.yml:3:1: the key \"a\" is there twice, first at 1:1"),
        ("p:\n  a: 1\n  'a': 2", "serverless.yml:3:3: the key \"a\" is there twice, first at 2:3"),
        ("017: a\n17: b", "serverless.yml:2:1: the key \"17\" is there twice, first at 1:1"),
        (
            "a: 1\n---\nb: 2",
            "serverless.yml:2:1: a second document begins here, and a configuration has only one",
        ),
        (
            "a: 1\n---\n",
            "serverless.yml:2:1: a second document begins here, and a configuration has only one",
        ),
        ("a: &a [*a]", "serverless.yml:1:8: an alias stands inside the value that it repeats"),
        ("a: *b", "serverless.yml:1:4: not valid YAML: while parsing node, found unknown anchor"),
        ("a: {<<: x}", "serverless.yml:1:9: a merge key (<<) needs a mapping or a list of mappings"),
        ("a: {<<: [{}, x]}", "serverless.yml:1:9: a merge key (<<) needs a mapping or a list of mappings"),
        ("? [a]\n: b", "serverless.yml:1:3: a list cannot be a key"),
        ("? !Ref a\n: b", "serverless.yml:1:3: an intrinsic function cannot be a key"),
        ("ü: 1\nb: x\u{7}", "serverless.yml:2:5: the character U+0007 is not allowed in YAML"),
        ("a: \0", "serverless.yml:1:4: the character U+0000 is not allowed in YAML"),
    ] {
        assert_eq!(fault(text), expected, "{text:?}");
    }
    assert_eq!(
        fault(b"a: x\nb: \xff\xfe"),
        "serverless.yml:2:4: the configuration is not UTF-8 from here on"
    );
    assert_eq!(fault(vec![b'#'; MAX_BYTES + 1]), "serverless.yml: the configuration is larger than 1024 KiB");
}

#[test]
fn a_fault_never_tells_a_value() {
    for text in [
        "a: hunter2: x",
        "a: \"hunter2",
        "a: [hunter2",
        "a: {b: hunter2\nc",
        "a: 'hunter2' hunter2",
        "a: @hunter2",
        "a: \"hunter2\\q\"",
        "a: *hunter2",
        "a: !hunter2!x y",
        "- hunter2",
        "hunter2",
        "a: &hunter2 [*hunter2]",
        "a: {<<: hunter2}",
        "a: |\n hunter2\n\thunter2\nb",
        "a:\n  hunter2\n b: hunter2",
    ] {
        let told = fault(text);
        assert!(!told.contains("hunter2"), "{text:?}: {told}");
    }
    for text in ["{\"a\": \"hunter2}", "{\"a\": hunter2}", "[\"hunter2\"]", "{\"a\": \"hunter2\\q\"}"] {
        let told = Document::parse(Path::new("s.json"), text.as_bytes()).unwrap_err().to_string();
        assert!(!told.contains("hunter2"), "{text:?}: {told}");
    }
}

#[test]
fn json_is_read_like_json_parse() {
    let ask = |text: &str| Document::parse(Path::new("serverless.json"), text.as_bytes());
    for (text, expected) in [
        (r#"{"provider": {"stage": "dev"}}"#, "dev"),
        (r#"{"provider": {"stage": "a", "stage": "b"}}"#, "b"),
        (r#"{"provider": {"stage": 1.10}}"#, "1.1"),
        (r#"{"provider": {"stage": null}}"#, "-"),
        (r#"{"provider": {"stage": "${opt:stage}"}}"#, "prod"),
        (r#"{"provider": "aws"}"#, "-"),
    ] {
        let finding = ask(text).unwrap().stage(&inputs());
        assert_eq!(told(&finding), expected, "{text}");
        if let Finding::Known(known) = finding {
            assert_eq!(known.origin.place.map(|place| place.line), Some(1), "{text}");
        }
    }
    assert_eq!(
        ask("{\n  \"a\": x}").unwrap_err().to_string(),
        "serverless.json:2:8: not valid JSON: expected value"
    );
    assert!(ask("[]").unwrap_err().message.contains("has to be a mapping"));
    assert!(ask("null").unwrap_err().message.contains("is empty"));
}

#[test]
fn nothing_but_a_known_value_shows_what_is_secret() {
    let mut inputs = inputs();
    inputs.options.insert("param".into(), "key=hunter2".into());
    inputs.environment.insert("SECRET".into(), "hunter2".into());
    let text = "provider: {stage: '${self:custom.${env:SECRET}}'}\napp: '${env:TOKEN}'\norg: hunter2";
    let document = yaml(text).unwrap();
    for shown in [
        format!("{inputs:?}"),
        format!("{document:?}"),
        format!("{:?}", document.stage(&inputs)),
        format!("{:?}", document.app(&inputs)),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
