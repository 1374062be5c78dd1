//! The assigned numbers of WAP-230-WSP appendix A and the registry that follows it.

/// The media type with a well-known code.
#[must_use]
pub fn media_name(code: u64) -> Option<&'static str> {
    let index = usize::try_from(code).ok()?;
    match MEDIA.get(index) {
        Some(name) => Some(*name).filter(|name| !name.is_empty()),
        None => REGISTERED
            .iter()
            .find(|(registered, _)| *registered == code)
            .map(|(_, name)| *name),
    }
}

/// The one-octet code (without the top bit) of a media type, without regard to case.
///
/// Types whose number came later, or whose number has had two meanings, are left out: they are
/// written as text, which every reader knows.
#[must_use]
pub fn media_code(media: &str) -> Option<u8> {
    let found = MEDIA
        .iter()
        .position(|name| name.eq_ignore_ascii_case(media))?;
    u8::try_from(found).ok().filter(|code| {
        let ambiguous = matches!(code, 0x0A | 0x0E | 0x16);
        !media.is_empty() && *code <= NEWEST_KNOWN_TO_OLD_READERS && !ambiguous
    })
}

/// The name of a WSP header, for a code without its top bit.
#[must_use]
pub fn header_name(code: u8) -> Option<&'static str> {
    HEADERS.get(usize::from(code)).copied()
}

/// The code (without the top bit) of a WSP header in its oldest form, without regard to case.
#[must_use]
pub fn header_code(name: &str) -> Option<u8> {
    let found = HEADERS.iter().position(|h| h.eq_ignore_ascii_case(name))?;
    u8::try_from(found).ok()
}

/// `application/vnd.oma.dd2+xml`: what lies beyond was assigned when few new readers were made.
const NEWEST_KNOWN_TO_OLD_READERS: u8 = 0x51;

/// Media types by code. An empty name is a code without a meaning.
const MEDIA: [&str; 0x5B] = [
    "*/*",
    "text/*",
    "text/html",
    "text/plain",
    "text/x-hdml",
    "text/x-ttml",
    "text/x-vCalendar",
    "text/x-vCard",
    "text/vnd.wap.wml",
    "text/vnd.wap.wmlscript",
    "text/vnd.wap.wta-event",
    "multipart/*",
    "multipart/mixed",
    "multipart/form-data",
    "multipart/byteranges",
    "multipart/alternative",
    "application/*",
    "application/java-vm",
    "application/x-www-form-urlencoded",
    "application/x-hdmlc",
    "application/vnd.wap.wmlc",
    "application/vnd.wap.wmlscriptc",
    "application/vnd.wap.wta-eventc",
    "application/vnd.wap.uaprof",
    "application/vnd.wap.wtls-ca-certificate",
    "application/vnd.wap.wtls-user-certificate",
    "application/x-x509-ca-cert",
    "application/x-x509-user-cert",
    "image/*",
    "image/gif",
    "image/jpeg",
    "image/tiff",
    "image/png",
    "image/vnd.wap.wbmp",
    "application/vnd.wap.multipart.*",
    "application/vnd.wap.multipart.mixed",
    "application/vnd.wap.multipart.form-data",
    "application/vnd.wap.multipart.byteranges",
    "application/vnd.wap.multipart.alternative",
    "application/xml",
    "text/xml",
    "application/vnd.wap.wbxml",
    "application/x-x968-cross-cert",
    "application/x-x968-ca-cert",
    "application/x-x968-user-cert",
    "text/vnd.wap.si",
    "application/vnd.wap.sic",
    "text/vnd.wap.sl",
    "application/vnd.wap.slc",
    "text/vnd.wap.co",
    "application/vnd.wap.coc",
    "application/vnd.wap.multipart.related",
    "application/vnd.wap.sia",
    "text/vnd.wap.connectivity-xml",
    "application/vnd.wap.connectivity-wbxml",
    "application/pkcs7-mime",
    "application/vnd.wap.hashed-certificate",
    "application/vnd.wap.signed-certificate",
    "application/vnd.wap.cert-response",
    "application/xhtml+xml",
    "application/wml+xml",
    "text/css",
    "application/vnd.wap.mms-message",
    "application/vnd.wap.rollover-certificate",
    "application/vnd.wap.locc+wbxml",
    "application/vnd.wap.loc+xml",
    "application/vnd.syncml.dm+wbxml",
    "application/vnd.syncml.dm+xml",
    "application/vnd.syncml.notification",
    "application/vnd.wap.xhtml+xml",
    "application/vnd.wv.csp.cir",
    "application/vnd.oma.dd+xml",
    "application/vnd.oma.drm.message",
    "application/vnd.oma.drm.content",
    "application/vnd.oma.drm.rights+xml",
    "application/vnd.oma.drm.rights+wbxml",
    "application/vnd.wv.csp+xml",
    "application/vnd.wv.csp+wbxml",
    "application/vnd.syncml.ds.notification",
    "audio/*",
    "video/*",
    "application/vnd.oma.dd2+xml",
    "application/mikey",
    "application/vnd.oma.dcd",
    "application/vnd.oma.dcdc",
    "text/x-vMessage",
    "application/vnd.omads-email+wbxml",
    "text/x-vBookmark",
    "application/vnd.syncml.dm.notification",
    "",
    "application/octet-stream",
];

