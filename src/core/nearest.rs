//! The name that somebody probably meant.

/// The candidate nearest to `word`, if one is near enough to be worth proposing.
///
/// Near enough means: at most a third of the word's letters differ (one for short words), with a swap of
/// neighbouring letters counted once. Case does not count.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The sentence `did you mean "prod"?`, or nothing if no candidate is near.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|name| format!("did you mean \"{name}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_what_a_typing_error_meant() {
        let stages = ["dev", "prod", "staging"];
        for (word, meant) in [
            ("prdo", Some("prod")),
            ("PROD", Some("prod")),
            ("de", Some("dev")),
            ("stagign", Some("staging")),
            ("production", None),
            ("qa", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, stages), meant, "{word}");
        }
    }
}
