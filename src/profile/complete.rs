//! Filling the gaps of a device from the class it most likely belongs to.

use super::capabilities::Capabilities;
use super::classes::{Class, SAFE};
use super::error::ProfileError;
use crate::dimensions::Dimensions;

/// Screens at least this large belong to smartphones.
const WVGA: u64 = 480 * 640;
const HD: u64 = 720 * 1280;
const FULL_HD: u64 = 1080 * 1920;

/// Gives every capability a value: what `device` does not tell comes from the class that fits it,
/// then from the class `safe`. Each value keeps or gets its source.
///
/// # Errors
///
/// A damaged class file.
pub fn complete(mut device: Capabilities) -> Result<Capabilities, ProfileError> {
    if device.is_complete() {
        return Ok(device);
    }
    let fitting = fitting_class(&device);
    for id in [fitting, SAFE] {
        if let Some(class) = Class::by_id(id)? {
            class.fill(&mut device);
        }
    }
    Ok(device)
}

/// The class whose phones are most like `device`, judged by its screen, its vendor and what it
/// lists; `safe` where its screen is unknown.
#[must_use]
pub fn fitting_class(device: &Capabilities) -> &'static str {
    let bits = device.bits_per_pixel.as_ref().map(|b| b.value);
    let no_mms = device.accept.is_none()
        && device.max_message_size.is_none()
        && device.max_image.is_none()
        && device.mms_versions.is_none();
    match &device.screen {
        None => SAFE,
        Some(_) if no_mms && bits.is_some_and(|bits| bits <= 2) => "wap-no-mms",
        Some(_) if bits == Some(1) => "mono-wbmp",
        Some(screen) => by_screen(device, screen.value),
    }
}

fn by_screen(device: &Capabilities, screen: Dimensions) -> &'static str {
    let vendor = device
        .vendor
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is = |name: &str| vendor.contains(name);
    let cdma = device.accept.is_some()
        && (device.accepts("audio/qcelp").is_some() || device.accepts("audio/evrc").is_some());
    let within = |width, height| Dimensions::new(width, height).holds(screen);
    let pixels = u64::from(screen.width) * u64::from(screen.height);
    match () {
        () if pixels == 0 => SAFE,
        () if within(101, 80) => "first-colour",
        () if within(128, 128) && is("nokia") => "s40-gen1",
        () if within(128, 128) => "budget",
        () if within(128, 160) => "colour-128x160",
        () if within(132, 176) => "japan-gsm",
        () if within(176, 220) && cdma => "cdma-vzw",
        () if within(176, 220) && is("nokia") => "s60-2nd",
        () if within(176, 220) && is("ericsson") => "java-176x220",
        () if within(176, 220) => "flip-176x220",
        () if pixels < WVGA && (is("motion") || is("blackberry")) => "qwerty-no-video",
        () if pixels < WVGA && is("nokia") => "s60-3rd",
        () if pixels < WVGA && is("ericsson") => "qvga-600k",
        () if pixels < WVGA && is("sharp") => "japan-3g",
        () if pixels < WVGA => "feature-phone",
        () if pixels < HD / 2 => "android-wvga",
        () if pixels <= HD => "smartphone-qhd",
        () if pixels <= FULL_HD => "smartphone-1080p",
        () => "eu-flagship-2015",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Source, Sourced};

    fn phone(vendor: &str, width: u32, height: u32, bits: u8) -> Capabilities {
        Capabilities {
            vendor: Some(vendor.into()),
            screen: Some(Sourced::new(Dimensions::new(width, height), Source::Uaprof)),
            bits_per_pixel: Some(Sourced::new(bits, Source::Uaprof)),
            ..Capabilities::default()
        }
    }

    #[test]
    fn the_class_follows_screen_and_vendor() {
        for (device, class) in [
            (phone("Ericsson", 101, 54, 2), "wap-no-mms"),
            (phone("Nokia", 128, 128, 12), "s40-gen1"),
            (phone("Samsung", 128, 128, 16), "budget"),
            (phone("Sony Ericsson", 220, 176, 18), "java-176x220"),
            (
                phone("Research In Motion Ltd.", 320, 240, 16),
                "qwerty-no-video",
            ),
            (phone("HTC", 480, 800, 16), "android-wvga"),
            (phone("Motorola", 540, 960, 24), "smartphone-qhd"),
            (phone("LG", 1440, 2560, 24), "eu-flagship-2015"),
            (phone("X", 0, 5, 24), "safe"),
            (Capabilities::default(), "safe"),
        ] {
            assert_eq!(fitting_class(&device), class, "{:?}", device.vendor);
        }
    }

    #[test]
    fn what_is_known_stays_and_the_rest_says_where_it_is_from() {
        let mut device = phone("Nokia", 128, 128, 12);
        device.max_message_size = Some(Sourced::new(1, Source::Uaprof));
        let device = complete(device).unwrap();
        assert!(device.is_complete());
        assert_eq!(
            device.max_message_size,
            Some(Sourced::new(1, Source::Uaprof))
        );
        assert_eq!(
            device.accept.unwrap().source,
            Source::Class("s40-gen1".into())
        );
        let unknown = complete(Capabilities::default()).unwrap();
        assert_eq!(unknown.screen.unwrap().source, Source::Class("safe".into()));
    }

    #[test]
    fn one_bit_screens_get_wireless_bitmaps() {
        let mut device = phone("Nokia", 96, 65, 1);
        device.max_message_size = Some(Sourced::new(30_000, Source::Uaprof));
        assert_eq!(fitting_class(&device), "mono-wbmp");
    }
}
