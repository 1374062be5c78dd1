//! Rules on user agents and on profile URLs that stand for many devices.

use super::database::{Database, Device};
use super::names::{model_key, strip_prefix_ignore_case, url_key, vendor_slug};

/// The shipped rules.
const RULES: &str = include_str!("../../profiles/user-agents.tsv");

/// Shortest model that is looked for without a vendor.
const MIN_MODEL: usize = 4;

/// What a rule says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// A device of the database.
    Device(Box<Device>),
    /// A class, by id, and the pattern of the rule that says so.
    Class(String, String),
}

/// The rules, in the text form of `profiles/user-agents.tsv`.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a>(&'a str);

impl Rules<'static> {
    /// The rules that ship with this crate.
    #[must_use]
    pub fn embedded() -> Self {
        Self(RULES)
    }
}

impl<'a> Rules<'a> {
    /// Rules from a text of the same form. Lines that are no rule are passed over.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The class that a messaging app's profile URL stands for.
    #[must_use]
    pub fn by_url(self, url: &str) -> Option<Match> {
        let key = url_key(url)?;
        let [pattern, class] = self.of("url").find(|[pattern, _]| *pattern == key)?;
        Some(class_match(class, pattern))
    }

    /// The class that names the whole user agent.
    #[must_use]
    pub fn exact(self, user_agent: &str) -> Option<Match> {
        let [pattern, class] = self
            .of("exact")
            .find(|[pattern, _]| pattern.eq_ignore_ascii_case(user_agent))?;
        Some(class_match(class, pattern))
    }

    /// The device of the database whose vendor and model the user agent begins with, or whose
    /// model alone it begins with.
    #[must_use]
    pub fn model(self, user_agent: &str, database: &Database<'_>) -> Option<Match> {
        let known = self.vendor(user_agent).and_then(|(_, vendor, _, rest)| {
            let model = head(rest.trim_start_matches(['-', '_', ' ', '/']));
            database.by_model(vendor, &model_key(model))
        });
        known
            .or_else(|| {
                let key = model_key(head(user_agent));
                let telling = key.len() >= MIN_MODEL && key.bytes().any(|b| b.is_ascii_digit());
                telling.then(|| database.by_model_alone(&key)).flatten()
            })
            .map(|device| Match::Device(Box::new(device)))
    }

    /// The class of the longest beginning that a rule knows.
    #[must_use]
    pub fn prefix(self, user_agent: &str) -> Option<Match> {
        let [pattern, class] = self
            .of("prefix")
            .filter(|[pattern, _]| strip_prefix_ignore_case(user_agent, pattern).is_some())
            .max_by_key(|[pattern, _]| pattern.len())?;
        Some(class_match(class, pattern))
    }

    /// The class of the first rule whose words are in the user agent.
    #[must_use]
    pub fn contains(self, user_agent: &str) -> Option<Match> {
        let lower = user_agent.to_ascii_lowercase();
        let [pattern, class] = self
            .of("contains")
            .find(|[pattern, _]| lower.contains(&pattern.to_ascii_lowercase()))?;
        Some(class_match(class, pattern))
    }

    /// The class of a vendor whose model is unknown.
    #[must_use]
    pub fn vendor_default(self, user_agent: &str) -> Option<Match> {
        let (pattern, _, class, _) = self.vendor(user_agent)?;
        Some(class_match(class, pattern))
    }

    /// The device whose model the last part of a profile URL tells, for URLs of firmware the
    /// database does not know.
    #[must_use]
    pub fn model_of_url(self, url: &str, database: &Database<'_>) -> Option<Match> {
        let key = url_key(url)?;
        let (host, path) = key.split_once('/')?;
        let vendor = vendor_of_host(host)?;
        let file = path.rsplit('/').next()?;
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let model = model_key(stem);
        // Nokia's files are called after the model with an N in front.
        let without_initial = vendor
            .get(..1)
            .and_then(|c| strip_prefix_ignore_case(&model, c));
        let vendor_gone = strip_prefix_ignore_case(&model, &vendor);
        [Some(model.as_str()), vendor_gone, without_initial]
            .into_iter()
            .flatten()
            .filter(|model| model.len() >= MIN_MODEL)
            .find_map(|model| database.by_model(&vendor, model))
            .map(|device| Match::Device(Box::new(device)))
    }

    /// Pattern, vendor, class and what follows the pattern, of the longest vendor rule that fits.
    fn vendor<'u>(self, user_agent: &'u str) -> Option<(&'a str, &'a str, &'a str, &'u str)> {
        self.of("vendor")
            .filter_map(|[pattern, vendor, class]| {
                let rest = strip_prefix_ignore_case(user_agent, pattern)?;
                // `SEC` begins SECRET as well, but no model of Samsung's.
                let short =
                    pattern.len() <= 4 && rest.starts_with(|c: char| c.is_ascii_lowercase());
                (!short).then_some((pattern, vendor, class, rest))
            })
            .max_by_key(|(pattern, ..)| pattern.len())
    }

    fn of<const N: usize>(self, kind: &'static str) -> impl Iterator<Item = [&'a str; N]> {
        self.0.lines().filter_map(move |line| {
            let mut columns = line.strip_prefix(kind)?.strip_prefix('\t')?.split('\t');
            let mut rule = [""; N];
            for cell in &mut rule {
                *cell = columns.next()?;
            }
            Some(rule)
        })
    }
}

