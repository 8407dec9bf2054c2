//! Carries datagrams, some of which are lost on the way.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{net::UdpSocket, sync::watch, task::JoinSet, time};

use super::{Sky, Weather};

/// More than any datagram has, in bytes.
const BUFFER_BYTES: usize = 1 << 16;

/// How many who send are remembered. Each attempt to connect comes from a port of its own.
const SENDERS_MAX: usize = 256;

/// Of what chance has to say; when datagrams come is chance as well.
const SEED: u64 = 5;

/// How long to do nothing after the system refused something.
const PAUSE: Duration = Duration::from_millis(10);

/// What becomes of datagrams on one way, in one direction.
#[derive(Clone)]
struct Fate {
    sky: watch::Receiver<Sky>,
    random: StdRng,
    /// How many are lost.
    lost: Arc<AtomicU64>,
}

/// Carries datagrams between all who send to `near` and a target, until it is aborted.
pub(super) async fn carry(
    near: UdpSocket,
    target: SocketAddr,
    sky: watch::Receiver<Sky>,
    lost: Arc<AtomicU64>,
) {
    let near = Arc::new(near);
    let mut fate = Fate { sky, random: StdRng::seed_from_u64(SEED), lost };
    let mut senders: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut returns = JoinSet::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let Ok((length, from)) = near.recv_from(&mut buffer).await else {
            time::sleep(PAUSE).await;
            continue;
        };
        if !senders.contains_key(&from) {
            let Ok(far) = connect(target).await else { continue };
            if SENDERS_MAX <= senders.len() {
                senders.clear();
                returns.abort_all();
            }
            let fate = Fate { random: StdRng::seed_from_u64(fate.random.r#gen()), ..fate.clone() };
            returns.spawn(carry_back(far.clone(), near.clone(), from, fate));
            senders.insert(from, far);
        }
        let far = &senders[&from];
        if fate.arrives().await {
            // Nobody is there, or no room is: then it is lost as well.
            let _ = far.send(&buffer[..length]).await;
        }
    }
}

/// Carries what the target answers to one who sends.
async fn carry_back(far: Arc<UdpSocket>, near: Arc<UdpSocket>, to: SocketAddr, mut fate: Fate) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let Ok(length) = far.recv(&mut buffer).await else {
            time::sleep(PAUSE).await;
            continue;
        };
        if fate.arrives().await {
            // As above.
            let _ = near.send_to(&buffer[..length], to).await;
        }
    }
}

async fn connect(target: SocketAddr) -> io::Result<Arc<UdpSocket>> {
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    far.connect(target).await?;
    Ok(Arc::new(far))
}

impl Fate {
    /// Waits as long as the weather delays a datagram; whether it arrives after that.
    async fn arrives(&mut self) -> bool {
        let weather = self.sky.borrow().weather;
        let arrives = match weather {
            Weather::Clear => true,
            Weather::Delayed(delay) => {
                time::sleep(delay).await;
                true
            }
            Weather::Lossy { percent } => percent <= self.random.gen_range(0..100),
            Weather::Stalled | Weather::Cut => false,
        };
        self.lost.fetch_add(u64::from(!arrives), Ordering::Relaxed);
        arrives
    }
}
