//! The attributes of UAProf and how their values merge, from the RDF schemas of WAP-248, OMA UAProf
//! 1.1 and 2.0, OMA MMS 1.0 to 1.3 and TS 26.234 annex F.

/// How values of one attribute from several places become one (WAP-248 section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The first value stays.
    Locked,
    /// The last value stays.
    Override,
    /// Values are put behind one another.
    Append,
}

/// An attribute that a schema defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Definition {
    /// The name as the schema spells it.
    pub name: &'static str,
    /// How its values merge.
    pub resolution: Resolution,
}

/// The definition of an attribute by its local name; case and hyphens do not count, since
/// documents write `MmsCcppAccept-Charset` and `MmsCcppAcceptCharset` for `MmsCcppAcceptCharSet`.
#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    ATTRIBUTES
        .iter()
        .find(|definition| same_name(definition.name, name))
}

/// Whether two attribute names are the same but for case and hyphens.
#[must_use]
pub fn same_name(one: &str, other: &str) -> bool {
    let first = |name: &str| name.bytes().next().map(|octet| octet.to_ascii_lowercase());
    if first(one) != first(other) {
        return false;
    }
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        name.bytes()
            .filter(|octet| *octet != b'-')
            .map(|octet| octet.to_ascii_lowercase())
    }
    letters(one).eq(letters(other))
}

/// The component that an element or a type stands for, in the schema's spelling.
#[must_use]
pub fn component(name: &str) -> Option<&'static str> {
    COMPONENTS
        .iter()
        .find(|component| component.eq_ignore_ascii_case(name))
        .copied()
}

const COMPONENTS: &[&str] = &[
    "HardwarePlatform",
    "SoftwarePlatform",
    "NetworkCharacteristics",
    "BrowserUA",
    "WapCharacteristics",
    "PushCharacteristics",
    "MmsCharacteristics",
    "Streaming",
    "PssCommon",
    "ThreeGPFileFormat",
    "PssSmil",
];

const fn locked(name: &'static str) -> Definition {
    Definition {
        name,
        resolution: Resolution::Locked,
    }
}

const fn replaced(name: &'static str) -> Definition {
    Definition {
        name,
        resolution: Resolution::Override,
    }
}

const fn append(name: &'static str) -> Definition {
    Definition {
        name,
        resolution: Resolution::Append,
    }
}

