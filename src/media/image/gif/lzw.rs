//! LZW as GIF has it (GIF89a, appendix F), with a choice: a pixel may have several symbols that are
//! all good enough, and the longest string that some choice of them makes is written.

/// What may be written for a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish(u16);

impl Wish {
    /// The pixel may also be left as it is on the canvas.
    const FREE: u16 = 0x100;

    /// The colour of this index.
    pub(super) const fn colour(index: u8) -> Self {
        Self(index as u16)
    }

    /// The colour of this index, which is what the canvas shows already, or nearly so.
    pub(super) const fn free(index: u8) -> Self {
        Self(index as u16 | Self::FREE)
    }

    const fn index(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    const fn is_free(self) -> bool {
        self.0 & Self::FREE != 0
    }
}

/// What counts as good enough.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice<'a> {
    /// The symbol that leaves a pixel as it is.
    pub(super) hole: Option<u8>,
    /// Which colours may stand for which; `None` where each stands for itself.
    pub(super) near: Option<&'a Near>,
}

/// Distances between the colours of a palette, as far as they are within a tolerance.
#[derive(Debug)]
pub(super) struct Near {
    /// For each pair of indices the distance, or [`FAR`].
    distances: Vec<u16>,
    /// For each index the others within the tolerance, nearest first.
    lists: Vec<Vec<u8>>,
}

/// No substitute.
const FAR: u16 = u16::MAX;

/// Colours tried for the first pixel of a string beside its own.
const FIRST: usize = 6;

impl Near {
    /// The pairs of `colours` whose mean squared difference over the channels is at most
    /// `limit`. The index `hole` is nobody's substitute.
    pub(super) fn new(colours: &[[u8; 3]], hole: Option<u8>, limit: u32) -> Self {
        let mut distances = vec![FAR; 1 << 16];
        let mut lists = vec![Vec::new(); 256];
        for ((&one, a), list) in colours.iter().zip(0..=255_u8).zip(&mut lists) {
            let mut found = Vec::new();
            for (&other, b) in colours.iter().zip(0..=255_u8) {
                let apart = distance(one, other);
                if apart > limit || hole == Some(a) || hole == Some(b) {
                    continue;
                }
                let apart = u16::try_from(apart).unwrap_or(FAR - 1).min(FAR - 1);
                if let Some(entry) = distances.get_mut(pair(a, b)) {
                    *entry = apart;
                }
                if a != b {
                    found.push((apart, b));
                }
            }
            found.sort_unstable();
            *list = found.into_iter().map(|(_, b)| b).take(FIRST).collect();
        }
        Self { distances, lists }
    }

    fn distance(&self, wanted: u8, other: u8) -> u16 {
        self.distances
            .get(pair(wanted, other))
            .copied()
            .unwrap_or(FAR)
    }
}

fn pair(a: u8, b: u8) -> usize {
    usize::from(a) << 8 | usize::from(b)
}

/// The mean squared difference of two colours, green weighing most.
pub(super) fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    let [red, green, blue] = [0, 1, 2].map(|channel: usize| {
        let apart = u32::from(
            a.get(channel)
                .copied()
                .unwrap_or(0)
                .abs_diff(b.get(channel).copied().unwrap_or(0)),
        );
        apart * apart
    });
    (2 * red + 4 * green + blue) / 7
}

/// Where codes go.
trait Sink {
    fn put(&mut self, code: u16, width: u32);
}

/// Counts bits.
#[derive(Default)]
struct Count(u64);

impl Sink for Count {
    fn put(&mut self, _: u16, width: u32) {
        self.0 += u64::from(width);
    }
}

/// Packs bits, the first as the least significant.
#[derive(Default)]
struct Pack {
    octets: Vec<u8>,
    bits: u32,
    held: u32,
}

impl Sink for Pack {
    fn put(&mut self, code: u16, width: u32) {
        self.bits |= u32::from(code) << self.held;
        self.held += width;
        while self.held >= 8 {
            let [low, ..] = self.bits.to_le_bytes();
            self.octets.push(low);
            self.bits >>= 8;
            self.held -= 8;
        }
    }
}

