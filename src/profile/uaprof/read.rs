//! From a document to its attributes, led by element names alone.

use super::vocabulary::{component, definition};
use super::xml::{Token, Tokens, attributes, decode, local};
use super::{Attribute, UaProf};
use crate::limits::Limits;
use crate::mms::{DecodeError, DecodeErrorKind, Decoded, Warning};

/// Reads a UAProf document.
///
/// Names are compared without their namespaces and without regard to case. Whatever is not
/// well-formed is passed over; whatever was readable before and after it counts. Offsets, in
/// warnings and errors, count the octets of the document in UTF-8: those of the file where it is
/// in UTF-8 or ASCII, as nearly all are.
///
/// # Errors
///
/// Octets that are no UAProf document, such as a server's error page; a document in which no
/// attribute has a value; one of the XML bounds of `limits`.
pub fn read(octets: &[u8], limits: &Limits) -> Result<Decoded<UaProf>, DecodeError> {
    if octets.is_empty() {
        return Err(DecodeError::new(0, DecodeErrorKind::Empty));
    }
    if octets.len() > limits.xml_bytes {
        let limit = u64::try_from(limits.xml_bytes).unwrap_or(u64::MAX);
        let what = "octets of XML";
        return Err(DecodeError::new(
            limits.xml_bytes,
            DecodeErrorKind::Limit { what, limit },
        ));
    }
    let text = decode(octets);
    let mut tokens = Tokens::new(&text, limits);
    let mut reader = Reader::new(limits);
    while !reader.done {
        let at = tokens.offset();
        let Some(token) = tokens.next()? else {
            break;
        };
        reader
            .take(token, &mut tokens, at)
            .map_err(|kind| DecodeError::new(at, kind))?;
    }
    reader.finish(tokens.offset(), text.len())
}

/// Attributes of one document that are kept; schemas define 158.
const MAX_ATTRIBUTES: usize = 2_000;

/// An element that is open.
struct Open<'a> {
    name: &'a str,
    role: Role,
}

/// What an element is to a profile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Root,
    Component,
    Defaults,
    Attribute,
    Container,
    Item,
    Other,
}

/// An attribute whose element is open.
struct Pending {
    name: String,
    literal: String,
    items: Vec<String>,
    item: Option<String>,
    container: bool,
    resource: Option<String>,
}

struct Reader<'a> {
    open: Vec<Open<'a>>,
    pending: Option<Pending>,
    profile: UaProf,
    component: Option<String>,
    defaults: usize,
    elements: usize,
    saw_root: bool,
    done: bool,
    max_depth: usize,
    max_elements: usize,
    warnings: Vec<Warning>,
}

impl<'a> Reader<'a> {
    fn new(limits: &Limits) -> Self {
        Self {
            open: Vec::new(),
            pending: None,
            profile: UaProf::default(),
            component: None,
            defaults: 0,
            elements: 0,
            saw_root: false,
            done: false,
            max_depth: limits.xml_depth,
            max_elements: limits.xml_elements,
            warnings: Vec::new(),
        }
    }

    fn take(
        &mut self,
        token: Token<'a>,
        tokens: &mut Tokens<'a>,
        at: usize,
    ) -> Result<(), DecodeErrorKind> {
        match token {
            Token::Start {
                name,
                attributes,
                empty,
            } => {
                self.start(name, attributes, tokens, at)?;
                if empty {
                    self.close_last();
                }
            }
            Token::End { name } => self.end(local(name), at),
            Token::Text(text) => {
                if let Some(target) = self.text_target() {
                    target.push_str(&tokens.entities.expand(text)?);
                }
            }
            Token::Raw(text) => {
                if let Some(target) = self.text_target() {
                    target.push_str(text);
                }
            }
        }
        Ok(())
    }

