//! The values of flags that are more than a number or a text.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use kraken_types::genesis;
use tracing_subscriber::EnvFilter;

use crate::settings;

/// The text that every signature covers, for example `SN_SEPOLIA`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainName(String);

impl ChainName {
    /// A short string of Cairo has at most this many characters.
    const CHARACTERS_MAX: usize = 31;

    /// As transactions cover it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChainName {
    type Err = String;

    /// Upper case, as starknet-devnet does it; `TESTNET` and `MAINNET` are the public chains.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || Self::CHARACTERS_MAX < text.len() {
            return Err(format!("must have 1 to {} characters", Self::CHARACTERS_MAX));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("must have only ASCII letters, digits and signs".to_owned());
        }
        Ok(Self(match text.to_ascii_uppercase().as_str() {
            "TESTNET" => "SN_SEPOLIA".to_owned(),
            "MAINNET" => "SN_MAIN".to_owned(),
            custom => custom.to_owned(),
        }))
    }
}

/// When a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockGeneration {
    /// With each transaction.
    Transaction,
    /// When `devnet_createBlock` asks for it.
    Demand,
    /// After this many milliseconds, with or without transactions.
    Every {
        /// At least 1.
        millis: u64,
    },
}

impl FromStr for BlockGeneration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let not_an_interval = || {
            "must be \"transaction\", \"demand\" or a number of seconds of 0.001 or more".to_owned()
        };
        match text {
            "transaction" => Ok(Self::Transaction),
            "demand" => Ok(Self::Demand),
            seconds => {
                let seconds: f64 = seconds.parse().map_err(|_| not_an_interval())?;
                let interval = Duration::try_from_secs_f64(seconds).ok();
                let millis = interval.and_then(|interval| u64::try_from(interval.as_millis()).ok());
                let millis = millis.filter(|millis| 0 < *millis).ok_or_else(not_an_interval)?;
                Ok(Self::Every { millis })
            }
        }
    }
}

impl fmt::Display for BlockGeneration {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction => f.write_str("transaction"),
            Self::Demand => f.write_str("demand"),
            Self::Every { millis } => write!(f, "{}", Duration::from_millis(*millis).as_secs_f64()),
        }
    }
}

/// What runs Cairo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The Cairo VM.
    Vm,
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "vm" => Ok(Self::Vm),
            _ => Err("must be \"vm\"".to_owned()),
        }
    }
}

impl fmt::Display for Engine {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vm => f.write_str("vm"),
        }
    }
}

/// The class of the accounts of a developer's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccountClass {
    /// OpenZeppelin 1.0.0.
    Cairo1,
}

impl FromStr for AccountClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cairo1" => Ok(Self::Cairo1),
            "cairo0" => Err("accounts of Cairo 0 are not served; name a class of your own with \
                             --account-class-custom"
                .to_owned()),
            _ => Err("must be \"cairo1\"".to_owned()),
        }
    }
}

impl fmt::Display for AccountClass {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cairo1 => f.write_str("cairo1"),
        }
    }
}

/// When recorded requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DumpOn(pub(crate) kraken_rpc::DumpOn);

impl FromStr for DumpOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "exit" => Ok(Self(kraken_rpc::DumpOn::Exit)),
            "block" => Ok(Self(kraken_rpc::DumpOn::Block)),
            "request" => Ok(Self(kraken_rpc::DumpOn::Request)),
            _ => Err("must be \"exit\", \"block\" or \"request\"".to_owned()),
        }
    }
}

/// Which old states are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateArchive(pub(crate) kraken_rpc::StateArchive);

impl FromStr for StateArchive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(kraken_rpc::StateArchive::None)),
            "full" => Ok(Self(kraken_rpc::StateArchive::Full)),
            _ => Err("must be \"none\" or \"full\"".to_owned()),
        }
    }
}

/// The name of a method of JSON-RPC.
///
/// # Errors
/// If there is none of this name.
pub(crate) fn method(text: &str) -> Result<String, String> {
    if kraken_rpc::has_method(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("there is no method {text:?}"))
    }
}

