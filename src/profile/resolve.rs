//! From what is known of a recipient to what its device can take.
//!
//! A request is tried rule by rule: its profile URLs in the database, its profile URLs among those
//! of messaging apps, the model such a URL names, its user agent in several ways, its Accept
//! headers, and last the class `safe`. Nothing is ever fetched.

use super::capabilities::{Capabilities, Source};
use super::classes::{Class, SAFE, class_ids};
use super::complete::complete;
use super::database::Database;
use super::error::ProfileError;
use super::facts::Facts;
use super::headers::{ProfileHeaders, read_headers};
use super::operators::Operator;
use super::uaprof::{UaProf, merge, read};
use super::user_agent::{Match, Rules, strip_gateway};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::mms::DecodeError;

/// The device that was found, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What the device can take; every capability has a value.
    pub capabilities: Capabilities,
    /// The rule that found it, as one line.
    pub rule: String,
    /// Every rule that was tried, in order, the one that matched last.
    pub trail: Vec<Step>,
    /// What was odd about the request, one sentence each.
    pub warnings: Vec<String>,
}

/// One rule that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The rule.
    pub rule: &'static str,
    /// What it was tried on.
    pub tried: String,
    /// Whether it found a device.
    pub matched: bool,
}

/// What the caller lays over a device, whatever the device says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Octets of the whole encoded message.
    pub max_message_size: Option<u64>,
    /// Box for pictures.
    pub max_image: Option<Dimensions>,
    /// Media types.
    pub accept: Option<Vec<String>>,
}

impl Resolution {
    /// The device with this id: a class or a device of the shipped database.
    ///
    /// # Errors
    ///
    /// An id that nothing has.
    pub fn by_id(id: &str) -> Result<Self, ProfileError> {
        if let Some(class) = Class::by_id(id)? {
            return Self::found(class.capabilities(), "class id", id);
        }
        if let Some(device) = Database::embedded()?.by_id(id) {
            return Self::found(device.capabilities(), "device id", id);
        }
        Err(ProfileError::UnknownId {
            id: id.to_owned(),
            hint: hint(id)?,
        })
    }

    /// The device of a class that is not shipped.
    ///
    /// # Errors
    ///
    /// A damaged class file.
    pub fn from_class(class: &Class) -> Result<Self, ProfileError> {
        Self::found(class.capabilities(), "class", &class.id)
    }

    /// The class `safe`: what is assumed where nothing is known.
    ///
    /// # Errors
    ///
    /// A damaged class file.
    pub fn safe() -> Result<Self, ProfileError> {
        let mut device = Capabilities::default();
        if let Some(class) = Class::by_id(SAFE)? {
            device.replace(&Facts::of(&class.capabilities()), &Source::Default);
        }
        SAFE.clone_into(&mut device.id);
        Self::found(device, "default", SAFE)
    }

    /// A device as `remold profile show --json` prints it; see [`Capabilities::from_json`].
    ///
    /// # Errors
    ///
    /// Text that does not describe a device.
    pub fn from_caps_json(json: &str) -> Result<Self, ProfileError> {
        let mut device = Capabilities::from_json(json, &Source::Override)?;
        if device.id.is_empty() {
            "custom".clone_into(&mut device.id);
        }
        let id = device.id.clone();
        Self::found(device, "given capabilities", &id)
    }

    /// The device that a UAProf document describes. Defaults it refers to count where the
    /// database knows them.
    ///
    /// # Errors
    ///
    /// A document that cannot be read, or a damaged database or class file.
    pub fn from_uaprof(octets: &[u8], limits: &Limits) -> Result<Self, UaProfError> {
        let decoded = read(octets, limits)?;
        let profile = merge([decoded.value]);
        let (mut device, values) = profile.capabilities();
        fill_defaults(&mut device, &profile)?;
        let mut found = Self::found(device, "uaprof document", "")?;
        found.warnings = decoded
            .warnings
            .into_iter()
            .map(|w| w.message)
            .chain(values)
            .collect();
        Ok(found)
    }

    /// The device whose profile is served at `url`, if the database or a rule knows it.
    ///
    /// # Errors
    ///
    /// A damaged database or class file, or a URL that nothing is known of.
    pub fn by_url(url: &str) -> Result<Self, ProfileError> {
        let mut search = Search::new(ProfileHeaders::default())?;
        match search.url(url)? {
            Some(device) => search.found(device, Rule::ProfileUrl, url),
            None => Err(ProfileError::UnknownId {
                id: url.to_owned(),
                hint: String::new(),
            }),
        }
    }

