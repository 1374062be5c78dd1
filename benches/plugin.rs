//! What the sandbox costs: the start of a job, a call, octets in, a whole picture against the same
//! code outside of the sandbox, how late a plugin is stopped, and codecs in C against the same source built
//! for this machine.
//!
//! `cargo bench --bench plugin`. It builds the plugins it needs, as the tests do.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench stops where something is wrong"
)]

#[cfg(not(feature = "plugins"))]
fn main() {
    println!("plugins are not compiled in");
}

#[cfg(feature = "plugins")]
fn main() {
    sandbox::measure();
}

#[cfg(feature = "plugins")]
#[path = "../plugins/qoi/src/chunks.rs"]
mod chunks;

/// Codecs in C in the sandbox, against the same source built for this machine and against our own.
#[cfg(feature = "plugins")]
mod tracks {
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use bytes::Bytes;
    use remold::Limits;
    use remold::dimensions::Dimensions;
    use remold::media::codec::{AudioFormat, RateTarget, Stage, VideoFormat};
    use remold::media::picture::{Chroma, Matrix, Packet, VideoFrame};
    use remold::media::{Cancel, Codec, PcmBlock, Planes, Registry};
    use remold::plugin::{Host, Manifest, NoCache};

    const ROUNDS: usize = 7;
    const SIZE: (u32, u32) = (352, 288);
    const FRAMES: u64 = 90;

    pub(super) fn measure(host: &Host) {
        amr(host);
        h264(host);
    }

    fn built(name: &str, native: bool) -> Option<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
        let mut command = Command::new(folder.join(name).join("build"));
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        command.env("CARGO_TARGET_DIR", target);
        if native {
            command.arg("--native");
        }
        let output = command.output().ok()?;
        if !output.status.success() {
            println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.lines().last().map(PathBuf::from)
    }

    fn registry(host: &Host, component: &Path) -> Registry {
        let octets = std::fs::read(component).expect("a component");
        let plugin = host.load(&octets, &Manifest::default(), &NoCache);
        let mut registry = Registry::empty();
        plugin.expect("loads").register(&mut registry);
        registry
    }

