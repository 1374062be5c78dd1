//! The plugins of `plugins/`, by the word of independent programs.

use std::path::Path;

use remold::limits::PluginLimits;
use remold::plugin::{Subject, check};

use super::{Folder, built, host, load, qoi};
use crate::support::{fixture, remold, tool};

fn run(args: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
    let output = remold()
        .args(args.iter().map(|arg| arg.as_ref()))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr, "");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The pixels of a picture as ffmpeg reads them.
fn pixels(path: &Path) -> Option<Vec<u8>> {
    let output = tool("ffmpeg")?
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "rawvideo", "-pix_fmt", "rgba", "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output.stdout)
}

#[test]
fn qoi_is_read_as_ffmpeg_reads_it() {
    let (Some(component), Some(mut ffmpeg)) = (built("qoi"), tool("ffmpeg")) else {
        return;
    };
    let folder = Folder::new("qoi").with(&component, "");
    let (source, made) = (folder.path("in.qoi"), folder.path("out.png"));
    // Gradients, noise, flat areas and transparency: every kind of chunk.
    let filter = "nullsrc=s=321x123,geq=r='X':g='if(gt(Y,60),Y,random(1)*255)':b='128':\
                  a='if(gt(X,200),X-100,255)',format=rgba";
    let status = ffmpeg
        .args(["-v", "error", "-f", "lavfi", "-i", filter, "-frames:v", "1"])
        .arg(&source)
        .status()
        .unwrap();
    if !status.success() {
        println!("skipped: this ffmpeg writes no QOI");
        return;
    }
    run(&[
        &"media",
        &"convert",
        &source,
        &"-o",
        &made,
        &"--plugins",
        &folder.0,
    ]);
    assert!(pixels(&source) == pixels(&made), "the pixels differ");
}

#[test]
fn qoi_in_a_message_becomes_what_the_phone_takes() {
    let Some(component) = built("qoi") else {
        return;
    };
    let folder = Folder::new("adapt").with(&component, "");
    let (source, made) = (folder.path("in.qoi"), folder.path("out.jpg"));
    std::fs::write(&source, qoi(300, 200, |x, y| [x as u8, y as u8, 90, 255])).unwrap();
    let args: [&dyn AsRef<std::ffi::OsStr>; 9] = [
        &"adapt",
        &source,
        &"-o",
        &made,
        &"--max-image",
        &"160x120",
        &"--plugins",
        &folder.0,
        &"--max-size=20000",
    ];
    run(&args);
    let info = run(&[&"media", &"probe", &made]);
    assert!(info.contains("160x107") && info.contains("jpeg"), "{info}");
    let explained = run(&[
        &"explain",
        &source,
        &"--max-image",
        &"160x120",
        &"--plugins",
        &folder.0,
    ]);
    assert!(explained.contains("image/qoi 300x200"), "{explained}");
}

#[test]
fn without_its_plugin_the_format_is_unknown() {
    let folder = Folder::new("none");
    let source = folder.path("in.qoi");
    std::fs::write(&source, qoi(3, 2, |_, _| [1, 2, 3, 255])).unwrap();
    let output = remold()
        .args(["media", "convert"])
        .arg(&source)
        .arg("-o")
        .arg(folder.path("out.png"))
        .output()
        .unwrap();
    assert!(!output.status.success());
}

