//! serverless.yml as a tree, built from the events of the YAML parser.
//!
//! Built with a stack of its own, so that a text nested deeply ends in an error and not in a full stack, and
//! with a count of everything that aliases repeat, so that a small text cannot become a huge tree.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::finding::shown;
use super::node::{Content, MAX_DEPTH, MAX_NODES, Node};
use super::scalar;
use crate::core::fault::{Fault, Place};

/// The tree of a YAML text: one document, no repeated keys, anchors and merge keys resolved. None for a text without
/// any value.
pub(super) fn parse(file: &Path, text: &str) -> Result<Option<Node>, Fault> {
    let fault = |(place, message): Problem| Fault::new(file, place, message);
    reject_unprintable(text).map_err(fault)?;
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, place_of(&span.start)).map_err(fault)?,
            Err(error) => {
                let message = format!("not valid YAML: {}", error.info());
                return Err(fault((Some(place_of(error.marker())), message)));
            }
        }
    }
    Ok(builder.root)
}

/// What is wrong, and where.
type Problem = (Option<Place>, String);

fn problem<T>(place: Place, message: impl Into<String>) -> Result<T, Problem> {
    Err((Some(place), message.into()))
}

fn place_of(marker: &Marker) -> Place {
    let bounded = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Place { line: bounded(marker.line()).max(1), column: bounded(marker.col()).saturating_add(1) }
}

/// A character that YAML does not allow anywhere (YAML 1.2, §5.1) is a problem: it betrays a binary file.
fn reject_unprintable(text: &str) -> Result<(), Problem> {
    let unprintable = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{FFFE}' | '\u{FFFF}' => true,
        _ => c.is_control(),
    };
    match text.char_indices().find(|&(_, c)| unprintable(c)) {
        None => Ok(()),
        Some((offset, c)) => {
            let message = format!("the character U+{:04X} is not allowed in YAML", u32::from(c));
            problem(Place::of_offset(text, offset), message)
        }
    }
}

/// A finished value: the node, how many nodes it is with everything that aliases repeat, and how high.
#[derive(Clone)]
struct Grown {
    node: Node,
    weight: usize,
    height: usize,
}

/// A key whose value is still to come.
enum Key {
    Merge,
    Name(String, Place),
}

/// A value of a mapping, and whether a merge key brought it, so that a key of the mapping itself may replace it.
struct Entry {
    node: Node,
    place: Place,
    merged: bool,
}

/// The children so far of a collection that is still open.
enum Children {
    List(Vec<Node>),
    Map { entries: BTreeMap<String, Entry>, key: Option<Key> },
}