    /// What the library makes, and its least time in seconds.
    fn native(command: &Path, args: &[&str], given: &[u8]) -> (Vec<u8>, f64) {
        let mut child = Command::new(command)
            .args(args)
            .arg(ROUNDS.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        let mut stdin = child.stdin.take().expect("piped");
        let given = given.to_vec();
        let feeding = std::thread::spawn(move || stdin.write_all(&given));
        let output = child.wait_with_output().expect("ends");
        feeding.join().expect("feeds").expect("takes all");
        let said = String::from_utf8_lossy(&output.stderr);
        (output.stdout, said.trim().parse().expect("seconds"))
    }

    /// What a stage makes, and its least time in seconds.
    fn least<In: Clone, Out>(
        open: impl Fn() -> Box<dyn Stage<In, Out>>,
        given: &[In],
    ) -> (Vec<Out>, f64) {
        let mut least = f64::MAX;
        let mut made = Vec::new();
        for _ in 0..ROUNDS {
            let given = given.to_vec();
            made = Vec::new();
            let begun = Instant::now();
            let mut stage = open();
            for one in given {
                stage.push(one).expect("goes in");
                while let Some(some) = stage.pull().expect("comes out") {
                    made.push(some);
                }
            }
            stage.finish().expect("ends");
            while let Some(some) = stage.pull().expect("comes out") {
                made.push(some);
            }
            least = least.min(begun.elapsed().as_secs_f64());
        }
        (made, least)
    }

    fn row(what: &str, (inside, outside, own): (f64, f64, f64), same: bool) {
        println!(
            "{what:<20} sandbox {:>7.1} ms, native {:>7.1} ms, {:.2} x; built in {:>7.1} ms; {}",
            inside * 1e3,
            outside * 1e3,
            inside / outside,
            own * 1e3,
            if same {
                "the same octets"
            } else {
                "OTHER OCTETS"
            }
        );
    }

    fn amr(host: &Host) {
        let (Some(component), Some(library)) = (built("amr-nb", false), built("amr-nb", true))
        else {
            return;
        };
        let (registry, own) = (registry(host, &component), Registry::builtin());
        let format = AudioFormat {
            codec: Codec::AmrNb,
            sample_rate: 8_000,
            channels: 1,
            config: Bytes::new(),
        };
        let target = RateTarget {
            bit_rate: Some(12_200),
            ..RateTarget::default()
        };
        let mut noise = 1_u32;
        let samples: Vec<i16> = (0..8_000 * 12)
            .map(|at: i32| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let tone = f64::from(at) / 8_000.0;
                let wave = (tone * 1_400.0).sin() * (0.6 + 0.4 * (tone * 9.0).sin()) * 9_000.0;
                #[allow(clippy::cast_possible_truncation, reason = "within 16 bits")]
                let wave = wave as i16;
                wave + i16::try_from(noise >> 22).expect("ten bits")
            })
            .collect();
        let octets: Vec<u8> = samples.iter().flat_map(|s| s.to_ne_bytes()).collect();
        let block = [PcmBlock {
            sample_rate: 8_000,
            channels: 1,
            samples,
            timestamp_us: 0,
        }];
        let (limits, cancel) = (Limits::default(), Cancel::new());
        let encode = |registry: &Registry| {
            let codec = registry.audio_encoder(Codec::AmrNb).expect("there");
            least(
                || codec.open(&format, &target, &cancel).expect("opens"),
                &block,
            )
        };
        let (packets, inside) = encode(&registry);
        let (frames, outside) = native(&library, &["encode", "7"], &octets);
        let made: Vec<u8> = packets.iter().flat_map(|p| p.data.to_vec()).collect();
        row(
            "AMR 12.2 encode, 12 s",
            (inside, outside, encode(&own).1),
            made == frames,
        );
        let decode = |registry: &Registry| {
            let codec = registry.audio_decoder(Codec::AmrNb).expect("there");
            least(
                || codec.open(&format, &limits, &cancel).expect("opens"),
                &packets,
            )
        };
        let (blocks, inside) = decode(&registry);
        let (heard, outside) = native(&library, &["decode"], &frames);
        let samples = blocks.iter().flat_map(|block| &block.samples);
        let made: Vec<u8> = samples.flat_map(|s| s.to_ne_bytes()).collect();
        row(
            "AMR 12.2 decode, 12 s",
            (inside, outside, decode(&own).1),
            made == heard,
        );
    }

    fn frame(at: u64) -> VideoFrame {
        let (width, height) = SIZE;
        let level = |value: u64| u8::try_from(value & 0xFF).expect("an octet") / 2 + 60;
        let mut noise = 7_u64;
        let y = (0..u64::from(height)).flat_map(|y| (0..u64::from(width)).map(move |x| (x, y)));
        let y = y.map(|(x, y)| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let block = (x + at * 2) / 24 + (y + at) / 16;
            level(block * 37 + x / 3 + (noise >> 61))
        });
        let chroma = usize::try_from(width * height / 4).expect("small");
        VideoFrame {
            planes: Planes {
                size: Dimensions::new(width, height),
                chroma: Chroma::Half,
                full_range: false,
                matrix: Matrix::Bt601,
                y: y.collect(),
                cb: vec![100; chroma],
                cr: vec![140; chroma],
            },
            timestamp_us: at * 1_000_000 / 15,
        }
    }

    fn h264(host: &Host) {
        let (Some(component), Some(library)) = (built("openh264", false), built("openh264", true))
        else {
            return;
        };
        let (registry, own) = (registry(host, &component), Registry::builtin());
        let frames: Vec<VideoFrame> = (0..FRAMES).map(frame).collect();
        let film: Vec<u8> = frames
            .iter()
            .flat_map(|f| [&f.planes.y[..], &f.planes.cb, &f.planes.cr].concat())
            .collect();
        let format = |config: &'static [u8]| VideoFormat {
            codec: Codec::H264,
            size: Dimensions::new(SIZE.0, SIZE.1),
            millihertz: Some(15_000),
            config: Bytes::from_static(config),
        };
        let target = RateTarget {
            bit_rate: Some(384_000),
            ..RateTarget::default()
        };
        let (limits, cancel) = (Limits::default(), Cancel::new());
        let encode = |registry: &Registry| {
            let codec = registry.video_encoder(Codec::H264).expect("there");
            let format = format(&[13]);
            least(
                || codec.open(&format, &target, &cancel).expect("opens"),
                &frames,
            )
        };
        let (packets, inside) = encode(&registry);
        let how = ["encode", "352", "288", "15000", "384000", "13"];
        let (units, outside) = native(&library, &how, &film);
        let made: Vec<u8> = packets
            .iter()
            .flat_map(|packet| {
                let length = u32::try_from(packet.data.len())
                    .expect("small")
                    .to_ne_bytes();
                [&length[..], &packet.data[..]].concat()
            })
            .collect();
        row(
            "H.264 CIF encode",
            (inside, outside, encode(&own).1),
            made == units,
        );
        let decode = |registry: &Registry| {
            let codec = registry.video_decoder(Codec::H264).expect("there");
            let format = format(&[]);
            let packets: Vec<Packet> = packets.clone();
            least(
                || codec.open(&format, &limits, &cancel).expect("opens"),
                &packets,
            )
        };
        let (pictures, inside) = decode(&registry);
        let (planes, outside) = native(&library, &["decode"], &units);
        let made: Vec<u8> = pictures
            .iter()
            .flat_map(|f| [&f.planes.y[..], &f.planes.cb, &f.planes.cr].concat())
            .collect();
        row(
            "H.264 CIF decode",
            (inside, outside, decode(&own).1),
            made == planes,
        );
    }
}

