//! serverless-compose.yml: which directories its services are in.

use std::path::{Path, PathBuf};

use super::Document;
use super::inclusion::resolved;
use super::node::Content;

/// The names of a composition's file, in the order in which the CLIs try them.
pub const NAMES: [&str; 5] = [
    "serverless-compose.yml",
    "serverless-compose.yaml",
    "serverless-compose.json",
    "serverless-compose.js",
    "serverless-compose.ts",
];

impl Document {
    /// The directories of the services that this document lists, if it is a composition's.
    pub fn service_directories(&self) -> Vec<PathBuf> {
        let Some(Content::Map(root)) = self.root.as_ref().map(|root| &root.content) else {
            return Vec::new();
        };
        let Some(Content::Map(services)) = root.get("services").map(|services| &services.content) else {
            return Vec::new();
        };
        let paths = services.values().filter_map(|service| {
            let Content::Map(service) = &service.content else { return None };
            let Content::Text(path) = &service.get("path")?.content else { return None };
            Some(resolved(&self.directory, path))
        });
        paths.collect()
    }

    /// Whether the directory is that of one of its services.
    pub fn has_service_in(&self, directory: &Path) -> bool {
        self.service_directories().iter().any(|path| path == directory)
    }
}
