//! `via` of an access role: the roles of other profiles, assumed before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{AccessRole, Profile, Source};
use crate::core::name::ProfileName;
use crate::core::nearest::did_you_mean;
use crate::core::table::{Findings, Value};

/// More roles in a row than this are a mistake: each costs a call to STS at every renewal.
const LONGEST: usize = 8;

/// The profiles that one profile names, each with its place.
type Steps<'t> = Vec<(ProfileName, Value<'t>)>;

/// Puts the roles that each `via` names into the profiles, in order, the first to be assumed first.
///
/// The first profile of a `via` may have a `via` of its own; of each further one only the role counts, so that one which
/// has a `via` is a fault, as are an unknown name, a profile without a role, and a circle.
pub(super) fn resolve(
    values: &[Value<'_>],
    profiles: &mut BTreeMap<ProfileName, Arc<Profile>>,
    findings: &mut Findings<'_>,
) {
    let mut named: BTreeMap<ProfileName, Steps<'_>> = BTreeMap::new();
    for value in values {
        let Ok(name) = ProfileName::parse(value.key()) else { continue };
        let table = value.as_table().and_then(|table| table.get("access_role")?.as_table());
        let Some(via) = table.and_then(|table| table.get("via")) else { continue };
        let steps = read(via, profiles, findings);
        if let Some(source) = table.and_then(|table| table.get("source")) {
            let hint = steps.first().map(|(first, _)| format!("write it in [profiles.{first}.access_role]"));
            source.wrong("with via, the source of the first role signs", hint, findings);
        }
        named.insert(name, steps);
    }
    let resolved: Vec<(ProfileName, Vec<AccessRole>, Source)> = named
        .iter()
        .filter_map(|(name, steps)| {
            let roles = unrolled(name, steps, &named, profiles, findings)?;
            let source = roles.first()?.source.clone();
            Some((name.clone(), roles, source))
        })
        .collect();
    for (name, via, source) in resolved {
        let Some(profile) = profiles.get_mut(&name).map(Arc::make_mut) else { continue };
        if let Some(role) = &mut profile.access_role {
            (role.via, role.source) = (via, source);
        }
    }
}

fn read<'t>(
    via: Value<'t>,
    profiles: &BTreeMap<ProfileName, Arc<Profile>>,
    findings: &mut Findings<'_>,
) -> Steps<'t> {
    let Some(items) = via.array(findings) else { return Vec::new() };
    if items.is_empty() {
        via.wrong("there is no profile in it", Some("name one, or leave via out".to_owned()), findings);
    }
    let mut steps = Vec::new();
    for item in items {
        let Some(name) = item.parsed(ProfileName::parse, findings) else { continue };
        match profiles.get(&name) {
            None => {
                let hint = did_you_mean(name.as_str(), profiles.keys().map(ProfileName::as_str));
                item.wrong(format_args!("there is no profile {name}"), hint, findings);
            }
            Some(profile) if profile.access_role.is_none() => {
                let hint = Some(format!("add [profiles.{name}.access_role]"));
                item.wrong(format_args!("profile {name} has no access role"), hint, findings);
            }
            Some(_) => steps.push((name, item)),
        }
    }
    steps
}

