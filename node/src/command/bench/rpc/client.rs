//! Load over HTTP that costs little: whatever the client uses, those whom it measures lack.
//!
//! It writes the same bytes again and again, and of an answer reads the status, the length, and
//! whether it begins like a result.

use std::{
    io,
    net::SocketAddr,
    str,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time,
};

use crate::{
    command::bench::{load::PATIENCE, process, sample::Sample},
    failure::Failure,
};

/// How long requests are sent before any is counted.
const WARM_UP: Duration = Duration::from_millis(500);
/// How much of an answer is read at once.
const READ_BYTES: usize = 64 << 10;
/// Where in an answer it says whether it is a result.
const BEGINNING: usize = 64;

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    address: SocketAddr,
    process: u32,
}

/// What came of a load.
#[derive(Debug)]
pub(super) struct Measured {
    /// From the first byte of a request to the last of its answer.
    pub(super) took: Sample,
    lasting: Duration,
    /// CPU time of the process that was asked.
    cpu: Duration,
}

/// What counts: requests that are sent from `begin` on. None is sent from `end` on.
#[derive(Clone, Copy, Debug)]
struct Window {
    begin: Instant,
    end: Instant,
}

impl Target {
    /// The process that serves at `url`.
    ///
    /// # Errors
    /// If that is no address.
    pub(super) fn new(url: &str, process: u32) -> Result<Self, Failure> {
        let address = url.strip_prefix("http://").unwrap_or(url).parse().map_err(|error| {
            let what = format!("cannot ask {url}");
            Failure::because(what, &error, "this is a bug; please report it")
        })?;
        Ok(Self { address, process })
    }

    /// Sends a body over so many connections, each time again when the answer is there.
    ///
    /// # Errors
    /// If a connection breaks, or an answer is no result.
    pub(super) async fn load(
        self,
        body: &str,
        connections: usize,
        lasting: Duration,
    ) -> Result<Measured, Failure> {
        let failed = |error| Failure::because("cannot measure", &error, "see above for more");
        let request: Arc<[u8]> = self.request(body).into_bytes().into();
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(Connection::open(self.address).await.map_err(failed)?);
        }
        let begin = Instant::now() + WARM_UP;
        let window = Window { begin, end: begin + lasting };
        let mut asking = JoinSet::new();
        for connection in open {
            asking.spawn(connection.ask(Arc::clone(&request), window));
        }
        let cpu = self.cpu_in(window).await;
        let answered = time::timeout(PATIENCE, asking.join_all()).await;
        let answered = answered.map_err(|late| failed(late.into()))?;
        let took = answered.into_iter().collect::<io::Result<Vec<_>>>().map_err(failed)?;
        Ok(Measured { took: took.into_iter().flatten().collect(), lasting, cpu })
    }

    fn request(self, body: &str) -> String {
        let Self { address, .. } = self;
        let length = body.len();
        format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
    }

    async fn cpu_in(self, window: Window) -> Duration {
        let id = self.process.to_string();
        time::sleep_until(window.begin.into()).await;
        let before = process::cpu(&id);
        time::sleep_until(window.end.into()).await;
        process::cpu(&id).saturating_sub(before)
    }
}

impl Measured {
    /// Answers a second.
    pub(super) fn per_second(&self) -> f64 {
        self.took.len() as f64 / self.lasting.as_secs_f64()
    }

    /// CPU time of an answer, in microseconds.
    pub(super) fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.took.len().max(1) as f64
    }
}

/// One connection, kept open.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; READ_BYTES] })
    }

    /// Asks until the window closes; how long each answer took that counts.
    async fn ask(mut self, request: Arc<[u8]>, window: Window) -> io::Result<Vec<Duration>> {
        let mut took = Vec::new();
        loop {
            let sent = Instant::now();
            if window.end <= sent {
                return Ok(took);
            }
            self.stream.write_all(&request).await?;
            self.read_answer().await?;
            if window.begin <= sent {
                took.push(sent.elapsed());
            }
        }
    }

    async fn read_answer(&mut self) -> io::Result<()> {
        let mut filled = 0;
        let bytes = loop {
            filled += self.read_from(filled).await?;
            let read = &self.buffer[..filled];
            if let Some(head) = Head::read(read)? {
                let end = head.bytes + head.body_bytes;
                let beginning = end.min(head.bytes + BEGINNING);
                if beginning <= filled {
                    check(&read[head.bytes..beginning])?;
                    break end;
                }
            }
        };
        let mut missing = bytes.checked_sub(filled).ok_or_else(|| broken("it is too long"))?;
        while 0 < missing {
            let read = self.read_from(0).await?;
            missing = missing.checked_sub(read).ok_or_else(|| broken("it is too long"))?;
        }
        Ok(())
    }

    async fn read_from(&mut self, place: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[place..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }
}

/// What comes before the body of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    bytes: usize,
    body_bytes: usize,
}

impl Head {
    /// Reads the beginning of an answer; `None` if more of it is needed.
    fn read(answer: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = str::from_utf8(&answer[..end]).map_err(|_| broken("its head is no text"))?;
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(broken(head));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse().ok());
        let body_bytes = length.ok_or_else(|| broken("it does not say its length"))?;
        Ok(Some(Self { bytes: end + 4, body_bytes }))
    }
}

/// Whether what begins so is a result.
fn check(beginning: &[u8]) -> io::Result<()> {
    let beginning = String::from_utf8_lossy(beginning);
    if beginning.contains("\"result\":") { Ok(()) } else { Err(broken(&beginning)) }
}

fn broken(why: &str) -> io::Error {
    io::Error::other(format!("an answer cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{}";
        let head = Head { bytes: 39, body_bytes: 12 };
        assert_eq!(Head::read(answer).expect("fine"), Some(head));
        assert_eq!(Head::read(&answer[..38]).expect("fine so far"), None);
        for broken in
            ["HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"]
        {
            assert!(Head::read(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn an_error_is_no_result() {
        assert!(check(br#"{"jsonrpc":"2.0","id":1,"result":[]}"#).is_ok());
        assert!(check(br#"{"jsonrpc":"2.0","id":1,"error":{"code":24}}"#).is_err());
    }
}
