//! The one line that lists a plugin in serverless.yml, put there without a change to anything else.

use std::path::Path;

use super::serverless::{Document, Inputs};

/// The text of a serverless.yml with a plugin listed; `None` if it is listed already. It comes first, so that it speaks
/// before the others do. Comments, spacing and line ends stay.
///
/// # Errors
///
/// Why the text is not of a form in which that is certain to be right: then a person adds the line.
pub fn with_plugin(file: &Path, text: &str, name: &str) -> Result<Option<String>, String> {
    let before = listed(file, text)?;
    if before.iter().any(|known| known == name) {
        return Ok(None);
    }
    let after = edited(text, name)?;
    // Whatever the text is like: what comes out must say what went in, and the plugin.
    let expected: Vec<String> = std::iter::once(name.to_owned()).chain(before).collect();
    if listed(file, &after)? == expected {
        Ok(Some(after))
    } else {
        Err("its `plugins` are written in a form that is not edited here".to_owned())
    }
}

/// The plugins of a configuration.
fn listed(file: &Path, text: &str) -> Result<Vec<String>, String> {
    let document = Document::parse(file, text.as_bytes()).map_err(|fault| fault.to_string())?;
    let declared = document.declared(&Inputs::default());
    let Some(plugins) = declared.get(&["plugins"]).map_err(|why| format!("its `plugins`: {why}"))? else {
        return Ok(Vec::new());
    };
    let names = plugins.as_array().and_then(|list| {
        list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    names.ok_or_else(|| "its `plugins` are no plain list of names".to_owned())
}

fn edited(text: &str, name: &str) -> Result<String, String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let is_key = |line: &&str| {
        line.strip_prefix("plugins").is_some_and(|rest| rest.trim_start_matches(' ').starts_with(':'))
    };
    let content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let Some(at) = lines.iter().position(is_key) else {
        let is_plain =
            lines.iter().find(|line| content(line)).is_some_and(|line| !line.starts_with(['{', '%']));
        let is_one = !lines.iter().any(|line| line.starts_with("..."));
        if !is_plain || !is_one {
            return Err("it is no plain mapping of one line for each key".to_owned());
        }
        let close = if text.ends_with('\n') { "" } else { end };
        return Ok(format!("{text}{close}{end}plugins:{end}  - {name}{end}"));
    };
    let line = lines[at];
    let colon = line.find(':').unwrap_or_default() + 1;
    let rest = line[colon..].trim();
    let (until, inserted) = if rest.is_empty() || rest.starts_with('#') {
        let next = lines[at + 1..].iter().position(|line| content(line)).map(|found| at + 1 + found);
        let item = next.filter(|next| {
            let item = lines[*next].trim();
            item.starts_with("- ") || item == "-"
        });
        let indent = item.map_or("  ", |item| {
            let whole = lines[item];
            &whole[..whole.len() - whole.trim_start().len()]
        });
        if item.is_none() && next.is_some_and(|next| lines[next].starts_with([' ', '\t'])) {
            return Err("its `plugins` are no list of one line for each".to_owned());
        }
        let before: usize = lines[..item.unwrap_or(at + 1)].iter().map(|line| line.len()).sum();
        let open = if text[..before].ends_with('\n') { "" } else { end };
        (before, format!("{open}{indent}- {name}{end}"))
    } else if rest.starts_with('[') {
        let before: usize = lines[..at].iter().map(|line| line.len()).sum();
        let bracket = before + line.find('[').unwrap_or_default() + 1;
        let is_empty = text[bracket..].trim_start().starts_with(']');
        let is_last = text[bracket..].starts_with(['\n', '\r']);
        let comma = if is_empty {
            ""
        } else if is_last {
            ","
        } else {
            ", "
        };
        (bracket, format!("{name}{comma}"))
    } else {
        return Err("its `plugins` are written in a form that is not edited here".to_owned());
    };
    Ok(format!("{}{inserted}{}", &text[..until], &text[until..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str) -> Result<Option<String>, String> {
        with_plugin(Path::new("serverless.yml"), text, "p")
    }

    #[test]
    fn the_line_comes_first_and_nothing_else_changes() {
        for (text, expected) in [
            ("service: shop\n", "service: shop\n\nplugins:\n  - p\n"),
            ("service: shop", "service: shop\n\nplugins:\n  - p\n"),
            ("service: shop\r\n", "service: shop\r\n\r\nplugins:\r\n  - p\r\n"),
            (
                "plugins:\n  - a # why\n  - b\nservice: x\n",
                "plugins:\n  - p\n  - a # why\n  - b\nservice: x\n",
            ),
            ("service: x\nplugins:\n- a\n", "service: x\nplugins:\n- p\n- a\n"),
            (
                "plugins: # ours\n\n  # first\n  - a\nservice: x\n",
                "plugins: # ours\n\n  # first\n  - p\n  - a\nservice: x\n",
            ),
            ("plugins: [a, b] # two\nservice: x\n", "plugins: [p, a, b] # two\nservice: x\n"),
            ("plugins: []\nservice: x\n", "plugins: [p]\nservice: x\n"),
            ("plugins: [\n  a\n]\nservice: x\n", "plugins: [p,\n  a\n]\nservice: x\n"),
            ("plugins:\nservice: x\n", "plugins:\n  - p\nservice: x\n"),
            ("service: x\nplugins:", "service: x\nplugins:\n  - p\n"),
            ("custom:\n  plugins: [z]\n", "custom:\n  plugins: [z]\n\nplugins:\n  - p\n"),
        ] {
            assert_eq!(with(text), Ok(Some(expected.to_owned())), "{text:?}");
            assert_eq!(with(expected), Ok(None), "{expected:?}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_a_person() {
        for text in [
            "plugins: {modules: [a]}\n",
            "plugins:\n  localPath: ./x\n  modules:\n    - a\n",
            "plugins: ${file(plugins.yml)}\n",
            "{service: x}\n",
            "\"plugins\": [a]\n",
            "? plugins\n: [a]\n",
            "service: x\n...\n",
            "plugins: &all [a]\nservice: x\n",
            "service: [\n",
        ] {
            assert!(with(text).is_err(), "{text:?}: {:?}", with(text));
        }
        assert!(with_plugin(Path::new("serverless.json"), "{\"service\":\"x\"}", "p").is_err());
    }
}
