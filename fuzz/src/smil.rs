//! Presentations.

use remold::mms::smil::{Smil, parse_time};
use remold::{Dimensions, Limits};

/// A presentation that was read is written, and reads the same without a warning; so is one that
/// was laid out anew, timed, conformed and thinned. It does not outgrow its source.
pub fn smil(data: &[u8]) {
    let limits = Limits::default();
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse_time(text);
    }
    let read = match Smil::parse(data, &limits) {
        Ok(read) => read,
        // Offsets count UTF-8, of which another charset may need three times as many octets.
        Err(error) => {
            assert!(error.offset <= data.len() * 3 + 3, "{error}");
            return;
        }
    };
    let presentation = read.value;
    let written = presentation.to_bytes();
    assert!(
        written.len() <= 256 + data.len() * 12,
        "{} octets",
        written.len()
    );
    assert_reads_back(&presentation, &limits);

    let mut changed = presentation.clone();
    changed.conform();
    assert_reads_back(&changed, &limits);
    changed.reflow(Dimensions::new(128, 160));
    assert_reads_back(&changed, &limits);
    let slides = changed.slides();
    changed.fix_timing(&[(0, 7_000), (slides, 1), (1, u64::MAX)]);
    assert_reads_back(&changed, &limits);
    for (index, reference) in changed.references().into_iter().enumerate() {
        assert!(reference.slide.is_none_or(|slide| slide < slides));
        match index % 3 {
            0 => changed.set_src(reference.id, "a \"<&>' b.jpg"),
            1 => changed.remove(reference.id),
            _ => {
                changed.replace_with_text(reference.id, "notice.txt");
            }
        }
    }
    assert_reads_back(&changed, &limits);
}

fn assert_reads_back(presentation: &Smil, limits: &Limits) {
    let written = presentation.to_bytes();
    let shown = || String::from_utf8_lossy(&written).into_owned();
    assert!(std::str::from_utf8(&written).is_ok());
    let again = match Smil::parse(&written, limits) {
        Ok(again) => again,
        // What was within the bounds may be beyond them once every reference is spelt out.
        Err(error) if error.to_string().starts_with("more than") => return,
        Err(error) => panic!("{error}: {}", shown()),
    };
    assert_eq!(again.warnings, [], "{}", shown());
    assert_eq!(
        String::from_utf8_lossy(&again.value.to_bytes()),
        String::from_utf8_lossy(&written)
    );
    assert_eq!(
        again.value.references().len(),
        presentation.references().len()
    );
    assert_eq!(again.value.slides(), presentation.slides());
}
