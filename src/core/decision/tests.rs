//! The rule as a table: each sentence of it is a case.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::core::caller::ProcessId;
use crate::core::moment::Timestamp;
use crate::core::pins::{Pin, PinList, PinPlace};
use crate::core::plugin_report::{Framework, PluginReport};
use crate::core::serverless_cli::Invocation;

const CATALOG: &str = r#"
[profiles.dev.access_role]
role_arn = "arn:aws:iam::111111111111:role/dev"
region = "eu-west-1"
[[profiles.dev.safeguards]]
policy = "require-dlq"
[profiles.live]
description = "production"
[profiles.live.access_role]
role_arn = "arn:aws:iam::222222222222:role/live"
[profiles.guarded]
deploy = "plugin"
access_role = { role_arn = "arn:aws:iam::333333333333:role/guarded" }
[profiles.session-guard]
access_role = { role_arn = "arn:aws:iam::555555555555:role/x" }
safeguards = [{ policy = "allowed-regions", config = ["us-east-1"], enforce = "session" }]
[profiles.hours]
access_role = { role_arn = "arn:aws:iam::666666666666:role/x" }
safeguards = [
  { policy = "allowed-regions", config = ["us-east-1"], enforce = "issue" },
  { policy = "allowed-stages", config = "^h", enforce = "issue" },
  { policy = "restricted-deploy-times", config = { time = "2026-12-24T00:00:00Z", duration = "P1D" }, enforce = "issue" },
]
[profiles.paper]
description = "no role yet"

[applications.shop]
default_profile = "dev"
[applications.shop.stages]
prod = "live"
guarded = "guarded"
session = "session-guard"
hours = "hours"
other = "hours"
paper = "paper"

[applications.strict]
default_profile = "dev"
unmatched = "refuse"
stages = { prod = "live" }

[applications.previews]
default_profile = "dev"
unmatched = ["pr-*", "qa"]
stages = { prod = "live" }

[applications.nodefault]
stages = { prod = "live" }
"#;

const CONFIG: &str = "/home/ann/shop/serverless.yml";
/// The leader of the session that each case's caller is in.
const SHELL: ProcessId = ProcessId { pid: 3, start: 3 };
/// A caller that started after each pin of a case.
const NO_PINS: PinInquiry<'_> =
    PinInquiry { list: &PinList::new(), now: Timestamp(1), boot: "", sessions: &[SHELL], started: 9 };

/// A case: what the file says, what the caller is like, and what comes of it.
struct Case {
    file: &'static str,
    allowed_as: &'static str,
    allowed_org: Option<&'static str>,
    named: bool,
    cli: Option<&'static [(&'static str, &'static str)]>,
    cli_environment: &'static [(&'static str, &'static str)],
    environment: Option<&'static [(&'static str, &'static str)]>,
    unreadable: Option<&'static str>,
    pins: &'static [(Place, &'static str)],
    asked: Option<&'static str>,
}

/// Where a stage is pinned, for the caller of each case.
#[derive(Clone, Copy)]
enum Place {
    Terminal,
    Project,
}

