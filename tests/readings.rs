//! What the two programs make of configurations: shown without a daemon, served by one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{CATALOG, CONFIG, Home, ran_as_ordinary_user, stderr, stdout};
use serde_json::Value;

#[test]
fn inspect_shows_readings_without_a_daemon() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write(
        "shop/serverless.yml",
        "service: cart\napp: shop\nprovider:\n  name: aws\n  stage: ${opt:stage, 'qa'}\n  region: ${file(r.yml):${sls:stage}}\n",
    );
    home.write("shop/r.yml", "qa: eu-west-1\nprod: eu-west-2\n");
    home.write("code/serverless.ts", "export default { app: 'hunter2' }");
    home.write("toml/serverless.toml", "app = 'billing'\n");
    home.write("bad/serverless.yml", "app: hunter2\nprovider: {stage: [\n");

    let shown = home.ctl(&["inspect", "shop", "code", "toml", "--json"]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let lines: Vec<Value> = stdout(&shown).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    let shop = &lines[0];
    for (field, value) in [("service", "cart"), ("app", "shop"), ("stage", "qa"), ("region", "eu-west-1")] {
        assert_eq!(shop[field], value, "{shop}");
    }
    assert_eq!(shop["path"], home.path("shop/serverless.yml").to_str().unwrap());
    let from = shop["from"]["region"].as_str().unwrap();
    assert!(from.contains("serverless.yml:6:11") && from.contains("r.yml:1:5"), "{from}");
    assert!(shop["org"].is_null() && shop["error"].is_null() && shop["unknown"] == serde_json::json!({}));
    assert!(shop["sources"].as_array().unwrap().iter().any(|source| source["present"] == true));
    assert!(lines[1]["app"].is_null() && !lines[1].to_string().contains("hunter2"), "{}", lines[1]);
    assert!(lines[1]["unknown"]["app"].as_str().unwrap().contains("is a program"), "{}", lines[1]);
    assert_eq!(lines[2]["app"], "billing");

    let prod = stdout(&home.ctl(&["inspect", "shop", "--stage", "prod"]));
    assert!(prod.contains("stage    prod  --stage") && prod.contains("region   eu-west-2"), "{prod}");
    let other = stdout(&home.ctl(&["inspect", "shop", "--opt", "stage=prod", "--json"]));
    assert!(other.contains("\"region\":\"eu-west-2\""), "{other}");

    let bad = home.ctl(&["inspect", "bad", "nowhere", "shop", "--json"]);
    assert_eq!(bad.status.code(), Some(1));
    let told = stdout(&bad);
    assert!(
        told.contains("bad/serverless.yml:") && !told.contains("hunter2") && told.contains("\"cart\""),
        "{told}"
    );
    assert!(stderr(&bad).contains("2 of 3 cannot be read"), "{}", stderr(&bad));
}

#[test]
fn a_program_is_served_as_the_user_named_it() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.ts", "export default { app: 'hunter2' }");
    let _daemon = home.daemon();
    let nameless = home.ctl(&["allow", "shop"]);
    assert_eq!(nameless.status.code(), Some(1));
    let why = stderr(&nameless);
    assert!(
        why.contains("is a program") && why.contains("allow --app NAME") && !why.contains("hunter2"),
        "{why}"
    );

    assert!(home.ctl(&["allow", "shop", "--app", "shop"]).status.success());
    let unknown = home.ctl(&["why", "shop"]);
    let told = stdout(&unknown) + &stderr(&unknown);
    assert!(told.contains("the stage is not known") && told.contains("is a program"), "{told}");
    let staged = stdout(&home.ctl(&["why", "shop", "--stage", "prod"]));
    assert!(staged.contains("it is prod: --stage"), "{staged}");

    assert!(home.ctl(&["allow", "shop", "--app", "shop", "--stage", "prod"]).status.success());
    let known = stdout(&home.ctl(&["why", "shop"]));
    assert!(known.contains("it is prod: named with `brokerctl allow --stage`"), "{known}");
    assert!(known.contains("since the file is a program, which is never run"), "{known}");
    let status = stdout(&home.ctl(&["status"]));
    assert!(status.contains("its configuration is a program, which is never run"), "{status}");

    home.write("plain/serverless.yml", "app: shop\nprovider: {stage: dev}\n");
    let told_itself = home.ctl(&["allow", "plain", "--stage", "prod"]);
    assert_eq!(told_itself.status.code(), Some(1));
    assert!(stderr(&told_itself).contains("tells its stage itself"), "{}", stderr(&told_itself));
}

#[test]
fn an_included_file_counts_as_it_is_when_a_process_asks() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    fs::create_dir_all(home.path("repo/.git")).unwrap();
    home.write("repo/shop/serverless.yml", "app: shop\nprovider: ${file(../shared/provider.yml)}\n");
    home.write("repo/shared/provider.yml", "name: aws\nstage: dev\n");
    home.write("elsewhere/provider.yml", "name: aws\nstage: prod\n");
    let _daemon = home.daemon();
    let why = || {
        let shown = home.ctl(&["why", "repo/shop"]);
        stdout(&shown) + &stderr(&shown)
    };
    let allowed = home.ctl(&["allow", "repo/shop"]);
    assert!(allowed.status.success(), "{}", stderr(&allowed));
    assert!(why().contains("it is dev: provider.stage at"), "{}", why());
    assert!(why().contains("shared/provider.yml:2:8, by file(../shared/provider.yml)"), "{}", why());

    home.write("repo/shared/provider.yml", "name: aws\nstage: prod\n");
    assert!(why().contains("it is prod: provider.stage at"), "{}", why());
    fs::remove_file(home.path("repo/shared/provider.yml")).unwrap();
    assert!(why().contains("the stage is not known") && why().contains("has no value"), "{}", why());
    std::os::unix::fs::symlink(home.path("elsewhere/provider.yml"), home.path("repo/shared/provider.yml"))
        .unwrap();
    assert!(why().contains("leads through a symbolic link out of"), "{}", why());
}
