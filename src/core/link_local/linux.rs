//! Linux: a table of nftables for each user, and the address on `lo`.
//!
//! A rule sees the user whose socket sends (`meta skuid`), and nothing but what this machine itself sends (hook `output`),
//! so that nobody else's connection, of this machine or another, comes to the broker. What somebody else answers from the
//! broker's port is dropped, so that nobody takes its place while it is down. The address is marked by its label, so that
//! only the one that was put there for brokerd is taken away again.

use serde::Deserialize;

use super::{ADDRESS, Holder, PORT, Redirect, Step, Surroundings};

/// Marks the address as ours. Labels begin with the interface's name and have at most 15 characters.
const LABEL: &str = "lo:brokerd";
/// What the tables are called, before the user's number.
const TABLE: &str = "brokerd_";
/// The system unit, for each user an instance named by the number.
const UNIT: &str = include_str!("../../../systemd/brokerd-link-local@.service");
/// Where that is put.
pub const UNIT_FILE: &str = "/etc/systemd/system/brokerd-link-local@.service";

/// The file with a user's rules, for the unit.
pub fn rules_file(uid: u32) -> String {
    format!("/etc/brokerd/link-local/{uid}.nft")
}

/// The text of the system unit. Where this machine has a metadata service of its own, it adds no address: that would be
/// there before the network is, and win over the route for every user.
fn unit(found: &Surroundings) -> String {
    if found.real.is_none() && !matches!(found.address, Holder::Interface(_)) {
        return UNIT.to_owned();
    }
    let adds =
        |line: &&str| line.starts_with("ExecStart=-ip ") || line.starts_with("# The address may be there");
    UNIT.lines().filter(|line| !adds(line)).flat_map(|line| [line, "\n"]).collect()
}

/// The rules of one user. Run again they take the place of what they were.
pub fn rules(redirect: Redirect) -> String {
    let Redirect { uid, port } = redirect;
    format!(
        "table ip {TABLE}{uid}\n\
         delete table ip {TABLE}{uid}\n\
         table ip {TABLE}{uid} {{\n\
         \tchain output {{\n\
         \t\ttype nat hook output priority -100; policy accept;\n\
         \t\tmeta skuid {uid} ip daddr {ADDRESS} tcp dport {PORT} redirect to :{port}\n\
         \t}}\n\
         \tchain answers {{\n\
         \t\ttype filter hook output priority 0; policy accept;\n\
         \t\tct original ip daddr {ADDRESS} tcp sport {port} meta skuid != {uid} drop\n\
         \t}}\n\
         }}\n"
    )
}

/// What switches a redirect on; with `at_boot` for good. What is on already is put right.
pub fn enable(redirect: Redirect, found: &Surroundings, at_boot: bool) -> Vec<Step> {
    let uid = redirect.uid;
    let mut steps = vec![Step::run_with("nft -f -", rules(redirect))];
    match (&found.address, found.has_reached_service()) {
        (Holder::Nothing, false) => {
            steps.push(Step::run(&format!("ip address add {ADDRESS}/32 dev lo scope host label {LABEL}")));
        }
        // Put there before the route was: it keeps the service from everybody.
        (Holder::Brokerd, true) => steps.push(Step::run(&format!("ip address delete {ADDRESS}/32 dev lo"))),
        _ => {}
    }
    if at_boot {
        steps.extend([
            Step::run("mkdir -p /etc/brokerd/link-local"),
            Step::Write { path: rules_file(uid), text: rules(redirect) },
            Step::Write { path: UNIT_FILE.to_owned(), text: unit(found) },
            Step::run("systemctl daemon-reload"),
            Step::run(&format!("systemctl enable brokerd-link-local@{uid}.service")),
        ]);
    }
    steps
}

