use bytes::Bytes;
use remold::media::{Cancel, Format, Registry, image::Source};
fn main() {
    let p = std::env::args().nth(1).unwrap();
    let ppm = std::fs::read(std::env::args().nth(2).unwrap()).unwrap();
    let data = Bytes::from(std::fs::read(&p).unwrap());
    let s = Source::open(
        &data,
        Format::Jpeg,
        &Registry::builtin(),
        &remold::Limits::default(),
        &Cancel::new(),
        None,
    )
    .unwrap();
    let d = s.frames()[0].picture.data();
    let theirs = &ppm[ppm.len() - d.len()..];
    let mut sum = [0f64; 3];
    let mut max = 0;
    let mut bias = [0f64; 3];
    for (i, (a, b)) in d.iter().zip(theirs).enumerate() {
        let e = *a as f64 - *b as f64;
        sum[i % 3] += e * e;
        bias[i % 3] += e;
        max = max.max(a.abs_diff(*b));
    }
    println!(
        "{:?} max {max} bias {:?} {:?}",
        sum.map(|s| 10.0 * (65025.0 / (s * 3.0 / d.len() as f64)).log10()),
        bias.map(|b| b * 3.0 / d.len() as f64),
        s.warnings()
    );
}
