//! Rust source as tokens, and the paths it names.

/// A path that some code names, with every `{…}` of a use tree expanded.
pub(super) struct Used {
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
    /// Inline modules around it.
    pub(super) depth: usize,
    /// Whether it is part of a `use`.
    pub(super) import: bool,
}

/// The paths of two segments or more in `text`, tests left out.
pub(super) fn paths(text: &str) -> Vec<Used> {
    let code = without_tests(&tokens(text));
    let text_at = |at: usize| code.get(at).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while let Some(token) = code.get(at) {
        let opens_module = at >= 2 && text_at(at - 2) == "mod";
        match token.text.as_str() {
            "{" => braces.push(opens_module),
            "}" => {
                braces.pop();
            }
            _ => {}
        }
        let import = token.text == "use" && text_at(at + 1) != "<";
        let starts =
            token.is_word() && text_at(at + 1) == "::" && (at == 0 || text_at(at - 1) != "::");
        if !import && !starts {
            at += 1;
            continue;
        }
        let (trees, end) = tree(&code, if import { at + 1 } else { at });
        found.extend(trees.into_iter().map(|segments| Used {
            line: token.line,
            segments,
            depth: braces.iter().filter(|module| **module).count(),
            import,
        }));
        at = end.max(at + 1);
    }
    found
}

/// A path or use tree that starts at token `at`: its branches, and the token after it.
pub(super) fn tree(tokens: &[Token], mut at: usize) -> (Vec<Vec<String>>, usize) {
    let text_at = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut stem: Vec<String> = Vec::new();
    if text_at(at) == "::" {
        at += 1;
    }
    loop {
        match tokens.get(at) {
            Some(token) if token.is_word() || token.text == "*" => {
                stem.push(token.text.clone());
                at += 1;
            }
            Some(token) if token.text == "{" => {
                at += 1;
                let mut branches = Vec::new();
                while !matches!(text_at(at), "" | "}") {
                    let (inner, end) = tree(tokens, at);
                    branches.extend(inner.into_iter().map(|rest| {
                        let rest = rest.into_iter().filter(|segment| segment != "self");
                        stem.iter().cloned().chain(rest).collect()
                    }));
                    at = end.max(at + 1);
                    while text_at(at) == "as" {
                        at += 2;
                    }
                    if text_at(at) == "," {
                        at += 1;
                    }
                }
                return (branches, at + 1);
            }
            _ => return (vec![stem], at),
        }
        if text_at(at) != "::" {
            return (vec![stem], at);
        }
        at += 1;
    }
}

/// The tokens outside items that are marked `#[cfg(test)]` or `#[test]`.
pub(super) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let text_at = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let marked = |at: usize| {
        let is = |words: &[&str]| words.iter().enumerate().all(|(i, w)| text_at(at + i) == *w);
        is(&["#", "[", "cfg", "(", "test", ")", "]"]) || is(&["#", "[", "test", "]"])
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if !marked(at) {
            kept.push(token.clone());
            at += 1;
            continue;
        }
        // Skip to the end of the item: a `;` or a `}` outside every bracket.
        let mut depth = 0_usize;
        while at < tokens.len() {
            match text_at(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        break;
                    }
                }
                ";" if depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
        at += 1;
    }
    kept
}

/// A word, a number, `::`, or one character of punctuation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) text: String,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text
            .starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The tokens of Rust source, without comments and literals.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest),
            '\'' => quote_or_lifetime(rest),
            'r' | 'b' | 'c' => literal_prefix(rest).unwrap_or(0),
            ':' if rest.starts_with("::") => {
                found.push(Token {
                    line,
                    text: "::".to_owned(),
                });
                2
            }
            _ => 0,
        };
        let length = if length > 0 {
            length
        } else {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match rest.find(|c| !is_word(c)) {
                Some(0) => first.len_utf8(),
                Some(end) => end,
                None => rest.len(),
            };
            if !first.is_whitespace() {
                let text = rest.get(..length).unwrap_or_default().to_owned();
                found.push(Token { line, text });
            }
            length
        };
        let (passed, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
        line += passed.matches('\n').count();
        rest = left;
    }
    found
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Length of a literal that starts with a quotation mark and knows escapes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a character literal; 1 for the mark of a lifetime.
fn quote_or_lifetime(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars
            .find(|(_, c)| *c == '\'')
            .map_or(text.len(), |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// Length of a literal with a prefix (`r#"…"#`, `b"…"`, `b'…'`, `c"…"`), if one starts here.
fn literal_prefix(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c"]
        .into_iter()
        .find(|prefix| text.starts_with(prefix))?;
    let rest = text.get(prefix.len()..)?;
    if prefix == "b" && rest.starts_with('\'') {
        return Some(1 + quote_or_lifetime(rest));
    }
    if !prefix.ends_with('r') {
        return rest.starts_with('"').then(|| 1 + quoted(rest));
    }
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let body = rest.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let close = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(prefix.len() + hashes + 1 + close)
}
