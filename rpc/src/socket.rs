//! A WebSocket: requests and their answers as over HTTP, and what subscribers are told.
//!
//! One task for each socket, which waits for one thing at a time and writes one thing at a time. While
//! it writes it reads nothing, so whoever does not read cannot make it keep anything either.

mod end;
mod news;
pub(crate) mod session;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::Arc,
    time::Duration,
};

use axum::{
    Json as JsonBody,
    body::Bytes,
    extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::{
    FutureExt, SinkExt, StreamExt,
    future::{self, BoxFuture},
    stream::{FuturesUnordered, SplitSink, SplitStream},
};
use kraken_sequencer::BlockAt;
use serde_json::json;
use starknet_api::transaction::TransactionHash;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use self::{
    end::End,
    news::{Heard, News},
    session::{Line, Opened, Session},
};
use crate::{
    caller::Caller,
    dispatch::Context,
    dto::receipt::Finality,
    jsonrpc::Deadline,
    subscription::{
        Next, Subscription, feed::Moves, look::Look, sheet::Sheet, stream::Notice,
        transaction_status::Known,
    },
    version::Version,
};

/// How many messages of a socket are answered at the same time; further ones are not read yet.
const ANSWERED_AT_ONCE: usize = 8;

/// How many notices may wait before no subscription is asked for more. What one has to tell of one
/// block is never cut in two.
const WAITING_MAX: usize = 1_024;

/// How much is written before the network has to take it, in bytes.
const FLUSH_BYTES: usize = 64 * 1024;

/// How long the peer of a socket that is closed may take to read why. A slow reader may take as long
/// once more as it has read nothing.
const FAREWELL: Duration = Duration::from_secs(2);

/// A socket and its task.
pub(crate) struct Socket {
    context: Arc<Context>,
    version: Version,
    session: Arc<Session>,
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    /// Messages that are not answered yet.
    asked: FuturesUnordered<BoxFuture<'static, Answered>>,
    subscriptions: BTreeMap<u64, Subscription>,
    /// Whose turn it was last.
    served: u64,
    news: News,
    /// The look that subscriptions go on with.
    look: Arc<Look>,
    /// Notices that are written next.
    waiting: VecDeque<(u64, Notice)>,
    /// Whether a subscription may have more to tell of the look that there is.
    has_more: bool,
    pings: Interval,
    /// When the peer said something last.
    alive_at: Instant,
}

/// A message that was answered.
struct Answered {
    /// `None` if there were notifications only.
    answer: Option<Vec<u8>>,
    /// Subscriptions that it opened; they are told of nothing before the answer.
    opened: Opened,
}

/// What may happen.
enum Happened {
    /// The server shuts down.
    Stops,
    /// The peer sent something, or is gone.
    Came(Option<Result<Message, axum::Error>>),
    /// An answer is ready.
    Answered(Answered),
    /// It is time for a ping.
    Ping,
    /// There is something to tell, or may be.
    Tell,
    /// Something happened to the chain.
    Heard(Heard),
}

impl Socket {
    /// Turns a request into a socket, if there may be another one.
    pub(crate) fn open(
        context: Arc<Context>,
        version: Version,
        upgrade: WebSocketUpgrade,
    ) -> Response {
        let limits = context.config.limits;
        let Ok(permit) = Arc::clone(&context.sockets).try_acquire_owned() else {
            context.config.metrics.cut("full");
            let reason = format!("all {} sockets are in use", limits.sockets_max);
            return (StatusCode::SERVICE_UNAVAILABLE, JsonBody(json!({ "error": reason })))
                .into_response();
        };
        let token = context.tasks.token();
        upgrade
            .max_message_size(limits.message_bytes_max)
            .max_frame_size(limits.message_bytes_max)
            .on_upgrade(move |socket| async move {
                let _open = (permit, token, context.config.metrics.socket());
                Self::new(context, version, socket).run().await;
            })
    }

    fn new(context: Arc<Context>, version: Version, socket: WebSocket) -> Self {
        let (sink, stream) = socket.split();
        let config = &context.config;
        let limits = config.limits;
        // A connection that is silent for too long is closed, and the answer to a ping is a sound.
        let ping = limits.ping_interval.min(limits.idle_timeout / 3).max(Duration::from_millis(1));
        let mut pings = interval_at(Instant::now() + ping, ping);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            session: Arc::new(Session::new(limits.subscriptions_max, config.metrics.clone())),
            context,
            version,
            sink,
            stream,
            asked: FuturesUnordered::new(),
            subscriptions: BTreeMap::new(),
            served: 0,
            news: News::default(),
            look: Arc::new(Look::nowhere()),
            waiting: VecDeque::new(),
            has_more: false,
            pings,
            alive_at: Instant::now(),
        }
    }

    async fn run(mut self) {
        let end = loop {
            let happened = self.happened().await;
            if let Err(end) = self.carry_out(happened).await {
                break end;
            }
        };
        self.say_goodbye(end).await;
    }

    async fn happened(&mut self) -> Happened {
        let can_tell = !self.waiting.is_empty() || self.has_more;
        tokio::select! {
            () = self.context.stop.cancelled() => Happened::Stops,
            came = self.stream.next(), if self.asked.len() < ANSWERED_AT_ONCE => {
                Happened::Came(came)
            }
            Some(answered) = self.asked.next(), if !self.asked.is_empty() => {
                Happened::Answered(answered)
            }
            _ = self.pings.tick() => Happened::Ping,
            () = future::ready(()), if can_tell => Happened::Tell,
            heard = self.news.next(), if !can_tell && !self.subscriptions.is_empty() => {
                Happened::Heard(heard)
            }
        }
    }

    async fn carry_out(&mut self, happened: Happened) -> Result<(), End> {
        match happened {
            Happened::Stops => Err(End::Stops),
            Happened::Came(None) => Err(End::Gone),
            Happened::Came(Some(Err(error))) => Err(End::of(error)),
            Happened::Came(Some(Ok(message))) => self.came(message),
            Happened::Answered(answered) => self.answered(answered).await,
            Happened::Ping => self.ping().await,
            Happened::Tell if self.waiting.is_empty() => self.ask_for_more().await,
            Happened::Tell => self.tell().await,
            Happened::Heard(Heard::Look) => {
                // What is in a block of this look has moved before it, and was heard by now.
                self.look = self.news.look();
                self.has_more = true;
                self.hear_moves()
            }
            Happened::Heard(Heard::Moves(moves)) => {
                self.moved(&moves.map_err(End::Slow)?);
                Ok(())
            }
        }
    }

    fn came(&mut self, message: Message) -> Result<(), End> {
        self.alive_at = Instant::now();
        let body = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(bytes) => bytes,
            // Pings are answered below us.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Gone),
        };
        let (context, version) = (Arc::clone(&self.context), self.version);
        let line = Line::new(Arc::clone(&self.session));
        let answered = async move {
            let deadline = Deadline::after(context.config.limits.request_timeout);
            let caller = Caller { version, line: Some(line.clone()) };
            let answer = context.answer(&body, deadline, &caller).await;
            Answered { answer, opened: line.opened() }
        };
        self.asked.push(answered.boxed());
        Ok(())
    }

    async fn answered(&mut self, Answered { answer, opened }: Answered) -> Result<(), End> {
        self.has_more |= !opened.is_empty();
        self.subscriptions.extend(opened);
        self.subscriptions.retain(|id, _| self.session.has(*id));
        self.waiting.retain(|(id, _)| self.session.has(*id));
        // Before the answer: from then on the peer may count on what it is told.
        if self.news.want(&self.context.feed, &self.subscriptions) {
            // What is in a block of this look has moved before it, and was heard by now.
            self.look = self.news.look();
            self.has_more = !self.subscriptions.is_empty();
            self.hear_moves()?;
        }
        let Some(answer) = answer else {
            return Ok(());
        };
        let text = Utf8Bytes::try_from(Bytes::from(answer)).expect("JSON is UTF-8");
        self.write(async |sink| sink.send(Message::Text(text)).await).await
    }

    async fn ping(&mut self) -> Result<(), End> {
        // Whom nobody listens to cannot be blamed for saying nothing.
        let is_heard = self.asked.len() < ANSWERED_AT_ONCE;
        if is_heard && self.pings.period() * 2 < self.alive_at.elapsed() {
            return Err(End::Silent);
        }
        self.write(async |sink| sink.send(Message::Ping(Bytes::new())).await).await
    }

    /// Writes notices, some at a time.
    async fn tell(&mut self) -> Result<(), End> {
        let mut messages = Vec::new();
        let mut bytes = 0;
        while bytes < FLUSH_BYTES
            && let Some((id, notice)) = self.waiting.pop_front()
        {
            let message = notice.message(id);
            bytes += message.len();
            messages.push(message);
            self.context.config.metrics.told(notice.kind.method());
        }
        self.write(async |sink| {
            for message in messages {
                sink.feed(Message::Text(message.into())).await?;
            }
            sink.flush().await
        })
        .await
    }

    /// Writes, as long as the peer reads.
    async fn write(
        &mut self,
        work: impl AsyncFnOnce(&mut SplitSink<WebSocket, Message>) -> Result<(), axum::Error>,
    ) -> Result<(), End> {
        let stall = self.context.config.limits.stall_timeout;
        tokio::select! {
            () = self.context.stop.cancelled() => Err(End::Stops),
            written = timeout(stall, work(&mut self.sink)) => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(End::Gone),
                Err(_) => Err(End::Slow(format!("nothing was read for {stall:?}"))),
            },
        }
    }

    /// Takes in all moves that were told so far.
    fn hear_moves(&mut self) -> Result<(), End> {
        for moves in self.news.moves().map_err(End::Slow)? {
            self.moved(&moves);
        }
        Ok(())
    }

    fn moved(&mut self, moves: &Moves) {
        for moved in moves.iter() {
            for (id, subscription) in &mut self.subscriptions {
                self.waiting.extend(subscription.moved(moved).map(|notice| (*id, notice)));
            }
        }
    }

    /// Lets every subscription go on by a step, the one after the last served first.
    async fn ask_for_more(&mut self) -> Result<(), End> {
        let look = Arc::clone(&self.look);
        let behind = (Bound::Excluded(self.served), Bound::Unbounded);
        let ids: Vec<_> = self.subscriptions.range(behind).map(|(id, _)| *id).collect();
        let others = self.subscriptions.range(..=self.served).map(|(id, _)| *id);
        let ids: Vec<_> = ids.into_iter().chain(others).collect();
        self.has_more = false;
        for id in ids {
            if WAITING_MAX < self.waiting.len() {
                self.has_more = true;
                break;
            }
            self.served = id;
            self.has_more |= self.advance(id, &look).await?;
        }
        Ok(())
    }

    /// Lets a subscription go on by a step; `false` if it has to wait for another look.
    async fn advance(&mut self, id: u64, look: &Arc<Look>) -> Result<bool, End> {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return Ok(false);
        };
        let behind = subscription.behind_by(look);
        let max = self.context.config.limits.behind_blocks_max;
        if max < behind {
            return Err(End::Slow(format!("{behind} blocks behind, the limit is {max}")));
        }
        let next = match subscription.advance(look, None) {
            Next::Read(number) => match read(&self.context, look, number).await? {
                Some(sheet) => subscription.advance(look, Some(&sheet)),
                // The chain is not what it was at the time of the look.
                None => Next::Rest,
            },
            next @ (Next::Notices(_) | Next::Ask(_) | Next::Rest) => next,
        };
        let notices = match next {
            Next::Notices(notices) => notices,
            Next::Ask(hash) => {
                let known = ask(&self.context, hash).await?;
                subscription.known(&known).into_iter().collect()
            }
            Next::Read(_) | Next::Rest => return Ok(false),
        };
        self.waiting.extend(notices.into_iter().map(|notice| (id, notice)));
        Ok(true)
    }

    /// Says why it ends, to a peer that may not listen.
    async fn say_goodbye(mut self, end: End) {
        let config = &self.context.config;
        if let Some(label) = end.label() {
            config.metrics.cut(label);
        }
        if let End::Failed(error) = &end {
            tracing::error!(error = error as &dyn std::error::Error, "a socket failed");
        }
        tracing::debug!(?end, "a socket ends");
        let patience = if matches!(end, End::Slow(_)) {
            FAREWELL.max(config.limits.stall_timeout)
        } else {
            FAREWELL
        };
        let Some(frame) = end.farewell() else {
            // Whatever the peer still reads, it does not need.
            drop(timeout(patience, self.sink.close()).await);
            return;
        };
        let goodbye = async {
            self.sink.send(Message::Close(Some(frame))).await?;
            // The connection must not be reset before the peer has read this.
            while let Some(Ok(_)) = self.stream.next().await {}
            Ok::<_, axum::Error>(())
        };
        drop(timeout(patience, goodbye).await);
    }
}

