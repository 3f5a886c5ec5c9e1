//! How the simulated service listens and behaves.
use push_testkit::{simulator, simulator_options};

/// How the service listens and behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What every simulator has. Production listens on the address, the sandbox on the port after it, and the channels of
    /// production and of the sandbox on the two after that; each on a free port if the address has none.
    pub base: simulator::Options,
    /// Streams on a connection once a credential was accepted. Default: 1,000.
    pub max_streams: u32,
    /// After this many refused requests in a row (410 does not count) a connection gets one stream until the next success;
    /// 0: never. Default: 20. Apple documents that it happens, not when.
    pub slow_after: u32,
}

impl Default for Options {
    fn default() -> Self {
        simulator::Options::default().into()
    }
}

impl From<simulator::Options> for Options {
    fn from(base: simulator::Options) -> Self {
        Self {
            base,
            max_streams: 1000,
            slow_after: 20,
        }
    }
}

simulator_options!(Options);

impl Options {
    /// Gives an accepted client this many streams.
    #[must_use]
    pub fn with_max_streams(mut self, streams: u32) -> Self {
        self.max_streams = streams;
        self
    }
}
