//! What lies on disk of container tokens: the lists of those that outlive the daemon, which hold digests only, and for
//! each command of `brokerctl exec` a file with its token.

use std::collections::HashSet;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::atomic_file::{self, WriteError};
use crate::core::container_token::TokenId;

/// The directory of the files for `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, one for each token, named after it. It
/// lies in the runtime directory, which is this user's alone and ends with the login.
#[derive(Debug, Clone)]
pub struct TokenFiles(PathBuf);

impl TokenFiles {
    /// The files in `directory`, whose parent is there.
    pub fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Where the file of a token is.
    pub fn path(&self, id: &TokenId) -> PathBuf {
        self.0.join(id.as_str())
    }

    /// Writes the file of a token, mode 0600, without a newline: half of the SDKs would send it.
    pub fn write(&self, id: &TokenId, text: &str) -> Result<(), WriteError> {
        let path = self.path(id);
        // Two commands may start in the same moment: a directory that is there by now is as good.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(|source| WriteError::Unwritten { path: path.clone(), source })?;
        atomic_file::replace(&path, text.as_bytes())
    }

    /// Removes the file of a token, if there is one.
    pub fn remove(&self, id: &TokenId) {
        remove(&self.path(id));
    }

    /// Removes all files but those of these tokens: what a daemon left behind that was killed.
    pub fn sweep(&self, living: &HashSet<&str>) {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let dead =
            entries.filter(|entry| entry.file_name().to_str().is_none_or(|name| !living.contains(name)));
        dead.for_each(|entry| remove(&entry.path()));
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "the file of a token stays; its token is worth nothing");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::state_file::tests::survives;
    use super::*;
    use crate::core::container_token::TokenList;
    use crate::core::lasting::Lasting;

    #[test]
    fn many_at_once_make_the_directory_once() {
        let place = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let files = TokenFiles::at(place.path().join(format!("tokens{round}")));
            let barrier = std::sync::Barrier::new(8);
            std::thread::scope(|scope| {
                for number in 0..8_u8 {
                    let (files, barrier) = (&files, &barrier);
                    scope.spawn(move || {
                        barrier.wait();
                        files.write(&TokenId::new([number; 4]), "text").unwrap();
                    });
                }
            });
            assert_eq!(fs::read_dir(&files.0).unwrap().count(), 8);
            assert_eq!(fs::metadata(&files.0).unwrap().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_crash_or_an_error_leaves_the_old_tokens_or_the_new() {
        let token = r#"{"id":"01020304","digest":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","config":"/shop/serverless.yml","app":"shop","stage":"dev","profile":"dev","role_digest":"x","matched":"exact","since":"2026-01-01T00:00:00Z","made_by":{"pid":1,"start":2,"executable":null,"directory":"/","parents":[]},"life":{"process":{"pid":1,"start":2,"boot":"b"}}}"#;
        let list = |tokens: &str| TokenList::parse(&format!(r#"{{"form":1,"tokens":[{tokens}]}}"#)).unwrap();
        survives("tokens.json", [&list(token), &list("")]);
    }

    #[test]
    fn a_tokens_file_is_private_and_ends_without_a_newline() {
        let place = tempfile::tempdir().unwrap();
        let files = TokenFiles::at(place.path().join("tokens"));
        let ids = [TokenId::new([0; 4]), TokenId::new([1; 4])];
        files.sweep(&HashSet::new());
        for id in &ids {
            files.write(id, "secret").unwrap();
        }
        assert_eq!(fs::read(files.path(&ids[0])).unwrap(), b"secret");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!([mode(&files.path(&ids[0])), mode(&place.path().join("tokens"))], [0o600, 0o700]);
        files.sweep(&HashSet::from([ids[1].as_str()]));
        assert_eq!([files.path(&ids[0]).exists(), files.path(&ids[1]).exists()], [false, true]);
        files.remove(&ids[1]);
        files.remove(&ids[1]);
        assert!(!files.path(&ids[1]).exists());
    }
}
