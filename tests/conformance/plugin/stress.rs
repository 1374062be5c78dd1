//! Many jobs at a time on several plugins, with traps and reloads at random moments: nothing wrong comes
//! out, nothing leaks, and nobody waits for ever.
//!
//! Some seconds here; `REMOLD_STRESS_SECONDS=600` for longer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use remold::Limits;
use remold::limits::PluginLimits;
use remold::media::codec::ImageSettings;
use remold::media::image::Source;
use remold::media::picture::Plays;
use remold::media::{Cancel, Frame, Layout, MediaError, Picture, Registry, mime};
use remold::plugin::{Host, Manifest};

use super::{built, qoi};

const JOBS: usize = 16;

/// Octets that the process holds, by the kernel.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

struct Kept(Mutex<std::collections::BTreeMap<String, Vec<u8>>>);

impl remold::plugin::CompiledCache for Kept {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.lock().unwrap().get(key).cloned()
    }

    fn put(&self, key: &str, compiled: &[u8]) {
        let mut kept = self.0.lock().unwrap();
        kept.insert(key.to_owned(), compiled.to_vec());
    }
}

/// A registry of newly loaded plugins, as a reload makes it.
fn loaded(host: &Host, components: &[Vec<u8>], cache: &Kept) -> Registry {
    let mut registry = Registry::empty();
    for component in components {
        // Where all cores are taken a description may need longer than it has: then once more.
        let load = || host.load(component, &Manifest::default(), cache).ok();
        let plugin = (0..20).find_map(|_| load());
        plugin.expect("loads").register(&mut registry);
    }
    registry
}

#[test]
fn sixteen_jobs_at_a_time_with_traps_and_reloads() {
    let names = ["qoi", "ota-bitmap", "hostile", "hostile-encoder"];
    let components: Option<Vec<Vec<u8>>> = names
        .iter()
        .map(|name| Some(std::fs::read(built(name)?).expect("a component")))
        .collect();
    let Some(components) = components else { return };
    let seconds = std::env::var("REMOLD_STRESS_SECONDS").ok();
    let seconds = seconds.and_then(|n| n.parse().ok()).unwrap_or(4);
    let start = Instant::now();
    let limits = PluginLimits {
        job_ms: 2_000,
        failures: u32::MAX,
        ..PluginLimits::default()
    };
    let host = Host::new(limits, Arc::new(move || start.elapsed())).expect("a sandbox");
    let cache = Kept(Mutex::default());
    let current = RwLock::new(Arc::new(loaded(&host, &components, &cache)));
    let (done, sound, failed, reloads) = (
        AtomicBool::new(false),
        AtomicU64::new(0),
        AtomicU64::new(0),
        AtomicU64::new(0),
    );
    let longest = Mutex::new(Duration::ZERO);
    let mut held = Vec::new();
    std::thread::scope(|scope| {
        for number in 0..JOBS {
            let (current, done, sound, failed) = (&current, &done, &sound, &failed);
            let longest = &longest;
            scope.spawn(move || {
                let mut state = 0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1);
                while !done.load(Ordering::Relaxed) {
                    let registry = Arc::clone(&current.read().unwrap());
                    let begun = Instant::now();
                    let went_well = match random(&mut state) % 8 {
                        0..=3 => reads(&registry, &mut state),
                        4 | 5 => writes(&registry, &mut state),
                        6 => traps(&registry, b"EVILtrap-in-open."),
                        _ if random(&mut state).is_multiple_of(2) => traps(&registry, b"EVILtrap."),
                        _ => traps_writing(&registry),
                    };
                    let took = begun.elapsed();
                    let mut most = longest.lock().unwrap();
                    *most = (*most).max(took);
                    drop(most);
                    let count = if went_well { sound } else { failed };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut state = 1;
        while start.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(20 + random(&mut state) % 200));
            let next = Arc::new(loaded(&host, &components, &cache));
            *current.write().unwrap() = next;
            reloads.fetch_add(1, Ordering::Relaxed);
            held.push(resident());
        }
        done.store(true, Ordering::Relaxed);
    });
    let (sound, failed) = (sound.into_inner(), failed.into_inner());
    let reloads = reloads.into_inner();
    let longest = *longest.lock().unwrap();
    let (early, late) = (held[held.len() / 4], held[held.len() - 1]);
    println!(
        "{seconds} s: {sound} jobs right, {failed} ended by a trap as they should, {reloads} reloads, \
         the longest job {} ms, {} MB held after a quarter and {} MB at the end",
        longest.as_millis(),
        early >> 20,
        late >> 20
    );
    assert!(sound > 0 && failed > 0 && reloads > 1);
    assert!(
        longest < Duration::from_secs(60),
        "a job waited {longest:?}"
    );
    assert!(late < early + (200 << 20), "{early} octets became {late}");
}

/// A picture of chance, read: its pixels must be those that were written. It has four pixels at least:
/// one alone may be black, and then it comes as grey.
fn reads(registry: &Registry, state: &mut u64) -> bool {
    let (width, height) = (random(state) % 90 + 2, random(state) % 60 + 2);
    let seed = random(state);
    let (width, height) = (width as u32, height as u32);
    let pixel = |x: u32, y: u32| {
        let value = (u64::from(x) * 31 + u64::from(y) * 17).wrapping_mul(seed | 1);
        let [r, g, b, ..] = value.to_le_bytes();
        [r, g, b, 255]
    };
    let file = Bytes::from(qoi(width, height, pixel));
    let format = mime::format_of_name("qoi").expect("named");
    let (limits, cancel) = (Limits::default(), Cancel::new());
    let source = Source::open(&file, format, registry, &limits, &cancel, None).expect("decodes");
    let picture = &source.frames()[0].picture;
    let want: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| pixel(x, y))
        .collect();
    let same = match picture.layout() {
        Layout::Rgba8 => picture.data() == want,
        _ => {
            let (pixels, _) = want.as_chunks::<4>();
            let rgb: Vec<u8> = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
            picture.data() == rgb
        }
    };
    assert!(same, "wrong pixels of {width}x{height}");
    true
}

