//! `config.toml` and `catalog.toml`, read as the daemon reads them.

use std::path::Path;

use super::{Area, Finding, Level, Topic};
use crate::core::catalog::Catalog;
use crate::core::fault::{Fault, Faults};

/// The area.
pub static AREA: Area = Area { name: "catalog", topics: &[&CONFIG_FAULT, &FAULT, &UNREADABLE, &MISSING] };

static CONFIG_FAULT: Topic = Topic {
    id: "config-fault",
    level: Level::Problem,
    finds: "config.toml has a fault",
    why: "brokerd does not start with it",
    fix: "what the sentence says, at that line",
};
static FAULT: Topic = Topic {
    id: "catalog-fault",
    level: Level::Problem,
    finds: "catalog.toml has a fault",
    why: "the last good catalog stays in force, and a daemon that starts has none",
    fix: "what the sentence says, at that line",
};
static UNREADABLE: Topic = Topic {
    id: "catalog-unreadable",
    level: Level::Problem,
    finds: "config.toml or catalog.toml cannot be read, or others could have written it",
    why: "brokerd takes no roles from what somebody else decides",
    fix: "the command beside it",
};
static MISSING: Topic = Topic {
    id: "catalog-missing",
    level: Level::Warning,
    finds: "there is no catalog, or one without applications",
    why: "no project has a profile",
    fix: "brokerctl init",
};

/// How a file of the user's was read.
#[derive(Debug)]
pub enum Reading<T> {
    /// There is none.
    Absent,
    /// It says this.
    Good(T),
    /// It has faults.
    Faulty(Faults),
    /// It cannot be read, or is not trusted: why, and what mends it.
    Unreadable(String, Option<String>),
}

/// The settings.
pub fn judge_config<T>(path: &Path, reading: &Reading<T>) -> Vec<Finding> {
    match reading {
        Reading::Absent | Reading::Good(_) => Vec::new(),
        Reading::Faulty(faults) => {
            faults.0.iter().map(|fault| of_fault(&CONFIG_FAULT, path, fault)).collect()
        }
        Reading::Unreadable(why, mend) => vec![unreadable(path, why, mend.as_deref())],
    }
}

/// The catalog.
pub fn judge(path: &Path, reading: &Reading<Catalog>) -> Vec<Finding> {
    let shown = path.display();
    let missing = |what: &str| vec![Finding::of(&MISSING, what).at(path, None).with_fix("brokerctl init")];
    match reading {
        Reading::Absent => missing("there is no catalog"),
        Reading::Good(catalog) if catalog.applications.is_empty() => {
            missing("the catalog has no applications")
        }
        Reading::Good(catalog) => {
            let (profiles, applications) = (catalog.profiles.len(), catalog.applications.len());
            let sentence = format!("{shown} is in order: profiles {profiles}, applications {applications}");
            vec![Finding::fine(&AREA, sentence)]
        }
        Reading::Faulty(faults) => faults.0.iter().map(|fault| of_fault(&FAULT, path, fault)).collect(),
        Reading::Unreadable(why, mend) => vec![unreadable(path, why, mend.as_deref())],
    }
}

fn of_fault(topic: &'static Topic, path: &Path, fault: &Fault) -> Finding {
    let mut finding = Finding::of(topic, fault.message.as_str()).with_hint(fault.hint.clone()).at(path, None);
    if let (Some(place), Some(at)) = (fault.place, &mut finding.place) {
        *at = format!("{at}:{place}");
    }
    finding
}

fn unreadable(path: &Path, why: &str, mend: Option<&str>) -> Finding {
    Finding::of(&UNREADABLE, why).at(path, None).with_hint(mend.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_is_in_order_or_says_where_not() {
        let path = Path::new("/c.toml");
        let read = |text: &str| match Catalog::parse(path, text) {
            Ok(catalog) => Reading::Good(catalog),
            Err(faults) => Reading::Faulty(faults),
        };
        let good = "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/dev\"\n\
                    [applications.shop]\ndefault_profile = \"dev\"\n";
        for (reading, id) in [
            (read(good), "catalog"),
            (read(""), "catalog-missing"),
            (Reading::Absent, "catalog-missing"),
            (read("[applications.shop]\ndefault_profile = \"dve\"\n"), "catalog-fault"),
            (Reading::Unreadable("x".into(), Some("chmod".into())), "catalog-unreadable"),
        ] {
            assert_eq!(judge(path, &reading)[0].id, id);
        }
        let faulty = &judge(path, &read("\n[profiles.dev]\nrol = 1\n"))[0];
        assert_eq!(faulty.place.as_deref(), Some("/c.toml:3:1"));
        assert!(judge_config::<()>(path, &Reading::Absent).is_empty());
        let whole = Faults::whole_file(path, "bad");
        assert_eq!(judge_config::<()>(path, &Reading::Faulty(whole))[0].id, "config-fault");
    }
}
