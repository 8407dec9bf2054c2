//! Dumps of a developer's chain: what was asked of it, to be asked again.

use std::{path::PathBuf, sync::Arc};

use super::{Done, snapshots::begin_anew};
use crate::{
    caller::Caller,
    dispatch::{Call, Context},
    error::Error,
    params::{FromInput, Input, InvalidParams},
    recorder::{self, Recorded},
    version::Version,
};

/// Answers `devnet_dump`: all requests that changed the chain.
///
/// # Errors
/// [`Error::Devnet`] if nothing is recorded, or the file cannot be written.
pub(crate) async fn dump(call: &Call<'_>) -> Result<Vec<Recorded>, Error> {
    let path = call.params.optional::<String>("path")?.filter(|path| !path.is_empty());
    let inline = call.params.optional("inline")?.unwrap_or(false);
    let recorder = Arc::clone(&call.context.recorder);
    call.context.read(move || recorder.dump(path.map(PathBuf::from).as_deref(), inline)).await
}

/// Answers `devnet_load`: the chain begins anew, and all requests of a dump are carried out.
///
/// # Errors
/// [`Error::Devnet`] if the dump cannot be read, or what the first request says that fails.
pub(crate) async fn load(call: &Call<'_>) -> Result<Done, Error> {
    let path: Option<String> = call.params.optional("path")?;
    let events: Option<Events> = call.params.optional("events")?;
    let requests = match (path, events) {
        (Some(path), None) => {
            call.context.read(move || recorder::read(PathBuf::from(path).as_ref())).await?
        }
        (None, Some(Events(requests))) => requests,
        (Some(_), Some(_)) | (None, None) => {
            let (field, reason) = ("params".to_owned(), "expected path or events".to_owned());
            return Err(InvalidParams { field, reason }.into());
        }
    };
    begin_anew(call).await?;
    carry_out_again(call.context, requests).await?;
    Ok(Done {})
}

/// Carries out the requests of a dump, in their order.
///
/// # Errors
/// What the first one says that fails.
pub(crate) async fn carry_out_again(
    context: &Arc<Context>,
    requests: Vec<Recorded>,
) -> Result<(), Error> {
    for (index, request) in requests.into_iter().enumerate() {
        let request = request.into_request();
        let method = request.method.clone();
        let caller = Caller::over_http(Version::NEWEST);
        let carried_out = Arc::clone(context).carry_out(request, caller).await;
        carried_out.map_err(|error| Error::Devnet {
            reason: format!("request {index} of the dump, {method}, failed: {}", error.said()),
        })?;
    }
    Ok(())
}

/// The requests of a dump.
#[derive(Debug)]
struct Events(Vec<Recorded>);

impl FromInput for Events {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let requests = serde_json::from_str(input.raw().get());
        requests.map(Self).map_err(|error| input.error(error.to_string()))
    }
}
