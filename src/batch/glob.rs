//! Patterns of file names, for shells that do not expand them and for more files than fit on a
//! command line.
//!
//! `*` and `?` stand for characters but `/`, `[a-z]` and `[!a-z]` for one of a set, and a component
//! `**` for any number of folders.

use std::path::{Component, Path, PathBuf};

/// Whether a name is a pattern.
#[must_use]
pub fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The folder in front of the first component that is a pattern, and the components from there on.
#[must_use]
pub fn split(pattern: &str) -> (PathBuf, Vec<String>) {
    let mut base = PathBuf::new();
    let mut rest = Vec::new();
    for component in Path::new(pattern).components() {
        let text = component.as_os_str().to_string_lossy();
        if rest.is_empty() && !is_pattern(&text) || !matches!(component, Component::Normal(_)) {
            base.push(component);
        } else {
            rest.push(text.into_owned());
        }
    }
    if base.as_os_str().is_empty() {
        base.push(".");
    }
    (base, rest)
}

/// Whether the components of a path fit those of a pattern.
#[must_use]
pub fn matches(pattern: &[String], path: &[String]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            matches(rest, path)
                || path
                    .split_first()
                    .is_some_and(|(_, path)| matches(pattern, path))
        }
        (Some((first, rest)), Some((name, path))) => fits(first, name) && matches(rest, path),
        _ => false,
    }
}

/// Whether one name fits one component of a pattern.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0_usize, 0_usize);
    // Where the last star was, and up to where it stands for something.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (pattern.get(at), name.get(from)) {
            (Some('*'), _) => {
                star = Some((at, from));
                at = at.saturating_add(1);
                continue;
            }
            (None, None) => return true,
            (Some(_), Some(&letter)) => one(&pattern, at, letter),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                at = next;
                from = from.saturating_add(1);
            }
            (None, Some((starred, until))) if until < name.len() => {
                let until = until.saturating_add(1);
                star = Some((starred, until));
                at = starred.saturating_add(1);
                from = until;
            }
            _ => return false,
        }
    }
}

/// What follows in the pattern where its next sign stands for this letter.
fn one(pattern: &[char], at: usize, letter: char) -> Option<usize> {
    let after = at.saturating_add(1);
    match pattern.get(at)? {
        '?' => Some(after),
        '[' => set(pattern, after, letter),
        sign => (*sign == letter).then_some(after),
    }
}

/// As [`one`], of a set whose first sign is at `at`. A bracket that is never closed is itself.
fn set(pattern: &[char], at: usize, letter: char) -> Option<usize> {
    let inside = pattern.get(at..)?;
    let negated = matches!(inside.first(), Some('!' | '^'));
    let begin = usize::from(negated);
    let length = inside
        .iter()
        .skip(begin.saturating_add(1))
        .position(|sign| *sign == ']');
    let Some(length) = length.map(|length| length.saturating_add(1)) else {
        return (letter == '[').then_some(at);
    };
    let mut signs = inside.iter().skip(begin).take(length).peekable();
    let mut found = false;
    while let Some(&first) = signs.next() {
        if signs.peek() == Some(&&'-') {
            signs.next();
            match signs.next() {
                Some(&last) => found |= (first..=last).contains(&letter),
                None => found |= letter == first || letter == '-',
            }
        } else {
            found |= letter == first;
        }
    }
    let end = at
        .saturating_add(begin)
        .saturating_add(length)
        .saturating_add(1);
    (found != negated).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn names_fit_their_patterns() {
        for (pattern, name, expected) in [
            ("*.jpg", "a.jpg", true),
            ("*.jpg", ".jpg", true),
            ("*.jpg", "a.jpeg", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "ab ab a", false),
            ("?.gif", "é.gif", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]-]", "]", true),
            ("[a-]", "-", true),
            ("[ab", "[ab", true),
            ("", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        assert!(!fits(&"*a".repeat(40), &"a".repeat(10_000)[..39]));
        assert!(!fits(&format!("{}b", "*a".repeat(30)), &"a".repeat(5_000)));
    }

    #[test]
    fn two_stars_are_any_number_of_folders() {
        let (base, pattern) = split("in/2026/**/*.jpg");
        assert_eq!(base, Path::new("in/2026"));
        for name in ["a.jpg", "x/a.jpg", "x/y/z/a.jpg"] {
            assert!(matches(&pattern, &path(name)), "{name}");
        }
        assert!(!matches(&pattern, &path("x/a.png")));
        assert_eq!(split("*.jpg").0, Path::new("."));
        assert_eq!(split("/a/b?/c").0, Path::new("/a"));
    }
}
