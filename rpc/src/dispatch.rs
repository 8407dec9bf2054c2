//! From a request to the method that answers it.
//!
//! A method that reads the disk runs on a blocking thread, unless it reads no more than
//! one block ([`InPlace`]); and one that executes Cairo does so under permits of its own, so reads
//! never queue behind Cairo. A permit is held until the work is done, even when the caller has
//! stopped waiting. Each request sees one [`View`].

use std::{fmt, net::SocketAddr, sync::Arc};

use futures::future::BoxFuture;
use kraken_execution::genesis::ACCOUNT_CLASS_HASH;
use kraken_sequencer::{DevError, Sequencer, View};
use serde::Serialize;
use starknet_api::{core::ClassHash, rpc_transaction::RpcTransaction};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    blocking::{all, on_blocking_thread},
    caller::Caller,
    error::{Error, Internal},
    in_place::InPlace,
    jsonrpc::{self, Deadline, Json, Request},
    methods::{self, Method},
    openrpc,
    params::Params,
    recorder::Recorder,
    server::Config,
    subscription::{Subscription, feed::Feed},
    version::Version,
};

/// What methods work with. One per server.
#[derive(Debug)]
pub(crate) struct Context {
    /// Holds the chain, takes transactions.
    pub(crate) sequencer: Sequencer,
    /// As the node set it.
    pub(crate) config: Config,
    /// Where requests come in.
    pub(crate) address: SocketAddr,
    /// One mint at a time, because they share an account and its nonce.
    pub(crate) minting: Mutex<()>,
    /// Blocks counted so far and the transactions in them.
    pub(crate) counted: Arc<std::sync::Mutex<(u64, u64)>>,
    /// Keeps what was asked of a developer's chain.
    pub(crate) recorder: Arc<Recorder>,
    /// Tells subscribers.
    pub(crate) feed: Feed,
    /// A permit for each socket.
    pub(crate) sockets: Arc<Semaphore>,
    /// What sockets do.
    pub(crate) tasks: TaskTracker,
    /// Fires when the server shuts down.
    pub(crate) stop: CancellationToken,
    /// `None` where there is one thread only.
    in_place: Option<InPlace>,
    reading: Arc<Semaphore>,
    executing: Arc<Semaphore>,
}

/// A request, ready to be carried out.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// What methods work with.
    pub(crate) context: &'a Arc<Context>,
    /// The chain as this request sees it.
    pub(crate) view: View,
    /// What was sent.
    pub(crate) params: Params<'a>,
    /// The version of the specification that the caller speaks.
    pub(crate) version: Version,
}

/// What was asked for, as it was sent.
#[derive(Debug)]
struct Asked {
    method: &'static Method,
    params: Option<Json>,
    version: Version,
}

