//! HTML mail as plain text.

/// The text of an HTML document: tags gone, blocks and breaks as line breaks, white space
/// collapsed, the common character references decoded. Scripts, styles and comments leave nothing.
///
/// This is no HTML parser: it keeps the words of a mail that has no plain part.
#[must_use]
pub fn html_to_text(html: &str) -> String {
    let mut text = Text::default();
    let mut rest = html;
    // Looked up once: an end that is not ahead now will not be ahead later.
    let last_comment = html.rfind("-->");
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        text.push(before);
        let offset = html.len().saturating_sub(from.len());
        if from.starts_with("<!--") && last_comment.is_some_and(|end| end > offset) {
            rest = from.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let tag = from.get(1..).unwrap_or_default();
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            text.push("<");
            rest = tag;
            continue;
        }
        let Some((tag, after)) = tag.split_once('>') else {
            rest = "";
            break;
        };
        rest = text.tag(tag, after);
    }
    text.push(rest);
    text.out
}

#[derive(Default)]
struct Text {
    out: String,
    /// White space was met since the last word.
    gap: bool,
    /// Line breaks to write before the next word.
    breaks: usize,
}

impl Text {
    /// Applies a tag and returns what follows it: past the end of an element without text.
    fn tag<'a>(&mut self, tag: &str, after: &'a str) -> &'a str {
        let closing = tag.starts_with('/');
        let name = tag
            .trim_start_matches('/')
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        match name.as_str() {
            "br" => self.breaks = self.breaks.saturating_add(1).min(2),
            "script" | "style" | "title" if !closing && !tag.ends_with('/') => {
                return end_of(&name, after);
            }
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.breaks = 2,
            "div" | "tr" | "li" | "ul" | "ol" | "table" | "blockquote" | "body" | "hr" | "pre"
            | "section" => self.breaks = self.breaks.max(1),
            "td" | "th" => self.gap = true,
            _ => {}
        }
        after
    }

    fn push(&mut self, raw: &str) {
        let decoded = decode_references(raw);
        for character in decoded.chars() {
            // A no-break space is white space here: a phone's lines are short.
            if character.is_whitespace() {
                self.gap = true;
                continue;
            }
            if self.breaks > 0 && !self.out.is_empty() {
                self.out
                    .push_str(if self.breaks > 1 { "\r\n\r\n" } else { "\r\n" });
            } else if self.gap && !self.out.is_empty() {
                self.out.push(' ');
            }
            self.breaks = 0;
            self.gap = false;
            self.out.push(character);
        }
    }
}

/// What follows the closing tag of element `name`.
fn end_of<'a>(name: &str, after: &'a str) -> &'a str {
    let mut rest = after;
    while let Some(at) = rest.find("</") {
        let from = rest.get(at.saturating_add(2)..).unwrap_or_default();
        let found = from.get(..name.len());
        if found.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return from.split_once('>').map_or("", |(_, after)| after);
        }
        rest = from;
    }
    ""
}

/// Character references decoded; one that is not known stays as it is.
fn decode_references(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let reference = after
            .char_indices()
            .take(10)
            .find(|(_, character)| *character == ';')
            .and_then(|(at, _)| after.split_at_checked(at))
            .and_then(|(name, after)| Some((decode_reference(name)?, after)));
        match reference {
            Some((character, after)) => {
                text.push(character);
                rest = after.strip_prefix(';').unwrap_or(after);
            }
            None => {
                text.push('&');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn decode_reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|character| !character.is_control() || code == 10);
    }
    Some(match name {
        "amp" => '&',
        "apos" => '\'',
        "auml" => 'ä',
        "bull" => '•',
        "copy" => '©',
        "eacute" => 'é',
        "egrave" => 'è',
        "euro" => '€',
        "gt" => '>',
        "hellip" => '…',
        "laquo" => '«',
        "ldquo" => '“',
        "lsquo" => '‘',
        "lt" => '<',
        "mdash" => '—',
        "nbsp" => '\u{A0}',
        "ndash" => '–',
        "ouml" => 'ö',
        "quot" => '"',
        "raquo" => '»',
        "rdquo" => '”',
        "reg" => '®',
        "rsquo" => '’',
        "szlig" => 'ß',
        "trade" => '™',
        "uuml" => 'ü',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lines_remain() {
        assert_eq!(
            html_to_text(
                "<html><head><title>x</title><style>p{}</style></head><body>\n\
                 <p>Dear&nbsp;&eacute;l&#232;ve,</p><p>1 &lt; 2 &amp;&bogus; a<br>b<!-- c > --></p>\
                 <script>if (a<b) x()</script><div>bye <b>now</b></div></body></html>"
            ),
            "Dear élève,\r\n\r\n1 < 2 &&bogus; a\r\nb\r\n\r\nbye now"
        );
    }

    #[test]
    fn broken_html_does_no_harm() {
        for (html, text) in [
            ("a < b", "a < b"),
            ("a <b", "a"),
            ("<!-- open", ""),
            ("<script>open", ""),
            ("&#0;&#xD800;&;&", "&#0;&#xD800;&;&"),
            ("", ""),
        ] {
            assert_eq!(html_to_text(html), text, "{html}");
        }
    }
}