/// Media types with a code that takes two octets.
const REGISTERED: [(u64, &str); 18] = [
    (0x0201, "application/vnd.uplanet.cacheop-wbxml"),
    (0x0202, "application/vnd.uplanet.signal"),
    (0x0203, "application/vnd.uplanet.alert-wbxml"),
    (0x0204, "application/vnd.uplanet.list-wbxml"),
    (0x0205, "application/vnd.uplanet.listcmd-wbxml"),
    (0x0206, "application/vnd.uplanet.channel-wbxml"),
    (0x0207, "application/vnd.uplanet.provisioning-status-uri"),
    (0x0208, "x-wap.multipart/vnd.uplanet.header-set"),
    (0x0209, "application/vnd.uplanet.bearer-choice-wbxml"),
    (0x020A, "application/vnd.phonecom.mmc-wbxml"),
    (0x020B, "application/vnd.nokia.syncset+wbxml"),
    (0x020C, "image/x-up-wpng"),
    (0x0303, "application/vnd.syncml+wbxml"),
    (0x0305, "text/calendar"),
    (0x0306, "application/vnd.omads-email+xml"),
    (0x0307, "application/vnd.omads-file+xml"),
    (0x0308, "application/vnd.omads-folder+xml"),
    (0x030A, "application/vnd.wap.emn+wbxml"),
];

/// WSP headers by code. A repeated name is a newer coding of the same header.
const HEADERS: [&str; 0x4A] = [
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Accept-Ranges",
    "Age",
    "Allow",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Base",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Location",
    "Content-MD5",
    "Content-Range",
    "Content-Type",
    "Date",
    "Etag",
    "Expires",
    "From",
    "Host",
    "If-Modified-Since",
    "If-Match",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Location",
    "Last-Modified",
    "Max-Forwards",
    "Pragma",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Public",
    "Range",
    "Referer",
    "Retry-After",
    "Server",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "Vary",
    "Via",
    "Warning",
    "WWW-Authenticate",
    "Content-Disposition",
    "X-Wap-Application-Id",
    "X-Wap-Content-URI",
    "X-Wap-Initiator-URI",
    "Accept-Application",
    "Bearer-Indication",
    "Push-Flag",
    "Profile",
    "Profile-Diff",
    "Profile-Warning",
    "Expect",
    "TE",
    "Trailer",
    "Accept-Charset",
    "Accept-Encoding",
    "Cache-Control",
    "Content-Range",
    "X-WAP-Tod",
    "Content-ID",
    "Set-Cookie",
    "Cookie",
    "Encoding-Version",
    "Profile-Warning",
    "Content-Disposition",
    "X-WAP-Security",
    "Cache-Control",
    "X-Wap-Loc-Invocation",
    "X-Wap-Loc-Delivery",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_phones_use_are_where_they_belong() {
        for (code, name) in [
            (0x03, "text/plain"),
            (0x06, "text/x-vCalendar"),
            (0x1D, "image/gif"),
            (0x1E, "image/jpeg"),
            (0x20, "image/png"),
            (0x21, "image/vnd.wap.wbmp"),
            (0x23, "application/vnd.wap.multipart.mixed"),
            (0x26, "application/vnd.wap.multipart.alternative"),
            (0x33, "application/vnd.wap.multipart.related"),
            (0x3E, "application/vnd.wap.mms-message"),
            (0x48, "application/vnd.oma.drm.message"),
        ] {
            assert_eq!(media_name(u64::from(code)), Some(name));
            assert_eq!(media_code(&name.to_uppercase()), Some(code));
        }
    }

    #[test]
    fn types_without_a_code_go_as_text() {
        for media in [
            "application/smil",
            "audio/amr",
            "video/3gpp",
            "text/calendar",
            "",
        ] {
            assert_eq!(media_code(media), None, "{media}");
        }
        assert_eq!(media_name(0x0305), Some("text/calendar"));
        assert_eq!(media_name(0x59), None);
        assert_eq!(media_name(0x5B), None);
        assert_eq!(media_name(u64::MAX), None);
    }

    #[test]
    fn header_codes_are_the_oldest_of_their_name() {
        assert_eq!(header_name(0x2F), Some("X-Wap-Application-Id"));
        assert_eq!(header_name(0x40), Some("Content-ID"));
        assert_eq!(header_code("content-disposition"), Some(0x2E));
        assert_eq!(header_name(0x45), Some("Content-Disposition"));
        assert_eq!(header_name(0x4A), None);
    }
}
