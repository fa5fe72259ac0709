//! The admin server: the operator's commands over HTTP, with answers in JSON (`server/admin` in the genuine server).
//!
//! Start with [`router`]. [`commands`] has the table of commands; those two that move the whole database are in
//! [`backup`].

mod access;
mod backup;
mod body;
mod commands;
mod json;
mod members;
mod request;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;
use tracing::{error, warn};

use crate::core::Core;
use crate::http::Peer;
use crate::observe::NOT_SERVING;
use access::RateLimit;
use commands::{Action, COMMANDS, Command};
use json::Fields;
use request::{Asked, Parameters};

/// What all requests share.
#[derive(Debug)]
struct Admin {
    core: Arc<Core>,
    snapshots: Mutex<RateLimit>,
    restores: Mutex<RateLimit>,
}

/// The admin server's handler of requests.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let admin = &core.config.admin;
    let (snapshots, restores) = (admin.snapshot_interval(), admin.rate_limiter_interval);
    let admin = Admin {
        core,
        snapshots: Mutex::new(RateLimit::new(snapshots)),
        restores: Mutex::new(RateLimit::new(restores)),
    };
    Router::new().fallback(handle).with_state(Arc::new(admin))
}

/// The methods that are understood.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

async fn handle(
    State(admin): State<Arc<Admin>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let _working = peer.busy.begin();
    if request.method() == Method::TRACE {
        return StatusCode::FORBIDDEN.into_response();
    }
    let command_url = &admin.core.config.admin.command_url;
    let asked = request::asked(request.uri().path(), command_url);
    let is_post = match *request.method() {
        _ if asked == Asked::Nothing => return StatusCode::NOT_FOUND.into_response(),
        Method::GET | Method::HEAD => false,
        Method::POST => true,
        Method::OPTIONS => return [(header::ALLOW, METHODS)].into_response(),
        _ => return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, METHODS)]).into_response(),
    };
    match asked {
        Asked::Command(name) => run(&admin, &peer, &name, is_post, request).await,
        Asked::List | Asked::Nothing => list(command_url),
    }
}

/// Links to all commands.
fn list(command_url: &str) -> Response {
    let links: String = COMMANDS
        .iter()
        .map(|command| command.names[0])
        .map(|name| format!("<a href=\"{command_url}/{name}\">{name}</a>\n<br/>\n"))
        .collect();
    // Without a type, as the genuine server answers: browsers see what it is.
    Response::new(links.into())
}

/// Runs a command under the name that was typed.
async fn run(admin: &Arc<Admin>, peer: &Peer, name: &str, is_post: bool, request: Request) -> Response {
    let Some(command) = commands::find(name) else {
        return Answer::refusal(name, StatusCode::OK, format!("Unknown command: {name}")).into_response();
    };
    if command.needs_serving && !admin.core.is_running() {
        return Answer::refusal(name, StatusCode::OK, NOT_SERVING).into_response();
    }
    if !matches!(command.action, Action::Tell(_))
        && let Err((status, why)) = access::authorize(&admin.core, request.headers(), peer)
    {
        warn!(client = %peer.address, command = name, why, "an admin command was refused");
        return Answer::refusal(name, status, why).into_response();
    }
    let parameters = request::parameters(request.uri().query().unwrap_or_default());
    let primary = command.names[0];
    match (command.action, is_post) {
        (Action::Tell(run), false) => tell(admin, command, run, parameters).await.into_response(),
        (Action::Snapshot, false) => backup::snapshot(admin, primary, &parameters).await,
        (Action::Restore, true) => backup::restore(admin, primary, request.into_body()).await.into_response(),
        (Action::Restore, false) => wrong_method(primary, "POST").into_response(),
        (Action::Tell(_) | Action::Snapshot, true) => wrong_method(primary, "GET").into_response(),
    }
}

async fn tell(
    admin: &Arc<Admin>,
    command: &'static Command,
    run: fn(&Core, &Parameters) -> Fields,
    parameters: Parameters,
) -> Answer {
    let core = Arc::clone(&admin.core);
    // Commands look at directories and hold locks while they list millions of things.
    match spawn_blocking(move || run(&core, &parameters)).await {
        Ok(fields) => Answer { fields, ..Answer::of(command.names[0]) },
        Err(failure) => {
            error!(command = command.names[0], %failure, "an admin command failed");
            Answer::refusal(command.names[0], StatusCode::INTERNAL_SERVER_ERROR, "the command failed")
        }
    }
}

fn wrong_method(name: &str, method: &str) -> Answer {
    let why = format!("the command {name} is asked for with {method}");
    Answer::refusal(name, StatusCode::INTERNAL_SERVER_ERROR, why)
}

/// The answer to a command.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    name: String,
    error: Option<String>,
    fields: Fields,
    headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// The answer of a command that says nothing and went well.
    fn of(name: &str) -> Self {
        Self {
            status: StatusCode::OK,
            name: name.to_owned(),
            error: None,
            fields: Fields::new(),
            headers: Vec::new(),
        }
    }

    /// Why a command was not run, or failed.
    fn refusal(name: &str, status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, error: Some(why.into()), ..Self::of(name) }
    }

    /// The same answer with another body.
    fn with_body(self, content_type: &'static str, body: Body) -> Response {
        let mut response = (self.status, [(header::CONTENT_TYPE, content_type)], body).into_response();
        for (name, value) in self.headers {
            // Names are ours, and values are numbers.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(mut self) -> Response {
        let mut fields = std::mem::take(&mut self.fields);
        fields.insert("command".to_owned(), self.name.as_str().into());
        // A command's own word about its failure comes first.
        fields.entry("error").or_insert(self.error.take().into());
        let body = json::print(&fields).into();
        self.with_body("application/json", body)
    }
}
