//! Colour profiles: everything becomes sRGB.

use moxcms::{ColorProfile, DataColorSpace, Layout as CmsLayout, TransformOptions};

use crate::media::error::MediaError;
use crate::media::guard::caught;
use crate::media::picture::{Layout, Picture};

/// The way from an embedded profile to sRGB.
pub(super) enum ToSrgb {
    /// Nothing to do: no profile, or one that says sRGB.
    Identity,
    /// Through a transform per layout.
    Profile(Box<ColorProfile>),
}

impl ToSrgb {
    /// Reads an ICC profile. One that is broken or of a colour space the pixels are not in
    /// is ignored, with a warning.
    pub(super) fn read(icc: Option<&[u8]>) -> (Self, Option<String>) {
        let Some(icc) = icc else {
            return (Self::Identity, None);
        };
        let profile = caught("moxcms", || {
            ColorProfile::new_from_slice(icc)
                .map_err(|error| MediaError::unsupported(format!("colour profile: {error}")))
        });
        match profile {
            Ok(profile)
                if matches!(
                    profile.color_space,
                    DataColorSpace::Rgb | DataColorSpace::Gray
                ) =>
            {
                (Self::Profile(Box::new(profile)), None)
            }
            // The decoder has turned CMYK into RGB already.
            Ok(profile) if profile.color_space == DataColorSpace::Cmyk => (Self::Identity, None),
            Ok(profile) => (
                Self::Identity,
                Some(format!(
                    "colour profile of {:?} ignored",
                    profile.color_space
                )),
            ),
            Err(error) => (Self::Identity, Some(format!("{error}, ignored"))),
        }
    }

    /// Whether grey or coloured pictures are changed at all.
    pub(super) fn changes(&self, grey: bool) -> bool {
        let Self::Profile(profile) = self else {
            return false;
        };
        match (profile.color_space, grey) {
            (DataColorSpace::Gray, grey) => grey,
            (DataColorSpace::Rgb, false) => !is_srgb(profile),
            _ => false,
        }
    }

    /// Converts a picture. One whose channels the profile does not describe stays as it is.
    pub(super) fn apply(&self, picture: Picture) -> Result<Picture, MediaError> {
        let Self::Profile(profile) = self else {
            return Ok(picture);
        };
        let layout = match (profile.color_space, picture.layout()) {
            (DataColorSpace::Rgb, Layout::Rgb8) => CmsLayout::Rgb,
            (DataColorSpace::Rgb, Layout::Rgba8) => CmsLayout::Rgba,
            (DataColorSpace::Gray, Layout::Grey8) => CmsLayout::Gray,
            _ => return Ok(picture),
        };
        // A broken profile must not cost the picture.
        Ok(caught("moxcms", || convert(profile, layout, &picture)).unwrap_or(picture))
    }
}

fn convert(
    profile: &ColorProfile,
    layout: CmsLayout,
    picture: &Picture,
) -> Result<Picture, MediaError> {
    let failed = |error| MediaError::unsupported(format!("colour profile: {error}"));
    let srgb = ColorProfile::new_srgb();
    let target = if layout == CmsLayout::Gray {
        CmsLayout::Rgb
    } else {
        layout
    };
    let transform = profile
        .create_transform_8bit(layout, &srgb, target, TransformOptions::default())
        .map_err(failed)?;
    if layout == CmsLayout::Gray {
        let mut curve = vec![0; 256 * 3];
        let greys: Vec<u8> = (0..=255).collect();
        transform.transform(&greys, &mut curve).map_err(failed)?;
        let data = picture
            .data()
            .iter()
            .map(|&grey| curve.get(usize::from(grey) * 3).copied().unwrap_or(grey))
            .collect();
        return Picture::new(picture.size(), Layout::Grey8, data);
    }
    if layout == CmsLayout::Rgb && is_identity(|from, to| transform.transform(from, to).is_ok()) {
        return Ok(picture.clone());
    }
    let mut data = vec![0; picture.data().len()];
    transform
        .transform(picture.data(), &mut data)
        .map_err(failed)?;
    Picture::new(picture.size(), picture.layout(), data)
}