/// What switches the redirect of a user off. The address goes with the last user's, and only if it is ours. `at_boot`:
/// whether it is there for good, and which other users' are.
pub fn disable(uid: u32, found: &Surroundings, at_boot: Option<&[u32]>) -> Vec<Step> {
    let mut steps = Vec::new();
    // Who cannot see whether it is there is shown what takes it away.
    if found.users.as_ref().is_none_or(|users| users.contains(&uid)) {
        steps.push(Step::run(&format!("nft delete table ip {TABLE}{uid}")));
    }
    let is_last = found.users.as_ref().is_none_or(|users| users.iter().all(|other| *other == uid));
    if is_last && found.address == Holder::Brokerd {
        steps.push(Step::run(&format!("ip address delete {ADDRESS}/32 dev lo")));
    }
    if let Some(others) = at_boot {
        steps.push(Step::run(&format!("systemctl disable brokerd-link-local@{uid}.service")));
        steps.push(Step::Remove { path: rules_file(uid) });
        if others.is_empty() {
            steps.push(Step::Remove { path: UNIT_FILE.to_owned() });
            steps.push(Step::run("systemctl daemon-reload"));
        }
    }
    steps
}

/// The users with a table, in what `nft list tables ip` prints.
pub fn users(listed: &str) -> Vec<u32> {
    let names = listed.lines().filter_map(|line| line.trim().strip_prefix("table ip "));
    names.filter_map(|name| name.strip_prefix(TABLE)?.parse().ok()).collect()
}

/// Who has the address, in what `ip -json address show to 169.254.169.254/32` prints; `None` if that cannot be read.
pub fn holder(listed: &str) -> Option<Holder> {
    #[derive(Deserialize)]
    struct Interface {
        ifname: Option<String>,
        #[serde(default)]
        addr_info: Vec<Address>,
    }
    #[derive(Deserialize)]
    struct Address {
        local: Option<String>,
        label: Option<String>,
    }
    // Where nothing is found some versions print nothing, not an empty list.
    let interfaces: Vec<Interface> =
        if listed.trim().is_empty() { Vec::new() } else { serde_json::from_str(listed).ok()? };
    let wanted = ADDRESS.to_string();
    let mut holders = interfaces.into_iter().filter_map(|interface| {
        let is_it = |address: &&Address| address.local.as_ref() == Some(&wanted);
        let address = interface.addr_info.iter().find(is_it)?;
        Some(match interface.ifname?.as_str() {
            "lo" if address.label.as_deref() == Some(LABEL) => Holder::Brokerd,
            "lo" => Holder::Loopback,
            other => Holder::Interface(other.to_owned()),
        })
    });
    Some(holders.next().unwrap_or_default())
}

/// Whether a route leads away from this machine, in what `ip -4 -json route show table all match 169.254.169.254/32`
/// prints; one without `type` is to somewhere.
pub fn is_routed(listed: &str) -> bool {
    #[derive(Deserialize)]
    struct Route {
        r#type: Option<String>,
        dev: Option<String>,
    }
    let routes: Vec<Route> = serde_json::from_str(listed).unwrap_or_default();
    routes.iter().any(|route| {
        route.r#type.as_deref().is_none_or(|kind| kind == "unicast") && route.dev.as_deref() != Some("lo")
    })
}

