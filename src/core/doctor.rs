//! What could keep an AWS tool here from getting the right credentials: one file for each area, whose checks turn what was
//! collected into findings.
//!
//! A check is a pure function. What it says of itself, its [`Topic`], is also what docs/doctor.md is made of.

pub mod aws_files;
pub mod catalog;
mod clients;
pub mod clock;
pub mod daemon;
pub mod documentation;
pub mod endpoint;
pub mod environment;
pub mod files;
pub mod finding;
#[cfg(test)]
mod fixtures;
pub mod hardening;
pub mod keychain;
pub mod limits;
pub mod link_local;
pub mod logins;
pub mod online;
pub mod projects;
pub mod service;
pub mod tools;

pub use finding::{Finding, Level, Repair, Topic};

/// An area of findings.
#[derive(Debug)]
pub struct Area {
    /// Its name; the id of a finding that all of it is as it should be.
    pub name: &'static str,
    /// What can be found in it.
    pub topics: &'static [&'static Topic],
}

/// All of them, in the order in which they are shown.
pub static AREAS: [&Area; 17] = [
    &daemon::AREA,
    &keychain::AREA,
    &endpoint::AREA,
    &link_local::AREA,
    &environment::AREA,
    &aws_files::AREA,
    &tools::AREA,
    &catalog::AREA,
    &projects::AREA,
    &logins::AREA,
    &clock::AREA,
    &files::AREA,
    &limits::AREA,
    &service::AREA,
    &hardening::AREA,
    &online::AREA,
    &finding::AREA,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_topic_has_a_name_of_its_own_and_says_all_of_itself() {
        let topics: Vec<&Topic> = AREAS.iter().flat_map(|area| area.topics).copied().collect();
        let names: BTreeSet<&str> = topics.iter().map(|topic| topic.id).collect();
        assert_eq!(names.len(), topics.len());
        for topic in topics {
            assert!(
                topic.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                topic.id
            );
            for text in [topic.finds, topic.why, topic.fix] {
                assert!(!text.is_empty() && !text.contains('|'), "{}", topic.id);
            }
        }
    }
}
