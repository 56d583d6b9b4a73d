//! The sources of variables (Serverless Framework, Variables): what each of them says, or why it cannot be known.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dotenv;
use super::finding::shown;
use super::inclusion::{Found, Need, resolved};
use super::node::{Content, Node};
use super::resolver::{Reached, Reason, Resolver, child, name_of};

/// The stage where nothing names one.
const DEFAULT_STAGE: &str = "dev";

/// Why a source is not read here. Of one in the outcome of a variable nothing is told: it may be a secret.
pub(super) fn unreadable(kind: &str, name: &str, round: usize) -> Reason {
    if round > 0 {
        return "the outcome of a variable needs a source that cannot be read here".into();
    }
    match kind {
        "opt" | "env" | "sls" | "param" => format!("${{{name}}} does not name something that is known here"),
        "ssm" | "cf" | "s3" | "aws" => format!("${{{name}}} needs the source \"{kind}\", which asks AWS"),
        "git" => {
            format!("${{{name}}} needs the source \"git\", of which only branch and commit are read here")
        }
        _ => {
            format!("${{{name}}} needs the source \"{}\", which only a plugin or code can read", shown(kind))
        }
    }
}

/// `strToBool(…)`.
pub(super) fn to_bool(name: &str, param: Option<&Content>) -> Result<Content, Reason> {
    let text = param.and_then(Content::scalar_text).unwrap_or_default();
    match text.trim().to_lowercase().as_str() {
        "true" | "1" => Ok(Content::Bool(true)),
        "false" | "0" => Ok(Content::Bool(false)),
        _ => Err(format!("${{{name}}} is given neither true, false, 1 nor 0")),
    }
}