/// A plain tool in a project whose file has only an application.
const PLAIN: Case = Case {
    file: "app: shop\nservice: x\n",
    allowed_as: "shop",
    allowed_org: None,
    named: false,
    cli: None,
    cli_environment: &[],
    environment: Some(&[]),
    unreadable: None,
    pins: &[],
    asked: None,
};

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Case {
    fn outcome(&self) -> Outcome {
        self.reported(None)
    }

    fn reported(&self, reported: Option<&PluginReport>) -> Outcome {
        let config = Path::new(CONFIG);
        let catalog = Catalog::parse(Path::new("catalog.toml"), CATALOG).unwrap();
        let document = Document::parse(config, self.file.as_bytes());
        let mut allowed = AllowList::default();
        allowed.allow(AllowedProject {
            config: config.into(),
            leads_to: None,
            app: App::parse(self.allowed_as).unwrap(),
            named: self.named,
            stage: None,
            org: self.allowed_org.map(|org| Org::parse(org).unwrap()),
            worktrees: None,
            since: Timestamp(0),
        });
        let invocation = self.cli.map(|options| Invocation {
            process: Some(ProcessId { pid: 7, start: 7 }),
            is_deployment: false,
            options: variables(options),
            parameters: BTreeMap::new(),
        });
        let cli_environment = variables(self.cli_environment);
        let environment = self.environment.map(variables);
        let asked = self.asked.map(|stage| Stage::parse(stage).unwrap());
        let inquiry = Inquiry {
            project: Project { config, leads_to: None, reading: document.as_ref(), stale: None, place: None },
            allowed: &allowed,
            cli: match (&invocation, self.unreadable) {
                (_, Some(why)) => Cli::Unreadable(why),
                (Some(invocation), None) => Cli::Serverless(invocation, Some(&cli_environment)),
                (None, None) => Cli::None,
            },
            environment: environment.as_ref(),
            pins: PinInquiry { list: &self.pins(), ..NO_PINS },
            asked: asked.as_ref(),
            reported,
        };
        decide(&inquiry, Ok(&catalog))
    }

    fn pins(&self) -> PinList {
        let mut list = PinList::default();
        for (place, stage) in self.pins {
            list.set(Pin {
                place: match place {
                    Place::Terminal => PinPlace::Terminal(SHELL),
                    Place::Project => PinPlace::Project(CONFIG.into()),
                },
                app: App::parse(self.allowed_as).unwrap(),
                stage: Stage::parse(stage).unwrap(),
                since: Timestamp(0),
                until: Timestamp(3_600),
                boot: String::new(),
                from: 8,
            });
        }
        list
    }

    /// `app.stage profile matched`, or the refusal's sentence.
    fn verdict(&self) -> String {
        match self.outcome().result {
            Ok(decision) => {
                format!("{} {} {}", decision.role_name(), decision.profile.name, decision.matched)
            }
            Err(refusal) => refusal.to_string(),
        }
    }
}

#[test]
fn the_profile_is_that_of_the_stage_that_equals_else_the_default() {
    for (file, allowed_as, expected) in [
        ("app: shop\nprovider: {stage: prod}\n", "shop", "shop.prod live exact"),
        ("app: shop\nprovider: {stage: PROD}\n", "shop", "shop.PROD dev default"),
        ("app: shop\nprovider: {stage: pro}\n", "shop", "shop.pro dev default"),
        ("app: shop\nprovider: {stage: dev}\n", "shop", "shop.dev dev default"),
        ("app: shop\n", "shop", "shop.dev dev default"),
        ("app: strict\nprovider: {stage: prod}\n", "strict", "strict.prod live exact"),
        (
            "app: strict\nprovider: {stage: prdo}\n",
            "strict",
            "stage prdo is not configured on strict (did you mean prod?), and its `unmatched` lets it not fall back to the default profile",
        ),
        ("app: previews\nprovider: {stage: pr-17}\n", "previews", "previews.pr-17 dev default"),
        ("app: previews\nprovider: {stage: qa}\n", "previews", "previews.qa dev default"),
        (
            "app: previews\nprovider: {stage: qa2}\n",
            "previews",
            "stage qa2 is not configured on previews, and its `unmatched` lets it not fall back to the default profile",
        ),
        (
            "app: nodefault\nprovider: {stage: dev}\n",
            "nodefault",
            "stage dev is not configured on nodefault, and nodefault has no default profile",
        ),
        ("app: shopp\n", "shopp", "the catalog has no application shopp (did you mean shop?)"),
        ("app: shop\nprovider: {stage: paper}\n", "shop", "profile paper has no access role"),
    ] {
        assert_eq!(Case { file, allowed_as, ..PLAIN }.verdict(), expected, "{file}");
    }
}