    /// Lays an operator's limits over the device.
    pub fn apply_operator(&mut self, operator: &Operator) {
        operator.apply(&mut self.capabilities);
    }

    /// The same device with `overrides` laid over it.
    pub fn apply_overrides(&mut self, overrides: &Overrides) {
        let facts = Facts {
            max_message_size: overrides.max_message_size,
            max_image: overrides.max_image,
            accept: overrides.accept.clone(),
            ..Facts::default()
        };
        self.capabilities.replace(&facts, &Source::Override);
    }

    /// `device`, completed, as the result of one rule.
    pub(super) fn found(
        device: Capabilities,
        rule: &'static str,
        tried: &str,
    ) -> Result<Self, ProfileError> {
        Ok(Self {
            capabilities: complete(device)?,
            rule: format!("{rule} {tried}"),
            trail: vec![Step {
                rule,
                tried: tried.to_owned(),
                matched: true,
            }],
            warnings: Vec::new(),
        })
    }
}

/// Finds the device behind a request.
///
/// # Errors
///
/// A damaged database or class file; nothing in a request is an error.
pub fn resolve(headers: &[(String, String)], limits: &Limits) -> Result<Resolution, ProfileError> {
    let mut search = Search::new(read_headers(headers, limits))?;
    for url in search.request.urls.clone() {
        if let Some(device) = search.url(&url)? {
            return search.found(device, Rule::ProfileUrl, &url);
        }
    }
    if let Some(full) = search.request.user_agent.clone() {
        let agent = strip_gateway(&full);
        let rules = Rules::embedded();
        let tries: [(Rule, Option<Match>); 5] = [
            (Rule::UserAgent, rules.exact(agent)),
            (Rule::UserAgentModel, rules.model(agent, search.database)),
            (Rule::UserAgentPrefix, rules.prefix(agent)),
            (Rule::UserAgentWords, rules.contains(agent)),
            (Rule::Vendor, rules.vendor_default(agent)),
        ];
        for (rule, found) in tries {
            match found {
                Some(found) => {
                    let device = search.device(found)?;
                    return search.found(device, rule, agent);
                }
                None => search.missed(rule, agent),
            }
        }
    }
    if let Some(accept) = search.request.facts.accept.clone() {
        let device = Capabilities {
            id: "headers".to_owned(),
            source: Source::Headers,
            ..Capabilities::default()
        };
        return search.found(device, Rule::Accept, &accept.join(", "));
    }
    search.found(
        Capabilities {
            id: SAFE.to_owned(),
            ..Capabilities::default()
        },
        Rule::Default,
        SAFE,
    )
}

/// The rules, in the order they are tried.
#[derive(Clone, Copy)]
enum Rule {
    ProfileUrl,
    AppUrl,
    UrlModel,
    UserAgent,
    UserAgentModel,
    UserAgentPrefix,
    UserAgentWords,
    Vendor,
    Accept,
    Default,
}

impl Rule {
    const fn name(self) -> &'static str {
        match self {
            Self::ProfileUrl => "profile URL",
            Self::AppUrl => "profile URL of an app",
            Self::UrlModel => "model in the profile URL",
            Self::UserAgent => "user agent",
            Self::UserAgentModel => "model in the user agent",
            Self::UserAgentPrefix => "beginning of the user agent",
            Self::UserAgentWords => "words of the user agent",
            Self::Vendor => "vendor of the user agent",
            Self::Accept => "Accept header",
            Self::Default => "default",
        }
    }
}

/// A search in progress.
struct Search {
    request: ProfileHeaders,
    database: &'static Database<'static>,
    trail: Vec<Step>,
    /// The rule that matched, where it is not the one the search says.
    matched: Option<Rule>,
}

impl Search {
    fn new(request: ProfileHeaders) -> Result<Self, ProfileError> {
        Ok(Self {
            request,
            database: Database::embedded()?,
            trail: Vec::new(),
            matched: None,
        })
    }

    /// What the database and the rules know of a profile URL.
    fn url(&mut self, url: &str) -> Result<Option<Capabilities>, ProfileError> {
        if let Some(device) = self.database.by_url(url) {
            return Ok(Some(device.capabilities()));
        }
        self.missed(Rule::ProfileUrl, url);
        let rules = Rules::embedded();
        for (rule, found) in [
            (Rule::AppUrl, rules.by_url(url)),
            (Rule::UrlModel, rules.model_of_url(url, self.database)),
        ] {
            match found {
                Some(found) => {
                    self.matched = Some(rule);
                    return self.device(found).map(Some);
                }
                None => self.missed(rule, url),
            }
        }
        Ok(None)
    }

