//! What is written down to outlast the daemon: JSON that says its form.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Something that is kept whole in a file of its own.
pub trait Lasting: Clone + Default + PartialEq + Debug + Serialize + DeserializeOwned {
    /// What it is, for a sentence: "a list of allowed projects".
    const WHAT: &'static str;
    /// The form of its text; raised when that changes its meaning.
    const FORM: u32 = 1;

    /// Reads the text that [`Lasting::to_text`] made. The error says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let form: Form = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if form.form != Self::FORM {
            return Err(format!("it has form {}, and this version reads form {}", form.form, Self::FORM));
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Its text.
    fn to_text(&self) -> String {
        let written = Written { form: Self::FORM, content: self };
        let mut text = serde_json::to_string_pretty(&written).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The part of each text that says how to read the rest.
#[derive(Deserialize)]
struct Form {
    form: u32,
}

#[derive(Serialize)]
struct Written<'a, T> {
    form: u32,
    #[serde(flatten)]
    content: &'a T,
}
