//! A wire between two swarms that a test can cut, stop and move.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// Forwards TCP connections.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    /// Whether bytes move.
    moves: watch::Sender<bool>,
    cuts: watch::Sender<u64>,
    _task: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let target = Arc::new(Mutex::new(target));
        let (moves, moving) = watch::channel(true);
        let (cuts, cut) = watch::channel(0);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, target.clone(), moving, cut));
        Self { address, target, moves, cuts, _task: task }
    }

    /// New connections go there.
    pub(crate) fn point_to(&self, target: SocketAddr) {
        *self.target.lock().expect("no panic") = target;
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// No byte moves any more, and nobody is told.
    pub(crate) fn freeze(&self) {
        self.moves.send_replace(false);
    }

    /// Bytes move again.
    pub(crate) fn thaw(&self) {
        self.moves.send_replace(true);
    }
}

async fn accept(
    listener: TcpListener,
    target: Arc<Mutex<SocketAddr>>,
    moving: watch::Receiver<bool>,
    cut: watch::Receiver<u64>,
) {
    let mut wires = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let target = *target.lock().expect("no panic");
        let moving = moving.clone();
        let mut cut = cut.clone();
        cut.mark_unchanged();
        wires.spawn(async move {
            if let Ok(far) = TcpStream::connect(target).await {
                tokio::select! {
                    () = carry(near, far, moving) => {}
                    _ = cut.changed() => {}
                }
            }
        });
    }
}

async fn carry(near: TcpStream, far: TcpStream, moving: watch::Receiver<bool>) {
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::select! {
        () = pump(near_read, far_write, moving.clone()) => {}
        () = pump(far_read, near_write, moving) => {}
    }
}

async fn pump(
    from: tokio::net::tcp::OwnedReadHalf,
    to: tokio::net::tcp::OwnedWriteHalf,
    mut moving: watch::Receiver<bool>,
) {
    let mut bytes = [0; 8 << 10];
    loop {
        if moving.wait_for(|moves| *moves).await.is_err() || from.readable().await.is_err() {
            return;
        }
        if !*moving.borrow() {
            continue;
        }
        match from.try_read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => {
                if write_all(&to, &bytes[..read]).await.is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn write_all(to: &tokio::net::tcp::OwnedWriteHalf, mut bytes: &[u8]) -> io::Result<()> {
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