/// Codes there are.
const CODES: usize = 4096;

/// Slots of the hash table: a power of two, four times the codes.
const SLOTS: usize = CODES * 4;

/// No code.
const NONE: u16 = u16::MAX;

/// Nodes looked at for one string where pixels have a choice.
const EFFORT: u32 = 24;

/// The dictionary, made once and used for many pictures.
pub(super) struct Coder {
    /// Prefix and symbol of the string in each slot, and its code: 0 where the slot is empty.
    slots: Vec<u32>,
    used: Vec<u16>,
    strings: Vec<Text>,
    next: u16,
    roots: u16,
    branches: Vec<Branch>,
    written: Vec<u8>,
}

/// A string of the dictionary.
#[derive(Debug, Clone, Copy)]
struct Text {
    prefix: u16,
    /// The first string that is longer by one symbol, and the next one of the same prefix.
    longer: u16,
    sibling: u16,
    last: u8,
    first: u8,
}

/// A place where the search for the longest string may go on.
#[derive(Debug, Clone, Copy)]
struct Branch {
    node: u16,
    length: usize,
    error: u32,
}

impl Coder {
    pub(super) fn new() -> Self {
        let empty = Text {
            prefix: NONE,
            longer: NONE,
            sibling: NONE,
            last: 0,
            first: 0,
        };
        Self {
            slots: vec![0; SLOTS],
            used: Vec::with_capacity(CODES),
            strings: vec![empty; CODES],
            next: 0,
            roots: 0,
            branches: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Writes `wishes` with symbols of `bits` bits, 2..=8, and gives the codes, not yet cut into
    /// sub-blocks. [`written`](Self::written) has the symbols that were chosen.
    pub(super) fn encode(&mut self, wishes: &[Wish], bits: u32, choice: Choice<'_>) -> Vec<u8> {
        let mut sink = Pack::default();
        self.run(wishes, bits, choice, &mut sink);
        sink.put(0, (8 - sink.held % 8) % 8);
        sink.octets
    }

    /// Octets that [`encode`](Self::encode) would give.
    pub(super) fn measure(&mut self, wishes: &[Wish], bits: u32, choice: Choice<'_>) -> u64 {
        let mut sink = Count::default();
        self.run(wishes, bits, choice, &mut sink);
        sink.0.div_ceil(8)
    }

    /// The symbols that the last run chose.
    pub(super) fn written(&self) -> &[u8] {
        &self.written
    }

    fn run(&mut self, wishes: &[Wish], bits: u32, choice: Choice<'_>, sink: &mut impl Sink) {
        let clear = 1_u16 << bits.clamp(2, 8);
        self.written.clear();
        self.clear(clear);
        let mut width = bits + 1;
        sink.put(clear, width);
        let mut rest = wishes;
        let mut pending = NONE;
        let mut pace = Pace::default();
        while !rest.is_empty() {
            // The string that the last code began is complete once the next symbol is known. Until
            // then it may be used as what it would be if it were followed by its own beginning.
            let guess = self.guess(pending);
            let (node, length) = self.longest(rest, choice);
            if guess != NONE && self.first(node) != self.text(guess).last {
                self.forget(guess);
                self.add(pending, self.first(node));
            } else if guess == NONE && pending != NONE {
                self.add(pending, self.first(node));
            }
            sink.put(node, width);
            self.keep(node, length);
            rest = rest.get(length.max(1)..).unwrap_or_default();
            if width < 12 && u32::from(self.next) == 1 << width {
                width += 1;
            }
            pending = node;
            if usize::from(self.next) >= CODES && pace.worse(length) {
                sink.put(clear, width);
                self.clear(clear);
                width = bits + 1;
                pending = NONE;
                pace = Pace::default();
            }
        }
        sink.put(clear + 1, width);
    }

    fn clear(&mut self, clear: u16) {
        for slot in self.used.drain(..) {
            if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
                *slot = 0;
            }
        }
        let roots = self.strings.iter_mut().zip(0..=255_u8).take(clear.into());
        for (root, symbol) in roots {
            *root = Text {
                prefix: NONE,
                longer: NONE,
                sibling: NONE,
                last: symbol,
                first: symbol,
            };
        }
        self.roots = clear;
        self.next = clear + 2;
    }

    fn text(&self, node: u16) -> Text {
        self.strings
            .get(usize::from(node))
            .copied()
            .unwrap_or(Text {
                prefix: NONE,
                longer: NONE,
                sibling: NONE,
                last: 0,
                first: 0,
            })
    }

    fn first(&self, node: u16) -> u8 {
        self.text(node).first
    }

    /// Appends the symbols of a string to what was written.
    fn keep(&mut self, mut node: u16, length: usize) {
        let start = self.written.len();
        self.written.resize(start + length, 0);
        for at in (start..start + length).rev() {
            let text = self.text(node);
            if let Some(symbol) = self.written.get_mut(at) {
                *symbol = text.last;
            }
            node = text.prefix;
        }
    }

    /// Puts in the string that `prefix` makes when it is followed by its own first symbol.
    fn guess(&mut self, prefix: u16) -> u16 {
        if prefix == NONE || usize::from(self.next) >= CODES {
            return NONE;
        }
        let symbol = self.first(prefix);
        if self.child(prefix, symbol) != NONE {
            return NONE;
        }
        self.add(prefix, symbol)
    }

    /// Takes out the string that was added last.
    fn forget(&mut self, node: u16) {
        let text = self.text(node);
        if let Some(prefix) = self.strings.get_mut(usize::from(text.prefix)) {
            prefix.longer = text.sibling;
        }
        if let Some(slot) = self.used.pop()
            && let Some(slot) = self.slots.get_mut(usize::from(slot))
        {
            *slot = 0;
        }
        self.next -= 1;
    }

    fn add(&mut self, prefix: u16, symbol: u8) -> u16 {
        let node = self.next;
        if usize::from(node) >= CODES {
            return NONE;
        }
        let before = self.text(prefix);
        if let Some(text) = self.strings.get_mut(usize::from(node)) {
            *text = Text {
                prefix,
                longer: NONE,
                sibling: before.longer,
                last: symbol,
                first: before.first,
            };
        }
        if let Some(text) = self.strings.get_mut(usize::from(prefix)) {
            text.longer = node;
        }
        // The slot is found again by walking on from its place, and never lies beyond the table.
        let mut at = place(prefix, symbol);
        while self.slots.get(at).is_some_and(|&slot| slot != 0) {
            at = (at + 1) % SLOTS;
        }
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = key(prefix, symbol) << 12 | u32::from(node);
        }
        self.used.push(u16::try_from(at).unwrap_or(0));
        self.next += 1;
        node
    }