/// A user agent without what gateways append to it.
#[must_use]
pub fn strip_gateway(user_agent: &str) -> &str {
    let end = user_agent.find(" UP.Link/").unwrap_or(user_agent.len());
    user_agent.get(..end).unwrap_or(user_agent).trim()
}

/// The vendor a profile's host belongs to, as the first word of an id.
#[must_use]
pub fn vendor_of_host(host: &str) -> Option<String> {
    const HOSTS: [(&str, &str); 16] = [
        ("nokia", "nokia"),
        ("sonyericsson", "sonyericsson"),
        ("sonymobile", "sony"),
        ("samsung", "samsung"),
        ("motorola", "motorola"),
        ("lge", "lg"),
        ("htcmms", "htc"),
        ("blackberry", "blackberry"),
        ("tcl-ta", "alcatel"),
        ("huawei", "huawei"),
        ("siemens", "siemens"),
        ("zte", "zte"),
        ("asus", "asus"),
        ("lenovo", "lenovo"),
        ("acer", "acer"),
        ("prestigio", "prestigio"),
    ];
    host.split('.')
        .find_map(|label| HOSTS.iter().find(|(name, _)| label.starts_with(name)))
        .map(|(_, vendor)| vendor_slug(vendor))
}

/// The first word of a user agent: up to a slash or white space.
fn head(user_agent: &str) -> &str {
    user_agent
        .split(['/', ' ', ';', '('])
        .next()
        .unwrap_or_default()
}

fn class_match(class: &str, pattern: &str) -> Match {
    Match::Class(class.to_owned(), pattern.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Class;

    fn class(found: Option<Match>) -> String {
        match found {
            Some(Match::Class(id, _)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn device(user_agent: &str) -> Option<String> {
        match Rules::embedded().model(user_agent, Database::embedded().unwrap()) {
            Some(Match::Device(device)) => Some(device.id),
            _ => None,
        }
    }

    #[test]
    fn every_rule_has_its_columns_and_a_class_that_exists() {
        for line in RULES.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let wanted = if columns[0] == "vendor" { 4 } else { 3 };
            assert_eq!(columns.len(), wanted, "{line}");
            assert!(
                Class::by_id(columns[wanted - 1]).unwrap().is_some(),
                "{line}"
            );
            assert!(["url", "exact", "vendor", "prefix", "contains"].contains(&columns[0]));
        }
    }

    #[test]
    fn apps_that_run_on_every_phone_have_a_class() {
        let rules = Rules::embedded();
        let url = "\"http://www.gstatic.com/android/sms/mms_ua_profile.xml\"";
        assert_eq!(class(rules.by_url(url)), "android-generic");
        assert_eq!(
            class(rules.by_url("https://www.apple.com/mms/uaprof.rdf")),
            "ios-generic"
        );
        assert_eq!(class(rules.exact("android messaging")), "android-generic");
        assert_eq!(
            class(rules.prefix("Hangouts/4.1.102314611")),
            "android-generic"
        );
        assert_eq!(
            class(rules.contains("Mozilla/5.0 (Mobile; Nokia 8110; rv:48.0) KAIOS/2.5")),
            "kaios"
        );
        assert_eq!(class(rules.contains("iOS CFNetwork/1490")), "ios-generic");
    }

    #[test]
    fn models_are_found_behind_their_vendor() {
        for (user_agent, id) in [
            ("Nokia6111/1.0 (4.18) Profile/MIDP-1.0", "nokia-6111"),
            ("SEC-SGHE740", "samsung-sgh-e740"),
            (
                "SAMSUNG-SGH-E720/BSI UP.Browser/6.1.0.6 (GUI) MMP/1.0",
                "samsung-sgh-e720",
            ),
            ("SonyEricssonK750i/R1AA", "sonyericsson-k750i"),
            ("SAMSUNG-ANDROID-MMS/SM-G900F", "samsung-sm-g900f"),
            ("BlackBerry8310/4.2.2", "blackberry-8310"),
        ] {
            let found = device(user_agent).unwrap_or_default();
            assert!(found.starts_with(id), "{user_agent}: {found}");
        }
        assert_eq!(device("Unheard-Of/1.0"), None);
    }

    #[test]
    fn gateways_are_cut_off_and_vendors_have_a_default() {
        let bare = strip_gateway("SEC-SGHE710 UP.Link/1.1");
        assert_eq!(bare, "SEC-SGHE710");
        let rules = Rules::embedded();
        assert_eq!(
            class(rules.vendor_default("BlackBerry1/9")),
            "qwerty-no-video"
        );
        assert_eq!(rules.vendor_default("Secretive/1.0"), None);
    }

    #[test]
    fn the_url_of_unknown_firmware_still_tells_the_model() {
        let database = Database::embedded().unwrap();
        let found = Rules::embedded()
            .model_of_url("http://nds1.nds.nokia.com/uaprof/N6100r999.xml", database);
        assert!(matches!(found, Some(Match::Device(d)) if d.id.starts_with("nokia-6100")));
    }
}
