//! The stages that were used lately: what a daemon fetches ahead when it starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lasting::Lasting;
use super::moment::Timestamp;
use super::name::Stage;

/// What was not used for so long is not fetched ahead any more.
const LATELY: Duration = Duration::from_hours(7 * 24);
/// So many are kept at most, those used last.
const MOST: usize = 128;
/// How exactly the last use is kept: the file is not written again for less.
const COARSE: Duration = Duration::from_hours(1);

/// A stage of a project, and when it was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecentStage {
    /// The project's configuration.
    pub config: PathBuf,
    /// The stage.
    pub stage: Stage,
    /// When a process last asked for it, give or take an hour.
    pub last_used: Timestamp,
}

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Recent {
    stages: Vec<RecentStage>,
}

impl Lasting for Recent {
    const WHAT: &'static str = "a list of the stages used lately";
}

impl Recent {
    /// Notes that a stage was used.
    pub fn note(&mut self, config: &Path, stage: &Stage, moment: Timestamp) {
        match self.stages.iter_mut().find(|known| known.config == config && known.stage == *stage) {
            Some(known) if moment < known.last_used.after(COARSE) => {}
            Some(known) => known.last_used = moment,
            None => {
                let config = config.to_owned();
                self.stages.push(RecentStage { config, stage: stage.clone(), last_used: moment });
            }
        }
    }

    /// Drops what was not used lately, seen from `now`, and what is too much.
    pub fn forget(&mut self, now: Timestamp) {
        self.stages.retain(|known| known.last_used.after(LATELY) > now);
        self.stages.sort_by_key(|known| std::cmp::Reverse(known.last_used));
        self.stages.truncate(MOST);
    }

    /// The ones used last, the last one first: at most this many, and at most two of a project. Pull requests and
    /// experiments leave stages behind that nobody will ask for again.
    pub fn newest(&self, most: usize) -> Vec<&RecentStage> {
        const OF_A_PROJECT: usize = 2;
        let mut stages: Vec<_> = self.stages.iter().collect();
        stages.sort_by_key(|known| std::cmp::Reverse(known.last_used));
        let mut newest: Vec<&RecentStage> = Vec::new();
        for stage in stages {
            let of_project = newest.iter().filter(|known| known.config == stage.config).count();
            if newest.len() < most && of_project < OF_A_PROJECT {
                newest.push(stage);
            }
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str) -> Stage {
        Stage::parse(name).unwrap()
    }

    #[test]
    fn the_list_survives_its_text_and_forgets() {
        let (shop, blog) = (Path::new("/shop/serverless.yml"), Path::new("/blog/serverless.yml"));
        let mut recent = Recent::default();
        recent.note(shop, &stage("dev"), Timestamp(1000));
        recent.note(shop, &stage("prod"), Timestamp(2000));
        recent.note(blog, &stage("dev"), Timestamp(3000));
        let before = recent.clone();
        recent.note(shop, &stage("dev"), Timestamp(1000 + 3599));
        assert_eq!(recent, before, "an hour more or less makes no difference");
        recent.note(shop, &stage("dev"), Timestamp(1000 + 3600));
        let order: Vec<_> = recent
            .newest(9)
            .into_iter()
            .map(|known| (known.config.as_path(), known.stage.as_str()))
            .collect();
        assert_eq!(order, [(shop, "dev"), (blog, "dev"), (shop, "prod")]);
        assert_eq!(Recent::parse(&recent.to_text()), Ok(recent.clone()));
        assert_eq!(recent.newest(1).len(), 1);
        recent.note(shop, &stage("qa"), Timestamp(9000));
        assert_eq!(recent.newest(9).len(), 3, "two of a project");
        recent.forget(Timestamp(3000 + 7 * 24 * 3600));
        assert_eq!(recent.newest(9).len(), 2);
        for number in 0..500 {
            recent.note(blog, &stage(&format!("s{number}")), Timestamp(20_000 + number));
        }
        recent.forget(Timestamp(20_000));
        assert_eq!(recent.stages.len(), MOST);
        for text in ["", "{}", "{\"form\":2,\"stages\":[]}", "{\"form\":1,\"stages\":[{\"stage\":\"x\"}]}"] {
            assert!(Recent::parse(text).is_err(), "{text}");
        }
    }
}
