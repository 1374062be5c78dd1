//! Every bound on untrusted input, in one type.
//!
//! A *strict* limit can never be exceeded: the reader refuses before it allocates. A *best-effort*
//! limit bounds what we ask of a codec we did not write; the codec may overshoot it by a constant
//! factor. Each field says which it is.

/// Bounds on what a message, a device profile or a medium may ask of us.
///
/// All sizes are octets. `Limits::default()` suits an MMSC that faces the public; a batch job on
/// trusted input may raise them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Strict. Longest encoded message that is read at all.
    pub message_bytes: usize,
    /// Strict. Header fields in one PDU, push or MIME header block.
    pub headers: usize,
    /// Strict. Parts in one body, counted over all levels of nesting.
    pub parts: usize,
    /// Strict. Headers in front of one part.
    pub part_headers: usize,
    /// Strict. Parameters of one content type or disposition of a MIME header, and attributes of
    /// one element of a presentation; the rest is not read.
    pub params: usize,
    /// Strict. Levels of multipart inside multipart that are opened.
    pub nesting: usize,
    /// Strict. Octets of a SMIL presentation or a UAProf document.
    pub xml_bytes: usize,
    /// Strict. Elements open at one time in an XML document.
    pub xml_depth: usize,
    /// Strict. Elements in an XML document.
    pub xml_elements: usize,
    /// Strict. Internal entities an XML document may declare.
    pub xml_entities: usize,
    /// Strict. Octets that all entity references of a document may expand to.
    pub xml_expansion: usize,
    /// Strict. Octets of one medium that is opened.
    pub media_bytes: usize,
    /// Strict. Pixels of one picture or one frame, from its header.
    pub pixels: u64,
    /// Strict. Longer side of a picture in pixels.
    pub side: u32,
    /// Strict. Frames of an animation that are decoded; the rest is not looked at.
    pub frames: usize,
    /// Strict. Pixels of all frames of an animation together.
    pub animation_pixels: u64,
    /// Strict. Scans of one progressive JPEG, each of which may cost a look at every block.
    pub jpeg_scans: usize,
    /// Best effort. Octets a decoder may allocate for one medium.
    pub decode_bytes: u64,
    /// Strict. Boxes, chunks, blocks or frames walked while probing one medium. Beyond it the
    /// duration of speech and sound is estimated, and an animation has at least this many frames.
    pub probe_steps: usize,
    /// Strict. Boxes, EBML elements or chunks read in one container.
    pub container_boxes: usize,
    /// Strict. Tracks of one container.
    pub container_tracks: usize,
    /// Strict. Samples of all tracks of one container, and frames or packets of a sound file.
    pub container_samples: usize,
    /// Strict. Octets of media in memory at one time while a message is adapted.
    pub adapt_bytes: u64,
    /// Strict. Octets of a soundfont that is read.
    pub soundfont_bytes: usize,
    /// Strict. Milliseconds of a melody that is made sound.
    pub melody_ms: u64,
}

/// Bounds on what a plugin may ask of us. No manifest raises them: it can only ask for less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLimits {
    /// Strict. Octets of a component that is read at all.
    pub component_bytes: u64,
    /// Strict. Octets of a manifest.
    pub manifest_bytes: u64,
    /// Strict. Octets of all memories of one job.
    pub memory_bytes: u64,
    /// Strict. Entries of one table of one job.
    pub table_entries: usize,
    /// Strict. Octets of machine stack of one job.
    pub stack_bytes: usize,
    /// Strict, within 10 ms. Milliseconds that the plugin's code of one job may run. Of a track of
    /// moving pictures they are given again for every ten seconds of it.
    pub job_ms: u64,
    /// Strict, within 10 ms. Milliseconds that the plugin's code may run for one track, however long
    /// it is.
    pub track_ms: u64,
    /// Strict. Units of wasmtime's fuel of one job, about one an instruction; `None` does not count,
    /// which is faster.
    pub fuel: Option<u64>,
    /// Strict. Octets of all results of one job; of pictures that are decoded, of one call.
    pub output_bytes: u64,
    /// Strict. Milliseconds in which a plugin must say what it is.
    pub describe_ms: u64,
    /// Strict. Octets of memory for saying what it is.
    pub describe_bytes: u64,
    /// Strict. Lines of one job that are kept.
    pub log_lines: usize,
    /// Strict. Octets of one such line.
    pub log_line_bytes: usize,
    /// Strict. Failures in a row after which a plugin is not used for a while.
    pub failures: u32,
    /// Strict. Milliseconds of that while.
    pub quarantine_ms: u64,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            component_bytes: 16 << 20,
            manifest_bytes: 64 << 10,
            memory_bytes: 256 << 20,
            table_entries: 100_000,
            stack_bytes: 512 << 10,
            job_ms: 10_000,
            track_ms: 120_000,
            fuel: None,
            output_bytes: 256 << 20,
            describe_ms: 100,
            describe_bytes: 16 << 20,
            log_lines: 16,
            log_line_bytes: 512,
            failures: 5,
            quarantine_ms: 60_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 32 << 20,
            headers: 512,
            parts: 256,
            part_headers: 64,
            params: 64,
            nesting: 8,
            xml_bytes: 1 << 20,
            xml_depth: 64,
            xml_elements: 20_000,
            xml_entities: 64,
            xml_expansion: 1 << 20,
            media_bytes: 32 << 20,
            pixels: 64_000_000,
            side: 20_000,
            frames: 1_000,
            animation_pixels: 256_000_000,
            jpeg_scans: 200,
            decode_bytes: 512 << 20,
            probe_steps: 20_000,
            container_boxes: 1_000_000,
            container_tracks: 64,
            container_samples: 1_000_000,
            adapt_bytes: 768 << 20,
            soundfont_bytes: 256 << 20,
            melody_ms: 600_000,
        }
    }
}