#[cfg(feature = "plugins")]
mod sandbox {
    use std::hint::black_box;
    use std::path::{Path, PathBuf};
    use std::process::Command;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use remold::Limits;
    use remold::limits::PluginLimits;
    use remold::media::codec::DecodeOptions;
    use remold::media::image::Source;
    use remold::media::{Cancel, Registry, guard, mime};
    use remold::plugin::{Host, Manifest, NoCache, Plugin};

    pub(super) fn measure() {
        let (Some(qoi), Some(hostile)) = (built("qoi"), built("hostile")) else {
            return;
        };
        let host = host(10_000);
        let begun = Instant::now();
        let plugin = load(&host, &qoi);
        println!(
            "load without a cache       {:>10.1} ms",
            ms(begun.elapsed())
        );
        let (least, median) = times(2_000, || plugin.start_and_end().expect("starts"));
        row("start and first call", least, median);
        octets_in(&host, &hostile);
        calls(&host, &hostile);
        picture(&plugin);
        late(&hostile);
        super::tracks::measure(&host);
    }

    /// A file of 1 MiB given to a plugin that looks at its first octets, against an empty one and
    /// against a copy of as many octets.
    fn octets_in(host: &Host, hostile: &Path) {
        let plugin = load(host, hostile);
        let mut registry = Registry::empty();
        plugin.register(&mut registry);
        let open = |data: &Bytes| {
            let format = mime::format_of_name("evil").expect("named");
            let options = DecodeOptions {
                format,
                animation: false,
                at_least: None,
                limits: Limits::default(),
                cancel: Cancel::new(),
            };
            let decoder = registry.image_decoder(format).expect("registered");
            let image = guard::open_image(decoder.as_ref(), data, &options);
            image.map(|image| image.header().size).expect("opens")
        };
        let small = Bytes::from_static(b"EVILgood.");
        let mut large = small.to_vec();
        large.resize(1 << 20, 7);
        let copied = large.clone();
        let large = Bytes::from(large);
        let (none, none_median) = times(500, || open(&small));
        row("open 9 octets", none, none_median);
        let (full, full_median) = times(500, || open(&large));
        row("open 1 MiB", full, full_median);
        let mut target = vec![0_u8; copied.len()];
        let (copy, copy_median) = times(500, || {
            target.copy_from_slice(black_box(&copied));
            black_box(target.as_mut_ptr())
        });
        row("memcpy of 1 MiB", copy, copy_median);
        let ratio = (ms(full) - ms(none)) / ms(copy);
        println!("1 MiB in                   {ratio:>10.2} x memcpy");
    }

