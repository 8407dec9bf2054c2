//! The clients: a steady stream of transactions for each validator.
//!
//! On the wire each transaction stands behind its length, four bytes in little endian. It begins with
//! the time at which it is meant to be sent, and its number; the rest is the same in all.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{Micros, report::Report};
use crate::failure::Failure;

/// How often a client sends what is due.
const TICK: Duration = Duration::from_millis(5);

/// The most transactions in one write.
const WRITE_MAX: u64 = 2_048;

/// How long a validator may take for its report.
const REPORT_MAX: Duration = Duration::from_secs(60);

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Transactions a second, over all validators.
    pub(super) rate: u32,
    /// Bytes of each.
    pub(super) bytes: u32,
    /// For how long they count.
    pub(super) seconds: u32,
}

/// Clients at work.
#[derive(Debug)]
pub(super) struct Clients(Vec<JoinHandle<io::Result<Report>>>);

/// Starts a client for each validator; they send from `began` on, until `end` after it.
pub(super) fn start(
    validators: impl Iterator<Item = SocketAddr>,
    load: Load,
    began: (Instant, Micros),
    end: Duration,
) -> Clients {
    let validators: Vec<_> = validators.collect();
    let share = f64::from(load.rate) / validators.len() as f64;
    let client =
        |address| thread::spawn(move || Client::connect(address, load, began)?.run(share, end));
    Clients(validators.into_iter().map(client).collect())
}

impl Clients {
    /// Waits until everything is sent and ordered, and for what the validators saw.
    ///
    /// # Errors
    /// If a validator is gone.
    pub(super) fn reports(self) -> Result<Vec<Report>, Failure> {
        let join = |client: JoinHandle<_>| client.join().expect("a client does not panic");
        let reports = self.0.into_iter().map(join).collect::<io::Result<_>>();
        reports.map_err(|error| {
            Failure::because("lost a validator", &error, "see above for what it says itself")
        })
    }
}

struct Client {
    stream: TcpStream,
    began: (Instant, Micros),
    /// A frame; its first bytes change.
    frame: Vec<u8>,
    sent: u64,
}

impl Client {
    fn connect(address: SocketAddr, load: Load, began: (Instant, Micros)) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(REPORT_MAX))?;
        let bytes = usize::try_from(load.bytes).expect("a u32 fits into a usize");
        let frame = [&load.bytes.to_le_bytes()[..], &vec![0xab; bytes]].concat();
        Ok(Self { stream, began, frame, sent: 0 })
    }

    /// Sends so many a second.
    fn run(mut self, rate: f64, end: Duration) -> io::Result<Report> {
        let mut buffer = Vec::new();
        loop {
            let elapsed = self.began.0.elapsed().min(end);
            let due = count(elapsed.as_secs_f64() * rate);
            let until = due.min(self.sent + WRITE_MAX);
            buffer.clear();
            while self.sent < until {
                let at = Duration::from_secs_f64(self.sent as f64 / rate);
                self.append(&mut buffer, self.began.1.after(at));
            }
            self.stream.write_all(&buffer)?;
            // What could not be sent by now is counted as never ordered.
            if elapsed == end {
                break;
            }
            if until == due {
                thread::sleep(TICK);
            }
        }
        self.stream.shutdown(Shutdown::Write)?;
        let mut report = Vec::new();
        self.stream.read_to_end(&mut report)?;
        Ok(serde_json::from_slice(&report)?)
    }

    fn append(&mut self, buffer: &mut Vec<u8>, meant: Micros) {
        self.frame[4..12].copy_from_slice(&meant.0.to_le_bytes());
        self.frame[12..20].copy_from_slice(&self.sent.to_le_bytes());
        buffer.extend_from_slice(&self.frame);
        self.sent += 1;
    }
}

/// A number of transactions, which is far below what a double holds exactly.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is a rate times a time, and neither is negative or large"
)]
fn count(number: f64) -> u64 {
    number as u64
}
