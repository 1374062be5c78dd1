//! What the sandbox costs: the start of a job, a call, octets in, a whole picture against the same
//! code outside of the sandbox, and how late a plugin is stopped.
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
        picture(&plugin);
        late(&hostile);
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