/// Reads a closed block; `None` if the chain is not the one of the look.
async fn read(
    context: &Arc<Context>,
    look: &Arc<Look>,
    number: u64,
) -> Result<Option<Arc<Sheet>>, End> {
    let (look, sequencer) = (Arc::clone(look), context.sequencer.clone());
    let read = context.read(move || {
        let view = sequencer.view();
        if view.reverts().count() != look.reverts.count() {
            return Ok(None);
        }
        Ok(look.shelf.read(&view, number)?)
    });
    read.await.map_err(End::Failed)
}

/// Finds out about the present of a transaction.
async fn ask(context: &Arc<Context>, hash: TransactionHash) -> Result<Known, End> {
    let sequencer = context.sequencer.clone();
    let ask = context.read(move || {
        // Progress is read before the blocks: a transaction that moves on in between is in a block of
        // a later view, and must not be missed by both.
        let progress = sequencer.progress(hash);
        let view = sequencer.view();
        let found = view.find_transaction(hash)?.map(|(block, index): (BlockAt, usize)| {
            let finality = Finality::of(&block, view.accepted_on_l1());
            let executed = Arc::clone(&block.transactions()[index]);
            (block.info().block_number.0, finality, executed)
        });
        Ok(Known { progress, found })
    });
    ask.await.map_err(End::Failed)
}
