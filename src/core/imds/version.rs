//! The versions of the metadata service, which clients may name in the first part of a path.

/// What is listed at `/`: a selection of the versions that EC2 has had, not its own list. Any other date is answered
/// like them.
pub(super) const VERSIONS: &str = "1.0\n2009-04-04\n2014-02-25\n2016-09-02\n2018-09-24\n2019-10-01\n2020-10-27\n2021-01-03\n2021-03-23\n2021-07-15\n2022-09-24\nlatest";

/// `latest`, `1.0` or a date such as `2021-07-15`.
pub(super) fn is_version(part: &str) -> bool {
    let is_date = part.len() == 10
        && part.bytes().enumerate().all(|(position, byte)| match position {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    part == "latest" || part == "1.0" || is_date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_that_is_listed_is_one() {
        for version in VERSIONS.lines() {
            assert!(is_version(version), "{version}");
        }
        for other in ["", "2.0", "Latest", "2021-7-15", "2021-07-15x", "20210715", "2021_07_15", "api"] {
            assert!(!is_version(other), "{other:?}");
        }
    }
}