/// How a method is carried out.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// Looks up cells of the state or reads one block, in place.
    LookUp(fn(&Call<'_>) -> Answer),
    /// Reads, on a blocking thread.
    Read(fn(&Call<'_>) -> Answer),
    /// Executes Cairo, on a blocking thread and under its own permits.
    Cairo(fn(&Call<'_>) -> Answer),
    /// Reads a transaction, on a blocking thread, and submits it.
    Write(fn(&Call<'_>) -> Result<RpcTransaction, Error>),
    /// Says what is served.
    Discover,
    /// Opens a subscription; over WebSocket only.
    Subscribe(fn(&Call<'_>) -> Result<Subscription, Error>),
    /// Closes one.
    Unsubscribe,
    /// Shows what a developer needs; on a committee only where the operator allows it.
    DevnetRead(DevnetMethod),
    /// Controls a developer's chain; forbidden on any other.
    DevnetControl(DevnetMethod),
}

/// A method of devnet: it may wait for the chain.
type DevnetMethod = for<'a> fn(&'a Call<'a>) -> BoxFuture<'a, Answer>;

/// What a handler returns.
pub(crate) type Answer = Result<Json, Error>;

/// Writes a result.
///
/// # Errors
/// [`Internal::Answer`] if it has no form in JSON.
pub(crate) fn json<T: Serialize>(result: Result<T, Error>) -> Answer {
    Ok(serde_json::value::to_raw_value(&result?).map_err(Internal::Answer)?)
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LookUp(_) => "LookUp",
            Self::Read(_) => "Read",
            Self::Cairo(_) => "Cairo",
            Self::Write(_) => "Write",
            Self::Discover => "Discover",
            Self::Subscribe(_) => "Subscribe",
            Self::Unsubscribe => "Unsubscribe",
            Self::DevnetRead(_) => "DevnetRead",
            Self::DevnetControl(_) => "DevnetControl",
        })
    }
}

impl Context {
    /// Ready to answer.
    pub(crate) fn new(sequencer: Sequencer, config: Config, address: SocketAddr) -> Self {
        Self {
            sequencer,
            address,
            minting: Mutex::new(()),
            counted: Arc::default(),
            recorder: Arc::new(Recorder::new(
                config.devnet.as_ref().and_then(|devnet| devnet.dump.clone()),
            )),
            feed: Feed::new(),
            sockets: Arc::new(Semaphore::new(config.limits.sockets_max)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            in_place: InPlace::new(),
            reading: Arc::new(Semaphore::new(config.limits.read_permits)),
            executing: Arc::new(Semaphore::new(config.limits.cairo_permits)),
            config,
        }
    }

    /// Answers a body: one request, or a batch of them. `None` if there were notifications only.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        body: &[u8],
        deadline: Deadline,
        caller: &Caller,
    ) -> Option<Vec<u8>> {
        let limits = &self.config.limits;
        let batch = jsonrpc::Limits {
            batch_items_max: limits.batch_items_max,
            batch_concurrency: limits.batch_concurrency,
            batch_response_bytes_max: limits.batch_response_bytes_max,
        };
        let carry_out = |request| Arc::clone(self).carry_out(request, caller.clone());
        jsonrpc::answer(body, batch, deadline, carry_out).await
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// What the method says, and what JSON-RPC says about unknown methods and bad parameters.
    pub(crate) async fn carry_out(self: Arc<Self>, request: Request, caller: Caller) -> Answer {
        let method = methods::find(&request.method);
        let measured = self.config.metrics.begin(method.map(|method| method.name));
        let draft = self.recorder.draft(&request);
        let answer = match method {
            Some(method) => {
                let answer = self.run(method, request.params, &caller).await;
                answer.map_err(|error| method.restrict(error, caller.version))
            }
            None => Err(Error::MethodNotFound { method: request.method }),
        };
        if let (Ok(_), Some(draft)) = (&answer, draft) {
            let recorder = Arc::clone(&self.recorder);
            let keep = move || {
                recorder.keep(draft);
                Ok(())
            };
            self.read(keep).await?;
        }
        measured.end(&answer);
        answer
    }

    /// The class of the accounts of block 0.
    pub(crate) fn account_class_hash(&self) -> ClassHash {
        let devnet = self.config.devnet.as_ref();
        devnet.map_or(ACCOUNT_CLASS_HASH, |devnet| devnet.account_class_hash)
    }

    /// Carries out a change of the whole chain, while nobody reads it. Once begun it comes to its
    /// end, also when the caller has stopped waiting.
    ///
    /// # Errors
    /// What `change` says.
    pub(crate) async fn exclusively<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, DevError>> + Send + 'static,
    ) -> Result<T, Error> {
        let (reading, executing) = (Arc::clone(&self.reading), Arc::clone(&self.executing));
        let limits = self.config.limits;
        let counted = Arc::clone(&self.counted);
        let changed = tokio::spawn(async move {
            let _nobody_reads = all(reading, limits.read_permits).await;
            let _nobody_executes = all(executing, limits.cairo_permits).await;
            let changed = change.await;
            *counted.lock().expect("counting does not panic") = (0, 0);
            changed
        });
        Ok(changed.await.map_err(|_| Internal::Panicked)??)
    }

    async fn run(
        self: &Arc<Self>,
        method: &'static Method,
        params: Option<Json>,
        caller: &Caller,
    ) -> Answer {
        let restricted = self.config.devnet.as_ref().and_then(|devnet| devnet.restricted.as_ref());
        if restricted.is_some_and(|restricted| restricted.iter().any(|name| name == method.name)) {
            let reason = format!("{} is restricted on this node", method.name);
            return Err(Error::Forbidden { reason });
        }
        let asked = Asked { method, params, version: caller.version };
        match method.handler {
            Handler::LookUp(read) => match &self.in_place {
                Some(in_place) => self.in_place(in_place, asked, read).await,
                None => self.blocking(&self.reading, asked, move |call| read(&call)).await,
            },
            Handler::Read(read) => {
                self.blocking(&self.reading, asked, move |call| read(&call)).await
            }
            Handler::Cairo(execute) => {
                self.blocking(&self.executing, asked, move |call| execute(&call)).await
            }
            Handler::Write(read) => {
                let transaction =
                    self.blocking(&self.reading, asked, move |call| read(&call)).await?;
                let admitted = self.sequencer.submit(transaction).await?;
                json(Ok(crate::method::add_transaction::Submitted::from(admitted)))
            }
            Handler::Discover => {
                let is_socket = caller.line.is_some();
                let discover = move |call: Call<'_>| Ok(openrpc::discover(call.version, is_socket));
                self.blocking(&self.reading, asked, discover).await
            }
            Handler::Subscribe(read) => {
                let line = caller.line(method.name)?;
                let subscription =
                    self.blocking(&self.reading, asked, move |call| read(&call)).await?;
                json(line.open(subscription))
            }
            Handler::Unsubscribe => {
                let line = caller.line(method.name)?;
                let params = Params::bind(method.params, asked.params.as_deref(), asked.version)?;
                json(line.close(&params.required::<String>("subscription_id")?))
            }
            Handler::DevnetRead(answer) => {
                if self.sequencer.dev().is_none() && self.config.devnet.is_none() {
                    let reason = format!(
                        "{} is served by chains for development and testing; the operator of this \
                         one has not allowed it",
                        method.name
                    );
                    return Err(Error::Forbidden { reason });
                }
                self.devnet(answer, asked).await
            }
            Handler::DevnetControl(answer) => {
                if self.sequencer.dev().is_none() {
                    let reason = format!(
                        "{} is served in dev mode only: no validator decides alone for a committee",
                        method.name
                    );
                    return Err(Error::Forbidden { reason });
                }
                self.devnet(answer, asked).await
            }
        }
    }

    async fn devnet(self: &Arc<Self>, answer: DevnetMethod, asked: Asked) -> Answer {
        let Asked { method, params, version } = asked;
        let params = Params::bind(method.params, params.as_deref(), version)?;
        answer(&Call { context: self, view: self.sequencer.view(), params, version }).await
    }

    /// Runs Cairo for a method that is not a Cairo method itself.
    ///
    /// # Errors
    /// What `work` says.
    pub(crate) async fn cairo<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        on_blocking_thread(&self.executing, work).await
    }

    /// Reads the disk for a method that is not a read method itself.
    ///
    /// # Errors
    /// What `work` says.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        on_blocking_thread(&self.reading, work).await
    }

    async fn in_place(
        self: &Arc<Self>,
        in_place: &InPlace,
        asked: Asked,
        read: fn(&Call<'_>) -> Answer,
    ) -> Answer {
        let _permit = self.reading.acquire().await.expect("the semaphore is never closed");
        in_place.read(|| asked.carry_out(self, |call| read(&call)))
    }

    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        permits: &Arc<Semaphore>,
        asked: Asked,
        work: impl FnOnce(Call<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let context = Arc::clone(self);
        on_blocking_thread(permits, move || asked.carry_out(&context, work)).await
    }
}

impl Asked {
    /// Hands the request to the method, with the chain as it is now.
    fn carry_out<T>(
        self,
        context: &Arc<Context>,
        work: impl FnOnce(Call<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Self { method, params, version } = self;
        let params = Params::bind(method.params, params.as_deref(), version)?;
        work(Call { context, view: context.sequencer.view(), params, version })
    }
}
