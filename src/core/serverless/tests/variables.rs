//! Tables of variables: what stands at `provider.stage`, and what it is.

use super::*;

/// The stage of a configuration with these sections beside `provider.stage`.
const CUSTOM: &str = "
custom:
  stage: staging
  key: stage
  number: 1.10
  truth: true
  nothing: null
  list: [first, '${opt:stage}']
  mapping: {inner: deep}
  chain: ${self:custom.link}
  link: ${self:custom.stage}
  a: ${self:custom.b}
  b: ${self:custom.a}
  escaped: \\${opt:stage}
  remote: ${ssm:/stage}
  section: ${self:custom.mapping}
  included: ${file(custom.yml)}
  ref: !Ref Stage
  date: 2020-01-31
";

fn check_stages(table: &[(&str, &str)]) {
    for (stage, expected) in table {
        let quoted = stage.replace('\'', "''");
        check(&format!("provider:\n  stage: '{quoted}'{CUSTOM}"), &inputs(), Document::stage, expected);
    }
}

#[test]
fn a_variable_has_the_value_of_its_first_source_that_has_one() {
    check_stages(&[
        // Sources.
        ("${opt:stage}", "prod"),
        ("${opt:'stage'}", "prod"),
        ("${opt:\"st\\u0061ge\"}", "prod"),
        ("${opt: stage }", "prod"),
        ("${opt(x, 'y', ${env:KEY}):stage}", "prod"),
        ("${opt:verbose}", "true"),
        ("${opt:nope}", "? ${opt:nope} has no value and no fallback"),
        ("${opt:}", "? ${opt:} does not name"),
        ("${env:STAGE}", "qa"),
        ("${env:EMPTY}", "-"),
        ("${env:EMPTY, 'x'}", "-"),
        ("${env:NOPE}", "? ${env:NOPE} has no value and no fallback"),
        ("${env:}", "? ${env:} does not name"),
        ("${strToBool(true)}", "true"),
        ("${sls:stage}", "prod"),
        ("${sls:instanceId}", "? ${sls:instanceId} does not name"),
        ("${self:custom.stage}", "staging"),
        ("${self:custom.list.0}", "first"),
        ("${self:custom.list.1}", "prod"),
        ("${self:custom.list.01, 'x'}", "x"),
        ("${self:custom.list.9, 'x'}", "x"),
        ("${self:custom.chain}", "staging"),
        ("${self:custom.number}", "1.1"),
        ("${self:custom.truth}", "true"),
        ("${self:custom.nothing, 'x'}", "x"),
        ("${self:custom.stage.name, 'x'}", "x"),
        ("${self:custom.section.inner}", "deep"),
        ("${self:custom.mapping}", "? a mapping stands where a name is needed"),
        ("${self:}", "? a mapping stands where a name is needed"),
        ("${self:custom.ref}", "? an intrinsic function"),
        ("${self:custom.ref.x, 'y'}", "? an intrinsic function"),
        ("${self:custom.date}", "? a date"),
        // Fallbacks.
        ("${opt:nope, 'x'}", "x"),
        ("${opt:nope, \"x\"}", "x"),
        ("${opt:nope, \"\\u0078\\\"\"}", "x\""),
        ("${opt:nope,'x'}", "x"),
        ("${opt:nope, 12}", "12"),
        ("${opt:nope, 1.50}", "1.5"),
        ("${opt:nope, true}", "true"),
        ("${opt:nope, null}", "-"),
        ("${opt:nope, ''}", "-"),
        ("${opt:nope, '${opt:stage}'}", "prod"),
        ("${opt:nope, env:NOPE, self:custom.stage}", "staging"),
        ("${opt:nope, env:NOPE}", "? none of the sources of ${opt:nope, env:NOPE} has a value"),
        ("${opt:nope, ${env:STAGE}}", "qa"),
        ("${opt:nope, ${env:STAGE}, 'x'}", "qa"),
        ("${opt:nope, dev}", "? source that is not written as one"),
        ("${opt:nope, 'a', 'b'}", "? source that is not written as one"),
        ("${opt:nope, }", "? source that is not written as one"),
    ]);
}

