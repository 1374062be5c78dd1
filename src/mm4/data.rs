//! The content of a mail as it comes over DATA (RFC 5321 section 4.5.2), and as it goes.

/// What is wrong with a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is longer than a content may be.
    TooLong,
    /// A line of it is.
    LineTooLong,
    /// A CR without a LF, or the other way round: what one server takes for the end of a message
    /// and another does not.
    BareLineEnd,
    /// A NUL.
    Nul,
}

/// What became of octets that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// All were used; the end has not come.
    More,
    /// The end came.
    End,
    /// Far too much came, and it is not worth waiting for the end.
    Flood,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Line,
    Cr,
    /// Behind a dot that began a line.
    Dot,
    DotCr,
}

/// A reader of contents. Only CR LF . CR LF ends one.
#[derive(Debug)]
pub(super) struct Data {
    octets: Vec<u8>,
    most: usize,
    line_most: usize,
    line: usize,
    read: usize,
    at: At,
    flaw: Option<Flaw>,
}

impl Data {
    /// A reader of at most `most` octets in lines of at most `line_most`. What is beyond is read
    /// over, up to as much again, so that the client hears why.
    pub(super) fn new(most: usize, line_most: usize) -> Self {
        Self {
            octets: Vec::new(),
            most,
            line_most,
            line: 0,
            read: 0,
            at: At::LineStart,
            flaw: None,
        }
    }

    /// Reads on. What follows the end is left in `input`.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Progress {
        while let [first, rest @ ..] = *input {
            let plain = self.plain(input);
            if let Some((run, rest)) = input.split_at_checked(plain).filter(|_| plain > 0) {
                self.push(run);
                *input = rest;
            } else {
                *input = rest;
                self.count(1);
                if self.step(*first) {
                    return Progress::End;
                }
            }
            if self.read > self.most.saturating_mul(2).saturating_add(self.line_most) {
                return Progress::Flood;
            }
        }
        Progress::More
    }

    /// The content, or what is wrong with it.
    pub(super) fn finish(self) -> Result<Vec<u8>, Flaw> {
        match self.flaw {
            Some(flaw) => Err(flaw),
            None => Ok(self.octets),
        }
    }

    /// How many octets at the start of `input` are nothing special where we are.
    fn plain(&self, input: &[u8]) -> usize {
        let special = |octet: &u8| matches!(octet, b'\r' | b'\n' | 0);
        match self.at {
            At::Line => input.iter().position(special).unwrap_or(input.len()),
            _ => 0,
        }
    }

    /// Takes one octet; whether it was the last.
    fn step(&mut self, octet: u8) -> bool {
        match (self.at, octet) {
            (At::DotCr, b'\n') => return true,
            (At::LineStart, b'.') => self.at = At::Dot,
            (At::Dot, b'\r') => self.at = At::DotCr,
            (At::Cr, b'\n') => {
                self.keep(b"\r\n");
                self.line = 0;
                self.at = At::LineStart;
            }
            (At::Cr | At::DotCr, _) => {
                self.flaw(Flaw::BareLineEnd);
                self.at = if octet == b'\r' { At::Cr } else { At::Line };
            }
            (_, b'\r') => self.at = At::Cr,
            (_, b'\n') => {
                self.flaw(Flaw::BareLineEnd);
                self.at = At::Line;
            }
            (_, 0) => {
                self.flaw(Flaw::Nul);
                self.at = At::Line;
            }
            (_, octet) => {
                self.line = self.line.saturating_add(1);
                self.keep(&[octet]);
                self.at = At::Line;
            }
        }
        false
    }

    fn push(&mut self, run: &[u8]) {
        self.count(run.len());
        // What is wrong first counts, however many octets come at once.
        let of_line = self.line_most.saturating_sub(self.line);
        let of_content = self.most.saturating_sub(self.octets.len());
        if run.len() > of_line && of_line <= of_content {
            self.flaw(Flaw::LineTooLong);
        }
        self.line = self.line.saturating_add(run.len());
        self.keep(run);
    }

    fn keep(&mut self, octets: &[u8]) {
        if self.octets.len().saturating_add(octets.len()) > self.most {
            self.flaw(Flaw::TooLong);
        }
        if self.flaw.is_none() {
            self.octets.extend_from_slice(octets);
        }
    }

    fn count(&mut self, octets: usize) {
        self.read = self.read.saturating_add(octets);
    }

    fn flaw(&mut self, flaw: Flaw) {
        if self.flaw.is_none() {
            self.flaw = Some(flaw);
            self.octets = Vec::new();
        }
    }
}

