//! What an operator decides: everything about adaptation that neither the message nor the device
//! says.

/// The operator's choices. `Policy::default()` suits a public MMSC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Adapt although the device sets MmsSuppressContentAdaptation.
    pub ignore_device_suppression: bool,
    /// JPEG quality, 1..=100, for a picture that the budget does not constrain.
    pub quality: u8,
    /// Language of notices where the device lists none that we have, as in RFC 5646.
    pub language: String,
    /// Put a notice into the message where a part had to go.
    pub notices: bool,
    /// Make a presentation for an adapted message of several parts that has none.
    pub generate_smil: bool,
    /// Cut the end off a sound or a clip whose whole is too large at a quality worth having. Where
    /// not, a still picture stands in for the clip.
    pub shorten: bool,
    /// A link to the whole message, for the notice. `None`: no link is offered.
    pub link: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            ignore_device_suppression: false,
            quality: 85,
            language: "en".to_owned(),
            notices: true,
            generate_smil: true,
            shorten: true,
            link: None,
        }
    }
}
