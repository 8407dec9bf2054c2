//! The handshake: each end says on a stream of its own what must be equal.

use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_types::{Digest, ValidatorId, codec};
use libp2p::Stream;
use tokio::{sync::mpsc, time};

use crate::{
    behaviour::{Ends, Opener, Purpose},
    frame::{self, FrameError},
    reason::Refusal,
};

/// The handshake as a whole takes no longer than this.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// After a mismatch the connection stays for this long, so that the other end reads why.
const LINGER: Duration = Duration::from_millis(500);

/// No hello is larger, of whatever version.
const HELLO_BYTES_MAX: usize = 1_024;

/// Whatever follows the version may change with it; the version itself stays where it is.
const VERSION: u16 = 1;

/// What must be equal on both ends.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Hello {
    version: u16,
    chain: Digest,
    protocol: String,
}

/// Why a hello is not good enough, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mismatch {
    refusal: Refusal,
    ours: String,
    theirs: String,
}

impl Hello {
    pub(crate) fn new(chain: Digest, protocol: String) -> Self {
        Self { version: VERSION, chain, protocol }
    }

    /// Compares what the other end sent with what we would say.
    fn compare(&self, theirs: &[u8]) -> Result<(), Mismatch> {
        let mismatch = |refusal, ours, theirs| Err(Mismatch { refusal, ours, theirs });
        if let Some(version) = theirs.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
            && version != self.version
        {
            let (ours, theirs) = (self.version.to_string(), version.to_string());
            return mismatch(Refusal::WrongVersion, ours, theirs);
        }
        let Ok(theirs) = codec::decode::<Self>(theirs, HELLO_BYTES_MAX) else {
            return mismatch(Refusal::Malformed, String::new(), String::new());
        };
        if theirs.chain != self.chain {
            let (ours, theirs) = (self.chain.to_string(), theirs.chain.to_string());
            return mismatch(Refusal::WrongChain, ours, theirs);
        }
        if theirs.protocol != self.protocol {
            return mismatch(Refusal::WrongProtocol, self.protocol.clone(), theirs.protocol);
        }
        Ok(())
    }
}

impl Mismatch {
    /// Both ends log it, each from its own side. A stranger cannot fill the log.
    fn log(&self, whom: Option<ValidatorId>) {
        let Self { refusal, ours, theirs } = self;
        match whom {
            Some(peer) => tracing::warn!(%peer, %refusal, ?ours, ?theirs, "refused a validator"),
            None => tracing::debug!(%refusal, ?ours, ?theirs, "refused a stranger"),
        }
    }
}

/// The two streams of a successful handshake, which carry signs of life from then on.
#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) ours: Stream,
    pub(super) theirs: Stream,
}

/// Tells the other end our hello and compares its own.
pub(super) async fn exchange(
    hello: &Hello,
    ends: &mut Ends,
    whom: Option<ValidatorId>,
) -> Result<Greeted, Refusal> {
    let both = async { tokio::try_join!(say(hello, ends.opener.clone()), hear(&mut ends.opened)) };
    let (ours, (theirs, said)) =
        time::timeout(HANDSHAKE_MAX, both).await.map_err(|_| Refusal::HandshakeTimeout)??;
    if let Err(mismatch) = hello.compare(&said) {
        mismatch.log(whom);
        time::sleep(LINGER).await;
        return Err(mismatch.refusal);
    }
    Ok(Greeted { ours, theirs })
}

async fn say(hello: &Hello, opener: Opener) -> Result<Stream, Refusal> {
    let mut stream = opener.open(Purpose::Hello).await.map_err(|_| Refusal::ClosedByPeer)?;
    let said = frame::write(&mut stream, &codec::encode(hello)).await;
    said.map_err(|_| Refusal::ClosedByPeer)?;
    Ok(stream)
}

async fn hear(opened: &mut mpsc::Receiver<(Purpose, Stream)>) -> Result<(Stream, Bytes), Refusal> {
    let (purpose, mut stream) = opened.recv().await.ok_or(Refusal::ClosedByPeer)?;
    if purpose != Purpose::Hello {
        return Err(Refusal::Malformed);
    }
    match frame::read(&mut stream, HELLO_BYTES_MAX).await {
        Ok(said) => Ok((stream, said)),
        Err(FrameError::Io(_)) => Err(Refusal::ClosedByPeer),
        Err(FrameError::Oversized { .. }) => Err(Refusal::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::config::PROTOCOL_BYTES_MAX;

    fn hello() -> Hello {
        Hello::new(Digest::from_bytes([1; 32]), "kraken/1 fcfs".to_owned())
    }

    fn refusal(theirs: &Hello) -> Option<Refusal> {
        hello().compare(&codec::encode(theirs)).err().map(|mismatch| mismatch.refusal)
    }

    #[test]
    fn each_difference_has_its_name() {
        assert_eq!(refusal(&hello()), None);
        assert_eq!(
            refusal(&Hello { version: 2, ..hello() }),
            Some(Refusal::WrongVersion),
            "before anything else is read"
        );
        let chain = Digest::from_bytes([2; 32]);
        assert_eq!(refusal(&Hello { chain, ..hello() }), Some(Refusal::WrongChain));
        let protocol = "kraken/1 hotstuff".to_owned();
        assert_eq!(refusal(&Hello { protocol, ..hello() }), Some(Refusal::WrongProtocol));
    }

    #[test]
    fn the_longest_hello_fits() {
        let longest = Hello::new(Digest::default(), "x".repeat(PROTOCOL_BYTES_MAX));
        assert!(codec::encode(&longest).len() <= HELLO_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_equal(theirs in vec(any::<u8>(), 0..100)) {
            if hello().compare(&theirs).is_ok() {
                prop_assert_eq!(theirs, codec::encode(&hello()));
            }
        }
    }
}