/// A content as it goes over DATA, with its end: every line end is CR LF, whatever it was, and a dot
/// that begins a line is doubled. So nothing in it can end it.
pub(super) fn stuff(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len().saturating_add(content.len() / 50).max(64));
    let mut rest = content;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|octet| matches!(octet, b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
        rest = match after {
            [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
            [] => after,
        };
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Read<'a> = (Result<Vec<u8>, Flaw>, &'a [u8]);

    fn read(octets: &[u8]) -> Option<Read<'_>> {
        let mut data = Data::new(10_000, 1_000);
        let mut rest = octets;
        match data.read(&mut rest) {
            Progress::End => Some((data.finish(), rest)),
            _ => None,
        }
    }

    #[test]
    fn dots_are_taken_away_and_only_the_end_ends() {
        let (content, rest) = read(b"a\r\n..b\r\n.c\r\n.\r\nQUIT\r\n").unwrap();
        assert_eq!(content.unwrap(), b"a\r\n.b\r\nc\r\n");
        assert_eq!(rest, b"QUIT\r\n");
        assert_eq!(read(b".\r\n").unwrap().0.unwrap(), b"");
        for not_the_end in [
            &b"a\n.\n"[..],
            b"a\n.\r\n",
            b"a\r\n.\n",
            b"a\r.\r\n",
            b"a\r\n.\r",
            b"a\r\r\n.\r\r\n",
            b"a\r\n.\r.\r\n",
            b"a\r\n. \r\n",
            b"a\0\r\n.\n",
        ] {
            assert_eq!(read(not_the_end), None, "{not_the_end:?}");
            let whole = [not_the_end, b"\r\n.\r\n"].concat();
            let (content, rest) = read(&whole).unwrap();
            assert!(rest.is_empty());
            let strict = !not_the_end.ends_with(b". \r\n");
            assert_eq!(content.is_err(), strict, "{not_the_end:?}");
        }
    }

    #[test]
    fn too_much_is_told_and_far_too_much_is_cut() {
        let line = [b"x".repeat(70), b"\r\n".to_vec()].concat();
        let some = [line.repeat(200), b".\r\n".to_vec()].concat();
        assert_eq!(read(&some).unwrap().0, Err(Flaw::TooLong));
        let long = [b"x".repeat(1_001), b"\r\n.\r\n".to_vec()].concat();
        assert_eq!(read(&long).unwrap().0, Err(Flaw::LineTooLong));
        let fits = [b"x".repeat(1_000), b"\r\n.\r\n".to_vec()].concat();
        assert_eq!(read(&fits).unwrap().0.unwrap().len(), 1_002);
        let mut data = Data::new(10_000, 1_000);
        let flood = b"x".repeat(30_000);
        assert_eq!(data.read(&mut &flood[..]), Progress::Flood);
        assert_eq!(data.octets.capacity(), 0, "nothing of it is kept");
    }

    #[test]
    fn what_is_wrong_first_counts_however_it_is_cut() {
        let flaw = |content: &[u8], pieces: usize| {
            let mut data = Data::new(20, 8);
            for mut piece in content.chunks(pieces) {
                assert_eq!(data.read(&mut piece), Progress::More);
            }
            data.finish().unwrap_err()
        };
        for (content, wrong) in [
            (&b"12345678\r\n12345678\r\n123456789"[..], Flaw::TooLong),
            (b"12345678\r\n123456789012345", Flaw::LineTooLong),
            (b"1234567\r\n123\r\n1234567890", Flaw::TooLong),
        ] {
            for pieces in 1..=content.len() {
                assert_eq!(flaw(content, pieces), wrong, "{content:?} by {pieces}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_what_is_read(content in "[a.\r\n]{0,40}") {
            let sent = stuff(content.as_bytes());
            let mut data = Data::new(10_000, 1_000);
            let mut rest = &sent[..];
            prop_assert_eq!(data.read(&mut rest), Progress::End);
            prop_assert!(rest.is_empty(), "nothing in it ends it");
            let read = data.finish().unwrap();
            let text = content.replace("\r\n", "\n").replace('\r', "\n");
            let mut want = text.replace('\n', "\r\n");
            if !want.is_empty() && !want.ends_with("\r\n") {
                want.push_str("\r\n");
            }
            prop_assert_eq!(read, want.into_bytes());
        }

        #[test]
        fn splits_change_nothing(
            content in proptest::collection::vec(
                proptest::sample::select(&b"a.\r\n\0"[..]), 0..60),
            cut in 0..60_usize,
        ) {
            let whole = {
                let mut data = Data::new(10_000, 1_000);
                let mut rest = &content[..];
                let progress = data.read(&mut rest);
                (progress, data.finish(), rest.len())
            };
            let cut = cut.min(content.len());
            let (first, second) = content.split_at(cut);
            let mut data = Data::new(10_000, 1_000);
            let mut rest = first;
            let mut progress = data.read(&mut rest);
            let mut left = rest.len() + second.len();
            if progress == Progress::More {
                rest = second;
                progress = data.read(&mut rest);
                left = rest.len();
            }
            prop_assert_eq!((progress, data.finish(), left), whole);
        }
    }
}