#[test]
fn a_fall_back_is_said_with_the_nearest_name() {
    let outcome = Case { file: "app: shop\nprovider: {stage: prdo}\n", ..PLAIN }.outcome();
    let sentence = "stage prdo is not configured on shop: default profile dev (did you mean prod?)";
    assert_eq!(outcome.result.unwrap().fallback.as_deref(), Some(sentence));
    assert!(outcome.reasons.iter().any(|reason| reason.topic == "profile" && reason.text == sentence));
    let exact = Case { file: "app: shop\nprovider: {stage: prod}\n", ..PLAIN }.outcome();
    assert_eq!(exact.result.unwrap().fallback, None);
}

#[test]
fn a_matched_stage_replaces_the_default_completely() {
    let decision = Case { file: "app: shop\nprovider: {stage: prod}\n", ..PLAIN }.outcome().result.unwrap();
    assert!(decision.profile.safeguards.is_empty(), "the default profile's safeguards do not mix in");
    assert_eq!(decision.region, None, "nor its region");
}

#[test]
fn what_a_plugin_reports_fills_gaps_and_contradicts_nothing() {
    for (file, app, stage, expected) in [
        ("app: shop\n", Some("shop"), "dev", "shop.dev dev default"),
        ("app: shop\n", None, "dev", "shop.dev dev default"),
        ("app: shop\nservice: s\nprovider: {stage: prod}\n", Some("shop"), "prod", "shop.prod live exact"),
        ("app: shop\nprovider: {stage: \"${ssm:/x}\"}\n", Some("shop"), "prod", "shop.prod live exact"),
        ("app: \"${ssm:/x}\"\n", Some("shop"), "dev", "shop.dev dev default"),
        (
            "app: shop\nprovider: {stage: prod}\n",
            Some("shop"),
            "dev",
            "osls 4.3.1 works on stage \"dev\" of /home/ann/shop/serverless.yml, and brokerd reads \"prod\"",
        ),
        (
            "app: shop\nservice: other\n",
            Some("shop"),
            "dev",
            "osls 4.3.1 works on service \"s\" of /home/ann/shop/serverless.yml, and brokerd reads \"other\"",
        ),
        (
            "app: shop\n",
            Some("bank"),
            "dev",
            "osls 4.3.1 works on app \"bank\" of /home/ann/shop/serverless.yml, and brokerd reads \"shop\"",
        ),
    ] {
        let report = PluginReport {
            org: None,
            app: app.map(str::to_owned),
            service: "s".into(),
            stage: stage.into(),
            region: "eu-west-3".into(),
            command: "deploy".into(),
            config: None,
            framework: Framework { name: "osls".into(), version: "4.3.1".into() },
            plugin_version: String::new(),
        };
        let case = Case { file, cli: Some(&[]), ..PLAIN };
        let outcome = case.reported(Some(&report));
        match outcome.result {
            Ok(decision) => {
                let said = format!("{} {} {}", decision.role_name(), decision.profile.name, decision.matched);
                assert_eq!(said, expected, "{file}");
                assert_eq!(decision.region.as_ref().map(Region::as_str), Some("eu-west-3"));
            }
            Err(refusal) => assert_eq!(refusal.to_string(), expected, "{file}"),
        }
    }
    // Another application than the allowed one is none of a report's to tell.
    let unknown = Case { file: "app: \"${ssm:/x}\"\n", cli: Some(&[]), ..PLAIN };
    assert!(unknown.verdict().starts_with("the application of"), "{}", unknown.verdict());
}

