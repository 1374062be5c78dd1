use bytes::Bytes;
use remold::media::{
    Cancel, Format, Registry,
    image::{ImageTarget, Source},
};
use remold::{Dimensions, Limits};
fn main() {
    let out = std::env::args().nth(1).unwrap();
    let filter = std::env::args().nth(2).unwrap_or_default();
    let reg = Registry::builtin();
    let mut names: Vec<_> = std::fs::read_dir("../shared/corpus/images")
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    names.sort();
    for p in names {
        let name = p.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.contains(&filter) {
            continue;
        }
        let f = match p.extension().unwrap().to_str().unwrap() {
            "jpg" => Format::Jpeg,
            "png" => Format::Png,
            "gif" => Format::Gif,
            "webp" => Format::Webp,
            _ => continue,
        };
        let data = Bytes::from(std::fs::read(&p).unwrap());
        let t = std::time::Instant::now();
        let s = match Source::open(
            &data,
            f,
            &reg,
            &Limits::default(),
            &Cancel::new(),
            Some(Dimensions::new(640, 480)),
        ) {
            Ok(s) => s,
            Err(e) => {
                println!("{name}: OPEN {e:?}");
                continue;
            }
        };
        println!(
            "{name} {} -> {} {} frames {:?} {:?} open {}ms",
            s.original_size(),
            s.size(),
            s.frames().len(),
            s.frames()[0].picture.layout(),
            s.warnings(),
            t.elapsed().as_millis()
        );
        for (fmt, ext) in [
            (Format::Jpeg, "jpg"),
            (Format::Png, "png"),
            (Format::Gif, "gif"),
            (Format::Wbmp, "wbmp"),
        ] {
            for max in [None, Some(30000u64), Some(8000), Some(2000)] {
                let t = std::time::Instant::now();
                let mut target = ImageTarget::new(fmt);
                target.max_bytes = max;
                match s.encode(&target, &Cancel::new()) {
                    Ok(e) => {
                        println!(
                            "   {ext} {max:?}: {} {} q{:?} f{} enc{} {}ms",
                            e.bytes.len(),
                            e.size,
                            e.quality,
                            e.frames,
                            e.encodes,
                            t.elapsed().as_millis()
                        );
                        std::fs::write(
                            format!("{out}/{name}.{}.{ext}", max.unwrap_or(0)),
                            &e.bytes,
                        )
                        .unwrap();
                    }
                    Err(e) => println!("   {ext} {max:?}: {e:?}"),
                }
            }
        }
    }
}
