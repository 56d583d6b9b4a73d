//! Until when credentials that were handed out can still be used: AWS takes none back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::moment::Timestamp;

/// The latest end of what was handed out, by the configuration of the project.
#[derive(Debug, Default)]
pub struct HandedOut {
    projects: HashMap<PathBuf, Timestamp>,
    /// Of what an earlier daemon handed out nobody knows to which project.
    earlier: Option<Timestamp>,
}

impl HandedOut {
    /// Notes that credentials with this end were handed out to a project.
    pub fn note(&mut self, config: &Path, expires: Timestamp) {
        match self.projects.get_mut(config) {
            Some(latest) => *latest = expires.max(*latest),
            None => drop(self.projects.insert(config.to_owned(), expires)),
        }
    }

    /// Notes that an earlier daemon handed out some with this end.
    pub fn note_earlier(&mut self, expires: Timestamp) {
        self.earlier = self.earlier.max(Some(expires));
    }

    /// Until when, at the latest, what a project was given can be used; `None` if all of it has ended at `now`.
    pub fn until(&self, config: &Path, now: Timestamp) -> Option<Timestamp> {
        self.projects.get(config).copied().max(self.earlier).filter(|end| *end > now)
    }

    /// The same of all projects.
    pub fn latest(&self, now: Timestamp) -> Option<Timestamp> {
        self.projects.values().max().copied().max(self.earlier).filter(|end| *end > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_end_counts_and_what_has_ended_does_not() {
        let mut handed = HandedOut::default();
        let (shop, blog) = (Path::new("/shop"), Path::new("/blog"));
        assert_eq!(handed.latest(Timestamp(0)), None);
        handed.note(shop, Timestamp(50));
        handed.note(shop, Timestamp(40));
        handed.note(blog, Timestamp(70));
        let at = |now| {
            let now = Timestamp(now);
            [handed.until(shop, now), handed.until(blog, now), handed.latest(now)]
                .map(|end| end.map(|end| end.0))
        };
        assert_eq!(at(0), [Some(50), Some(70), Some(70)]);
        assert_eq!(at(50), [None, Some(70), Some(70)]);
        assert_eq!(at(70), [None, None, None]);
        handed.note_earlier(Timestamp(60));
        assert_eq!(handed.until(shop, Timestamp(50)), Some(Timestamp(60)), "it may have been this one's");
    }
}
