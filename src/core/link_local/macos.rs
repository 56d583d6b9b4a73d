//! macOS: rules of `pf` in an anchor of each user, and the address on `lo0`.
//!
//! `rdr` cannot tell users apart, `pass` can, and `rdr` sees the tag that `pass` gave. What has no tag is led nowhere and is
//! refused, since nobody listens on the address. Anchors below `com.apple/` are evaluated by `/etc/pf.conf` as macOS ships
//! it, so that no file is edited.

use super::{ADDRESS, Holder, PORT, Redirect, Step, Surroundings};

/// What the anchors are called, before the user's number.
const ANCHOR: &str = "com.apple/brokerd-";

/// The rules of one user. Translation stands before filtering, as `pf.conf` demands.
pub fn rules(redirect: Redirect) -> String {
    let Redirect { uid, port } = redirect;
    format!(
        "rdr pass on lo0 inet proto tcp from any to {ADDRESS} port {PORT} tagged brokerd_{uid} -> 127.0.0.1 port {port}\n\
         pass out quick on lo0 inet proto tcp from any to {ADDRESS} port {PORT} user {uid} tag brokerd_{uid} flags S/SA keep state\n"
    )
}

/// What switches a redirect on. It lasts until the next start of the machine.
pub fn enable(redirect: Redirect, found: &Surroundings) -> Vec<Step> {
    let mut steps = vec![Step::run_with(&format!("pfctl -a {ANCHOR}{} -f -", redirect.uid), rules(redirect))];
    if found.address == Holder::Nothing {
        steps.push(Step::run(&format!("ifconfig lo0 alias {ADDRESS} 255.255.255.255")));
    }
    // Counts those who need pf, and switches it on if it is off.
    steps.push(Step::run("pfctl -E"));
    steps
}

/// What switches the redirect of a user off. `pf` stays on: others may have come to need it meanwhile.
pub fn disable(uid: u32, found: &Surroundings) -> Vec<Step> {
    let mut steps = vec![Step::run(&format!("pfctl -a {ANCHOR}{uid} -F all"))];
    let is_last = found.users.as_ref().is_none_or(|users| users.iter().all(|other| *other == uid));
    if is_last && matches!(found.address, Holder::Brokerd | Holder::Loopback) {
        steps.push(Step::run(&format!("ifconfig lo0 -alias {ADDRESS}")));
    }
    steps
}

/// The users with an anchor, in what `pfctl -a com.apple -s Anchors` prints.
pub fn users(listed: &str) -> Vec<u32> {
    listed.lines().filter_map(|line| line.trim().strip_prefix(ANCHOR)?.parse().ok()).collect()
}

/// Who has the address, in what `ifconfig` prints. Addresses have no label here: one on `lo0` may be ours.
pub fn holder(listed: &str) -> Holder {
    let wanted = format!("inet {ADDRESS} ");
    let mut interface = "";
    for line in listed.lines() {
        if !line.starts_with(['\t', ' ']) {
            interface = line.split(':').next().unwrap_or_default();
        } else if line.trim_start().starts_with(&wanted) {
            return if interface == "lo0" {
                Holder::Loopback
            } else {
                Holder::Interface(interface.to_owned())
            };
        }
    }
    Holder::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(address: Holder, users: &[u32]) -> Surroundings {
        Surroundings { address, users: Some(users.to_vec()), ..Surroundings::default() }
    }

    fn shown(steps: &[Step]) -> Vec<String> {
        steps.iter().map(|step| step.to_string().lines().next().unwrap_or_default().to_owned()).collect()
    }

    const ALIAS: &str = "ifconfig lo0 alias 169.254.169.254 255.255.255.255";

    #[test]
    fn only_what_this_user_sent_has_the_tag_that_is_redirected() {
        assert_eq!(
            rules(Redirect::new(501, 9254).unwrap()),
            "rdr pass on lo0 inet proto tcp from any to 169.254.169.254 port 80 tagged brokerd_501 -> 127.0.0.1 port 9254\n\
             pass out quick on lo0 inet proto tcp from any to 169.254.169.254 port 80 user 501 tag brokerd_501 flags S/SA keep state\n"
        );
    }

    #[test]
    fn the_alias_comes_once_and_goes_with_the_last() {
        let redirect = Redirect::new(501, 9254).unwrap();
        let load = "pfctl -a com.apple/brokerd-501 -f - <<'END'";
        assert_eq!(shown(&enable(redirect, &found(Holder::Nothing, &[]))), [load, ALIAS, "pfctl -E"]);
        assert_eq!(shown(&enable(redirect, &found(Holder::Loopback, &[502]))), [load, "pfctl -E"]);
        let flush = "pfctl -a com.apple/brokerd-501 -F all";
        let unalias = "ifconfig lo0 -alias 169.254.169.254";
        assert_eq!(shown(&disable(501, &found(Holder::Loopback, &[501]))), [flush, unalias]);
        assert_eq!(shown(&disable(501, &found(Holder::Loopback, &[501, 502]))), [flush]);
        assert_eq!(shown(&disable(501, &found(Holder::Interface("en0".to_owned()), &[501]))), [flush]);
    }

    #[test]
    fn anchors_and_addresses_are_read() {
        let anchors = "  com.apple/200.AirDrop\n  com.apple/brokerd-501\n  com.apple/brokerd-x\n";
        assert_eq!(users(anchors), [501]);
        let listed = |line: &str| {
            format!(
                "lo0: flags=8049<UP,LOOPBACK> mtu 16384\n\tinet 127.0.0.1 netmask 0xff000000\n{line}en0: flags=8863<UP> mtu 1500\n\tinet 192.168.1.7 netmask 0xffffff00\n"
            )
        };
        assert_eq!(holder(&listed("")), Holder::Nothing);
        assert_eq!(holder(&listed("\tinet 169.254.169.254 netmask 0xffffffff\n")), Holder::Loopback);
        assert_eq!(
            holder(&format!("{}\tinet 169.254.169.254 netmask 0xffff0000\n", listed(""))),
            Holder::Interface("en0".to_owned())
        );
        assert_eq!(holder("en0: x\n\tinet 169.254.169.2 netmask 0xffff0000\n"), Holder::Nothing);
    }
}
