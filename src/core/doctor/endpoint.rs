//! The endpoint: whether brokerd answers there, and nobody in its place.

use super::{Area, Finding, Level, Topic, clients};

/// The area.
pub static AREA: Area = Area { name: "endpoint", topics: &[&UNANSWERED, &TAKEN, &ELSEWHERE, &PORT_CONFLICT] };

static UNANSWERED: Topic = Topic {
    id: "endpoint-unanswered",
    level: Level::Problem,
    finds: "a request for a token, sent as an SDK does, was not answered with one",
    why: "an AWS tool here fares the same",
    fix: "what the sentence says; a firewall, a proxy or another program may be in the way",
};
static TAKEN: Topic = Topic {
    id: "endpoint-taken",
    level: Level::Problem,
    finds: "another program, or another user, listens where AWS tools would ask",
    why: "tools get what that one gives them",
    fix: "end that program, or unset AWS_EC2_METADATA_SERVICE_ENDPOINT",
};
static ELSEWHERE: Topic = Topic {
    id: "endpoint-elsewhere",
    level: Level::Problem,
    finds: "nobody listens at brokerd's address here, though it runs",
    why: "this is another network namespace, such as a container's",
    fix: "container credentials: brokerctl tokens add",
};
static PORT_CONFLICT: Topic = Topic {
    id: "port-conflict",
    level: Level::Problem,
    finds: "brokerd does not run, and somebody listens at its address",
    why: "it cannot start there, and tools that ask get what that program gives them",
    fix: "end that program, or set another port in listen of config.toml",
};

/// A request for a token that was sent.
#[derive(Debug)]
pub struct Probe {
    /// To where.
    pub url: String,
    /// What went wrong, if something did.
    pub failure: Option<String>,
}

/// Whoever is where brokerd should be.
#[derive(Debug)]
pub struct Occupied {
    /// Who.
    pub sentence: String,
    /// Whether somebody is there at all.
    pub is_somebody: bool,
}

/// The endpoint of a daemon that runs.
pub fn judge(probes: &[Probe], strangers: &[Occupied]) -> Vec<Finding> {
    let there = strangers.iter().map(|stranger| {
        let topic = if stranger.is_somebody { &TAKEN } else { &ELSEWHERE };
        Finding::of(topic, stranger.sentence.as_str()).affecting(clients::ALL).with_fix(
            if stranger.is_somebody {
                "end that program, or unset AWS_EC2_METADATA_SERVICE_ENDPOINT"
            } else {
                "brokerctl tokens add"
            },
        )
    });
    let answers = probes.iter().map(|Probe { url, failure }| match failure {
        None => {
            Finding::fine(&AREA, format!("{url} answers a request for a token, and brokerd listens there"))
        }
        Some(why) => {
            Finding::of(&UNANSWERED, format!("{url} gives no token: {why}")).affecting(clients::ALL).with_fix(
                format!("curl -v -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {url}latest/api/token"),
            )
        }
    });
    // Where somebody else listens, that he answers is nothing good.
    let own = answers.filter(|finding| finding.level != Level::Ok || strangers.is_empty());
    there.chain(own).collect()
}

/// The address of a daemon that does not run: `listener` is who has it.
pub fn judge_free(address: &str, listener: Option<&str>) -> Option<Finding> {
    let who = listener?;
    Some(
        Finding::of(&PORT_CONFLICT, format!("{who} listens at {address}, where brokerd would"))
            .affecting(clients::ALL)
            .with_fix("end that program, or set listen in config.toml: brokerctl paths"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(failure: Option<&str>, strangers: &[bool]) -> Vec<&'static str> {
        let probe = Probe { url: "http://127.0.0.1:1/".into(), failure: failure.map(str::to_owned) };
        let strangers: Vec<Occupied> =
            strangers.iter().map(|&is_somebody| Occupied { sentence: "x".into(), is_somebody }).collect();
        judge(&[probe], &strangers).iter().map(|finding| finding.id).collect()
    }

    #[test]
    fn an_endpoint_answers_and_is_brokerds_alone() {
        assert_eq!(ids(None, &[]), ["endpoint"]);
        assert_eq!(ids(Some("refused"), &[]), ["endpoint-unanswered"]);
        assert_eq!(ids(None, &[true]), ["endpoint-taken"], "that a stranger answers is nothing good");
        assert_eq!(ids(Some("refused"), &[false]), ["endpoint-elsewhere", "endpoint-unanswered"]);
        assert!(judge_free("127.0.0.1:1", None).is_none());
        assert_eq!(judge_free("127.0.0.1:1", Some("nc (pid 4)")).unwrap().id, "port-conflict");
    }
}
