//! Text as US-ASCII for devices that read nothing else.

use unicode_normalization::UnicodeNormalization;

/// `text` in US-ASCII, each other character written the nearest way.
#[must_use]
pub fn to_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        transliterate(character, &mut ascii);
    }
    ascii
}

/// Appends `character` in US-ASCII: as itself, by a table of letters and signs, by its
/// compatibility decomposition without marks, else as `?`. A lone combining mark, a byte order
/// mark and other signs without a width leave nothing.
pub fn transliterate(character: char, ascii: &mut String) {
    if character.is_ascii() {
        ascii.push(character);
        return;
    }
    if let Some(written) = letter(character) {
        ascii.push_str(written);
        return;
    }
    if is_invisible(character) {
        return;
    }
    let start = ascii.len();
    for piece in std::iter::once(character).nfkd() {
        if piece.is_ascii() {
            ascii.push(piece);
        } else if let Some(written) = letter(piece) {
            ascii.push_str(written);
        }
    }
    if ascii.len() == start {
        ascii.push('?');
    }
}

fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{AD}')
}

/// The table: what decomposition does not give, or gives badly.
fn letter(character: char) -> Option<&'static str> {
    TABLE
        .binary_search_by_key(&character, |(from, _)| *from)
        .ok()
        .and_then(|at| TABLE.get(at))
        .map(|(_, to)| *to)
}

