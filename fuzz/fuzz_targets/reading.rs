//! The reader of configurations: whatever the files say, an answer, and no application that none of them names.
//!
//! The input is a configuration and what it includes, separated by a zero byte; its first byte is the format.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use brokerd::core::serverless::inclusion::{Found, Inclusions, Need};
use brokerd::core::serverless::{Document, Finding, Inputs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((format, files)) = data.split_first() else { return };
    let name = ["s.yml", "s.json", "s.toml"][usize::from(format % 3)];
    let mut files = files.split(|byte| *byte == 0);
    let own = files.next().unwrap_or_default();
    let beside = files.next();
    let Ok(mut document) = Document::parse(Path::new(name), own) else { return };
    let inputs = Inputs {
        options: [("stage".to_owned(), "prod".to_owned())].into(),
        parameters: [("key".to_owned(), "${self:custom.key}".to_owned())].into(),
        environment: [("STAGE".to_owned(), "${opt:stage}".to_owned())].into(),
    };
    let mut found = Inclusions::new();
    for _ in 0..8 {
        let needs = document.needs(&inputs);
        if needs.iter().all(|need| found.contains_key(need)) {
            break;
        }
        for need in needs {
            let answer = match (&need, beside) {
                (Need::File(path), Some(text)) => Found::parse(path, text),
                (Need::Head(_), _) => Found::Head { branch: Some("main".to_owned()), commit: "0".repeat(40) },
                _ => Found::Absent,
            };
            found.insert(need, answer);
        }
        document = document.with(Arc::new(found.clone()));
    }
    let answers = [
        document.app(&inputs),
        document.org(&inputs),
        document.service(&inputs),
        document.stage(&inputs),
        document.region(&inputs),
    ];
    // Any name of an application stands in the text as a key, escaped or not, or came in as a merge of such a one.
    let may_name_one = [own, beside.unwrap_or_default()]
        .iter()
        .any(|text| text.windows(3).any(|word| word == b"app") || text.contains(&b'\\'));
    if let (Finding::Known(known), false) = (&answers[0], may_name_one) {
        panic!("an application that nobody named: {known:?}");
    }
});