    /// One call of a stream that gives 256 octets each time.
    fn calls(host: &Host, hostile: &Path) {
        const FRAMES: u32 = 900;
        let plugin = load(host, hostile);
        let mut registry = Registry::empty();
        plugin.register(&mut registry);
        let format = mime::format_of_name("evil").expect("named");
        let options = DecodeOptions {
            format,
            animation: true,
            at_least: None,
            limits: Limits::default(),
            cancel: Cancel::new(),
        };
        let decoder = registry.image_decoder(format).expect("registered");
        let data = Bytes::from_static(b"EVILendless-frames.");
        let each = (0..200).map(|_| {
            let mut image = decoder.open(&data, &options).expect("opens");
            let begun = Instant::now();
            for _ in 0..FRAMES {
                black_box(image.next_frame().expect("a frame"));
            }
            begun.elapsed() / FRAMES
        });
        let each = sorted(each.collect());
        println!(
            "a call that gives 256 octets {:>8} ns least, {} ns median",
            each[0].as_nanos(),
            each[100].as_nanos()
        );
    }

    /// A picture of 1024x768, by the plugin and by the same code built into this bench.
    fn picture(plugin: &Plugin) {
        let mut registry = Registry::empty();
        plugin.register(&mut registry);
        let file = Bytes::from(qoi(1024, 768));
        let format = mime::format_of_name("qoi").expect("named");
        let options = DecodeOptions {
            format,
            animation: false,
            at_least: None,
            limits: Limits::default(),
            cancel: Cancel::new(),
        };
        let decoder = registry.image_decoder(format).expect("registered");
        let sandboxed = || {
            let mut image = guard::open_image(decoder.as_ref(), &file, &options).expect("opens");
            image
                .next_frame()
                .expect("decodes")
                .expect("a frame")
                .picture
        };
        let native = || native::pixels(&file[14..], 1024 * 768).expect("decodes");
        assert!(sandboxed().into_data() == native(), "the pixels differ");
        // One after the other, so that both see the same machine.
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            let begun = Instant::now();
            black_box(native());
            outside.push(begun.elapsed());
            let begun = Instant::now();
            black_box(sandboxed());
            inside.push(begun.elapsed());
        }
        let (inside, outside) = (sorted(inside), sorted(outside));
        row("QOI 1024x768 native", outside[0], outside[30]);
        row("QOI 1024x768 in the sandbox", inside[0], inside[30]);
        println!(
            "in the sandbox             {:>10.2} x native (median {:.2} x)",
            ms(inside[0]) / ms(outside[0]),
            ms(inside[30]) / ms(outside[30])
        );
    }

    /// How long after its deadline an endless loop is stopped.
    fn late(hostile: &Path) {
        let host = host(50);
        let plugin = load(&host, hostile);
        let mut registry = Registry::empty();
        plugin.register(&mut registry);
        let format = mime::format_of_name("evil").expect("named");
        let data = Bytes::from_static(b"EVILloop.");
        let mut late: Vec<Duration> = (0..40)
            .map(|_| {
                let begun = Instant::now();
                let (limits, cancel) = (Limits::default(), Cancel::new());
                let outcome = Source::open(&data, format, &registry, &limits, &cancel, None);
                assert!(outcome.is_err(), "it ends");
                begun.elapsed().saturating_sub(Duration::from_millis(50))
            })
            .collect();
        late.sort_unstable();
        let most = late[late.len() - 1];
        println!(
            "stopped after the deadline {:>10.2} ms (median {:.2} ms), of 40 the latest",
            ms(most),
            ms(late[20])
        );
    }

    fn host(job_ms: u64) -> Host {
        let start = Instant::now();
        let limits = PluginLimits {
            job_ms,
            failures: u32::MAX,
            ..PluginLimits::default()
        };
        Host::new(limits, Arc::new(move || start.elapsed())).expect("a sandbox")
    }

    fn load(host: &Host, component: &Path) -> Plugin {
        let octets = std::fs::read(component).expect("a component");
        host.load(&octets, &Manifest::default(), &NoCache)
            .expect("loads")
    }

    fn built(name: &str) -> Option<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("plugins")
            .join(name);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        let output = Command::new("cargo")
            .args(["build", "--release"])
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", &target)
            .output()
            .ok()?;
        if !output.status.success() {
            println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        let file = format!(
            "wasm32-unknown-unknown/release/{}.wasm",
            name.replace('-', "_")
        );
        Some(target.join(file))
    }

    fn times<T>(rounds: usize, mut run: impl FnMut() -> T) -> (Duration, Duration) {
        let taken = (0..rounds).map(|_| {
            let begun = Instant::now();
            black_box(run());
            begun.elapsed()
        });
        let taken = sorted(taken.collect());
        (taken[0], taken[rounds / 2])
    }

    fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
        times.sort_unstable();
        times
    }

    fn row(what: &str, least: Duration, median: Duration) {
        println!(
            "{what:<27}{:>10.1} µs least, {:.1} µs median",
            us(least),
            us(median)
        );
    }

    fn ms(time: Duration) -> f64 {
        time.as_secs_f64() * 1e3
    }

    fn us(time: Duration) -> f64 {
        time.as_secs_f64() * 1e6
    }

    /// A picture with edges, gradients and noise, and so with every kind of chunk.
    fn qoi(width: u32, height: u32) -> Vec<u8> {
        let mut noise = 1_u32;
        let mut pixels = Vec::new();
        for y in 0..height {
            for x in 0..width {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let n = noise >> 29;
                let low = |value: u32| u8::try_from(value & 0xFF).expect("an octet");
                pixels.push(if (x / 64 + y / 64) % 3 == 0 {
                    [200, 30, 40, 255]
                } else {
                    [low(x / 4 + n), low(y / 3), low((x + y) / 8 + n), 255]
                });
            }
        }
        native::write(width, height, &pixels)
    }

    mod native {
        pub(super) use crate::chunks::pixels;

        pub(super) fn write(width: u32, height: u32, pixels: &[[u8; 4]]) -> Vec<u8> {
            let mut file = b"qoif".to_vec();
            file.extend(width.to_be_bytes());
            file.extend(height.to_be_bytes());
            file.extend([4, 0]);
            let mut seen = [[0_u8; 4]; 64];
            let mut last = [0, 0, 0, 255_u8];
            let mut run = 0_u8;
            for &pixel in pixels {
                if pixel == last && run < 62 {
                    run += 1;
                    continue;
                }
                if run > 0 {
                    file.push(0xC0 | (run - 1));
                    run = 0;
                }
                if pixel == last {
                    run = 1;
                    continue;
                }
                let place = crate::chunks::place(pixel);
                let step = |at: usize| pixel[at].wrapping_sub(last[at]);
                let (red, green, blue) = (step(0), step(1), step(2));
                let small = |value: u8| value.wrapping_add(2) < 4;
                let (red_green, blue_green) = (red.wrapping_sub(green), blue.wrapping_sub(green));
                if seen[place] == pixel {
                    file.push(u8::try_from(place).expect("below 64"));
                } else if pixel[3] != last[3] {
                    file.push(0xFF);
                    file.extend(pixel);
                } else if small(red) && small(green) && small(blue) {
                    let bits = |value: u8| value.wrapping_add(2);
                    file.push(0x40 | bits(red) << 4 | bits(green) << 2 | bits(blue));
                } else if green.wrapping_add(32) < 64
                    && red_green.wrapping_add(8) < 16
                    && blue_green.wrapping_add(8) < 16
                {
                    file.push(0x80 | green.wrapping_add(32));
                    file.push(red_green.wrapping_add(8) << 4 | blue_green.wrapping_add(8));
                } else {
                    file.push(0xFE);
                    file.extend(&pixel[..3]);
                }
                seen[place] = pixel;
                last = pixel;
            }
            if run > 0 {
                file.push(0xC0 | (run - 1));
            }
            file.extend([0, 0, 0, 0, 0, 0, 0, 1]);
            file
        }
    }
}