#[test]
fn unknown_is_not_absent() {
    check_stages(&[
        ("${file(x.yml):stage}", "? ${file(x.yml):stage}: may not be read"),
        ("${file(x.yml):stage, 'x'}", "? may not be read"),
        ("${opt:nope, ssm:/stage, 'x'}", "? \"ssm\""),
        ("${opt:stage, ssm:/stage}", "prod"),
        ("${param:stage, 'x'}", "? depends on the stage that it is to name"),
        ("${param:, 'x'}", "? ${param:} does not name"),
        ("${cf:stack.output}", "? \"cf\""),
        ("${s3:bucket/key}", "? \"s3\""),
        ("${aws:accountId}", "? \"aws\""),
        ("${git:branch, 'x'}", "? is in no Git repository"),
        ("${git:describe, 'x'}", "? \"git\""),
        ("${vault:x, 'y'}", "? only a plugin or code"),
        ("${my-source:x, 'y'}", "? only a plugin or code"),
        ("${strToBool(maybe)}", "? neither true, false, 1 nor 0"),
        ("${self:custom.remote, 'x'}", "? \"ssm\""),
        ("${self:custom.included.stage, 'x'}", "? may not be read"),
        ("${opt(${ssm:/x}):stage}", "? \"ssm\""),
        ("${opt:${ssm:/x}, 'x'}", "? \"ssm\""),
        ("a-${ssm:/x}", "? \"ssm\""),
    ]);
}

#[test]
fn texts_are_put_together_like_the_framework_does_it() {
    check_stages(&[
        // Inside a text, and inside each other.
        ("a-${opt:stage}-${env:STAGE}", "a-prod-qa"),
        ("v${self:custom.number}", "v1.1"),
        ("v${self:custom.truth}", "vtrue"),
        ("v${self:custom.mapping}", "? gives a mapping in the midst of a text"),
        ("v${opt:nope, null}", "? gives null in the midst of a text"),
        ("${self:custom.${env:KEY}}", "staging"),
        ("${self:custom.${self:custom.key}}", "staging"),
        ("${self:${opt:nope, 'custom'}.${env:KEY}}", "staging"),
        ("${env:NESTED}", "prod-x"),
        // Text that is none of the framework's business.
        ("${AWS::Region}", "${AWS::Region}"),
        ("${Foo}", "${Foo}"),
        ("${foo}", "${foo}"),
        ("${aws::x}", "${aws::x}"),
        ("${Foo-${opt:stage}}-x", "${Foo-prod}-x"),
        ("${}", "${}"),
        ("$", "$"),
        ("a$b}", "a$b}"),
        ("$${opt:stage}", "prod"),
        // Escapes.
        ("\\${opt:stage}", "${opt:stage}"),
        ("\\\\${opt:stage}", "\\prod"),
        ("\\\\\\${opt:stage}", "\\${opt:stage}"),
        ("a\\b", "a\\b"),
        ("a\\$b", "a\\$b"),
        ("${self:custom.escaped}", "prod"),
        ("\\${opt:x}-${env:STAGE}", "${opt:x}-qa"),
        ("\\${opt:x}-${env:NESTED}", "? an escaped variable stands beside"),
        // Circles.
        ("${self:custom.a}", "? circle through ${self:custom.a}"),
        ("${self:provider.stage}", "? circle"),
        ("${self:provider.stage, 'x'}", "? circle"),
        ("${env:LOOP}", "? too often"),
        // The framework refuses a file with a variable that is not closed or not well written, but leaves an
        // unclosed one that is not its own alone.
        ("${opt:stage", "? a variable is not closed"),
        ("${opt:nope, 'x", "? a variable is not closed"),
        ("${opt:stage$}", "? a variable is not closed"),
        ("${opt(x", "? a variable is not closed"),
        ("${opt(x}", "? a parameter"),
        ("${opt:nope, \"\\q\"}", "? not JSON"),
        ("${opt:${}}", "? a variable inside another has no source"),
        ("${opt", "${opt"),
        ("${Foo", "${Foo"),
    ]);
}

