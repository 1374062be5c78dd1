//! A soundfont to test with. The tests of the command include this file, too.

/// A soundfont of one instrument, a sine of 441 Hz at key 69 whose period is looped.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the cast of a float saturates"
)]
pub(crate) fn sine() -> Vec<u8> {
    let samples: Vec<u8> = (0..200_u32)
        .map(|n| (f64::from(n) * std::f64::consts::TAU / 100.0).sin() * 16_000.0)
        .map(|sample| sample as i16)
        .chain([0; 46])
        .flat_map(i16::to_le_bytes)
        .collect();
    let words = |values: &[u16]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let longs = |values: &[u32]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let preset =
        |title: &str, bag: u16| [name(title), words(&[0, 0, bag]), longs(&[0, 0, 0])].concat();
    let header = |title: &str, places: &[u32; 5], key: u8| {
        [name(title), longs(places), vec![key, 0], words(&[0, 1])].concat()
    };
    let info = list(
        b"INFO",
        &[
            chunk(b"ifil", &words(&[2, 1])),
            chunk(b"isng", b"EMU8000\0"),
            chunk(b"INAM", b"sine\0\0"),
        ],
    );
    let data = list(b"sdta", &[chunk(b"smpl", &samples)]);
    let parameters = list(
        b"pdta",
        &[
            chunk(b"phdr", &[preset("sine", 0), preset("EOP", 1)].concat()),
            chunk(b"pbag", &words(&[0, 0, 1, 0])),
            chunk(b"pmod", &[0; 10]),
            // Generator 41 is the instrument.
            chunk(b"pgen", &words(&[41, 0, 0, 0])),
            chunk(
                b"inst",
                &[name("sine"), words(&[0]), name("EOI"), words(&[1])].concat(),
            ),
            chunk(b"ibag", &words(&[0, 0, 2, 0])),
            chunk(b"imod", &[0; 10]),
            // 54: the loop is on; 53: the sample.
            chunk(b"igen", &words(&[54, 1, 53, 0, 0, 0])),
            chunk(
                b"shdr",
                &[
                    header("sine", &[0, 200, 100, 200, 44_100], 69),
                    header("EOS", &[0; 5], 0),
                ]
                .concat(),
            ),
        ],
    );
    let body = [b"sfbk".as_slice(), &info, &data, &parameters].concat();
    chunk(b"RIFF", &body)
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    let mut out = [name.as_slice(), &length, body].concat();
    out.resize(out.len().next_multiple_of(2), 0);
    out
}

fn list(form: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    chunk(b"LIST", &[form.as_slice(), &chunks.concat()].concat())
}

fn name(text: &str) -> Vec<u8> {
    let mut name = text.as_bytes().to_vec();
    name.resize(20, 0);
    name
}