#[test]
fn for_a_serverless_cli_the_stage_is_what_the_cli_computes() {
    const FILE: &str = "app: shop\nprovider: {stage: qa}\n";
    const BY_OPTION: &str = "app: shop\nprovider: {stage: \"${opt:stage, 'qa'}\"}\n";
    const BY_TEAM: &str = "app: shop\nprovider: {stage: \"${opt:team}\"}\n";
    const BY_VARIABLE: &str = "app: shop\nprovider: {stage: \"${env:STAGE}\"}\n";
    let cli = |file, options| Case { file, cli: Some(options), ..PLAIN };
    for (case, expected) in [
        (cli(FILE, &[("stage", "prod")]), "shop.prod live exact"),
        (cli(FILE, &[]), "shop.qa dev default"),
        (cli("app: shop\n", &[]), "shop.dev dev default"),
        (cli(BY_OPTION, &[("stage", "prod")]), "shop.prod live exact"),
        (cli(BY_OPTION, &[]), "shop.qa dev default"),
        (cli(BY_TEAM, &[("team", "prod")]), "shop.prod live exact"),
        (
            Case {
                cli_environment: &[("STAGE", "prod")],
                environment: Some(&[("STAGE", "qa")]),
                ..cli(BY_VARIABLE, &[])
            },
            "shop.prod live exact",
        ),
        (
            cli(FILE, &[("stage", "feature/x")]),
            "the stage is not known: \"feature/x\" is not a stage name: letters, digits, - and _, beginning with a letter or digit, at most 128",
        ),
    ] {
        assert_eq!(case.verdict(), expected, "{}", case.file);
    }
}

#[test]
fn no_variable_applies_to_a_serverless_cli_and_one_that_differs_is_refused() {
    const NAMED: Option<&[(&str, &str)]> = Some(&[("BROKERD_STAGE", "prod")]);
    let conflict =
        "BROKERD_STAGE is prod, but the Serverless CLI works on stage dev: it reads no such variable";
    for (case, expected) in [
        (Case { cli: Some(&[]), environment: NAMED, ..PLAIN }, conflict),
        (Case { cli: Some(&[]), cli_environment: &[("BROKERD_STAGE", "prod")], ..PLAIN }, conflict),
        (Case { cli: Some(&[("stage", "prod")]), environment: NAMED, ..PLAIN }, "shop.prod live exact"),
        (
            Case { cli: Some(&[]), environment: Some(&[("BROKERD_STAGE", "")]), ..PLAIN },
            "shop.dev dev default",
        ),
    ] {
        assert_eq!(case.verdict(), expected);
    }
}

#[test]
fn no_pin_applies_to_a_serverless_cli_and_one_that_differs_is_refused() {
    const NAMED: Option<&[(&str, &str)]> = Some(&[("BROKERD_STAGE", "dev")]);
    let in_terminal =
        "the pin of this terminal is prod, but the Serverless CLI works on stage dev: no pin applies to it";
    let everywhere =
        "the pin of this project is qa, but the Serverless CLI works on stage dev: no pin applies to it";
    let cli = |pins| Case { cli: Some(&[]), pins, ..PLAIN };
    for (case, expected) in [
        (cli(&[(Place::Terminal, "prod")]), in_terminal),
        (cli(&[(Place::Project, "qa")]), everywhere),
        (cli(&[(Place::Project, "qa"), (Place::Terminal, "prod")]), in_terminal),
        (cli(&[(Place::Project, "qa"), (Place::Terminal, "dev")]), "shop.dev dev default"),
        (cli(&[(Place::Terminal, "dev")]), "shop.dev dev default"),
        (
            Case { cli: Some(&[("stage", "prod")]), ..cli(&[(Place::Terminal, "prod")]) },
            "shop.prod live exact",
        ),
        (Case { environment: NAMED, ..cli(&[(Place::Terminal, "prod")]) }, in_terminal),
    ] {
        assert_eq!(case.verdict(), expected);
    }
    let refusal = |pins| cli(pins).outcome().result.unwrap_err();
    assert_eq!(
        refusal(&[(Place::Terminal, "prod")]).hint().as_deref(),
        Some("brokerctl use --clear, or give the CLI --stage prod")
    );
    assert_eq!(
        refusal(&[(Place::Project, "qa")]).hint().as_deref(),
        Some("brokerctl use --clear --everywhere, or give the CLI --stage qa")
    );
    assert_eq!(
        serde_json::to_value(refusal(&[(Place::Project, "qa")])).unwrap(),
        serde_json::json!({"kind": "pin-conflict", "reach": "project", "pinned": "qa", "cli": "dev"})
    );
}