/// The route to exactly this address, in what `ip -json route show exact 169.254.169.254/32` prints: a network that has a
/// metadata service says so by one. A route to all of 169.254.0.0/16 is any desktop's.
pub fn route(listed: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Route {
        dev: Option<String>,
        gateway: Option<String>,
    }
    let routes: Vec<Route> = serde_json::from_str(listed).ok()?;
    let route = routes.into_iter().find(|route| route.dev.as_deref() != Some("lo"))?;
    let device = route.dev.unwrap_or_else(|| "a device".to_owned());
    let gateway = route.gateway.map(|gateway| format!(" by {gateway}")).unwrap_or_default();
    Some(format!("a route leads to {ADDRESS} through {device}{gateway}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Redirect {
        Redirect::new(1000, 9254).unwrap()
    }

    fn found(address: Holder, users: &[u32]) -> Surroundings {
        Surroundings { address, users: Some(users.to_vec()), ..Surroundings::default() }
    }

    fn of_cloud(address: Holder, is_routed: bool) -> Surroundings {
        Surroundings {
            address,
            real: Some("this is a machine of X".to_owned()),
            is_routed,
            ..Surroundings::default()
        }
    }

    fn shown(steps: &[Step]) -> Vec<String> {
        steps.iter().map(|step| step.to_string().lines().next().unwrap_or_default().to_owned()).collect()
    }

    const ADD: &str = "ip address add 169.254.169.254/32 dev lo scope host label lo:brokerd";
    const DELETE: &str = "ip address delete 169.254.169.254/32 dev lo";

    #[test]
    fn the_rule_is_for_one_user_one_address_and_one_port() {
        let rules = rules(shop());
        let rule = "meta skuid 1000 ip daddr 169.254.169.254 tcp dport 80 redirect to :9254";
        assert_eq!(rules.lines().filter(|line| line.contains("redirect")).count(), 1);
        assert!(rules.contains(rule) && rules.contains("hook output"), "{rules}");
        let answers = "ct original ip daddr 169.254.169.254 tcp sport 9254 meta skuid != 1000 drop";
        assert!(rules.contains(answers), "{rules}");
    }

    #[test]
    fn a_service_that_others_reach_keeps_its_address() {
        for (found, expected) in [
            (of_cloud(Holder::Nothing, true), vec!["nft -f - <<'END'"]),
            (of_cloud(Holder::Brokerd, true), vec!["nft -f - <<'END'", DELETE]),
            (of_cloud(Holder::Loopback, true), vec!["nft -f - <<'END'"]),
            (of_cloud(Holder::Nothing, false), vec!["nft -f - <<'END'", ADD]),
            (Surroundings { is_routed: true, ..Surroundings::default() }, vec!["nft -f - <<'END'", ADD]),
        ] {
            assert_eq!(shown(&enable(shop(), &found, false)), expected, "{found:?}");
        }
    }

    #[test]
    fn the_unit_adds_no_address_where_a_service_may_be() {
        for (found, expected) in [
            (Surroundings::default(), true),
            (found(Holder::Brokerd, &[1001]), true),
            (found(Holder::Interface("eth0".to_owned()), &[]), false),
            (of_cloud(Holder::Nothing, true), false),
            (of_cloud(Holder::Nothing, false), false),
        ] {
            let unit = unit(&found);
            assert_eq!(unit.contains(ADD), expected, "{unit}");
            assert_eq!(unit.contains("address"), expected, "{unit}");
            assert!(unit.contains("ExecStart=nft -f ") && unit.ends_with("multi-user.target\n"), "{unit}");
        }
    }

    #[test]
    fn a_route_leads_away_unless_it_is_this_machines_own() {
        let default = r#"[{"dst":"default","gateway":"10.1.0.1","dev":"ens4","flags":[]}]"#;
        let link = r#"[{"dst":"169.254.0.0/16","dev":"eth0","scope":"link","flags":[]}]"#;
        let own = r#"[{"type":"local","dst":"169.254.169.254","dev":"lo","table":"local","flags":[]}]"#;
        let none = r#"[{"type":"unreachable","dst":"default","dev":"lo","flags":[]},{"type":"blackhole","dst":"default"}]"#;
        for (listed, expected) in
            [(default, true), (link, true), (own, false), (none, false), ("[]", false), ("", false)]
        {
            assert_eq!(is_routed(listed), expected, "{listed}");
        }
    }

    #[test]
    fn the_address_is_added_only_where_it_is_not() {
        for (address, expected) in [
            (Holder::Nothing, vec!["nft -f - <<'END'", ADD]),
            (Holder::Brokerd, vec!["nft -f - <<'END'"]),
            (Holder::Loopback, vec!["nft -f - <<'END'"]),
            (Holder::Interface("dummy0".to_owned()), vec!["nft -f - <<'END'"]),
        ] {
            assert_eq!(shown(&enable(shop(), &found(address, &[]), false)), expected);
        }
    }

    #[test]
    fn what_goes_is_what_came() {
        let delete = "nft delete table ip brokerd_1000";
        for (address, users, expected) in [
            (Holder::Brokerd, &[1000][..], vec![delete, DELETE]),
            (Holder::Brokerd, &[1000, 1001], vec![delete]),
            (Holder::Brokerd, &[1001], vec![]),
            (Holder::Brokerd, &[], vec![DELETE]),
            (Holder::Loopback, &[1000], vec![delete]),
            (Holder::Interface("dummy0".to_owned()), &[1000], vec![delete]),
            (Holder::Nothing, &[1000], vec![delete]),
            (Holder::Nothing, &[], vec![]),
        ] {
            assert_eq!(
                shown(&disable(1000, &found(address.clone(), users), None)),
                expected,
                "{address:?} {users:?}"
            );
        }
        let unseen = Surroundings { address: Holder::Brokerd, ..Surroundings::default() };
        assert_eq!(shown(&disable(1000, &unseen, None)), [delete, DELETE]);
    }

    #[test]
    fn for_good_there_is_a_file_a_unit_and_an_instance() {
        let enabled = shown(&enable(shop(), &found(Holder::Brokerd, &[]), true));
        assert_eq!(
            &enabled[1..],
            [
                "mkdir -p /etc/brokerd/link-local",
                "cat > /etc/brokerd/link-local/1000.nft <<'END'",
                "cat > /etc/systemd/system/brokerd-link-local@.service <<'END'",
                "systemctl daemon-reload",
                "systemctl enable brokerd-link-local@1000.service",
            ]
        );
        let unit_of_others_stays = shown(&disable(1000, &found(Holder::Nothing, &[]), Some(&[1001])));
        assert_eq!(
            unit_of_others_stays,
            ["systemctl disable brokerd-link-local@1000.service", "rm -f /etc/brokerd/link-local/1000.nft"]
        );
        let last = shown(&disable(1000, &found(Holder::Nothing, &[]), Some(&[])));
        assert_eq!(last[2], format!("rm -f {UNIT_FILE}"));
    }

    #[test]
    fn the_unit_adds_the_same_address() {
        assert!(UNIT.contains(&ADD.replacen("ip ", "ExecStart=-ip ", 1)), "{UNIT}");
        assert!(UNIT.contains(&format!("ExecStart=nft -f {}", rules_file(0).replace('0', "%i"))), "{UNIT}");
        assert!(UNIT.contains(&format!("ExecStop=-nft delete table ip {TABLE}%i")), "{UNIT}");
    }

    #[test]
    fn tables_of_others_are_no_users() {
        let listed = "table ip nat\ntable ip brokerd_1000\ntable ip brokerd_x\ntable ip6 brokerd_7\ntable ip brokerd_1001\n";
        assert_eq!(users(listed), [1000, 1001]);
        assert_eq!(users(""), Vec::<u32>::new());
    }

    #[test]
    fn the_holder_is_told_by_interface_and_label() {
        let on = |name: &str, label: &str| {
            format!(
                r#"[{{"ifname":"{name}","addr_info":[{{}},{{"family":"inet","local":"169.254.169.254","prefixlen":32{label}}}]}}]"#
            )
        };
        for (listed, expected) in [
            (String::new(), Some(Holder::Nothing)),
            ("[]".to_owned(), Some(Holder::Nothing)),
            (r#"[{},{"ifname":"lo","addr_info":[]}]"#.to_owned(), Some(Holder::Nothing)),
            (on("lo", r#","label":"lo:brokerd""#), Some(Holder::Brokerd)),
            (on("lo", r#","label":"lo""#), Some(Holder::Loopback)),
            (on("lo", ""), Some(Holder::Loopback)),
            (on("dummy0", r#","label":"dummy0""#), Some(Holder::Interface("dummy0".to_owned()))),
            ("Object \"x\" is unknown".to_owned(), None),
        ] {
            assert_eq!(holder(&listed), expected, "{listed}");
        }
    }

    #[test]
    fn only_a_route_of_its_own_tells_of_a_service() {
        let google =
            r#"[{"dst":"169.254.169.254","gateway":"10.1.0.1","dev":"ens4","protocol":"dhcp","flags":[]}]"#;
        assert_eq!(route(google).unwrap(), "a route leads to 169.254.169.254 through ens4 by 10.1.0.1");
        let link = r#"[{"dst":"169.254.169.254","dev":"eth0","scope":"link","flags":[]}]"#;
        assert_eq!(route(link).unwrap(), "a route leads to 169.254.169.254 through eth0");
        let own = r#"[{"type":"local","dst":"169.254.169.254","dev":"lo","flags":[]}]"#;
        for none in ["[]", "", own] {
            assert_eq!(route(none), None, "{none}");
        }
    }
}
