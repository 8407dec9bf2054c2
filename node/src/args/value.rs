//! The values of flags that are more than a number or a text.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

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
