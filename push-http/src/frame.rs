//! Finds HTTP/2 frames in a byte stream (RFC 9113 §4.1).

/// Length, type, flags and stream identifier.
const HEADER_BYTES: usize = 9;
/// Longest payload that is kept: 8 bytes of GOAWAY and its debug data. SETTINGS frames in use are far shorter.
const MAX_CAPTURE: usize = 8 + 1024;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const ACK: u8 = 1;

/// Finds frames in a byte stream that comes in arbitrary pieces.
pub(crate) struct Frame {
    header: [u8; HEADER_BYTES],
    have: usize,
    payload_left: usize,
    captured: Vec<u8>,
}

impl Frame {
    pub(crate) fn new() -> Self {
        Self {
            header: [0; HEADER_BYTES],
            have: 0,
            payload_left: 0,
            captured: Vec::new(),
        }
    }

    pub(crate) fn kind(&self) -> u8 {
        self.header[3]
    }

    pub(crate) fn flags(&self) -> u8 {
        self.header[4]
    }

    pub(crate) fn stream(&self) -> u32 {
        u32::from_be_bytes([
            self.header[5],
            self.header[6],
            self.header[7],
            self.header[8],
        ]) & 0x7fff_ffff
    }

    /// The beginning of the payload, if it was kept.
    pub(crate) fn captured(&self) -> &[u8] {
        &self.captured
    }

    /// Reads `bytes`; calls `on_header` when a frame's header is complete, and `on_frame` when its payload is, of which
    /// the beginning is kept if `capture` returns `true` for its type.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        capture: impl Fn(u8) -> bool,
        mut on_header: impl FnMut(&Self),
        mut on_frame: impl FnMut(&Self),
    ) {
        while !bytes.is_empty() {
            if self.have < HEADER_BYTES {
                let take = bytes.len().min(HEADER_BYTES - self.have);
                self.header[self.have..self.have + take].copy_from_slice(&bytes[..take]);
                self.have += take;
                bytes = &bytes[take..];
                if self.have < HEADER_BYTES {
                    return;
                }
                self.captured.clear();
                let [a, b, c, ..] = self.header;
                self.payload_left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                on_header(self);
            } else {
                let take = bytes.len().min(self.payload_left);
                if capture(self.kind()) {
                    let keep = take.min(MAX_CAPTURE - self.captured.len());
                    self.captured.extend_from_slice(&bytes[..keep]);
                }
                self.payload_left -= take;
                bytes = &bytes[take..];
            }
            if self.payload_left == 0 {
                on_frame(self);
                self.have = 0;
            }
        }
    }
}
