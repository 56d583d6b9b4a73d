//! `~/.aws/sso/cache`, where AWS tools keep the tokens of their logins, in clear.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::atomic_file::{self, WriteError};
use crate::core::sso::{SsoSession, SsoToken};

/// No token's file is longer.
const LONGEST: u64 = 256 * 1024;

/// Why a token cannot be written there.
#[derive(Debug, thiserror::Error)]
pub enum SsoCacheError {
    /// There is no directory for it.
    #[error("cannot make {}: {source}", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The directory of one home.
#[derive(Debug, Clone)]
pub struct SsoCache {
    directory: PathBuf,
}

impl SsoCache {
    /// That of this home.
    pub fn of(home: &Path) -> Self {
        Self { directory: home.join(".aws/sso/cache") }
    }

    /// The token that some AWS tool left there for a session; a file that cannot be read is none.
    pub fn token(&self, session: &SsoSession) -> Option<SsoToken> {
        let path = self.directory.join(session.cache_file());
        let length = std::fs::metadata(&path).ok()?.len();
        if length > LONGEST {
            return None;
        }
        SsoToken::from_cache(&Zeroizing::new(std::fs::read(path).ok()?))
    }

    /// Leaves a token there for other AWS tools.
    pub fn keep(&self, session: &SsoSession, token: &SsoToken) -> Result<(), SsoCacheError> {
        let directory = &self.directory;
        super::directories::make_private(directory).map_err(|error| SsoCacheError::Directory {
            path: directory.clone(),
            source: io::Error::other(error),
        })?;
        Ok(atomic_file::replace(&directory.join(session.cache_file()), &token.to_cache(session))?)
    }
}
