use std::path::Path;

use super::*;
use crate::core::allowed::AllowedProject;

const CATALOG: &str = "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/dev\"\n\
                       [profiles.live.access_role]\nrole_arn = \"arn:aws:iam::222222222222:role/live\"\n\
                       [applications.shop]\ndefault_profile = \"dev\"\nstages = { prod = \"live\" }\n";

fn catalog(from: &str, to: &str) -> Catalog {
    Catalog::parse(Path::new("catalog.toml"), &CATALOG.replace(from, to)).unwrap()
}

fn allowed(app: &str) -> AllowList {
    let mut list = AllowList::default();
    list.allow(AllowedProject {
        config: "/shop/serverless.yml".into(),
        leads_to: None,
        app: App::parse(app).unwrap(),
        named: false,
        stage: None,
        org: None,
        worktrees: None,
        since: Timestamp(0),
    });
    list
}

fn token(stage: &str, life: TokenLife, until: Option<i64>) -> ContainerToken {
    let (app, stage) = (App::parse("shop").unwrap(), Stage::parse(stage).unwrap());
    let (profile, matched) = profile(&catalog("", ""), &app, &stage).unwrap();
    let process = ProcessId { pid: 7, start: 8 };
    let new = NewToken {
        id: TokenId::new([1, 2, 3, u8::from(stage.as_str() == "prod")]),
        digest: TokenDigest::of(stage.as_str().as_bytes()),
        label: None,
        since: Timestamp(0),
        until: until.map(Timestamp),
        made_by: Arc::new(AuditedCaller {
            process,
            uid: Some(1000),
            executable: None,
            command: Vec::new(),
            directory: "/shop".into(),
            parents: Vec::new(),
        }),
        life,
    };
    let decision = Decision {
        config: "/shop/serverless.yml".into(),
        place: None,
        app,
        stage,
        access_role: usable(&profile).unwrap().clone(),
        profile,
        matched,
        fallback: None,
        region_unknown: None,
        deployment: None,
        stage_reported: false,
        region: None,
        request: RequestOnce::default(),
    };
    ContainerToken::new(new, &decision)
}

#[test]
fn it_gives_what_was_decided_until_that_ends_and_never_something_else() {
    let (prod, dev) = (token("prod", TokenLife::Daemon, None), token("dev", TokenLife::Daemon, None));
    let role = |token: &ContainerToken, from: &str, to: &str, app: &str| {
        let decision = token.decision(Ok(&catalog(from, to)), &allowed(app));
        decision.map(|decision| decision.access_role.role_arn.role_name().to_owned())
    };
    assert_eq!(role(&prod, "", "", "shop"), Ok("live".into()));
    assert_eq!(role(&dev, "", "", "shop"), Ok("dev".into()));
    // What was a fall-back may become exact.
    assert_eq!(role(&dev, "{ prod", "{ dev = \"dev\", prod", "shop"), Ok("dev".into()));
    for (token, from, to, app, why) in [
        (&prod, "prod = \"live\"", "prod = \"dev\"", "shop", "stage prod of shop has profile dev now"),
        (&prod, "role/live", "role/other", "shop", "since it was made for profile live"),
        (&prod, "prod = \"live\"", "qa = \"dev\"", "shop", "stage prod of shop has profile dev now"),
        (&dev, "default_profile = \"dev\"\n", "", "shop", "and shop has no default profile"),
        (&prod, "applications.shop", "applications.other", "shop", "no application shop"),
        (&prod, "", "", "other", "is no longer allowed as shop"),
    ] {
        let refusal = role(token, from, to, app).unwrap_err();
        assert!(matches!(refusal, Refusal::TokenEnded { .. }), "{refusal}");
        assert!(refusal.to_string().contains(why), "{why}: {refusal}");
    }
    let unknown = prod.decision(Err("it is broken"), &allowed("shop")).unwrap_err();
    assert!(matches!(unknown, Refusal::NoCatalog { .. }), "nobody knows: {unknown}");
    let ended = ContainerToken { ended: Some("it was denied".into()), ..prod };
    assert!(role(&ended, "", "", "shop").unwrap_err().to_string().starts_with("it was denied;"));
}

#[test]
fn the_list_survives_its_text_and_holds_no_token() {
    let process = ProcessId { pid: 7, start: 8 };
    let mut list = TokenList::default();
    list.set(token("dev", TokenLife::Kept, Some(10)));
    list.set(token("prod", TokenLife::Process { process, boot: "b".into() }, None));
    list.set(token("prod", TokenLife::Process { process, boot: "b".into() }, None));
    assert_eq!(list.iter().count(), 2);
    assert_eq!(TokenList::parse(&list.to_text()), Ok(list.clone()));
    for text in ["", "{}", r#"{"form":2,"tokens":[]}"#, r#"{"form":1,"tokens":[{"id":"x"}]}"#] {
        assert!(TokenList::parse(text).is_err(), "{text}");
    }
    let secret = text(&Zeroizing::new([7; 32]));
    assert_eq!(secret.len(), 43);
    let mut marked = token("dev", TokenLife::Kept, None);
    marked.digest = TokenDigest::of(secret.as_bytes());
    list.set(marked);
    assert!(!list.to_text().contains(secret.as_str()) && !format!("{list:?}").contains(secret.as_str()));
    assert_eq!(list.find(&TokenDigest::of(secret.as_bytes())).unwrap().stage.as_str(), "dev");
    for wrong in [&secret[1..], &secret.to_lowercase(), "", &format!("{}\n", secret.as_str())] {
        assert_eq!(list.find(&TokenDigest::of(wrong.as_bytes())), None);
    }
}

#[test]
fn a_token_is_over_with_its_time_its_process_or_the_machines_start() {
    let life = || TokenLife::Process { process: ProcessId { pid: 7, start: 8 }, boot: "b".into() };
    let over = |life, until, now, boot: &str, alive: bool| {
        token("dev", life, until).is_over(Timestamp(now), boot, &|_| alive)
    };
    for (found, expected) in [
        (over(TokenLife::Daemon, None, 99, "b", false), false),
        (over(TokenLife::Kept, Some(10), 9, "c", false), false),
        (over(TokenLife::Kept, Some(10), 10, "b", true), true),
        (over(life(), None, 9, "b", true), false),
        (over(life(), None, 9, "b", false), true),
        (over(life(), None, 9, "c", true), true),
    ] {
        assert_eq!(found, expected);
    }
}