/// What `kraken run` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A member of the committee: it orders and executes.
    Validator,
    /// It follows the committee.
    Full,
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "validator" => Ok(Self::Validator),
            "full" => Ok(Self::Full),
            _ => Err("must be \"validator\" or \"full\"".to_owned()),
        }
    }
}

impl fmt::Display for Role {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Validator => "validator",
            Self::Full => "full",
        })
    }
}

/// What carries bytes between validators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transport(pub(crate) kraken_sequencer::Transport);

impl FromStr for Transport {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "tcp" => Ok(Self(kraken_sequencer::Transport::Tcp)),
            "quic" => Ok(Self(kraken_sequencer::Transport::Quic)),
            "plaintext" => Ok(Self(kraken_sequencer::Transport::Plaintext)),
            _ => Err("must be \"tcp\", \"quic\" or \"plaintext\"".to_owned()),
        }
    }
}

impl fmt::Display for Transport {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            kraken_sequencer::Transport::Tcp => "tcp",
            kraken_sequencer::Transport::Quic => "quic",
            kraken_sequencer::Transport::Plaintext => "plaintext",
        })
    }
}

/// What orders certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Protocol(pub(crate) genesis::Protocol);

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "fcfs" => Ok(Self(genesis::Protocol::Fcfs)),
            "hotstuff" => Ok(Self(genesis::Protocol::HotStuff)),
            "bullshark" => Ok(Self(genesis::Protocol::Bullshark)),
            _ => Err("must be \"hotstuff\", \"bullshark\" or \"fcfs\"".to_owned()),
        }
    }
}

impl fmt::Display for Protocol {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            genesis::Protocol::Fcfs => "fcfs",
            genesis::Protocol::HotStuff => "hotstuff",
            genesis::Protocol::Bullshark => "bullshark",
        })
    }
}

/// How long a block takes: `1`, `0.5`, `1s` or `500ms`; at least a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// At least 1.
    pub(crate) millis: u64,
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
            (Some(number), _) => (number, 0.001),
            (None, Some(number)) => (number, 1.0),
            (None, None) => (text, 1.0),
        };
        let seconds: Option<f64> = number.parse().ok();
        let interval = seconds.and_then(|number| Duration::try_from_secs_f64(number * unit).ok());
        // A fraction in binary may be a little less than it says.
        let millis = interval.map(|interval| (interval + Duration::from_micros(1)).as_millis());
        let millis = millis.and_then(|millis| u64::try_from(millis).ok());
        let millis = millis.filter(|millis| 0 < *millis);
        millis.map(|millis| Self { millis }).ok_or_else(|| {
            "must be a time of 1ms or more, for example 1s, 0.5s or 250ms".to_owned()
        })
    }
}

impl fmt::Display for Interval {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.millis {
            millis if millis % 1_000 == 0 => write!(f, "{}s", millis / 1_000),
            millis => write!(f, "{millis}ms"),
        }
    }
}

/// What is logged: a level for this program, or a whole filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFilter(String);

impl LogFilter {
    /// A bare level is for this program; of the libraries it uses, only warnings matter.
    pub(crate) fn filter(&self) -> EnvFilter {
        EnvFilter::new(self.directives())
    }

    fn directives(&self) -> String {
        match self.0.to_ascii_lowercase().as_str() {
            level @ ("off" | "error" | "warn" | "info" | "debug" | "trace") => {
                // The execution engine warns of what is everyday business here.
                format!("warn,blockifier=error,kraken={level}")
            }
            _ => self.0.clone(),
        }
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self(settings::LOG.to_owned())
    }
}

impl fmt::Display for LogFilter {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let filter = if text.trim().is_empty() { Self::default() } else { Self(text.to_owned()) };
        match EnvFilter::try_new(filter.directives()) {
            Ok(_) => Ok(filter),
            Err(error) => Err(format!("{error}; try \"debug\" or \"info,kraken_rpc=debug\"")),
        }
    }
}