#[rustfmt::skip]
const ATTRIBUTES: &[Definition] = &[
    locked("AcceptDownloadableSoftware"), locked("AdaptationSupport"), locked("AudioChannels"),
    append("AudioInputEncoder"), replaced("BitsPerPixel"), locked("BluetoothProfile"),
    locked("BookmarksSupported"), append("Brands"), locked("BrowserName"),
    locked("BrowserScreenSize"), locked("BrowserVersion"), append("CcppAccept"),
    append("CcppAccept-Charset"), append("CcppAccept-Encoding"), append("CcppAccept-Language"),
    append("CLIPlatform"), replaced("ColorCapable"), locked("CPCapable"), locked("CPU"),
    locked("CPUMaximumFrequency"), locked("CPVersion"), locked("CurrentBearerService"),
    locked("DMCapable"), locked("DMVersion"), append("DownloadableBrowserApps"),
    locked("DownloadableSoftwareSupport"), locked("DrmClass"), locked("DrmConstraints"),
    replaced("Email-URI-Schemes"), locked("ExtendedRtcpReports"), replaced("FramesCapable"),
    locked("HtmlVersion"), locked("ImageCapable"), locked("ImodeProfile"), locked("ImodeStep"),
    append("InputCharSet"), locked("JavaAppletEnabled"), locked("JavaEnabled"),
    locked("JavaJsrListSupported"), locked("JavaMaxDownloadJarSize"), locked("JavaMaxHeapSize"),
    locked("JavaMaxMemorySize"), append("JavaPackage"), append("JavaPlatform"),
    append("JavaProtocol"), locked("JavaScriptEnabled"), locked("JavaScriptVersion"),
    append("JVMVersion"), locked("Keyboard"), replaced("LinkChar"), locked("MaxPolyphony"),
    replaced("MediaAlternatives"), locked("MexeClassmark"), locked("MexeClassmarks"),
    locked("MexeSecureDomains"), locked("MexeSpec"), locked("MmsApplicAddressingCapable"),
    locked("MmsCcppAccept"), locked("MmsCcppAcceptCharSet"), locked("MmsCcppAcceptEncoding"),
    locked("MmsCcppAcceptLanguage"), locked("MmsCcppStreamingCapable"), locked("MmsCMFBaseSet"),
    locked("MmsContentClass"), locked("MmsDrmClass"), locked("MmsMaxImageResolution"),
    locked("MmsMaxMessageSize"), locked("MmsSmilBaseSet"), locked("MmsSuppressContentAdaptation"),
    locked("MmsVersion"), locked("MmsXHTMLBaseSet"), locked("Model"),
    replaced("MultipleObjectsSameLine"), locked("NumberOfSoftKeys"), locked("NumOfGM1Voices"),
    locked("NumOfMobileDLSVoicesWithOptionalBlocks"),
    locked("NumOfMobileDLSVoicesWithoutOptionalBlocks"), locked("OmaDownload"), locked("OSName"),
    locked("OSVendor"), locked("OSVersion"), append("OutputCharSet"), locked("PipelineCapable"),
    locked("PixelAspectRatio"), locked("PointingResolution"), locked("PreferenceForFrames"),
    append("PssAccept"), locked("PssAccept-Subset"), locked("PSSIntegrity"), locked("PssVersion"),
    replaced("Push-Accept"), replaced("Push-Accept-AppID"), replaced("Push-Accept-Charset"),
    replaced("Push-Accept-Encoding"), replaced("Push-Accept-Language"), replaced("Push-MaxPushReq"),
    replaced("Push-MsgSize"), replaced("Push-SupportedBearers"), replaced("Push-Version"),
    locked("RecipientAppAgent"), locked("RenderingScreenSize"), append("RtpProfiles"),
    locked("RtpRetransmission"), locked("ScreenSize"), locked("ScreenSizeChar"),
    locked("SecuritySupport"), append("SmilAccept"), append("SmilAccept-Subset"),
    locked("SmilBaseSet"), locked("SmilModules"), locked("SoftwareNumber"),
    locked("SoundOutputCapable"), locked("SpeechRecognitionCapable"),
    locked("StandardFontProportional"), append("StreamingAccept"), locked("StreamingAccept-Subset"),
    locked("StreamingOmaDrm"), locked("SupportedBearers"), locked("SupportedBluetoothVersion"),
    locked("SupportedCDMACSD"), locked("SupportedCDMAPACKET"), locked("SupportedGSMCSD"),
    locked("SupportedGSMEDGE"), locked("SupportedGSMGPRS"), locked("SupportedHSDPA"),
    append("SupportedPictogramSet"), locked("SupportedUMTS"), locked("SupportedWiFi"),
    locked("SupportedWiFiVersion"), locked("SupportedWiMax"), locked("SupportedWiMaxVersion"),
    locked("SymbianUserInterface"), locked("SymbianUserInterfaceVersion"), locked("TablesCapable"),
    locked("TextInputCapable"), append("ThreeGPAccept"), locked("ThreeGPAccept-Subset"),
    locked("ThreeGPOmaDrm"), locked("Vendor"), locked("VideoDecodingByteRate"),
    locked("VideoInitialPostDecoderBufferingPeriod"), append("VideoInputEncoder"),
    locked("VideoPreDecoderBufferSize"), locked("VoiceInputCapable"), locked("VoiceXMLCapable"),
    locked("WapDeviceClass"), locked("WapPushMsgPriority"), locked("WapPushMsgSize"),
    locked("WapSupportedApplications"), locked("WapVersion"), locked("WmlDeckSize"),
    locked("WmlScriptLibraries"), append("WmlScriptVersion"), append("WmlVersion"),
    locked("WtaiLibraries"), locked("WtaVersion"), append("XhtmlModules"), locked("XhtmlVersion"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_variants_are_one_attribute() {
        for name in [
            "MmsCcppAccept-Charset",
            "mmsccppacceptcharset",
            "MmsCcppAcceptCharSet",
        ] {
            assert_eq!(definition(name).unwrap().name, "MmsCcppAcceptCharSet");
        }
        assert_eq!(
            definition("CcppAccept").unwrap().resolution,
            Resolution::Append
        );
        assert_eq!(
            definition("BitsPerPixel").unwrap().resolution,
            Resolution::Override
        );
        assert_eq!(definition("NoSuchThing"), None);
    }

    #[test]
    fn every_mms_attribute_is_locked() {
        let mms = ATTRIBUTES.iter().filter(|d| d.name.starts_with("Mms"));
        assert_eq!(mms.clone().count(), 15);
        assert!(mms.into_iter().all(|d| d.resolution == Resolution::Locked));
        assert_eq!(component("MMSCharacteristics"), Some("MmsCharacteristics"));
    }
}
