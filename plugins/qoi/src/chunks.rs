//! The chunks of QOI. By itself, so that the same code can be measured outside of the sandbox.

/// Octets after the last chunk.
const END: usize = 8;

/// Decodes the chunks behind the header: `count` pixels of four octets, or `None` where they end early.
pub(crate) fn pixels(chunks: &[u8], count: usize) -> Option<Vec<u8>> {
    let mut rgba = vec![0; count * 4];
    let mut seen = [[0_u8; 4]; 64];
    let mut pixel = [0, 0, 0, 255_u8];
    let mut out = rgba.chunks_exact_mut(4);
    let mut at = 0;
    // Past the last chunk there are eight octets, so that a chunk never has to be looked for behind
    // the end but in a file that is cut.
    while let Some(target) = out.next() {
        let &[tag, b1, b2, b3, b4] = chunks.get(at..).and_then(<[u8]>::first_chunk)?;
        match tag {
            0xFE => {
                pixel = [b1, b2, b3, pixel[3]];
                at += 4;
            }
            0xFF => {
                pixel = [b1, b2, b3, b4];
                at += 5;
            }
            _ => {
                at += 1;
                match tag >> 6 {
                    0 => pixel = seen[usize::from(tag & 63)],
                    1 => {
                        let step = |shift: u8| (tag >> shift & 3).wrapping_sub(2);
                        pixel[0] = pixel[0].wrapping_add(step(4));
                        pixel[1] = pixel[1].wrapping_add(step(2));
                        pixel[2] = pixel[2].wrapping_add(step(0));
                    }
                    2 => {
                        at += 1;
                        let green = (tag & 63).wrapping_sub(32);
                        let base = green.wrapping_sub(8);
                        pixel[0] = pixel[0].wrapping_add(base.wrapping_add(b1 >> 4));
                        pixel[1] = pixel[1].wrapping_add(green);
                        pixel[2] = pixel[2].wrapping_add(base.wrapping_add(b1 & 15));
                    }
                    _ => {
                        target.copy_from_slice(&pixel);
                        for _ in 0..tag & 63 {
                            match out.next() {
                                Some(target) => target.copy_from_slice(&pixel),
                                None => break,
                            }
                        }
                        seen[place(pixel)] = pixel;
                        continue;
                    }
                }
            }
        }
        seen[place(pixel)] = pixel;
        target.copy_from_slice(&pixel);
    }
    if chunks.len() < at + END {
        return None;
    }
    Some(rgba)
}

/// Where a colour is remembered.
pub(crate) fn place([red, green, blue, alpha]: [u8; 4]) -> usize {
    let sum = usize::from(red) * 3
        + usize::from(green) * 5
        + usize::from(blue) * 7
        + usize::from(alpha) * 11;
    sum % 64
}