/// A collection that is still open.
struct Open {
    children: Children,
    anchor: usize,
    /// Whether its tag makes it something else than a list or a mapping.
    intrinsic: bool,
    place: Place,
    /// The number of nodes before it.
    before: usize,
    /// The height of its highest child.
    height: usize,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Grown>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return problem(place, "a second document begins here, and a configuration has only one");
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, place)?;
                let is_merge = tag.is_none() && style == ScalarStyle::Plain && text == "<<";
                if is_merge && self.begin_merge() {
                    return Ok(());
                }
                let node = Node { place: Some(place), content: scalar_content(&text, style, tag.as_deref()) };
                self.finish(Grown { node, weight: 1, height: 0 }, anchor, place)
            }
            Event::SequenceStart(anchor, tag) => {
                let intrinsic = !is_plain_collection(tag.as_deref(), &["seq", "omap", "pairs"]);
                self.begin(Children::List(Vec::new()), anchor, intrinsic, place)
            }
            Event::MappingStart(anchor, tag) => {
                let intrinsic = !is_plain_collection(tag.as_deref(), &["map", "set"]);
                self.begin(Children::Map { entries: BTreeMap::new(), key: None }, anchor, intrinsic, place)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor).cloned() else {
                    return problem(place, "an alias stands inside the value that it repeats");
                };
                if self.open.len() + target.height > MAX_DEPTH {
                    return problem(place, too_deep());
                }
                self.count(target.weight, place)?;
                self.finish(target, 0, place)
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn count(&mut self, weight: usize, place: Place) -> Result<(), Problem> {
        self.nodes += weight;
        if self.nodes > MAX_NODES {
            return problem(place, format!("the configuration has more than {MAX_NODES} values"));
        }
        Ok(())
    }

    /// Takes a plain `<<` as a merge key, if a key can stand here.
    fn begin_merge(&mut self) -> bool {
        match self.open.last_mut() {
            Some(Open { children: Children::Map { key: key @ None, .. }, .. }) => {
                *key = Some(Key::Merge);
                true
            }
            _ => false,
        }
    }

    fn begin(
        &mut self,
        children: Children,
        anchor: usize,
        intrinsic: bool,
        place: Place,
    ) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return problem(place, too_deep());
        }
        let before = self.nodes;
        self.count(1, place)?;
        self.open.push(Open { children, anchor, intrinsic, place, before, height: 0 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let content = match open.children {
            _ if open.intrinsic => Content::Intrinsic,
            Children::List(items) => Content::List(items.into()),
            Children::Map { entries, .. } => {
                Content::Map(Arc::new(entries.into_iter().map(|(key, entry)| (key, entry.node)).collect()))
            }
        };
        let node = Node { place: Some(open.place), content };
        let grown = Grown { node, weight: self.nodes - open.before, height: open.height + 1 };
        self.finish(grown, open.anchor, open.place)
    }

    /// Puts a finished value where it belongs. `place` is where it stands, also for an alias.
    fn finish(&mut self, grown: Grown, anchor: usize, place: Place) -> Result<(), Problem> {
        if anchor > 0 {
            self.anchors.insert(anchor, grown.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(grown.node);
            return Ok(());
        };
        parent.height = parent.height.max(grown.height);
        match &mut parent.children {
            Children::List(items) => items.push(grown.node),
            Children::Map { entries, key } => match key.take() {
                None => *key = Some(Key::Name(key_name(&grown.node, place)?, place)),
                Some(Key::Merge) => merge(entries, &grown.node, place)?,
                Some(Key::Name(name, key_place)) => insert(entries, name, key_place, grown.node)?,
            },
        }
        Ok(())
    }
}

fn too_deep() -> String {
    format!("more than {MAX_DEPTH} lists and mappings inside each other")
}

/// The content of a scalar: a tag of the core schema decides before the style does (YAML 1.2, §10.3).
fn scalar_content(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Content {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { scalar::plain(text) } else { Content::text(text) };
    };
    if is_non_specific(tag) {
        return Content::text(text);
    }
    match (core_tag(tag), scalar::plain(text)) {
        (Some("str"), _) => Content::text(text),
        (Some("timestamp"), _) => Content::Date(text.into()),
        (Some("null"), Content::Null) => Content::Null,
        (Some("bool"), content @ Content::Bool(_))
        | (Some("int" | "float"), content @ Content::Number(_)) => content,
        _ => Content::Intrinsic,
    }
}

/// Whether a collection is what it looks like: untagged, or tagged as what it is.
fn is_plain_collection(tag: Option<&Tag>, names: &[&str]) -> bool {
    tag.is_none_or(|tag| is_non_specific(tag) || core_tag(tag).is_some_and(|name| names.contains(&name)))
}

/// The tag `!`: not resolved by content (YAML 1.2, §6.9.1).
fn is_non_specific(tag: &Tag) -> bool {
    tag.handle.is_empty() && tag.suffix == "!"
}

/// The name of a tag of the core schema, whether written `!!str` or `!<tag:yaml.org,2002:str>`.
fn core_tag(tag: &Tag) -> Option<&str> {
    const CORE: &str = "tag:yaml.org,2002:";
    if tag.is_yaml_core_schema() { Some(&tag.suffix) } else { tag.suffix.strip_prefix(CORE) }
}

/// A key as text: JavaScript's objects have only such keys.
fn key_name(node: &Node, place: Place) -> Result<String, Problem> {
    match &node.content {
        Content::Null => Ok("null".into()),
        Content::Date(text) => Ok(text.as_ref().to_owned()),
        content => match content.scalar_text() {
            Some(text) => Ok(text.as_ref().to_owned()),
            None => problem(place, format!("{} cannot be a key", content.kind())),
        },
    }
}

/// Adds a key that stands in the mapping itself: it replaces a merged one, a repeated one is an error
/// (YAML 1.2, §3.2.1.3).
fn insert(
    entries: &mut BTreeMap<String, Entry>,
    key: String,
    place: Place,
    node: Node,
) -> Result<(), Problem> {
    match entries.get(&key) {
        Some(first) if !first.merged => {
            problem(place, format!("the key \"{}\" is there twice, first at {}", shown(&key), first.place))
        }
        _ => {
            entries.insert(key, Entry { node, place, merged: false });
            Ok(())
        }
    }
}

/// Adds the keys of one mapping or of a list of mappings; what is there already stays (YAML 1.1, merge key).
fn merge(entries: &mut BTreeMap<String, Entry>, source: &Node, place: Place) -> Result<(), Problem> {
    let mut add = |source: &Node| match &source.content {
        Content::Map(map) => {
            for (key, node) in map.iter() {
                entries.entry(key.clone()).or_insert_with(|| Entry {
                    node: node.clone(),
                    place,
                    merged: true,
                });
            }
            Ok(())
        }
        _ => problem(place, "a merge key (<<) needs a mapping or a list of mappings"),
    };
    match &source.content {
        Content::List(sources) => sources.iter().try_for_each(add),
        _ => add(source),
    }
}