#[test]
fn a_pin_is_said_with_its_reach_and_its_end() {
    for (pins, expected) in [
        (&[(Place::Terminal, "prod")], "it is prod: the pin of this terminal, until 1970-01-01T01:00:00Z"),
        (&[(Place::Project, "prod")], "it is prod: the pin of this project, until 1970-01-01T01:00:00Z"),
    ] {
        let outcome = Case { pins, ..PLAIN }.outcome();
        assert!(outcome.reasons.iter().any(|reason| reason.topic == "stage" && reason.text == expected));
    }
}

#[test]
fn for_every_other_caller_the_first_that_exists_counts() {
    const TERMINAL: &[(Place, &str)] = &[(Place::Terminal, "prod")];
    const BOTH: &[(Place, &str)] = &[(Place::Project, "dev"), (Place::Terminal, "prod")];
    const PROJECT: &[(Place, &str)] = &[(Place::Project, "prod")];
    const FILE: &str = "app: shop\nprovider: {stage: qa}\n";
    for (case, expected) in [
        (
            Case { file: FILE, environment: Some(&[("BROKERD_STAGE", "prod")]), ..PLAIN },
            "shop.prod live exact",
        ),
        (Case { file: FILE, environment: Some(&[("BROKERD_STAGE", "")]), ..PLAIN }, "shop.qa dev default"),
        (Case { file: FILE, ..PLAIN }, "shop.qa dev default"),
        (PLAIN, "shop.dev dev default"),
        (Case { file: FILE, asked: Some("prod"), ..PLAIN }, "shop.prod live exact"),
        (Case { file: FILE, pins: TERMINAL, ..PLAIN }, "shop.prod live exact"),
        (Case { file: FILE, pins: PROJECT, ..PLAIN }, "shop.prod live exact"),
        (Case { file: FILE, pins: BOTH, ..PLAIN }, "shop.prod live exact"),
        (
            Case { environment: Some(&[("BROKERD_STAGE", "qa")]), pins: TERMINAL, ..PLAIN },
            "shop.qa dev default",
        ),
        (
            Case { environment: Some(&[("BROKERD_STAGE", "")]), pins: TERMINAL, ..PLAIN },
            "shop.prod live exact",
        ),
        (Case { asked: Some("qa"), pins: TERMINAL, ..PLAIN }, "shop.qa dev default"),
    ] {
        assert_eq!(case.verdict(), expected);
    }
}

#[test]
fn unknown_is_not_absent() {
    const SSM: &str = "app: shop\nprovider: {stage: \"${ssm:/stage, 'dev'}\"}\n";
    for case in [
        Case { file: SSM, ..PLAIN },
        Case { file: SSM, cli: Some(&[]), ..PLAIN },
        Case { file: "app: shop\nprovider: {stage: \"${opt:stage}\"}\n", ..PLAIN },
        Case { file: "app: shop\nprovider: {stage: \"${env:NONE}\"}\n", ..PLAIN },
        Case { file: "app: shop\nprovider: {stage: !Ref Stage}\n", ..PLAIN },
        Case { file: "app: shop\nprovider: \"${file(p.yml)}\"\n", ..PLAIN },
        Case { unreadable: Some("its command line cannot be read"), ..PLAIN },
        Case { environment: None, ..PLAIN },
        Case { environment: None, cli: Some(&[("stage", "prod")]), ..PLAIN },
        Case { environment: Some(&[("BROKERD_STAGE", "a b")]), ..PLAIN },
    ] {
        let verdict = case.verdict();
        assert!(verdict.starts_with("the stage is not known: "), "{}: {verdict}", case.file);
    }
    // Where something names the stage first, what cannot be read does not matter.
    let named = Case { file: SSM, environment: Some(&[("BROKERD_STAGE", "prod")]), ..PLAIN };
    assert_eq!(named.verdict(), "shop.prod live exact");
    let given = Case { file: SSM, cli: Some(&[("stage", "prod")]), ..PLAIN };
    assert_eq!(given.verdict(), "shop.prod live exact");
    let pinned = Case { file: SSM, pins: &[(Place::Terminal, "prod")], ..PLAIN };
    assert_eq!(pinned.verdict(), "shop.prod live exact");
    // A pin does not stand in for what may name another stage.
    let hidden = Case { environment: None, ..pinned };
    assert!(hidden.verdict().starts_with("the stage is not known: "), "{}", hidden.verdict());
}