/// A picture of one colour, written: every bit of the bitmap must be that colour's.
fn writes(registry: &Registry, state: &mut u64) -> bool {
    let width = random(state) % 72 + 1;
    let black = random(state).is_multiple_of(2);
    let level = if black { 0 } else { 255 };
    let size = remold::dimensions::Dimensions::new(width as u32, 28);
    let data = [level, level, level, 255].repeat(width as usize * 28);
    let frame = Frame {
        picture: Picture::new(size, Layout::Rgba8, data).expect("whole"),
        delay_ms: 0,
    };
    let settings = ImageSettings {
        quality: 75,
        colours: None,
        dither: false,
        plays: Plays::Times(1),
        max_bytes: None,
    };
    let format = mime::format_of_name("ota-bitmap").expect("named");
    let encoder = registry.image_encoder(format).expect("there");
    let file = encoder
        .encode(&[frame], &settings, &Cancel::new())
        .expect("encodes");
    assert_eq!(file[..4], [0, width as u8, 28, 1]);
    let set: u32 = file[4..].iter().map(|octet| octet.count_ones()).sum();
    assert_eq!(
        set,
        if black { width as u32 * 28 } else { 0 },
        "{width} wide"
    );
    true
}

/// A job that traps: its own fault, and nobody else's.
fn traps(registry: &Registry, file: &'static [u8]) -> bool {
    let format = mime::format_of_name("evil").expect("named");
    let (limits, cancel) = (Limits::default(), Cancel::new());
    let data = Bytes::from_static(file);
    let error = Source::open(&data, format, registry, &limits, &cancel, None).unwrap_err();
    assert!(matches!(error, MediaError::CodecFailed { .. }), "{error}");
    false
}

/// The same of an encoder.
fn traps_writing(registry: &Registry) -> bool {
    let size = remold::dimensions::Dimensions::new(2, 2);
    let frame = Frame {
        picture: Picture::new(size, Layout::Rgba8, vec![9; 16]).expect("whole"),
        delay_ms: 0,
    };
    let settings = ImageSettings {
        quality: 75,
        colours: None,
        dither: false,
        plays: Plays::Times(1),
        max_bytes: None,
    };
    let encoder = registry
        .image_encoder(remold::media::Format::Jpeg)
        .expect("there");
    let error = encoder
        .encode(&[frame], &settings, &Cancel::new())
        .unwrap_err();
    assert!(matches!(error, MediaError::CodecFailed { .. }), "{error}");
    false
}
