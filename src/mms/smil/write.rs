//! The writer.

use super::Smil;
use super::tree::Content;

pub(super) fn to_bytes(smil: &Smil) -> Vec<u8> {
    let mut out = String::new();
    let mut open = vec![Step::Open(smil.root())];
    while let Some(step) = open.pop() {
        match step {
            Step::Close(node) => {
                out.push_str("</");
                out.push_str(smil.name(node).unwrap_or_default());
                out.push('>');
            }
            Step::Open(node) => match smil.nodes.get(node).map(|node| &node.content) {
                Some(Content::Text(text)) => escape(text, &mut out),
                Some(Content::Element { name, attributes }) => {
                    out.push('<');
                    out.push_str(name);
                    for (name, value) in attributes {
                        out.push(' ');
                        out.push_str(name);
                        out.push_str("=\"");
                        escape(value, &mut out);
                        out.push('"');
                    }
                    let children = smil.children(node);
                    if children.is_empty() {
                        out.push_str("/>");
                    } else {
                        out.push('>');
                        open.push(Step::Close(node));
                        open.extend(children.iter().rev().copied().map(Step::Open));
                    }
                }
                None => {}
            },
        }
    }
    out.into_bytes()
}

enum Step {
    Open(usize),
    Close(usize),
}

/// Appends text so that a reader gets exactly it, in an attribute or between elements.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}