/// In the order of code points. Cyrillic after the common English romanisation, Greek letter by
/// letter.
#[rustfmt::skip]
const TABLE: &[(char, &str)] = &[
    ('\u{A0}', " "), ('¡', "!"), ('¢', "c"), ('£', "GBP"), ('¥', "JPY"), ('§', "S"), ('©', "(c)"),
    ('«', "\""), ('¬', "-"), ('®', "(R)"), ('°', "deg"), ('±', "+-"), ('´', "'"), ('µ', "u"),
    ('·', "."), ('»', "\""), ('¼', "1/4"), ('½', "1/2"), ('¾', "3/4"), ('¿', "?"), ('Æ', "AE"),
    ('Ð', "D"), ('×', "x"), ('Ø', "O"), ('Þ', "Th"), ('ß', "ss"), ('æ', "ae"), ('ð', "d"),
    ('÷', "/"), ('ø', "o"), ('þ', "th"), ('Đ', "D"), ('đ', "d"), ('Ħ', "H"), ('ħ', "h"),
    ('ı', "i"), ('Ł', "L"), ('ł', "l"), ('Ŋ', "N"), ('ŋ', "n"), ('Œ', "OE"), ('œ', "oe"),
    ('Ŧ', "T"), ('ŧ', "t"), ('Ə', "E"), ('ƒ', "f"), ('ə', "e"), ('Α', "A"), ('Β', "B"),
    ('Γ', "G"), ('Δ', "D"), ('Ε', "E"), ('Ζ', "Z"), ('Η', "I"), ('Θ', "Th"), ('Ι', "I"),
    ('Κ', "K"), ('Λ', "L"), ('Μ', "M"), ('Ν', "N"), ('Ξ', "X"), ('Ο', "O"), ('Π', "P"),
    ('Ρ', "R"), ('Σ', "S"), ('Τ', "T"), ('Υ', "Y"), ('Φ', "F"), ('Χ', "Ch"), ('Ψ', "Ps"),
    ('Ω', "O"), ('α', "a"), ('β', "b"), ('γ', "g"), ('δ', "d"), ('ε', "e"), ('ζ', "z"),
    ('η', "i"), ('θ', "th"), ('ι', "i"), ('κ', "k"), ('λ', "l"), ('μ', "m"), ('ν', "n"),
    ('ξ', "x"), ('ο', "o"), ('π', "p"), ('ρ', "r"), ('ς', "s"), ('σ', "s"), ('τ', "t"),
    ('υ', "y"), ('φ', "f"), ('χ', "ch"), ('ψ', "ps"), ('ω', "o"), ('Ђ', "Dj"), ('Є', "Ye"),
    ('Ѕ', "Dz"), ('І', "I"), ('Ј', "J"), ('Љ', "Lj"), ('Њ', "Nj"), ('Ћ', "C"), ('Џ', "Dz"),
    ('А', "A"), ('Б', "B"), ('В', "V"), ('Г', "G"), ('Д', "D"), ('Е', "E"), ('Ж', "Zh"),
    ('З', "Z"), ('И', "I"), ('Й', "Y"), ('К', "K"), ('Л', "L"), ('М', "M"), ('Н', "N"),
    ('О', "O"), ('П', "P"), ('Р', "R"), ('С', "S"), ('Т', "T"), ('У', "U"), ('Ф', "F"),
    ('Х', "Kh"), ('Ц', "Ts"), ('Ч', "Ch"), ('Ш', "Sh"), ('Щ', "Shch"), ('Ъ', "\""), ('Ы', "Y"),
    ('Ь', "'"), ('Э', "E"), ('Ю', "Yu"), ('Я', "Ya"), ('а', "a"), ('б', "b"), ('в', "v"),
    ('г', "g"), ('д', "d"), ('е', "e"), ('ж', "zh"), ('з', "z"), ('и', "i"), ('й', "y"),
    ('к', "k"), ('л', "l"), ('м', "m"), ('н', "n"), ('о', "o"), ('п', "p"), ('р', "r"),
    ('с', "s"), ('т', "t"), ('у', "u"), ('ф', "f"), ('х', "kh"), ('ц', "ts"), ('ч', "ch"),
    ('ш', "sh"), ('щ', "shch"), ('ъ', "\""), ('ы', "y"), ('ь', "'"), ('э', "e"), ('ю', "yu"),
    ('я', "ya"), ('ђ', "dj"), ('є', "ye"), ('ѕ', "dz"), ('і', "i"), ('ј', "j"), ('љ', "lj"),
    ('њ', "nj"), ('ћ', "c"), ('џ', "dz"), ('Ґ', "G"), ('ґ', "g"), ('‐', "-"), ('‑', "-"),
    ('‒', "-"), ('–', "-"), ('—', "-"), ('―', "-"), ('‘', "'"), ('’', "'"), ('‚', "'"),
    ('‛', "'"), ('“', "\""), ('”', "\""), ('„', "\""), ('‟', "\""), ('†', "+"), ('•', "*"),
    ('…', "..."), ('′', "'"), ('″', "\""), ('‹', "'"), ('›', "'"), ('⁄', "/"), ('₤', "GBP"),
    ('₪', "ILS"), ('€', "EUR"), ('₴', "UAH"), ('₹', "INR"), ('₺', "TRY"), ('₽', "RUB"),
    ('№', "No"), ('←', "<-"), ('→', "->"), ('−', "-"), ('☹', ":-("), ('☺', ":-)"), ('♥', "<3"),
    ('✓', "v"), ('❤', "<3"), ('、', ","), ('。', "."), ('😀', ":-D"), ('😁', ":-D"), ('😂', ":-D"),
    ('😉', ";-)"), ('😊', ":-)"), ('🙁', ":-("), ('🙂', ":-)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_ascii() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} before {}", pair[0].0, pair[1].0);
        }
        assert!(TABLE.iter().all(|(_, to)| to.is_ascii()));
    }

    #[test]
    fn letters_lose_their_marks_and_keep_their_sound() {
        for (text, ascii) in [
            ("Straße in Łódź", "Strasse in Lodz"),
            ("“smart” – it’s… 5 €", "\"smart\" - it's... 5 EUR"),
            ("Щука и ёж", "Shchuka i ezh"),
            ("Ελλάδα", "Ellada"),
            ("e\u{301}t\u{e9}", "ete"),
            ("ﬁn ①", "fin 1"),
            ("日\u{200B}🐢", "??"),
        ] {
            assert_eq!(to_ascii(text), ascii, "{text}");
        }
    }

    #[test]
    fn ascii_is_untouched() {
        let all: String = (0..128_u8).map(char::from).collect();
        assert_eq!(to_ascii(&all), all);
    }
}