#[test]
fn an_ota_bitmap_is_what_imagemagick_says_it_is() {
    let (Some(component), Some(mut convert)) = (built("ota-bitmap"), tool("convert")) else {
        return;
    };
    let folder = Folder::new("ota").with(&component, "[options]\ndither = false");
    let (source, made) = (folder.path("in.pgm"), folder.path("out.otb"));
    // 70 pixels a row: the last octet of each is not full.
    let mut grey = b"P5\n70 28\n255\n".to_vec();
    grey.extend((0..70 * 28).map(|at: u32| if at % 7 < 3 { 10 } else { 240 }));
    std::fs::write(&source, &grey).unwrap();
    let png = folder.path("in.png");
    assert!(convert.arg(&source).arg(&png).status().unwrap().success());
    run(&[
        &"media",
        &"convert",
        &png,
        &"-o",
        &made,
        &"--plugins",
        &folder.0,
    ]);
    let file = std::fs::read(&made).unwrap();
    assert_eq!((&file[..4], file.len()), (&[0, 70, 28, 1][..], 4 + 9 * 28));
    let as_grey = |path: &Path| {
        let output = tool("convert")
            .expect("it ran before")
            .arg(path)
            .args(["-threshold", "50%", "-depth", "8", "gray:-"])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    assert!(as_grey(&png) == as_grey(&made), "the pixels differ");
}

#[test]
fn a_phone_that_takes_nothing_else_gets_an_ota_bitmap() {
    let Some(component) = built("ota-bitmap") else {
        return;
    };
    let folder = Folder::new("ota-adapt").with(&component, "");
    let made = folder.path("parts");
    let uaprof = folder.path("phone.xml");
    std::fs::write(&uaprof, UAPROF).unwrap();
    run(&[
        &"adapt",
        &fixture("greeting.mms"),
        &"-o",
        &made,
        &"--to",
        &"parts",
        &"--uaprof",
        &uaprof,
        &"--plugins",
        &folder.0,
    ]);
    let names = std::fs::read_dir(&made).unwrap();
    let names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let bitmap = names.iter().find(|name| name.ends_with(".otb"));
    let bitmap = bitmap.unwrap_or_else(|| panic!("{names:?}"));
    let file = std::fs::read(made.join(bitmap)).unwrap();
    assert_eq!(file[..4], [0, 72, 54, 1], "{names:?}");
}

/// A phone that shows OTA bitmaps and no other picture.
const UAPROF: &str = r#"<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:prf="http://www.openmobilealliance.org/tech/profiles/UAPROF/ccppschema-20021212#"
 xmlns:mms="http://www.wapforum.org/profiles/MMS/ccppschema-20010111#">
<rdf:Description rdf:ID="Profile"><prf:component><rdf:Description rdf:ID="MmsCharacteristics">
<rdf:type rdf:resource="http://www.wapforum.org/profiles/MMS/ccppschema-20010111#MmsCharacteristics"/>
<mms:MmsMaxMessageSize>30000</mms:MmsMaxMessageSize>
<mms:MmsMaxImageResolution>72x72</mms:MmsMaxImageResolution>
<mms:MmsCcppAccept><rdf:Bag><rdf:li>text/plain</rdf:li><rdf:li>application/smil</rdf:li>
<rdf:li>image/vnd.nokia.ota-bitmap</rdf:li></rdf:Bag></mms:MmsCcppAccept>
<mms:MmsCcppAcceptCharSet><rdf:Bag><rdf:li>UTF-8</rdf:li></rdf:Bag></mms:MmsCcppAcceptCharSet>
<mms:MmsVersion><rdf:Bag><rdf:li>1.0</rdf:li></rdf:Bag></mms:MmsVersion>
</rdf:Description></prf:component></rdf:Description></rdf:RDF>"#;

#[test]
fn every_plugin_of_ours_passes_its_own_check() {
    let host = host(PluginLimits {
        fuel: Some(u64::MAX / 2),
        ..PluginLimits::default()
    });
    let sample = remold::plugin::Sample {
        name: "a.qoi".to_owned(),
        data: qoi(50, 40, |x, y| [x as u8, y as u8, 3, 255]).into(),
    };
    for (name, samples) in [("qoi", vec![sample]), ("ota-bitmap", vec![])] {
        let Some(component) = built(name) else {
            return;
        };
        let plugin = load(&host, &component, "");
        assert_eq!(plugin.name(), name);
        let found = check(&plugin, &samples);
        assert!(found.passed(), "{name}: {:#?}", found.findings);
    }
}

/// A component that was recorded when this version of the contract was released. It has to load for
/// as long as the version is spoken.
#[test]
fn a_plugin_of_every_released_version_loads() {
    const RELEASED: &[&str] = &["0.1.0"];
    for version in RELEASED {
        let path = fixture(&format!("plugin-{version}.wasm"));
        let plugin = load(&host(PluginLimits::default()), &path, "");
        let Subject::Format(format) = plugin.about().capabilities[0].subject else {
            panic!("{version}: no picture");
        };
        assert_eq!(format.name(), "qoi", "{version}");
        assert!(
            check(
                &plugin,
                &[remold::plugin::Sample {
                    name: "a".to_owned(),
                    data: qoi(9, 7, |x, y| [x as u8, y as u8, 3, 255]).into(),
                }]
            )
            .passed()
        );
    }
}

/// The samples of a sound as ffmpeg reads them.
fn samples(path: &Path) -> Option<Vec<f64>> {
    let output = tool("ffmpeg")?
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "s16le", "-"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (pairs, _) = output.stdout.as_chunks::<2>();
    Some(
        pairs
            .iter()
            .map(|pair| f64::from(i16::from_le_bytes(*pair)))
            .collect(),
    )
}

#[test]
fn ima_adpcm_sounds_as_ffmpeg_hears_it() {
    let (Some(component), Some(_)) = (built("ima-adpcm"), tool("ffmpeg")) else {
        return;
    };
    for channels in ["1", "2"] {
        let folder = Folder::new(&format!("adpcm-{channels}")).with(&component, "priority = 200");
        let (source, made) = (folder.path("in.wav"), folder.path("out.wav"));
        let status = tool("ffmpeg")
            .expect("it is here")
            .args([
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                "sine=frequency=440:duration=1.5",
            ])
            .args(["-ar", "16000", "-ac", channels, "-c:a", "adpcm_ima_wav"])
            .arg(&source)
            .status()
            .unwrap();
        assert!(status.success());
        run(&[
            &"media",
            &"convert",
            &source,
            &"-o",
            &made,
            &"--disable",
            &"adpcm-decoder",
            &"--plugins",
            &folder.0,
        ]);
        let (want, have) = (samples(&source).unwrap(), samples(&made).unwrap());
        assert!(
            want.len().abs_diff(have.len()) <= 2_100,
            "{} {}",
            want.len(),
            have.len()
        );
        // The way steps are rounded differs between decoders; the level may be set anew.
        let power = |s: &[f64]| s.iter().map(|v| v * v).sum::<f64>().sqrt();
        let product: f64 = want.iter().zip(&have).map(|(a, b)| a * b).sum();
        let likeness = product / (power(&want) * power(&have));
        assert!(likeness > 0.999, "{channels}: {likeness}");
    }
}