impl Resolver<'_> {
    /// `opt:…`: an option of the command line.
    pub(super) fn option(&self, name: &str) -> Content {
        match self.inputs.options.get(name).map(String::as_str) {
            None | Some("") => Content::Null,
            Some("true") => Content::Bool(true),
            Some(value) => Content::text(value),
        }
    }

    /// `env:…`: the environment, else what a `.env` file adds to it.
    pub(super) fn environment(&mut self, name: &str) -> Result<Content, Reason> {
        if let Some(value) = self.inputs.environment.get(name) {
            return Ok(Content::text(value.as_str()));
        }
        if self.in_stage {
            self.unset.push(name.to_owned());
            return Ok(Content::Null);
        }
        let Some((staged, plain, use_dotenv)) = self.dotenv_files()? else { return Ok(Content::Null) };
        let of_stage = staged.as_ref().and_then(|file| file.get(name));
        let of_all = plain.as_ref().and_then(|file| file.get(name));
        // serverless@3 and osls read one of the files, if the configuration says so; serverless@4 reads both anyway.
        let of_three = match (&use_dotenv, &staged) {
            (Content::Null, _) => None,
            (_, Some(_)) => of_stage,
            (_, None) => of_all,
        };
        let of_four = of_stage.or(of_all);
        let origin = if of_stage.is_some() { "the stage's .env file" } else { ".env" };
        match (of_three, of_four) {
            (None, None) if matches!(use_dotenv, Content::Text(_) | Content::List(_)) => {
                Err(format!("env:{} may be in a file that useDotenv names", shown(name)))
            }
            (three, four) if three != four => Err(format!(
                "env:{} is in {origin}, which serverless@4 reads and serverless@3 does not",
                shown(name)
            )),
            (Some(value), _) if value.contains('$') => {
                Err(format!("env:{} is put together of other variables in {origin}", shown(name)))
            }
            (Some(value), _) => {
                self.via.push(format!("{} in {origin}", shown(name)));
                Ok(Content::text(value.as_str()))
            }
            (None, _) => Ok(Content::Null),
        }
    }

    /// Refuses a stage that asked for variables which a `.env` file has: whether they are in force when the stage is
    /// resolved depends on the CLI, and serverless@3 and osls end with an error.
    pub(super) fn check_unset(&mut self, unset: &[String], stage: Option<&str>) -> Result<(), Reason> {
        if unset.is_empty() {
            return Ok(());
        }
        let use_dotenv = self.use_dotenv()?;
        if use_dotenv == Content::Bool(false) {
            return Ok(());
        }
        let files = [
            self.dotenv_file(".env")?,
            self.dotenv_file(&format!(".env.{}", stage.unwrap_or(DEFAULT_STAGE)))?,
        ];
        match unset.iter().find(|name| files.iter().flatten().any(|file| file.contains_key(*name))) {
            None => Ok(()),
            Some(name) => Err(format!(
                "env:{} is in a .env file, which not every CLI has read when it resolves the stage",
                shown(name)
            )),
        }
    }

    /// `useDotenv`, resolved as early as the stage.
    fn use_dotenv(&mut self) -> Result<Content, Reason> {
        let was_in_stage = std::mem::replace(&mut self.in_stage, true);
        let value = self.walk(&["useDotenv"], &mut Reached::default());
        self.in_stage = was_in_stage;
        value
    }

    /// The variables of `.env.<stage>` and of `.env`, and what `useDotenv` says; nothing if it says no.
    #[allow(clippy::type_complexity, reason = "two files and a setting")]
    fn dotenv_files(
        &mut self,
    ) -> Result<Option<(Option<BTreeMap<String, String>>, Option<BTreeMap<String, String>>, Content)>, Reason>
    {
        let use_dotenv = self.use_dotenv()?;
        if use_dotenv == Content::Bool(false) {
            return Ok(None);
        }
        let stage = self.effective_stage()?;
        Ok(Some((self.dotenv_file(&format!(".env.{stage}"))?, self.dotenv_file(".env")?, use_dotenv)))
    }

    /// The variables of a `.env` file; nothing if there is no such file.
    fn dotenv_file(&mut self, name: &str) -> Result<Option<BTreeMap<String, String>>, Reason> {
        let path = resolved(&self.document.directory, name);
        Ok(match self.found(Need::File(path))? {
            Found::Absent => None,
            Found::Content(included) => match &included.0.content {
                Content::Text(text) => {
                    let text = Arc::clone(text);
                    // It is read again for each variable that is not set.
                    self.pay_for(&text)?;
                    Some(dotenv::parse(&text))
                }
                _ => None,
            },
            Found::Refused(why) => return Err(why.clone()),
            Found::Broken(fault) => return Err(fault.to_string()),
            _ => return Err(format!("{name} is no file of variables")),
        })
    }

    /// What was found for a need, which is noted if nobody has looked yet.
    fn found(&mut self, need: Need) -> Result<&Found, Reason> {
        let document = self.document;
        document.found.get(&need).ok_or_else(|| {
            self.needs.insert(need);
            "what it includes has not been read".to_owned()
        })
    }

    /// The stage that the CLI works on: that of its command line, else the file's, else `dev`.
    pub(super) fn effective_stage(&mut self) -> Result<String, Reason> {
        if let Some(stage) = self.inputs.options.get("stage").filter(|stage| !stage.is_empty()) {
            return Ok(stage.clone());
        }
        let was_in_stage = std::mem::replace(&mut self.in_stage, true);
        let unset = self.unset.len();
        let name =
            self.walk(&["provider", "stage"], &mut Reached::default()).and_then(|content| name_of(&content));
        self.in_stage = was_in_stage;
        let unset = self.unset.split_off(unset);
        let name = match name? {
            Some(name) => name,
            None => self.composed_stage()?.unwrap_or_else(|| DEFAULT_STAGE.to_owned()),
        };
        if was_in_stage {
            self.unset.extend(unset);
        } else {
            self.check_unset(&unset, Some(&name))?;
        }
        Ok(name)
    }

    /// The stage that a composition gives its services.
    fn composed_stage(&mut self) -> Result<Option<String>, Reason> {
        self.in_composition(|root| {
            root.walk(&["provider", "stage"], &mut Reached::default()).and_then(|content| name_of(&content))
        })
        .map(Option::flatten)
    }

    /// Asks the configuration of the composition that this service is one of, if there is one.
    fn in_composition<T>(
        &mut self,
        ask: impl FnOnce(&mut Resolver<'_>) -> Result<T, Reason>,
    ) -> Result<Option<T>, Reason> {
        if self.document.is_composition() {
            return Ok(None);
        }
        let document = self.document;
        let root = match self.found(Need::Composition(document.directory.clone()))? {
            Found::Composition(root) => root.as_ref().clone().with(document.found.clone()),
            Found::Refused(why) => return Err(why.clone()),
            Found::Broken(fault) => return Err(fault.to_string()),
            _ => return Ok(None),
        };
        let mut resolver = Resolver::new(&root, self.inputs);
        resolver.in_stage = self.in_stage;
        let answer = ask(&mut resolver);
        self.needs.append(&mut resolver.needs);
        answer.map(Some)
    }

    /// `param:…`: the command line, else the parameters of the stage, else those of every stage (serverless@4 has them
    /// under `stages`, also in the composition's file).
    pub(super) fn parameter(&mut self, name: &str) -> Result<Content, Reason> {
        if let Some(value) = self.inputs.parameters.get(name) {
            return Ok(Content::text(value.as_str()));
        }
        if self.in_stage {
            let name = shown(name);
            return Err(format!(
                "${{param:{name}}} depends on the stage that it is to name; give --param or --stage"
            ));
        }
        let stage = self.effective_stage()?;
        for (position, stage) in [stage.as_str(), "default"].into_iter().enumerate() {
            let in_stages = ["stages", stage, "params", name];
            let value = match self.walk(&in_stages, &mut Reached::default())? {
                Content::Null => self.walk(&["params", stage, name], &mut Reached::default())?,
                value => value,
            };
            if value != Content::Null {
                return Ok(value);
            }
            let composed = self.in_composition(|root| root.walk(&in_stages, &mut Reached::default()))?;
            if let Some(value) = composed.filter(|value| *value != Content::Null) {
                return Ok(value);
            }
            // The dashboard's parameters come before those of every stage, and instead of none.
            if position == 0 && !self.document.field_is_absent(self.inputs, &["org"], &mut self.needs) {
                let name = shown(name);
                return Err(format!("${{param:{name}}} may come from the dashboard of the organisation"));
            }
        }
        Ok(Content::Null)
    }

    /// `git:branch` and `git:commit`, of serverless@4.
    pub(super) fn head(&mut self, name: &str, what: &str) -> Result<Content, Reason> {
        let directory = self.document.directory.clone();
        match self.found(Need::Head(directory))? {
            Found::Head { branch, commit } => match (what, branch) {
                ("commit", _) => Ok(Content::text(commit.as_str())),
                (_, Some(branch)) => Ok(Content::text(branch.as_str())),
                (_, None) => Err(format!("${{{name}}}: no branch is checked out")),
            },
            Found::Refused(why) => Err(format!("${{{name}}}: {why}")),
            Found::Broken(fault) => Err(format!("${{{name}}}: {fault}")),
            _ => Err(format!("${{{name}}}: the project is in no Git repository")),
        }
    }

    /// `file(…)`: another file as a whole, or what is at an address in it; null if there is no such file.
    pub(super) fn file(
        &mut self,
        name: &str,
        path: Option<&Content>,
        address: Option<&str>,
        round: usize,
    ) -> Result<Content, Reason> {
        let path = path.and_then(Content::scalar_text).filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| format!("${{{name}}} names no file"))?;
        let path = resolved(&self.document.directory, &path);
        let node = match self.found(Need::File(path.clone()))? {
            Found::Absent => return Ok(Content::Null),
            Found::Content(included) => included.0.clone(),
            Found::Refused(why) => return Err(format!("${{{name}}}: {why}")),
            Found::Broken(fault) => return Err(format!("${{{name}}}: {fault}")),
            Found::Program => {
                return Err(format!("${{{name}}} is what a program says, and brokerd never runs one"));
            }
            Found::Head { .. } | Found::Composition(_) => return Err(format!("${{{name}}} is no file")),
        };
        let address = address.filter(|address| !address.is_empty());
        let node = self.addressed(&node, address.unwrap_or_default(), round)?;
        let place = node.place.map(|place| format!(":{place}")).unwrap_or_default();
        if let Some(last) = self.via.last_mut() {
            *last = format!("{last} ({}{place})", shown(&path.display().to_string()));
        }
        self.landed = Some(path);
        Ok(node.content)
    }

    /// What stands at an address in an included file. Texts on the way may be variables themselves.
    fn addressed(&mut self, whole: &Node, address: &str, round: usize) -> Result<Node, Reason> {
        let mut node = whole.clone();
        for key in address.split('.').filter(|_| !address.is_empty()) {
            if let Content::Text(text) = &node.content {
                node.content = self.text(&text.clone(), round)?;
            }
            match child(&node.content, key)? {
                Some(found) => node = found,
                None => return Ok(Node { place: None, content: Content::Null }),
            }
        }
        Ok(node)
    }
}
