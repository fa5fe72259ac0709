//! Taking the whole database away and putting one in its place.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};
use zabra_storage::{DiskFile, SnapshotInfo, StorageError};

use super::json::Fields;
use super::request::Parameters;
use super::{Admin, Answer, body};
use crate::core::Core;
use crate::{restore, snapshots};

const NO_LAST_ZXID: &str =
    "serializeLastProcessedZxid.enabled=false: a snapshot would not tell its zxid, and could not be restored";
const TOO_SOON: &str = "there was one not long ago (admin.rateLimiterIntervalInMS)";

/// Takes a snapshot into the data directory, and sends it unless told not to.
pub(super) async fn snapshot(admin: &Arc<Admin>, name: &str, parameters: &Parameters) -> Response {
    let core = &admin.core;
    let refused = if !core.config.admin.snapshot_enabled {
        Some((StatusCode::SERVICE_UNAVAILABLE, "admin.snapshot.enabled=false"))
    } else if !core.config.storage.serialize_last_zxid {
        Some((StatusCode::INTERNAL_SERVER_ERROR, NO_LAST_ZXID))
    } else if !admin.snapshots.lock().allow(Instant::now()) {
        core.stats.snapshot_rate_limited_count.increment();
        Some((StatusCode::TOO_MANY_REQUESTS, TOO_SOON))
    } else {
        None
    };
    if let Some((status, why)) = refused {
        warn!(why, "a snapshot was refused");
        return Answer::refusal(name, status, why).into_response();
    }
    let taken = spawn_blocking({
        let core = Arc::clone(core);
        move || take(&core)
    })
    .await;
    let (info, file) = match taken {
        Ok(Ok(taken)) => taken,
        Ok(Err(why)) => return Answer::refusal(name, StatusCode::INTERNAL_SERVER_ERROR, why).into_response(),
        Err(failure) => {
            error!(%failure, "taking a snapshot failed");
            return Answer::refusal(name, StatusCode::INTERNAL_SERVER_ERROR, "the command failed")
                .into_response();
        }
    };
    let headers = vec![("last_zxid", info.zxid.to_string()), ("snapshot_size", info.len.to_string())];
    let answer = Answer { headers, ..Answer::of(name) };
    // As Java reads a boolean: everything but "true" is false.
    let streaming = parameters.get("streaming").is_none_or(|text| text.eq_ignore_ascii_case("true"));
    if streaming {
        answer.with_body("application/octet-stream", Body::new(body::file(file, info.len)))
    } else {
        answer.into_response()
    }
}

/// The file is opened at once: it stays readable if it is purged meanwhile.
fn take(core: &Core) -> Result<(SnapshotInfo, Box<dyn DiskFile>), String> {
    let told = |error: StorageError| crate::pipeline::chain(&error);
    let info = snapshots::take(core).map_err(told)?;
    let file = core
        .disk
        .open(&info.path)
        .map_err(|error| format!("cannot open {}: {error}", info.path.display()))?;
    Ok((info, file))
}

/// Puts the database of a snapshot in the place of the present one.
pub(super) async fn restore(admin: &Arc<Admin>, name: &str, snapshot: Body) -> Answer {
    let core = &admin.core;
    let refused = if !core.config.admin.restore_enabled {
        Some((StatusCode::SERVICE_UNAVAILABLE, "admin.restore.enabled=false"))
    } else if !core.config.storage.serialize_last_zxid {
        Some((StatusCode::INTERNAL_SERVER_ERROR, NO_LAST_ZXID))
    } else if !admin.restores.lock().allow(Instant::now()) {
        core.stats.restore_rate_limited_count.increment();
        Some((StatusCode::TOO_MANY_REQUESTS, TOO_SOON))
    } else {
        None
    };
    if let Some((status, why)) = refused {
        warn!(why, "a restore was refused");
        return Answer::refusal(name, status, why);
    }
    let input = body::reader(snapshot, core.config.admin.idle_timeout);
    let restored = spawn_blocking({
        let core = Arc::clone(core);
        move || restore::restore(&core, input)
    })
    .await;
    match restored {
        Ok(Ok(zxid)) => {
            info!(%zxid, "the database was restored from a snapshot");
            let fields = Fields::from_iter([("last_zxid".to_owned(), zxid.raw().into())]);
            Answer { fields, ..Answer::of(name) }
        }
        Ok(Err(failure)) => {
            core.stats.restore_error_count.increment();
            let why = crate::pipeline::chain(&failure);
            error!(why, "the database could not be restored");
            Answer::refusal(name, StatusCode::INTERNAL_SERVER_ERROR, why)
        }
        Err(failure) => {
            core.stats.restore_error_count.increment();
            error!(%failure, "restoring failed");
            Answer::refusal(name, StatusCode::INTERNAL_SERVER_ERROR, "the command failed")
        }
    }
}