#[test]
fn a_file_that_does_not_parse_and_has_no_good_reading_is_refused() {
    let verdict = Case { file: "app: shop\n  broken: [\n", ..PLAIN }.verdict();
    assert!(verdict.contains("the file cannot be read, and no earlier reading is known"), "{verdict}");
}

#[test]
fn by_name_a_serverless_cli_gets_only_its_own_stage() {
    let asked = |stage| Case { cli: Some(&[]), asked: Some(stage), ..PLAIN }.verdict();
    assert_eq!(asked("dev"), "shop.dev dev default");
    assert_eq!(
        asked("prod"),
        "the role prod is not one that this process may ask for: the Serverless CLI works on stage dev"
    );
}

#[test]
fn a_changed_application_or_organisation_asks_again() {
    let path = CONFIG;
    for (case, expected) in [
        (
            Case { file: "app: strict\n", ..PLAIN },
            format!("{path} was allowed as application shop, and is now \"strict\""),
        ),
        (
            Case { file: "service: x\n", ..PLAIN },
            format!("{path} was allowed as application shop, and names none now"),
        ),
        (
            Case { file: "app: shop\norg: evil\n", ..PLAIN },
            format!("{path} was allowed under no organisation, and is now under evil"),
        ),
        (
            Case { allowed_org: Some("acme"), ..PLAIN },
            format!("{path} was allowed under acme, and is now under no organisation"),
        ),
        (
            Case { cli: Some(&[("app", "strict")]), ..PLAIN },
            format!("--app names strict, and {path} was allowed as shop"),
        ),
        (
            Case { cli: Some(&[("org", "evil")]), ..PLAIN },
            format!("--org names evil, which is not what {path} was allowed under"),
        ),
        (
            Case { file: "app: shop\norg: acme\n", allowed_org: Some("acme"), ..PLAIN },
            "shop.dev dev default".into(),
        ),
        (
            Case {
                file: "app: shop\norg: acme\n",
                allowed_org: Some("acme"),
                cli: Some(&[("app", "shop"), ("org", "acme")]),
                ..PLAIN
            },
            "shop.dev dev default".into(),
        ),
        (Case { file: "custom: {brokerd: {app: shop}}\n", ..PLAIN }, "shop.dev dev default".into()),
    ] {
        assert_eq!(case.verdict(), expected);
    }
}

#[test]
fn an_application_that_the_user_named_stands_in_for_one_that_the_file_lacks() {
    let named = |file| Case { file, named: true, ..PLAIN }.verdict();
    assert_eq!(named("service: x\n"), "shop.dev dev default");
    assert_eq!(named("service: x\ncustom: \"${file(c.yml)}\"\n"), "shop.dev dev default");
    assert!(named("app: strict\n").contains("is now \"strict\""));
}

