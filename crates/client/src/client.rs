//! The client: its session, and the view through which it is used.

use crate::builder::ClientBuilder;
use crate::core::{Failure, Reply};
use crate::handle::Session;
use crate::pending::from_failure;
use crate::view::View;
use crate::{Acl, ConnectString, Error, Perms, RetryPolicy, SessionState, SessionTicket, StateStream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use zabra_proto::OpCode;
use zabra_types::SessionId;

/// A client of Apache ZooKeeper or Zabra, holding one session. Mirrors `ZooKeeper`.
///
/// Clones share the session. It is closed by [`Client::close`], or once the last clone is dropped; when it expires, another
/// one takes its place unless [`ClientBuilder::renew_expired`] says otherwise.
///
/// Requests are sent in the order of their `send` calls and the server executes them in that order, over all clones and
/// views. When the connection breaks, those under way fail, and none later than the first of them has been executed
/// unless all before it have; nothing is sent twice behind the caller's back.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) session: Session,
    pub(crate) view: View,
}

impl Client {
    /// Connects with the usual settings and waits until there is a session, however long it takes.
    ///
    /// `servers` is a connect string such as `h1:2181,h2:2181/chroot`; see [`ConnectString`].
    ///
    /// # Errors
    /// The connect string makes no sense.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn connect(servers: &str) -> Result<Self, Error> {
        Self::builder().connect(servers).await
    }

    /// The settings of a client to be.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// How the client stands with its servers.
    pub fn state(&self) -> SessionState {
        self.session.state()
    }

    /// Every change of [`Client::state`] from now on, in order.
    pub fn states(&self) -> StateStream {
        self.session.states()
    }

    /// The session; [`SessionId::NONE`] while there is none.
    pub fn session_id(&self) -> SessionId {
        self.session.session_id()
    }

    /// Whether another session takes the place of one that expires: see [`ClientBuilder::renew_expired`].
    pub fn renews_expired(&self) -> bool {
        self.session.renews_expired()
    }

    /// What another client needs to go on with this session: to be taken before [`Client::detach`].
    pub fn ticket(&self) -> SessionTicket {
        self.session.ticket()
    }

    /// The session time-out the server has agreed to; the one asked for until then.
    pub fn session_timeout(&self) -> Duration {
        self.session.timeout()
    }

    /// The server connected to.
    pub fn server(&self) -> Option<SocketAddr> {
        self.session.server()
    }

    /// What stood in the way of a connection most recently, for people; `None` if nothing ever did.
    pub fn obstacle(&self) -> Option<String> {
        self.session.obstacle()
    }

    /// The same session seen from a node downwards: its paths begin there.
    ///
    /// # Errors
    /// `path` is none.
    pub fn chroot(&self, path: &str) -> Result<Self, Error> {
        Ok(Self { session: self.session.clone(), view: self.view.below(path)? })
    }

    /// A view whose requests fail with [`Error::SessionExpired`] once the present session is over, even if another has
    /// taken its place: for what depends on ephemeral nodes.
    #[must_use]
    pub fn pinned(&self) -> Self {
        let pinned = Some(self.session.incarnation());
        Self { session: self.session.clone(), view: View { pinned, ..self.view.clone() } }
    }

    /// A view that sends requests again when they fail for reasons that pass.
    #[must_use]
    pub fn retrying(&self, policy: RetryPolicy) -> Self {
        let retry = Some(Arc::new(policy));
        Self { session: self.session.clone(), view: View { retry, ..self.view.clone() } }
    }

    /// A view that creates nodes with this ACL unless they are given one, parents that are made on the way included. Without
    /// it, nodes are open to everybody. Recipes create what they need through the view they are given.
    #[must_use]
    pub fn with_acl(&self, acl: impl IntoIterator<Item = Acl>) -> Self {
        let acl = Some(acl.into_iter().collect());
        Self { session: self.session.clone(), view: View { acl, ..self.view.clone() } }
    }

    /// What nodes are created with when they are not given an ACL: see [`Client::with_acl`].
    pub fn default_acl(&self) -> Vec<Acl> {
        self.view.acl.as_ref().map_or_else(|| vec![Acl::world(Perms::ALL)], |acl| acl.to_vec())
    }

    /// Uses other servers from now on. Whether the present one is left depends on chance, so that the load of many clients
    /// evens out; requests under way are answered first. A chroot in `servers` is ignored. Mirrors
    /// `ZooKeeper.updateServerList`.
    ///
    /// # Errors
    /// The connect string makes no sense.
    pub fn update_servers(&self, servers: &str) -> Result<(), Error> {
        let parsed: ConnectString = servers.parse().map_err(bad_connect_string)?;
        self.session.update_servers(parsed.hosts);
        Ok(())
    }

    /// Proves an identity to the present server and to all later ones, and waits until one has accepted it.
    ///
    /// # Errors
    /// The server refuses, which ends the client.
    pub async fn add_auth(&self, scheme: &str, auth: &[u8]) -> Result<(), Error> {
        done(self.session.add_auth(scheme, auth), OpCode::Auth).await
    }

    /// Ends the session after all requests before: its ephemeral nodes are gone when this returns. All clones are over.
    ///
    /// # Errors
    /// No server could be told; the session ends by itself after its time-out.
    pub async fn close(&self) -> Result<(), Error> {
        done(self.session.close(), OpCode::CloseSession).await
    }

    /// Lets go of the session after all requests before, without ending it: another client can go on with it by its
    /// [`Client::ticket`] until its time-out. All clones are over.
    ///
    /// # Errors
    /// Never at present.
    pub async fn detach(&self) -> Result<(), Error> {
        done(self.session.detach(), OpCode::CloseSession).await
    }
}

pub(crate) fn bad_connect_string(error: crate::ConnectStringError) -> Error {
    use std::error::Error as _;
    let why = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    Error::BadArgument(format!("{error}{why}"))
}

async fn done(answer: oneshot::Receiver<Result<Reply, Failure>>, op: OpCode) -> Result<(), Error> {
    // Without a driver there is no session either.
    match answer.await.unwrap_or(Err(Failure::SessionClosed)) {
        Ok(_) => Ok(()),
        Err(failure) => Err(from_failure(failure, op, String::new())),
    }
}
