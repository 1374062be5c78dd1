//! The element tree: nodes in one list, walked without recursion.

use super::{RefId, Smil};

/// An element or a text.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) parent: Option<usize>,
    pub(super) children: Vec<usize>,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Element {
        name: String,
        /// In their order, each name once.
        attributes: Vec<(String, String)>,
    },
    Text(String),
}

const ROOT: usize = 0;

impl Smil {
    /// A presentation that is an empty `smil` element.
    pub(super) fn empty() -> Self {
        let mut smil = Self { nodes: Vec::new() };
        smil.nodes.push(Node {
            parent: None,
            children: Vec::new(),
            content: Content::Element {
                name: "smil".to_owned(),
                attributes: Vec::new(),
            },
        });
        smil
    }

    /// Appends a node to `parent` and returns its number.
    pub(super) fn append(&mut self, parent: usize, content: Content) -> usize {
        let node = self.nodes.len();
        self.nodes.push(Node {
            parent: Some(parent),
            children: Vec::new(),
            content,
        });
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children.push(node);
        }
        node
    }

    /// Appends an element to `parent` and returns its number.
    pub(super) fn append_element(&mut self, parent: usize, name: &str) -> usize {
        self.append(
            parent,
            Content::Element {
                name: name.to_owned(),
                attributes: Vec::new(),
            },
        )
    }

    /// Name of an element; `None` for a text.
    pub(super) fn name(&self, node: usize) -> Option<&str> {
        match &self.nodes.get(node)?.content {
            Content::Element { name, .. } => Some(name),
            Content::Text(_) => None,
        }
    }

    pub(super) fn is(&self, node: usize, name: &str) -> bool {
        self.name(node) == Some(name)
    }

    pub(super) fn set_name(&mut self, node: usize, to: &str) {
        if let Some(Content::Element { name, .. }) =
            self.nodes.get_mut(node).map(|node| &mut node.content)
        {
            to.clone_into(name);
        }
    }

    pub(super) fn attributes(&self, node: usize) -> &[(String, String)] {
        match self.nodes.get(node).map(|node| &node.content) {
            Some(Content::Element { attributes, .. }) => attributes,
            _ => &[],
        }
    }

    pub(super) fn attribute(&self, node: usize, name: &str) -> Option<&str> {
        let found = self.attributes(node).iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }

    /// Sets an attribute, in its place if it is there.
    pub(super) fn set_attribute(&mut self, node: usize, name: &str, value: &str) {
        let Some(Content::Element { attributes, .. }) =
            self.nodes.get_mut(node).map(|node| &mut node.content)
        else {
            return;
        };
        match attributes.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => value.clone_into(old),
            None => attributes.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Keeps the attributes whose name `keep` wants.
    pub(super) fn retain_attributes(&mut self, node: usize, keep: impl Fn(&str) -> bool) {
        if let Some(Content::Element { attributes, .. }) =
            self.nodes.get_mut(node).map(|node| &mut node.content)
        {
            attributes.retain(|(name, _)| keep(name));
        }
    }

    pub(super) fn parent(&self, node: usize) -> Option<usize> {
        self.nodes.get(node)?.parent
    }

    pub(super) fn children(&self, node: usize) -> &[usize] {
        self.nodes
            .get(node)
            .map_or(&[], |node| node.children.as_slice())
    }

    /// The first child element of a name.
    pub(super) fn child(&self, node: usize, name: &str) -> Option<usize> {
        let mut children = self.children(node).iter().copied();
        children.find(|child| self.is(*child, name))
    }

    /// The first child element of a name, put there at the front if there is none.
    pub(super) fn child_or_new(&mut self, node: usize, name: &str) -> usize {
        if let Some(child) = self.child(node, name) {
            return child;
        }
        let child = self.append_element(node, name);
        if let Some(node) = self.nodes.get_mut(node) {
            node.children.rotate_right(1);
        }
        child
    }

    /// Every element below `node` and itself, in document order.
    pub(super) fn elements_below(&self, node: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if self.name(node).is_some() {
                found.push(node);
                open.extend(self.children(node).iter().rev());
            }
        }
        found
    }

    pub(super) fn root(&self) -> usize {
        ROOT
    }

    /// The body, if there is one.
    pub(super) fn body(&self) -> Option<usize> {
        self.child(ROOT, "body")
    }

    /// Takes a node out of the tree.
    pub(super) fn detach(&mut self, node: usize) {
        let Some(parent) = self.nodes.get_mut(node).and_then(|node| node.parent.take()) else {
            return;
        };
        if let Some(parent) = self.nodes.get_mut(parent)
            && let Some(at) = parent.children.iter().position(|child| *child == node)
        {
            parent.children.remove(at);
        }
    }

    /// Makes `children` the children of `parent`, in their order.
    pub(super) fn adopt(&mut self, parent: usize, children: Vec<usize>) {
        for child in &children {
            if let Some(child) = self.nodes.get_mut(*child) {
                child.parent = Some(parent);
            }
        }
        if let Some(parent) = self.nodes.get_mut(parent) {
            parent.children = children;
        }
    }

    /// Puts `children` in the place of `node`, which leaves the tree.
    pub(super) fn replace(&mut self, node: usize, children: Vec<usize>) {
        let Some(parent) = self.parent(node) else {
            return;
        };
        for child in &children {
            self.detach(*child);
            if let Some(child) = self.nodes.get_mut(*child) {
                child.parent = Some(parent);
            }
        }
        if let Some(parent) = self.nodes.get_mut(parent)
            && let Some(at) = parent.children.iter().position(|child| *child == node)
        {
            parent.children.splice(at..=at, children);
        }
        if let Some(node) = self.nodes.get_mut(node) {
            node.parent = None;
        }
    }

    /// Whether an element of the body is a medium: a media element, or any other with a `src`.
    pub(super) fn is_media(&self, node: usize) -> bool {
        self.name(node).is_some_and(|name| {
            is_media_name(name)
                || !STRUCTURE.contains(&name) && self.attribute(node, "src").is_some()
        })
    }

    /// The elements that are slides: pars and lone media of the body, also where a sequence, a
    /// switch or a link is around them.
    pub(super) fn slide_nodes(&self) -> Vec<usize> {
        let mut slides = Vec::new();
        let mut open: Vec<usize> = self.body().into_iter().collect();
        while let Some(node) = open.pop() {
            if self.is(node, "par") || self.is_media(node) {
                slides.push(node);
            } else {
                open.extend(self.children(node).iter().rev());
            }
        }
        slides
    }

    /// The media elements below `node` and itself, in document order.
    pub(super) fn media_below(&self, node: usize) -> Vec<usize> {
        let mut media = self.elements_below(node);
        media.retain(|node| self.is_media(*node));
        media
    }

    /// The slide an element of the body belongs to.
    pub(super) fn slide_of(&self, node: usize) -> Option<usize> {
        let body = self.body()?;
        let mut slide = None;
        let mut at = node;
        while at != body {
            if self.is(at, "par") || self.is_media(at) {
                slide = Some(at);
            }
            at = self.parent(at)?;
        }
        slide
    }

    /// The first text element with a `src` below `node`.
    pub(super) fn first_text(&self, node: usize) -> Option<RefId> {
        self.elements_below(node)
            .into_iter()
            .find(|node| self.is(*node, "text") && self.attribute(*node, "src").is_some())
            .map(RefId)
    }
}

/// Elements that hold others and show nothing themselves, whatever attributes they have.
const STRUCTURE: &[&str] = &[
    "a",
    "body",
    "excl",
    "head",
    "layout",
    "meta",
    "metadata",
    "par",
    "param",
    "region",
    "root-layout",
    "seq",
    "smil",
    "switch",
];

/// Whether an element of this name is a medium, with or without a `src`.
pub(super) fn is_media_name(name: &str) -> bool {
    matches!(
        name,
        "animation" | "audio" | "brush" | "img" | "ref" | "text" | "textstream" | "video"
    )
}
