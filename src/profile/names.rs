//! Names of devices: vendors, models, URLs, each in one form that can be compared.

/// Vendors whose names do not begin with the word people know them by, and abbreviations.
const VENDORS: &[(&str, &str)] = &[
    ("sony ericsson", "sonyericsson"),
    ("sonyericsson", "sonyericsson"),
    ("semc", "sonyericsson"),
    ("research in motion", "blackberry"),
    ("rim", "blackberry"),
    ("high tech computer", "htc"),
    ("hewlett-packard", "hp"),
    ("lge", "lg"),
    ("lg", "lg"),
    ("sec", "samsung"),
    ("mot", "motorola"),
    ("hw", "huawei"),
    ("asustek", "asus"),
    ("asus", "asus"),
    ("benq", "benq"),
    ("sie", "siemens"),
    ("tct", "alcatel"),
    ("t-mobile", "t-mobile"),
];

/// The vendor as the first word of an id: `Sony Ericsson Mobile Communications` is `sonyericsson`.
#[must_use]
pub fn vendor_slug(vendor: &str) -> String {
    let lower = vendor.trim().to_ascii_lowercase();
    let known = VENDORS.iter().find(|(name, _)| {
        lower
            .strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    });
    match known {
        Some((_, slug)) => (*slug).to_owned(),
        None => slug(lower.split([' ', '-', ',', '_']).next().unwrap_or_default()),
    }
}

/// Lower-case letters and digits; everything between them becomes one hyphen.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push(match c {
                '+' => 'p',
                _ => '-',
            });
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    out
}

/// The model without its vendor's name in front: `BlackBerry 8700` of BlackBerry is `8700`.
#[must_use]
pub fn bare_model<'a>(vendor_slug: &str, model: &'a str) -> &'a str {
    let mut model = model.trim();
    let abbreviations = VENDORS
        .iter()
        .filter(|(_, slug)| *slug == vendor_slug)
        .map(|(name, _)| *name);
    for prefix in abbreviations.chain([vendor_slug]) {
        if let Some(rest) = strip_prefix_ignore_case(model, prefix) {
            let rest = rest.trim_start_matches([' ', '-', '_', '/']);
            if !rest.is_empty() && (rest.len() < model.len() - prefix.len() || prefix.len() > 3) {
                model = rest;
                break;
            }
        }
    }
    model
}

/// `text` without `prefix`, which is compared without regard to case.
#[must_use]
pub fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    (!prefix.is_empty() && head.eq_ignore_ascii_case(prefix)).then_some(rest)
}

/// Capital letters and digits alone: the form in which models are looked up.
#[must_use]
pub fn model_key(model: &str) -> String {
    model
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// A profile URL in the form it is looked up by: host and path in lower case, without scheme,
/// port, fragment and quotes. A query is kept behind `_`, since some vendors serve every device
/// from one path. `None` for what is no HTTP URL.
#[must_use]
pub fn url_key(url: &str) -> Option<String> {
    let quotes: &[char] = &['"', '\'', '<', '>'];
    let url = url.trim().trim_matches(quotes).trim();
    let rest = strip_prefix_ignore_case(url, "http://")
        .or_else(|| strip_prefix_ignore_case(url, "https://"))?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.split(':').next().unwrap_or_default();
    if host.is_empty() || !host.contains('.') || rest.contains(char::is_whitespace) {
        return None;
    }
    let path = path.trim_end_matches('/').replace('?', "_");
    Some(format!("{host}/{path}").to_ascii_lowercase())
}

/// The same form without its query, where it has one.
#[must_use]
pub fn url_key_without_query(url: &str) -> Option<String> {
    url.split_once('?').and_then(|(head, _)| url_key(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_have_one_name() {
        for (vendor, slug) in [
            ("Sony Ericsson Mobile Communications", "sonyericsson"),
            ("Sony Mobile Communications", "sony"),
            ("Research In Motion Ltd.", "blackberry"),
            ("High Tech Computer Corporation", "htc"),
            ("LG Electronics", "lg"),
            ("LGE", "lg"),
            ("SAMSUNG", "samsung"),
            ("ASUSTeK COMPUTER INC.", "asus"),
            ("BenQ-SIEMENS", "benq"),
            ("Motorola", "motorola"),
            ("Secure", "secure"),
        ] {
            assert_eq!(vendor_slug(vendor), slug, "{vendor}");
        }
    }

    #[test]
    fn models_lose_their_vendor() {
        for (vendor, model, bare) in [
            ("blackberry", "BlackBerry 8700", "8700"),
            ("htc", "HTC_HD2_T8585", "HD2_T8585"),
            ("lg", "LG/E455/V1.0", "E455/V1.0"),
            ("lg", "LGE/GW382f", "GW382f"),
            ("motorola", "MOT-C257", "C257"),
            ("motorola", "MOTOROLA-VE595/1.0", "VE595/1.0"),
            ("nokia", "N95-1", "N95-1"),
            ("samsung", "SECRET", "SECRET"),
            ("htc", "HTC", "HTC"),
        ] {
            assert_eq!(bare_model(vendor, model), bare, "{model}");
        }
        assert_eq!(slug("T165+"), "t165p");
        assert_eq!(slug(" One Touch (6015X) "), "one-touch-6015x");
        assert_eq!(model_key("SGH-E700"), "SGHE700");
    }

    #[test]
    fn urls_have_one_form() {
        for url in [
            "http://NDS1.nds.nokia.com/uaprof/N6100r100.xml",
            "\"https://nds1.nds.nokia.com:443/UAprof/N6100r100.xml#x\"",
            " 'http://nds1.nds.nokia.com/uaprof/N6100r100.xml/' ",
        ] {
            let key = url_key(url);
            assert_eq!(
                key.as_deref(),
                Some("nds1.nds.nokia.com/uaprof/n6100r100.xml")
            );
        }
        assert_eq!(
            url_key("http://a.b/c.aspx?D=1").as_deref(),
            Some("a.b/c.aspx_d=1")
        );
        assert_eq!(
            url_key_without_query("http://a.b/c?d").as_deref(),
            Some("a.b/c")
        );
        assert_eq!(url_key("ftp://a.b/c"), None);
        assert_eq!(url_key("http://local/x y"), None);
    }
}
