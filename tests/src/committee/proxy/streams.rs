//! Carries the bytes of TCP connections.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinSet,
    time::{self, Instant},
};

use super::{Sky, Weather};

/// What is read at once, in bytes.
const CHUNK_BYTES: usize = 16 * 1_024;

/// How many chunks of a connection may be on their way.
const CHUNKS_MAX: usize = 256;

/// Runs until it is aborted, and all its connections with it.
pub(super) async fn accept(listener: TcpListener, target: SocketAddr, sky: watch::Receiver<Sky>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(carry(stream, target, sky.clone()));
                }
                // Whoever it was has gone.
                Err(_) => time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

/// Carries the bytes of one connection in both directions until it ends.
async fn carry(mut near: TcpStream, target: SocketAddr, mut sky: watch::Receiver<Sky>) {
    let Sky { weather, resets } = *sky.borrow();
    if weather == Weather::Cut {
        return;
    }
    // A dead validator refuses, and so do we by ending.
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    // Delays are ours alone. Where a system refuses this, they are a little longer.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let is_reset = {
        let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
        tokio::select! {
            () = forward(near_read, far_write, sky.clone()) => false,
            () = forward(far_read, near_write, sky.clone()) => false,
            seen = sky.wait_for(|sky| sky.weather == Weather::Cut || sky.resets != resets) => {
                seen.is_ok()
            }
        }
    };
    if is_reset {
        // Dropped like this, both ends see a reset; it may be too late for one of them.
        let _ = (near.set_zero_linger(), far.set_zero_linger());
    }
}

/// Carries bytes in one direction, each after its delay, until one end is gone.
async fn forward(from: ReadHalf<'_>, to: WriteHalf<'_>, mut sky: watch::Receiver<Sky>) {
    let (sender, mut receiver) = mpsc::channel(CHUNKS_MAX);
    let seen = sky.clone();
    let reading = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = read(&from, &mut buffer).await {
            let delay = match seen.borrow().weather {
                Weather::Delayed(delay) => delay,
                Weather::Clear | Weather::Stalled | Weather::Cut | Weather::Lossy { .. } => {
                    Duration::ZERO
                }
            };
            let chunk = (Instant::now() + delay, buffer[..length].to_vec());
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            time::sleep_until(due).await;
            let cleared = sky.wait_for(|sky| sky.weather != Weather::Stalled).await.is_ok();
            if !cleared || write(&to, &bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}

/// Reads what is there, at least a byte; 0 is the end.
async fn read(from: &ReadHalf<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

/// Writes all of it.
async fn write(to: &WriteHalf<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