/// Whether a profile is sRGB under any name. A broken one counts as such: it is not used.
fn is_srgb(profile: &ColorProfile) -> bool {
    caught("moxcms", || {
        let failed = |error| MediaError::unsupported(format!("colour profile: {error}"));
        let transform = profile
            .create_transform_8bit(
                CmsLayout::Rgb,
                &ColorProfile::new_srgb(),
                CmsLayout::Rgb,
                TransformOptions::default(),
            )
            .map_err(failed)?;
        Ok(is_identity(|from, to| {
            transform.transform(from, to).is_ok()
        }))
    })
    .unwrap_or(true)
}

/// Whether a transform of RGB moves no colour of a coarse grid by more than rounding does: an
/// sRGB profile under any name.
fn is_identity(transform: impl Fn(&[u8], &mut [u8]) -> bool) -> bool {
    const STEPS: [u8; 6] = [0, 51, 102, 153, 204, 255];
    let mut grid = Vec::new();
    for red in STEPS {
        for green in STEPS {
            for blue in STEPS {
                grid.extend([red, green, blue]);
            }
        }
    }
    let mut moved = vec![0; grid.len()];
    transform(&grid, &mut moved)
        && grid
            .iter()
            .zip(&moved)
            .all(|(before, after)| before.abs_diff(*after) <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;

    fn red(layout: Layout) -> Picture {
        let data = match layout {
            Layout::Grey8 => vec![100],
            Layout::Rgb8 => vec![200, 40, 40],
            Layout::Rgba8 => vec![200, 40, 40, 77],
        };
        Picture::new(Dimensions::new(1, 1), layout, data).unwrap()
    }

    #[test]
    fn display_p3_red_is_redder_in_srgb() {
        let icc = ColorProfile::new_display_p3().encode().unwrap();
        let (to_srgb, warning) = ToSrgb::read(Some(&icc));
        assert_eq!(warning, None);
        let converted = to_srgb.apply(red(Layout::Rgb8)).unwrap();
        let [r, g, _] = converted.data() else {
            panic!()
        };
        assert!(*r > 205 && *g < 40, "{:?}", converted.data());
        let alpha = to_srgb.apply(red(Layout::Rgba8)).unwrap();
        assert_eq!(alpha.data().last(), Some(&77));
    }

    #[test]
    fn srgb_changes_nothing() {
        let icc = ColorProfile::new_srgb().encode().unwrap();
        let (to_srgb, _) = ToSrgb::read(Some(&icc));
        assert_eq!(to_srgb.apply(red(Layout::Rgb8)).unwrap(), red(Layout::Rgb8));
        assert!(!to_srgb.changes(false) && !to_srgb.changes(true));
        let icc = ColorProfile::new_display_p3().encode().unwrap();
        let (wide, _) = ToSrgb::read(Some(&icc));
        assert!(wide.changes(false) && !wide.changes(true));
    }

    #[test]
    fn a_grey_profile_bends_grey() {
        let icc = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let (to_srgb, _) = ToSrgb::read(Some(&icc));
        let lifted = to_srgb.apply(red(Layout::Grey8)).unwrap();
        assert!(lifted.data()[0] > 140, "{:?}", lifted.data());
        assert_eq!(to_srgb.apply(red(Layout::Rgb8)).unwrap(), red(Layout::Rgb8));
    }

    #[test]
    fn a_broken_profile_is_a_warning() {
        let (to_srgb, warning) = ToSrgb::read(Some(b"not a profile"));
        assert!(warning.is_some());
        assert_eq!(to_srgb.apply(red(Layout::Rgb8)).unwrap(), red(Layout::Rgb8));
    }
}