#[test]
fn the_stage_of_the_command_line_comes_first_and_dev_last() {
    let none = Inputs::default();
    for (text, expected) in [
        ("service: ${sls:stage}\nprovider: {stage: qa}", "qa"),
        ("service: ${sls:stage}\nprovider: {stage: ''}", "dev"),
        ("service: ${sls:stage}\nprovider: aws", "dev"),
        ("service: ${sls:stage}", "dev"),
        ("service: ${sls:stage}\nprovider: ${file(p.yml)}", "? may not be read"),
        ("service: ${sls:stage}\nprovider: {stage: '${sls:stage}'}", "? circle"),
        ("service: ${opt:stage, self:provider.stage}\nprovider: {stage: qa}", "qa"),
    ] {
        check(text, &none, Document::service, expected);
    }
    check("provider: {stage: '${sls:stage}'}", &inputs(), Document::stage, "prod");
}

#[test]
fn an_origin_tells_the_place_and_the_sources() {
    for (text, place, via) in [
        ("provider:\n  stage: dev", (2, 10), &[][..]),
        ("x: &x {stage: dev}\nprovider:\n  <<: *x", (1, 15), &[]),
        ("provider:\n  stage: ${opt:nope, 'dev'}", (2, 10), &["literal"]),
        ("provider:\n  stage: ${opt:stage}-${env:STAGE}", (2, 10), &["opt:stage", "env:STAGE"]),
        (
            "provider:\n  stage: ${self:custom.${env:KEY}}\ncustom: {stage: '${env:STAGE}'}",
            (2, 10),
            &["self:custom.${env:KEY}", "env:KEY", "env:STAGE"],
        ),
        ("provider: ${self:custom.p}\ncustom: {p: {stage: x}}", (2, 21), &["self:custom.p"]),
    ] {
        let Finding::Known(known) = yaml(text).unwrap().stage(&inputs()) else { panic!("{text}") };
        let (line, column) = place;
        assert_eq!(known.origin.place, Some(Place { line, column }), "{text}");
        assert_eq!(known.origin.via, via, "{text}");
        assert_eq!(known.origin.file, Path::new("serverless.yml"));
    }
    let Finding::Unknown(unknown) = yaml("a: 1\nprovider: ${file(x.yml)}").unwrap().stage(&inputs()) else {
        panic!()
    };
    assert_eq!(unknown.origin.place, Some(Place { line: 2, column: 11 }));
    assert_eq!(unknown.origin.via, ["file(x.yml)"]);
}

#[test]
fn included_files_say_where_a_value_stands() {
    let files = [
        ("provider.yml", "name: aws\nstage: ${file(stage.json):name}\nregion: ${self:custom.region}"),
        ("stage.json", "{\"name\": \"qa\"}"),
    ];
    let text = "provider: ${file(provider.yml)}\ncustom: {region: eu-west-1}";
    let document = completed(yaml(text).unwrap(), &Inputs::default(), &files);
    for (finding, value, origin) in [
        (
            document.stage(&Inputs::default()),
            "qa",
            "at provider.yml:2:8, by file(provider.yml) (provider.yml:1:1), file(stage.json):name (stage.json:1:10)",
        ),
        (
            document.region(&Inputs::default()),
            "eu-west-1",
            "at provider.yml:3:9, by file(provider.yml) (provider.yml:1:1), self:custom.region",
        ),
    ] {
        let Finding::Known(known) = finding else { panic!("{finding:?}") };
        assert_eq!((known.value.as_str(), known.origin.to_string().as_str()), (value, origin));
    }
}

#[test]
fn toml_is_read_with_its_places() {
    let text = "service = \"s\"\napp = 0x1F\n[provider]\nstage = \"${opt:stage, 'qa'}\"\nregion = 1.10\n";
    let document = Document::parse(Path::new("serverless.toml"), text.as_bytes()).unwrap();
    let document = completed(document, &Inputs::default(), &[]);
    let Finding::Known(known) = document.stage(&Inputs::default()) else { panic!() };
    assert_eq!(
        (known.value.as_str(), known.origin.to_string().as_str()),
        ("qa", "at serverless.toml:4:9, by literal")
    );
    assert_eq!(told(&document.app(&Inputs::default())), "31");
    assert_eq!(told(&document.region(&Inputs::default())), "1.1");
    let fault = Document::parse(Path::new("s.toml"), b"a = 'hunter2'\nb = hunter2").unwrap_err().to_string();
    assert!(fault.starts_with("s.toml:2:5: not valid TOML") && !fault.contains("hunter2"), "{fault}");
}