    fn start(
        &mut self,
        full_name: &'a str,
        attributes_text: &'a str,
        tokens: &mut Tokens<'a>,
        at: usize,
    ) -> Result<(), DecodeErrorKind> {
        let name = local(full_name);
        self.elements += 1;
        if self.elements > self.max_elements {
            return Err(limit("elements in an XML document", self.max_elements));
        }
        if self.elements == 1 && ["html", "head", "body", "wml"].iter().any(|p| is(name, p)) {
            return Err(DecodeErrorKind::WrongKind(format!(
                "a page ({}), not a device profile",
                name.to_ascii_lowercase()
            )));
        }
        let role = self.role(name);
        if role == Role::Item {
            self.close_down_to(|role| role == Role::Item);
        } else if role != Role::Container && self.pending.is_some() {
            if !is(name, "Description") {
                self.warn(at, format!("{name} begins inside another attribute"));
            }
            self.close_down_to(|role| role == Role::Attribute);
        }
        if self.open.len() >= self.max_depth {
            return Err(limit("levels of XML elements", self.max_depth));
        }
        self.open.push(Open { name, role });
        let mut resource = None;
        let mut id = None;
        for (key, value) in attributes(attributes_text) {
            let value = tokens.entities.expand(value)?;
            let key_name = local(key);
            if is(key_name, "resource") {
                resource = Some(value.trim().to_owned());
            } else if is(key_name, "ID") || is(key_name, "about") {
                id = Some(value.trim().to_owned());
            } else if role == Role::Component && !key.starts_with("xmlns") {
                // RDF lets a literal property stand as an XML attribute.
                if let Some(definition) = definition(key_name) {
                    let value = value.trim().to_owned();
                    self.push(definition.name.to_owned(), vec![value]);
                }
            }
        }
        self.enter(name, role, resource, id);
        Ok(())
    }

    /// What an element with this name is here.
    fn role(&self, name: &str) -> Role {
        match () {
            () if is(name, "RDF") => Role::Root,
            () if is(name, "Description") || is(name, "component") => Role::Component,
            () if is(name, "defaults") => Role::Defaults,
            () if is(name, "type") => Role::Other,
            () if ["Bag", "Seq", "Alt"].iter().any(|c| is(name, c)) => Role::Container,
            () if is(name, "li") || is_numbered(name) => Role::Item,
            () if component(name).is_some() && self.pending.is_none() => Role::Component,
            () => Role::Attribute,
        }
    }

    fn enter(&mut self, name: &str, role: Role, resource: Option<String>, id: Option<String>) {
        match role {
            Role::Root => self.saw_root = true,
            Role::Component => {
                let fragment = id.as_deref().and_then(|id| id.rsplit('#').next());
                if let Some(known) = component(name).or_else(|| fragment.and_then(component)) {
                    self.component = Some(known.to_owned());
                } else if is(name, "component") {
                    self.component = None;
                }
                if self.profile.url.is_none() && is(name, "Description") {
                    self.profile.url = id.filter(|id| id.starts_with("http") && is_own_url(id));
                }
            }
            Role::Defaults => {
                self.defaults += 1;
                self.profile.defaults.extend(resource);
            }
            Role::Other => {
                let known = resource
                    .as_deref()
                    .and_then(|r| component(r.rsplit('#').next()?));
                if let Some(known) = known {
                    self.component = Some(known.to_owned());
                }
            }
            Role::Attribute => {
                let name = definition(name).map_or(name, |known| known.name);
                self.pending = Some(Pending {
                    name: name.to_owned(),
                    literal: String::new(),
                    items: Vec::new(),
                    item: None,
                    container: false,
                    resource,
                });
            }
            Role::Container => {
                if let Some(pending) = &mut self.pending {
                    pending.container = true;
                }
            }
            Role::Item => {
                if let Some(pending) = &mut self.pending {
                    pending.item = Some(String::new());
                    pending.resource = resource;
                }
            }
        }
    }

    /// Where text belongs: the open item, or the literal of an attribute without a container.
    fn text_target(&mut self) -> Option<&mut String> {
        let pending = self.pending.as_mut()?;
        match &mut pending.item {
            Some(item) => Some(item),
            None if !pending.container && pending.items.is_empty() => Some(&mut pending.literal),
            None => None,
        }
    }

