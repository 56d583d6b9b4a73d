//! Checking a catalog, and its schema.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::core::catalog::{Catalog, schema as schema_of_catalog};
use crate::core::fault::{Fault, Faults};
use crate::ctl::commands::print_json;
use crate::ctl::failure::Failure;
use crate::ctl::status::counted;
use crate::edges::catalog_file;

/// What a check found.
#[derive(Serialize)]
struct Finding<'a> {
    file: &'a Path,
    profiles: usize,
    applications: usize,
    faults: &'a [Fault],
}

pub(super) fn validate(file: &Path, json: bool) -> Result<(), Failure> {
    let outcome = catalog_file::text_of(file)
        .map_err(|error| Faults::whole_file(file, error.to_string()))
        .and_then(|text| Catalog::parse(file, &text));
    let (profiles, applications, faults) = match &outcome {
        Ok(catalog) => (catalog.profiles.len(), catalog.applications.len(), [].as_slice()),
        Err(Faults(faults)) => (0, 0, faults.as_slice()),
    };
    if json {
        print_json(&Finding { file, profiles, applications, faults })?;
    } else if faults.is_empty() {
        let shown = file.display();
        let (profiles, applications) = (counted(profiles, "profile"), counted(applications, "application"));
        writeln!(anstream::stdout(), "{shown} is in order: {profiles}, {applications}")?;
    } else {
        let mut out = anstream::stdout().lock();
        for fault in faults {
            writeln!(out, "{fault}")?;
        }
    }
    match faults.len() {
        0 => Ok(()),
        1 => Err(Failure::refused(format!("{} has a fault", file.display()))),
        count => Err(Failure::refused(format!("{} has {count} faults", file.display()))),
    }
}

pub(super) fn schema() -> Result<(), Failure> {
    print_json(&schema_of_catalog())
}