    fn missed(&mut self, rule: Rule, tried: &str) {
        self.trail.push(Step {
            rule: rule.name(),
            tried: tried.to_owned(),
            matched: false,
        });
    }

    /// The device of a match. What the request says of charsets and languages comes before what
    /// a class assumes.
    fn device(&self, found: Match) -> Result<Capabilities, ProfileError> {
        let (class, pattern) = match found {
            Match::Device(device) => return Ok(device.capabilities()),
            Match::Class(class, pattern) => (class, pattern),
        };
        let mut device = Capabilities {
            id: class.clone(),
            source: Source::UserAgent(pattern),
            ..Capabilities::default()
        };
        self.preferences(&mut device);
        if let Some(class) = Class::by_id(&class)? {
            class.fill(&mut device);
        }
        Ok(device)
    }

    fn preferences(&self, device: &mut Capabilities) {
        let preferences = Facts {
            charsets: self.request.facts.charsets.clone(),
            languages: self.request.facts.languages.clone(),
            ..Facts::default()
        };
        device.fill(&preferences, &Source::Headers);
    }

    fn found(
        mut self,
        mut device: Capabilities,
        rule: Rule,
        tried: &str,
    ) -> Result<Resolution, ProfileError> {
        let rule = self.matched.unwrap_or(rule);
        for url in &self.request.urls {
            // Further profiles of the same request say what the first one leaves open.
            if let Some(further) = self.database.by_url(url).filter(|f| f.id != device.id) {
                lay_over(&mut device, &further.facts, &Source::Database(further.id));
            }
        }
        for difference in &self.request.differences {
            let (facts, sentences) = difference.facts();
            lay_over(&mut device, &facts, &Source::Diff);
            self.request.warnings.extend(sentences);
        }
        self.preferences(&mut device);
        if matches!(rule, Rule::Accept) {
            device.fill(&self.request.facts, &Source::Headers);
        }
        let mut found = Resolution::found(device, rule.name(), tried)?;
        self.trail.append(&mut found.trail);
        found.trail = self.trail;
        found.warnings = self.request.warnings;
        Ok(found)
    }
}

/// Lays a further profile or a difference over a device, by the rules of the schemas: screen
/// depth and colour are overridden, everything else that is known is locked.
fn lay_over(device: &mut Capabilities, facts: &Facts, source: &Source) {
    device.fill(facts, source);
    let overriding = Facts {
        bits_per_pixel: facts.bits_per_pixel,
        color: facts.color,
        ..Facts::default()
    };
    device.replace(&overriding, source);
}

fn fill_defaults(device: &mut Capabilities, profile: &UaProf) -> Result<(), ProfileError> {
    for url in &profile.defaults {
        if let Some(defaults) = Database::embedded()?.by_url(url) {
            device.fill(&defaults.facts, &Source::Database(defaults.id));
        }
    }
    Ok(())
}