/// The roles of a `via` with those that its first profile goes by; `None` where there is a fault, which is noted.
fn unrolled(
    name: &ProfileName,
    steps: &Steps<'_>,
    named: &BTreeMap<ProfileName, Steps<'_>>,
    profiles: &BTreeMap<ProfileName, Arc<Profile>>,
    findings: &mut Findings<'_>,
) -> Option<Vec<AccessRole>> {
    let first_place = steps.first()?.1;
    let mut order: Vec<ProfileName> = Vec::new();
    let mut seen = vec![name.clone()];
    let mut steps = steps;
    loop {
        let mut here = Vec::new();
        for (number, (step, place)) in steps.iter().enumerate() {
            if seen.contains(step) {
                place.wrong(
                    format_args!("the roles go in a circle: profile {step} is among them already"),
                    None,
                    findings,
                );
                return None;
            }
            if number > 0 && named.contains_key(step) {
                place.wrong(
                    format_args!("profile {step} has a via of its own, which only the first profile may"),
                    Some(format!("name the roles that lead to {step} here, in order")),
                    findings,
                );
                return None;
            }
            seen.push(step.clone());
            here.push(step.clone());
        }
        let first = here.first().cloned();
        here.append(&mut order);
        order = here;
        match first.and_then(|first| named.get(&first)) {
            Some(further) if !further.is_empty() => steps = further,
            _ => break,
        }
    }
    if order.len() > LONGEST {
        first_place.wrong(
            format_args!("these are {} roles in a row, and at most {LONGEST} are taken", order.len()),
            None,
            findings,
        );
        return None;
    }
    let roles = order.iter().enumerate().filter_map(|(number, name)| {
        let mut role = profiles.get(name)?.access_role.clone()?;
        role.via = Vec::new();
        if number > 0 {
            // What signs for it is the role before.
            role.source = Source::Chain;
        }
        Some(role)
    });
    Some(roles.collect())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::catalog::Catalog;
    use crate::core::catalog::tests::errors;

    fn profile(name: &str, more: &str) -> String {
        format!(
            "[profiles.{name}.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/{name}\"\n{more}\n"
        )
    }

    #[test]
    fn the_roles_stand_in_the_order_in_which_they_are_assumed() {
        let text = [
            profile("hub", "source = \"work\"\nexternal_id = \"an-id\""),
            profile("middle", "via = [\"hub\"]"),
            profile("side", "source = \"elsewhere\""),
            profile("end", "via = [\"middle\", \"side\"]"),
        ];
        let catalog = Catalog::parse(Path::new("c.toml"), &text.concat()).unwrap();
        let role =
            |name: &str| catalog.profiles[&ProfileName::parse(name).unwrap()].access_role.clone().unwrap();
        let end = role("end");
        let names: Vec<_> = end.via.iter().map(|role| role.role_arn.role_name()).collect();
        assert_eq!(names, ["hub", "middle", "side"]);
        assert_eq!(end.source, Source::Named("work".into()));
        assert_eq!(end.via[0].external_id.as_ref().unwrap().as_str(), "an-id");
        assert_eq!(end.via[2].source, Source::Chain);
        assert!(end.via.iter().all(|role| role.via.is_empty()));
        assert_eq!(role("middle").via, [role("hub")]);
        assert!(role("hub").via.is_empty());
    }

    #[test]
    fn a_change_of_a_role_on_the_way_is_a_change_of_the_role() {
        let digest = |more: &str| {
            let text = profile("hub", more) + &profile("end", "via = [\"hub\"]");
            let catalog = Catalog::parse(Path::new("c.toml"), &text).unwrap();
            catalog.profiles[&ProfileName::parse("end").unwrap()].access_role.as_ref().unwrap().digest()
        };
        assert_ne!(digest(""), digest("external_id = \"an-id\""));
    }

    #[test]
    fn names_each_fault() {
        let many: String = (0..10)
            .map(|number| profile(&format!("p{number}"), &format!("via = [\"p{}\"]", number + 1)))
            .collect();
        for (text, expected) in [
            (
                profile("hub", "") + &profile("end", "via = [\"hbu\"]"),
                "c.toml:6:8: `via`: there is no profile hbu (did you mean \"hub\"?)".to_owned(),
            ),
            (
                "[profiles.bare]\n".to_owned() + &profile("end", "via = [\"bare\"]"),
                "c.toml:4:8: `via`: profile bare has no access role (add [profiles.bare.access_role])".to_owned(),
            ),
            (
                profile("a", "via = [\"b\"]") + &profile("b", "via = [\"a\"]"),
                "c.toml:3:8: `via`: the roles go in a circle: profile b is among them already\n\
                 c.toml:6:8: `via`: the roles go in a circle: profile a is among them already"
                    .to_owned(),
            ),
            (
                profile("a", "via = [\"a\"]"),
                "c.toml:3:8: `via`: the roles go in a circle: profile a is among them already".to_owned(),
            ),
            (
                profile("a", "") + &profile("b", "via = [\"a\"]\nsource = \"work\""),
                "c.toml:7:10: `source`: with via, the source of the first role signs (write it in \
                 [profiles.a.access_role])"
                    .to_owned(),
            ),
            (
                profile("a", "") + &profile("b", "via = [\"a\"]") + &profile("c", "") + &profile("d", "via = [\"c\", \"b\"]"),
                "c.toml:12:13: `via`: profile b has a via of its own, which only the first profile may (name the roles \
                 that lead to b here, in order)"
                    .to_owned(),
            ),
            (profile("a", "via = []"), "c.toml:3:7: `via`: there is no profile in it (name one, or leave via out)".to_owned()),
            (profile("a", "via = \"b\""), "c.toml:3:7: `via`: expected an array, found a string".to_owned()),
            (
                many + &profile("p10", ""),
                "c.toml:3:8: `via`: these are 10 roles in a row, and at most 8 are taken\n\
                 c.toml:6:8: `via`: these are 9 roles in a row, and at most 8 are taken"
                    .to_owned(),
            ),
        ] {
            assert_eq!(errors(&text), expected, "{text}");
        }
    }
}
