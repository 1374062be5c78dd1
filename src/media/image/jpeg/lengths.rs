//! The Huffman code that is best for given counts (ITU-T T.81 K.2).

/// A code for octets, none longer than 16 bits, none of ones alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lengths {
    /// Codes of each length from 1 on.
    pub(super) counts: [u8; 16],
    /// The octets, those with shorter codes first.
    pub(super) values: Vec<u8>,
}

/// The longest code of a file.
const LONGEST: usize = 16;

impl Lengths {
    /// The code that makes octets, `counts[i]` of each octet `i`, shortest.
    pub(super) fn best(counts: &[u32; 256]) -> Self {
        // Rarest first; one more, rarer than all, takes the code of ones.
        let mut symbols: Vec<(u32, u16)> = (0_u16..)
            .zip(counts)
            .filter(|&(_, &count)| count > 0)
            .map(|(symbol, &count)| (count, symbol))
            .collect();
        symbols.sort_unstable();
        let mut weights = vec![1_u64];
        weights.extend(symbols.iter().map(|&(count, _)| u64::from(count) << 1));
        let per_length = package(&weights);
        let mut code = Self {
            counts: [0; 16],
            values: Vec::with_capacity(symbols.len()),
        };
        let mut left = symbols.iter().rev();
        let mut longest = 0;
        for (slot, (length, &count)) in code.counts.iter_mut().zip(per_length.iter().enumerate()) {
            *slot = u8::try_from(count).unwrap_or(u8::MAX);
            if count > 0 {
                longest = length;
            }
        }
        // The one more has the longest code, and the last of these.
        if let Some(slot) = code.counts.get_mut(longest) {
            *slot = slot.saturating_sub(1);
        }
        for &count in &code.counts {
            let mut of_length: Vec<u8> = left
                .by_ref()
                .take(usize::from(count))
                .filter_map(|&(_, symbol)| u8::try_from(symbol).ok())
                .collect();
            of_length.sort_unstable();
            code.values.append(&mut of_length);
        }
        code
    }

    /// The bits of each octet's code and the code, by octet; 0 bits where it has none.
    pub(super) fn codes(&self) -> [(u32, u32); 256] {
        let mut codes = [(0, 0); 256];
        let mut values = self.values.iter();
        let mut code = 0_u32;
        for (length, &count) in (1_u32..).zip(&self.counts) {
            for &value in values.by_ref().take(usize::from(count)) {
                if let Some(slot) = codes.get_mut(usize::from(value)) {
                    *slot = (length, code);
                }
                code += 1;
            }
            code <<= 1;
        }
        codes
    }

    /// Bits that octets take, `counts[i]` of each octet `i`.
    pub(super) fn bits(&self, counts: &[u32; 256]) -> u64 {
        let mut values = self.values.iter();
        let mut bits = 0;
        for (length, &count) in (1_u64..).zip(&self.counts) {
            for &value in values.by_ref().take(usize::from(count)) {
                bits += length * u64::from(counts.get(usize::from(value)).copied().unwrap_or(0));
            }
        }
        bits
    }
}

/// Codes of each length from 1 on for `weights`, which rise, none longer than [`LONGEST`]: by
/// merging packages of coins, length by length (Larmore and Hirschberg).
fn package(weights: &[u64]) -> [usize; LONGEST] {
    let count = weights.len();
    let mut per_length = [0; LONGEST];
    if count < 2 {
        per_length[0] = count;
        return per_length;
    }
    // For each length from the longest on: whether each item is a symbol, in rising order.
    let mut levels: Vec<Vec<bool>> = Vec::with_capacity(LONGEST);
    let mut before: Vec<u64> = Vec::new();
    for _ in 0..LONGEST {
        let mut pairs = before
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[a, b]| a + b)
            .peekable();
        let mut symbols = weights.iter().copied().peekable();
        let mut merged = Vec::with_capacity(count * 2);
        let mut kinds = Vec::with_capacity(count * 2);
        loop {
            let symbol = match (symbols.peek(), pairs.peek()) {
                (Some(symbol), Some(pair)) => symbol <= pair,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            merged.extend(if symbol { symbols.next() } else { pairs.next() });
            kinds.push(symbol);
        }
        levels.push(kinds);
        before = merged;
    }
    // The first 2n - 2 items of the shortest length are taken; a package takes two of the next.
    let mut taken = 2 * count - 2;
    let mut longer = Vec::with_capacity(LONGEST);
    for kinds in levels.iter().rev() {
        let symbols = kinds.iter().take(taken).filter(|&&symbol| symbol).count();
        longer.push(symbols);
        taken = 2 * (taken.min(kinds.len()) - symbols);
    }
    // So many symbols have codes of at least each length.
    for ((slot, &at_least), &next) in per_length
        .iter_mut()
        .zip(&longer)
        .zip(longer.iter().skip(1).chain(&[0]))
    {
        *slot = at_least - next;
    }
    per_length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(counts: &[(u8, u32)]) -> Lengths {
        let mut all = [0; 256];
        for &(symbol, count) in counts {
            all[usize::from(symbol)] = count;
        }
        Lengths::best(&all)
    }

    /// Codes in use over codes there are, in 1/65536.
    fn used(code: &Lengths) -> u32 {
        (1_u32..)
            .zip(&code.counts)
            .map(|(length, &count)| u32::from(count) << (16 - length))
            .sum()
    }

    #[test]
    fn one_symbol_has_one_bit() {
        let code = code(&[(7, 10)]);
        assert_eq!(
            (code.counts[0], code.values.as_slice()),
            (1, [7].as_slice())
        );
        assert_eq!(code.codes()[7], (1, 0));
    }

    #[test]
    fn frequent_symbols_have_short_codes() {
        let code = code(&[(1, 100), (2, 50), (3, 20), (4, 10)]);
        let lengths: Vec<u32> = [1, 2, 3, 4].map(|symbol| code.codes()[symbol].0).to_vec();
        assert_eq!(lengths, [1, 2, 3, 4]);
        assert!(used(&code) < 65_536);
    }

    #[test]
    fn no_code_is_longer_than_sixteen_bits_and_none_is_all_ones() {
        let mut counts = [0_u32; 256];
        let (mut a, mut b) = (1_u32, 1_u32);
        for count in counts.iter_mut().take(40) {
            *count = a;
            (a, b) = (b, a.saturating_add(b));
        }
        for counts in [counts, [1; 256], [u32::MAX; 256]] {
            let code = Lengths::best(&counts);
            let symbols = counts.iter().filter(|&&count| count > 0).count();
            assert_eq!(code.values.len(), symbols);
            assert_eq!(
                code.counts.iter().map(|&c| usize::from(c)).sum::<usize>(),
                symbols
            );
            assert!(used(&code) < 65_536);
            let bits: u64 = code
                .codes()
                .iter()
                .zip(&counts)
                .map(|(&(length, _), &count)| u64::from(length) * u64::from(count))
                .sum();
            assert_eq!(bits, code.bits(&counts));
        }
    }
}