    /// The string that `prefix` makes with `symbol`, or [`NONE`].
    fn child(&self, prefix: u16, symbol: u8) -> u16 {
        let key = key(prefix, symbol);
        let mut at = place(prefix, symbol);
        loop {
            match self.slots.get(at) {
                Some(0) | None => return NONE,
                Some(slot) if slot >> 12 == key => {
                    let [low, high, ..] = (slot & 0xFFF).to_le_bytes();
                    return u16::from_le_bytes([low, high]);
                }
                Some(_) => at = (at + 1) % SLOTS,
            }
        }
    }

    /// The longest string that is good enough for the pixels to come, and its length.
    fn longest(&mut self, wishes: &[Wish], choice: Choice<'_>) -> (u16, usize) {
        let Some(&wish) = wishes.first() else {
            return (0, 0);
        };
        let index = u16::from(wish.index());
        let free = choice.hole.filter(|_| wish.is_free());
        let mut best = Branch {
            node: free.map_or(index, u16::from),
            length: 1,
            error: 0,
        };
        if choice.hole.is_none() && choice.near.is_none() {
            return self.exact(index, wishes);
        }
        let mut branches = std::mem::take(&mut self.branches);
        branches.clear();
        if let Some(near) = choice.near {
            let others = near.lists.get(usize::from(wish.index()));
            for &other in others.into_iter().flatten().rev() {
                branches.push(Branch {
                    node: other.into(),
                    length: 1,
                    error: near.distance(wish.index(), other).into(),
                });
            }
        }
        let start = |node| Branch {
            node,
            length: 1,
            error: 0,
        };
        branches.push(start(index));
        branches.extend(free.map(|hole| start(hole.into())));
        let mut effort = EFFORT;
        while let Some(mut here) = branches.pop() {
            loop {
                if (here.length, best.error) > (best.length, here.error) {
                    best = here;
                }
                let Some(&wish) = wishes.get(here.length) else {
                    break;
                };
                let free = choice.hole.filter(|_| wish.is_free());
                let next = self.onward(here, wish, free, choice.near, &mut branches);
                match next {
                    Some(next) => here = next,
                    None => break,
                }
            }
            effort = effort.saturating_sub(1);
            if effort == 0 || best.length == wishes.len() {
                break;
            }
        }
        self.branches = branches;
        (best.node, best.length)
    }

