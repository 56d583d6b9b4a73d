//! docs/doctor.md, made of what the checks say of themselves.

use std::fmt::Write;

use super::AREAS;

const HEAD: &str = r"# brokerctl doctor

`brokerctl doctor [PATH]` looks for everything that could keep an AWS tool in this directory from getting the right credentials, and
says for each thing found where it is, which SDKs and tools it reaches, and what to type.

- `--fix` does what is safe: it closes files that are open to others and makes missing directories of brokerd's. It says each before
  it does it, and looks again afterwards. It never edits a file that people write: shell profiles, `~/.aws`, the catalog.
- `--online` asks AWS too: a new session of the role of the project here, through the daemon, and with it what AWS's clock shows.
  Without it no call to AWS is made.
- `--json` prints `{version, path, findings, repairs}`; a finding is `{id, level, sentence, where, affects, fix, fixable}`. A finding
  of level `ok` has the name of its area as its id. Ids are stable.

Exit codes: 0 nothing is wrong (notes and warnings are allowed), 1 a problem, 3 the daemon does not run; what needs no daemon is looked
at all the same.

This page is made of the checks themselves: `BROKERD_WRITE_DOCS=1 cargo test --test doctor` writes it.
";

/// The page.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    // Writing into a String cannot fail.
    for area in AREAS {
        let _ = write!(
            text,
            "\n## {}\n\n| id | level | what is found | why it matters | what mends it |\n",
            area.name
        );
        text.push_str("|---|---|---|---|---|\n");
        for topic in area.topics {
            let (level, plain) = (topic.level.word(), |text: &str| text.replace('*', "\\*"));
            let _ = writeln!(
                text,
                "| `{}` | {level} | {} | {} | {} |",
                topic.id,
                plain(topic.finds),
                plain(topic.why),
                plain(topic.fix)
            );
        }
    }
    text
}