/// Reads a place to call, as `host:port`; an IPv6 address stands in brackets.
///
/// # Errors
/// In the words of a person, if `text` is none.
pub(crate) fn host_and_port(text: &str) -> Result<(&str, u16), String> {
    let parts = text.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let has_brackets = host.starts_with('[') && host.ends_with(']');
        let is_whole = !host.is_empty() && (has_brackets || !host.contains([':', '/', ' ']));
        is_whole.then_some((host, port))
    });
    parts.ok_or_else(|| format!("{text:?} is no address: expected host:port"))
}

/// Reads an address; `localhost` is one.
///
/// # Errors
/// In the words of a person, if `text` is neither.
pub(crate) fn host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(settings::HOST),
        address => address.parse().map_err(|_| "must be an IP address or \"localhost\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_named_as_in_devnet() {
        for (text, name) in [
            ("TESTNET", "SN_SEPOLIA"),
            ("mainnet", "SN_MAIN"),
            ("SN_SEPOLIA", "SN_SEPOLIA"),
            ("my_chain", "MY_CHAIN"),
        ] {
            assert_eq!(text.parse::<ChainName>().expect("valid").as_str(), name);
        }
        for text in ["", "TWO WORDS", "Ü", &"A".repeat(32)] {
            assert!(text.parse::<ChainName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn block_generation_survives_its_text() {
        for (text, generation) in [
            ("transaction", BlockGeneration::Transaction),
            ("demand", BlockGeneration::Demand),
            ("1", BlockGeneration::Every { millis: 1_000 }),
            ("0.25", BlockGeneration::Every { millis: 250 }),
            ("2.5", BlockGeneration::Every { millis: 2_500 }),
        ] {
            assert_eq!(text.parse(), Ok(generation));
            assert_eq!(generation.to_string(), text);
        }
        for text in ["", "0", "0.0001", "-1", "NaN", "inf", "1e300", "never"] {
            assert!(text.parse::<BlockGeneration>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_interval_survives_its_text() {
        for (text, millis) in [("1s", 1_000), ("60s", 60_000), ("250ms", 250), ("1500ms", 1_500)] {
            assert_eq!(text.parse(), Ok(Interval { millis }));
            assert_eq!(Interval { millis }.to_string(), text);
        }
        for (text, millis) in [("1", 1_000), ("0.5", 500), ("0.3s", 300), ("0.001", 1)] {
            assert_eq!(text.parse(), Ok(Interval { millis }), "{text}");
        }
        for text in ["", "s", "0", "0ms", "0.1ms", "-1s", "NaN", "inf", "1e300", "1m", "soon"] {
            assert!(text.parse::<Interval>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_of_protocols_and_transports_survive_their_text() {
        for name in ["fcfs", "hotstuff", "bullshark"] {
            assert_eq!(name.parse::<Protocol>().map(|it| it.to_string()).as_deref(), Ok(name));
        }
        for name in ["tcp", "quic", "plaintext"] {
            assert_eq!(name.parse::<Transport>().map(|it| it.to_string()).as_deref(), Ok(name));
        }
        assert!("HotStuff".parse::<Protocol>().is_err() && "udp".parse::<Transport>().is_err());
    }

    #[test]
    fn a_place_to_call_has_a_host_and_a_port() {
        for (text, host, port) in [
            ("example.org:7050", "example.org", 7_050),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:65535", "[::1]", 65_535),
        ] {
            assert_eq!(host_and_port(text), Ok((host, port)));
        }
        for text in ["", ":1", "a", "a:", "a:0", "a:65536", "::1:5", "a b:1", "http://a:1"] {
            assert!(host_and_port(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_bare_log_level_is_for_this_program() {
        let directives = |text: &str| text.parse::<LogFilter>().map(|filter| filter.directives());
        assert_eq!(directives("debug").as_deref(), Ok("warn,blockifier=error,kraken=debug"));
        assert_eq!(directives("").as_deref(), Ok("warn,blockifier=error,kraken=info"));
        assert_eq!(directives("info,kraken_rpc=trace").as_deref(), Ok("info,kraken_rpc=trace"));
        assert!(directives("kraken=loud").is_err());
    }

    #[test]
    fn a_host_is_an_address_or_localhost() {
        assert_eq!(host("localhost"), Ok(settings::HOST));
        assert_eq!(host("::1"), Ok(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)));
        assert!(host("example.org").is_err());
    }
}