    /// Follows a string by one pixel: gives the best way, and puts the others by.
    fn onward(
        &self,
        here: Branch,
        wish: Wish,
        free: Option<u8>,
        near: Option<&Near>,
        branches: &mut Vec<Branch>,
    ) -> Option<Branch> {
        let on = |node, error: u16| Branch {
            node,
            length: here.length + 1,
            error: here.error + u32::from(error),
        };
        let Some(near) = near else {
            let own = self.child(here.node, wish.index());
            let hole = free.map_or(NONE, |hole| self.child(here.node, hole));
            return match (hole, own) {
                (NONE, NONE) => None,
                (NONE, own) => Some(on(own, 0)),
                (hole, NONE) => Some(on(hole, 0)),
                (hole, own) => {
                    branches.push(on(own, 0));
                    Some(on(hole, 0))
                }
            };
        };
        let mut best: Option<Branch> = None;
        let mut child = self.text(here.node).longer;
        while child != NONE {
            let text = self.text(child);
            let error = if free == Some(text.last) {
                0
            } else {
                near.distance(wish.index(), text.last)
            };
            if error != FAR {
                let mut found = on(child, error);
                match &mut best {
                    Some(best) if best.error <= found.error => branches.push(found),
                    Some(best) => {
                        std::mem::swap(best, &mut found);
                        branches.push(found);
                    }
                    None => best = Some(found),
                }
            }
            child = text.sibling;
        }
        best
    }

    /// The longest string that is exactly what comes.
    fn exact(&self, root: u16, wishes: &[Wish]) -> (u16, usize) {
        let mut node = root;
        let mut length = 1;
        for wish in wishes.iter().skip(1) {
            let next = self.child(node, wish.index());
            if next == NONE {
                break;
            }
            node = next;
            length += 1;
        }
        (node, length)
    }
}

fn key(prefix: u16, symbol: u8) -> u32 {
    u32::from(prefix) << 8 | u32::from(symbol)
}

fn place(prefix: u16, symbol: u8) -> usize {
    let mixed = key(prefix, symbol).wrapping_mul(0x9E37_79B1) >> 18;
    usize::try_from(mixed).unwrap_or(0) % SLOTS
}

/// How well a full dictionary still serves: cleared once strings become shorter than they were.
#[derive(Default)]
struct Pace {
    best: usize,
    pixels: usize,
    codes: usize,
}

impl Pace {
    /// Codes looked at together.
    const WINDOW: usize = 512;

    /// Takes in a string; says whether a new dictionary would do better.
    fn worse(&mut self, length: usize) -> bool {
        self.pixels += length;
        self.codes += 1;
        if self.codes < Self::WINDOW {
            return false;
        }
        let worse = self.pixels * 16 < self.best * 15;
        self.best = self.best.max(self.pixels);
        self.pixels = 0;
        self.codes = 0;
        worse
    }
}