    fn end(&mut self, name: &str, at: usize) {
        match self.open.iter().rposition(|open| is(open.name, name)) {
            Some(index) => {
                if index + 1 != self.open.len() {
                    self.warn(at, format!("the end of {name} closes other elements"));
                }
                while self.open.len() > index {
                    self.close_last();
                }
            }
            None => self.warn(at, format!("{name} ends but never began")),
        }
    }

    /// Closes elements until the innermost one of a kind is closed, if there is one inside the
    /// pending attribute.
    fn close_down_to(&mut self, kind: impl Fn(Role) -> bool) {
        let attribute = self
            .open
            .iter()
            .rposition(|open| open.role == Role::Attribute);
        let target = self.open.iter().rposition(|open| kind(open.role));
        let (Some(attribute), Some(target)) = (attribute, target) else {
            return;
        };
        while target >= attribute && self.open.len() > target {
            self.close_last();
        }
    }

    fn close_last(&mut self) {
        match self.open.pop().map(|open| open.role) {
            Some(Role::Root) => self.done = true,
            Some(Role::Defaults) => self.defaults = self.defaults.saturating_sub(1),
            Some(Role::Item) => {
                if let Some(pending) = &mut self.pending {
                    close_item(pending);
                }
            }
            Some(Role::Attribute) => self.close_attribute(),
            _ => {}
        }
    }

    fn close_attribute(&mut self) {
        let Some(mut pending) = self.pending.take() else {
            return;
        };
        close_item(&mut pending);
        if pending.items.is_empty() {
            let literal = pending.literal.trim();
            if !literal.is_empty() {
                pending.items.push(literal.to_owned());
            } else if let Some(resource) = pending.resource {
                pending.items.push(resource);
            } else if !pending.container {
                return;
            }
        }
        self.push(pending.name, pending.items);
    }

    fn push(&mut self, name: String, values: Vec<String>) {
        if self.profile.attributes.len() >= MAX_ATTRIBUTES {
            return;
        }
        self.profile.attributes.push(Attribute {
            name,
            component: self.component.clone(),
            values,
            default: self.defaults > 0,
        });
    }

    fn finish(mut self, at: usize, end: usize) -> Result<Decoded<UaProf>, DecodeError> {
        if !self.done && self.saw_root {
            self.warn(end, "the document is cut off".to_owned());
        }
        while !self.open.is_empty() {
            self.close_last();
        }
        let values = self.profile.attributes.iter().any(|a| !a.values.is_empty());
        if !values && self.profile.defaults.is_empty() {
            let kind = if self.saw_root {
                DecodeErrorKind::Missing("every attribute of the device profile")
            } else {
                DecodeErrorKind::WrongKind("no device profile".to_owned())
            };
            return Err(DecodeError::new(at.min(end), kind));
        }
        Ok(Decoded {
            value: self.profile,
            warnings: self.warnings,
        })
    }

    fn warn(&mut self, offset: usize, message: String) {
        // A document that is wrong throughout need not say so thousands of times.
        if self.warnings.len() < 32 {
            self.warnings.push(Warning { offset, message });
        }
    }
}

fn close_item(pending: &mut Pending) {
    let Some(item) = pending.item.take() else {
        return;
    };
    let text = item.trim();
    if !text.is_empty() {
        pending.items.push(text.to_owned());
    } else if let Some(resource) = pending.resource.take() {
        pending.items.push(resource);
    }
}

fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// `_1`, `_2`, …: the long form of `li`.
fn is_numbered(name: &str) -> bool {
    name.strip_prefix('_')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether an `rdf:about` can be where the document is served: not a schema, not a placeholder.
fn is_own_url(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    !lower.contains("ccppschema") && !lower.contains("example.com")
}

fn limit(what: &'static str, limit: usize) -> DecodeErrorKind {
    DecodeErrorKind::Limit {
        what,
        limit: u64::try_from(limit).unwrap_or(u64::MAX),
    }
}