/// Why a UAProf document gives no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UaProfError {
    /// The document cannot be read.
    #[error(transparent)]
    Document(#[from] DecodeError),
    /// What completes it is damaged.
    #[error(transparent)]
    Profile(#[from] ProfileError),
}

/// Ids that share a beginning with `id`, as the end of a sentence.
fn hint(id: &str) -> Result<String, ProfileError> {
    let database = Database::embedded()?;
    let lower = id.to_ascii_lowercase();
    let mut head = lower.as_str();
    while head.len() >= 3 {
        let near: Vec<&str> = class_ids()
            .filter(|class| class.starts_with(head))
            .chain(database.ids_like(head))
            .take(5)
            .collect();
        if !near.is_empty() {
            return Ok(format!("; similar: {}", near.join(", ")));
        }
        let mut shorter = head.chars();
        shorter.next_back();
        head = shorter.as_str();
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Sourced;

    #[test]
    fn a_class_is_found_by_its_id() {
        let found = Resolution::by_id("mono-wbmp").unwrap();
        assert_eq!(found.rule, "class id mono-wbmp");
        assert_eq!(found.capabilities.bits_per_pixel.unwrap().value, 1);
        let error = Resolution::by_id("mono-wap").unwrap_err();
        assert!(error.to_string().ends_with("similar: mono-wbmp"), "{error}");
    }

    fn request(headers: &[(&str, &str)]) -> Resolution {
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        resolve(&headers, &Limits::default()).unwrap()
    }

    #[test]
    fn the_profile_url_comes_first() {
        let found = request(&[
            ("User-Agent", "SAMSUNG-SGH-C200/1.0"),
            (
                "X-Wap-Profile",
                "\"http://nds1.nds.nokia.com/uaprof/N6100r100.xml\"",
            ),
        ]);
        assert!(
            found.capabilities.id.starts_with("nokia-6100"),
            "{}",
            found.rule
        );
        assert!(found.rule.starts_with("profile URL http"));
        assert!(found.capabilities.is_complete());
        assert!(matches!(found.capabilities.source, Source::Database(_)));
    }

    #[test]
    fn the_trail_shows_what_was_tried() {
        let found = request(&[
            ("Profile", "http://nowhere.test/x.xml"),
            ("User-Agent", "Android-Mms/9 (gone) UP.Link/5.1"),
            ("Accept-Language", "fr"),
        ]);
        let rules: Vec<_> = found.trail.iter().map(|s| (s.rule, s.matched)).collect();
        assert_eq!(rules[0], ("profile URL", false));
        assert_eq!(rules.last(), Some(&("beginning of the user agent", true)));
        let device = found.capabilities;
        assert_eq!(device.id, "android-generic");
        assert_eq!(device.source, Source::UserAgent("Android-Mms/".into()));
        assert_eq!(device.languages.unwrap().source, Source::Headers);
        assert_eq!(
            device.max_message_size.unwrap().source,
            Source::Class("android-generic".into())
        );
    }

    #[test]
    fn accept_headers_are_the_last_resort_before_safe() {
        let found = request(&[("Accept", "image/png, text/plain")]);
        assert_eq!(found.capabilities.source, Source::Headers);
        assert!(found.capabilities.accepts("image/png").is_some());
        assert!(found.capabilities.accepts("image/gif").is_none());
        let nothing = request(&[("Accept", "*/*"), ("X-Wap-Profile", "junk")]);
        assert_eq!(nothing.capabilities.id, "safe");
        assert_eq!(nothing.warnings.len(), 1);
    }

    #[test]
    fn differences_override_what_may_be_overridden() {
        let difference = "<prf:BitsPerPixel>1</prf:BitsPerPixel><mms:MmsMaxMessageSize>1</mms:MmsMaxMessageSize>";
        let profile = format!(
            "\"http://nds1.nds.nokia.com/uaprof/N6100r100.xml\", \"1-{}\"",
            crate::profile::headers::digest(difference)
        );
        let found = request(&[("Profile", &profile), ("Profile-Diff-1", difference)]);
        let device = found.capabilities;
        assert_eq!(device.bits_per_pixel, Some(Sourced::new(1, Source::Diff)));
        assert!(device.max_message_size.unwrap().value > 1);
    }

    #[test]
    fn a_document_is_a_device() {
        let document = b"<rdf:RDF><prf:ScreenSize>128x128</prf:ScreenSize>\
            <mms:MmsMaxMessageSize> 45000 </mms:MmsMaxMessageSize></rdf:RDF>";
        let found = Resolution::from_uaprof(document, &Limits::default()).unwrap();
        let device = found.capabilities;
        assert_eq!(
            device.max_message_size,
            Some(Sourced::new(45_000, Source::Uaprof))
        );
        assert_eq!(
            device.accept.unwrap().source,
            Source::Class("budget".into())
        );
        assert!(Resolution::from_uaprof(b"<html>", &Limits::default()).is_err());
    }

    #[test]
    fn nothing_known_is_safe_by_default() {
        let safe = Resolution::safe().unwrap().capabilities;
        assert_eq!((safe.id.as_str(), safe.source), ("safe", Source::Default));
        assert_eq!(safe.max_message_size.unwrap().source, Source::Default);
    }

    #[test]
    fn given_capabilities_are_completed_and_overridden() {
        let mut found = Resolution::from_caps_json(r#"{"max_message_size": 9}"#).unwrap();
        assert_eq!(
            found.capabilities.max_message_size.as_ref().unwrap().value,
            9
        );
        assert!(found.capabilities.is_complete());
        found.apply_overrides(&Overrides {
            max_message_size: Some(7),
            accept: Some(vec!["image/gif".into()]),
            ..Overrides::default()
        });
        let size = found.capabilities.max_message_size.as_ref().unwrap();
        assert_eq!((size.value, &size.source), (7, &Source::Override));
        assert_eq!(found.capabilities.accepts("image/jpeg"), None);
    }
}