#[test]
fn the_region_is_the_clis_else_the_files_else_the_profiles() {
    const FILE: &str = "app: shop\nprovider: {region: eu-central-1}\n";
    let region = |case: Case| case.outcome().result.unwrap().region.as_ref().map(ToString::to_string);
    assert_eq!(
        region(Case { file: FILE, cli: Some(&[("region", "us-west-2")]), ..PLAIN }).as_deref(),
        Some("us-west-2")
    );
    assert_eq!(region(Case { file: FILE, ..PLAIN }).as_deref(), Some("eu-central-1"));
    assert_eq!(region(PLAIN).as_deref(), Some("eu-west-1"));
    assert_eq!(region(Case { file: "app: shop\nprovider: {region: \"${ssm:/r}\"}\n", ..PLAIN }), None);
    assert_eq!(region(Case { file: "app: shop\nprovider: {region: nowhere}\n", ..PLAIN }), None);
}

#[test]
fn a_project_that_is_not_allowed_or_leads_elsewhere_is_refused() {
    let config = Path::new("/home/ann/other/serverless.yml");
    let catalog = Catalog::parse(Path::new("catalog.toml"), CATALOG).unwrap();
    let document = Document::parse(config, b"app: shop\n").unwrap();
    let environment = BTreeMap::new();
    let entry = AllowedProject {
        config: config.into(),
        leads_to: Some("/home/ann/real.yml".into()),
        app: App::parse("shop").unwrap(),
        named: false,
        stage: None,
        org: None,
        worktrees: None,
        since: Timestamp(0),
    };
    let mut allowed = AllowList::default();
    let verdict = |allowed: &AllowList, leads_to| {
        let project = Project { config, leads_to, reading: Ok(&document), stale: None, place: None };
        let inquiry = Inquiry {
            project,
            allowed,
            cli: Cli::None,
            environment: Some(&environment),
            pins: NO_PINS,
            reported: None,
            asked: None,
        };
        decide(&inquiry, Ok(&catalog))
            .result
            .map(|decision| decision.role_name())
            .map_err(|refusal| refusal.to_string())
    };
    assert_eq!(verdict(&allowed, None), Err(format!("{} is not allowed yet", config.display())));
    allowed.allow(entry);
    assert_eq!(verdict(&allowed, Some(Path::new("/home/ann/real.yml"))), Ok("shop.dev".into()));
    for elsewhere in [None, Some(Path::new("/home/ann/evil.yml"))] {
        let refusal = verdict(&allowed, elsewhere).unwrap_err();
        assert!(
            refusal.ends_with("is a symbolic link that leads elsewhere than when it was allowed"),
            "{refusal}"
        );
    }
}

#[test]
fn a_safeguard_at_issue_withholds_while_it_is_broken() {
    let at = |file: &'static str, now: &str| {
        Case { file, ..PLAIN }
            .outcome()
            .result
            .unwrap()
            .withheld(&now.parse().unwrap())
            .map(|refusal| refusal.to_string())
            .unwrap_or_default()
    };
    let (quiet, feast) = ("2026-12-23T12:00:00+00:00[UTC]", "2026-12-24T12:00:00+00:00[UTC]");
    assert_eq!(at("app: shop\nprovider: {stage: hours}\n", quiet), "");
    assert_eq!(
        at("app: shop\nprovider: {stage: hours}\n", feast),
        "safeguard restricted-deploy-times of profile hours: Deploying on 2026-12-24 is not allowed"
    );
    assert_eq!(
        at("app: shop\nprovider: {stage: hours, region: eu-west-1}\n", quiet),
        "safeguard allowed-regions of profile hours: Region \"eu-west-1\" not in list of permitted regions: \
         [\"us-east-1\"]"
    );
    let unknown = at("app: shop\nprovider: {stage: hours, region: '${ssm:/region}'}\n", quiet);
    assert!(unknown.contains("the region cannot be told: provider.region cannot be resolved"), "{unknown}");
    assert_eq!(
        at("app: shop\nprovider: {stage: other}\n", quiet),
        "safeguard allowed-stages of profile hours: Stage name \"other\" not permitted by RegExp: \"^h\""
    );
}
