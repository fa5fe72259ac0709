//! The task that keeps a node in place.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use zabra_client::{
    Client, CreateMode, Error as ClientError, EventType, OneShot, SessionState, Stat, StateStream,
};

use super::{NodeState, Spec};
use crate::common::retry::Backoff;
use crate::common::{Error, Result, name, path, session};

/// The pause after a refusal before it is tried again.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// What the owner of the node asks for. Dropping all senders asks to close.
#[derive(Debug)]
pub(super) enum Command {
    Set(Bytes, oneshot::Sender<Result<()>>),
    Close(oneshot::Sender<Result<()>>),
    Leave(oneshot::Sender<()>),
}

/// Why keeping ends.
enum End {
    Close(Option<oneshot::Sender<Result<()>>>),
    Leave(Option<oneshot::Sender<()>>),
    /// The client is over.
    Client,
}

pub(super) struct Keeper {
    client: Client,
    spec: Spec,
    commands: mpsc::Receiver<Command>,
    state: watch::Sender<NodeState>,
    data: watch::Sender<Bytes>,
    states: StateStream,
    /// Where the node was created or found; it keeps this path from then on.
    path: Option<String>,
    /// A creation has no answer yet: the node may be there.
    in_doubt: bool,
    /// Those who wait for the data to be written; empty when it is.
    unwritten: Vec<oneshot::Sender<Result<()>>>,
    /// The node was found, not created: its data is not known to be ours.
    found: bool,
    /// It was there once, and is to be deleted at the end.
    was_in_place: bool,
}

/// What a look at the node says.
enum Look {
    Ours(Stat, OneShot),
    Foreign(Stat, OneShot),
    /// It was not there and has been created, or its fate is unknown: look again.
    Again,
}

impl Keeper {
    pub(super) fn new(
        client: Client,
        spec: Spec,
        commands: mpsc::Receiver<Command>,
        state: watch::Sender<NodeState>,
        data: watch::Sender<Bytes>,
    ) -> Self {
        let states = client.states();
        let path = (!spec.mode.is_sequential()).then(|| spec.path.clone());
        Self {
            client,
            spec,
            commands,
            state,
            data,
            states,
            path,
            in_doubt: false,
            unwritten: Vec::new(),
            found: true,
            was_in_place: false,
        }
    }

    pub(super) async fn run(mut self) {
        let end = self.keep().await;
        match end {
            End::Close(answer) => {
                let result = self.delete().await;
                self.state.send_replace(NodeState::Closed);
                match answer {
                    // Whoever asked may have given up waiting.
                    Some(answer) => drop(answer.send(result)),
                    None => {
                        if let Err(error) = result {
                            tracing::warn!(path = self.spec.path, %error, "a node could not be deleted at the end");
                        }
                    }
                }
            }
            End::Leave(answer) => {
                self.state.send_replace(NodeState::Closed);
                if let Some(answer) = answer {
                    let _ = answer.send(());
                }
            }
            End::Client => {
                self.state.send_replace(NodeState::Closed);
            }
        }
    }

    async fn keep(&mut self) -> End {
        let mut backoff = Backoff::default();
        loop {
            let end = match self.look().await {
                Ok(Look::Again) => None,
                Ok(Look::Ours(stat, watch)) => {
                    backoff = Backoff::default();
                    self.stay(&stat, watch).await
                }
                Ok(Look::Foreign(stat, watch)) => self.wait_for_place(&stat, watch).await,
                Err(error) => self.fail(error, &mut backoff).await,
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// Looks whether the node is there, with a watch on it, and creates it if not.
    async fn look(&mut self) -> Result<Look, ClientError> {
        let Some(path) = self.path.clone() else {
            self.create().await?;
            return Ok(Look::Again);
        };
        let (stat, watch) = self.client.exists(&path).watch().await?;
        let Some(stat) = stat else {
            self.set_state(NodeState::Absent);
            drop(watch);
            self.create().await?;
            return Ok(Look::Again);
        };
        self.in_doubt = false;
        let ours = if self.spec.mode.is_ephemeral() { self.client.session_id().raw() } else { 0 };
        if stat.ephemeral_owner != ours {
            return Ok(Look::Foreign(stat, watch));
        }
        if self.found || !self.unwritten.is_empty() {
            // The watch on the node sees the write too, and then there is one look more.
            self.write(&path).await?;
        }
        Ok(Look::Ours(stat, watch))
    }

    async fn create(&mut self) -> Result<(), ClientError> {
        if self.in_doubt
            && self.path.is_none()
            && self.spec.unique
            && let Some(path) = self.find().await?
        {
            self.path = Some(path);
            return Ok(());
        }
        let spec = &self.spec;
        let (path, mode) = match &self.path {
            Some(path) => (path, without_number(spec.mode)),
            None => (&spec.path, spec.mode),
        };
        let mut create = self.client.create(path, &spec.data).mode(mode);
        if let Some(ttl) = spec.ttl {
            create = create.ttl(ttl);
        }
        if let Some(acl) = &spec.acl {
            create = create.acl(acl.iter().cloned());
        }
        if spec.parents {
            create = create.parents_as_containers();
        }
        self.in_doubt = true;
        match create.await {
            Ok(created) => {
                self.in_doubt = false;
                self.path = Some(created.path);
                self.found = false;
                self.answer_unwritten();
                Ok(())
            }
            // The next look tells whose it is.
            Err(error) if error.is_node_exists() => {
                self.found = true;
                Ok(())
            }
            Err(error) => {
                self.in_doubt = error.outcome() != zabra_client::Outcome::DidNotHappen;
                Err(error)
            }
        }
    }

    /// The sequential node that a creation without an answer has made.
    async fn find(&self) -> Result<Option<String>, ClientError> {
        let Some((parent, base)) = self.spec.path.rsplit_once('/') else { return Ok(None) };
        let parent = if parent.is_empty() { "/" } else { parent };
        // Another server than this one may have taken the creation to the leader.
        self.client.sync(parent).await?;
        let names = match self.client.children(parent).await {
            Err(error) if error.is_no_node() => return Ok(None),
            names => names?,
        };
        for child in names.iter().filter(|child| child.starts_with(base) && name::sequence(child).is_some()) {
            let path = path::join(parent, child);
            let stat = self.client.exists(&path).await?;
            let session = self.client.session_id().raw();
            if stat.is_some_and(|stat| !self.spec.mode.is_ephemeral() || stat.ephemeral_owner == session) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Writes the data; a node that is gone is for the next look.
    async fn write(&mut self, path: &str) -> Result<(), ClientError> {
        match self.client.set(path, &self.spec.data).await {
            Ok(_) => {
                self.found = false;
                self.answer_unwritten();
                Ok(())
            }
            Err(error) if error.is_no_node() => Ok(()),
            Err(error) if session::is_outage(&error) => Err(error),
            Err(error) if self.unwritten.is_empty() => {
                // Somebody else's node which may be read but not written: it is in place all the same.
                tracing::warn!(path, %error, "the data of a kept node cannot be written");
                self.found = false;
                Ok(())
            }
            Err(error) => {
                for answer in self.unwritten.drain(..) {
                    let _ = answer.send(Err(Error::Client(error.clone())));
                }
                Ok(())
            }
        }
    }

    fn answer_unwritten(&mut self) {
        for answer in self.unwritten.drain(..) {
            let _ = answer.send(Ok(()));
        }
    }

    /// The node is there and ours.
    async fn stay(&mut self, stat: &Stat, mut watch: OneShot) -> Option<End> {
        let path = self.path.clone().unwrap_or_default();
        self.spec.take_over = false;
        self.was_in_place = true;
        let in_place = NodeState::InPlace { path: path.clone(), czxid: stat.czxid };
        self.set_state(in_place.clone());
        loop {
            tokio::select! {
                biased;
                event = &mut watch => {
                    if matches!(event.kind, EventType::NodeDeleted) || self.spec.mode.is_ephemeral() && event.kind.is_end() {
                        self.set_state(NodeState::Absent);
                    }
                    return None;
                }
                state = self.states.next() => match state {
                    Some(SessionState::Disconnected) => self.set_state(NodeState::InDoubt { path: path.clone() }),
                    // Had it gone meanwhile, the watch would tell.
                    Some(state) if state.is_connected() => self.set_state(in_place.clone()),
                    Some(_) => {}
                    None => return Some(End::Client),
                },
                command = self.commands.recv() => match self.obey(command) {
                    Some(end) => return Some(end),
                    // Whatever keeps it from being written is found at the next look.
                    None => drop(self.write(&path).await),
                },
            }
            if !self.unwritten.is_empty() {
                return None;
            }
        }
    }

    /// Another session has the place.
    async fn wait_for_place(&mut self, stat: &Stat, mut watch: OneShot) -> Option<End> {
        let path = self.path.clone().unwrap_or_default();
        if self.spec.take_over {
            match self.client.delete(&path).version(stat.version).await {
                Err(error) if session::is_outage(&error) => {}
                Err(error) if error.is_no_node() || error.is_bad_version() => {}
                Err(error) => {
                    tracing::warn!(path, %error, "the place of a kept node cannot be taken over");
                    self.spec.take_over = false;
                }
                Ok(()) => {}
            }
            return None;
        }
        self.set_state(NodeState::Waiting { path });
        loop {
            tokio::select! {
                biased;
                _ = &mut watch => return None,
                command = self.commands.recv() => {
                    // What is set meanwhile is written when the place is free.
                    if let Some(end) = self.obey(command) {
                        return Some(end);
                    }
                }
            }
        }
    }

    /// A request failed.
    async fn fail(&mut self, error: ClientError, backoff: &mut Backoff) -> Option<End> {
        if session::is_outage(&error) {
            if !session::connected(&self.client, &mut self.states).await {
                return Some(End::Client);
            }
            backoff.pause().await;
            return None;
        }
        tracing::warn!(path = self.spec.path, %error, "a node cannot be kept in place");
        self.set_state(NodeState::Refused(error));
        tokio::select! {
            () = tokio::time::sleep(REFUSED_PAUSE) => None,
            command = self.commands.recv() => self.obey(command),
        }
    }

    fn obey(&mut self, command: Option<Command>) -> Option<End> {
        match command {
            None => Some(End::Close(None)),
            Some(Command::Close(answer)) => Some(End::Close(Some(answer))),
            Some(Command::Leave(answer)) => Some(End::Leave(Some(answer))),
            Some(Command::Set(data, answer)) => {
                self.data.send_replace(data.clone());
                self.spec.data = data;
                self.unwritten.push(answer);
                None
            }
        }
    }

    fn set_state(&self, new: NodeState) {
        self.state.send_if_modified(|state| {
            let changes = *state != new;
            if changes {
                *state = new;
            }
            changes
        });
    }

    /// Deletes what is ours.
    async fn delete(&mut self) -> Result<()> {
        if !self.spec.delete || !(self.was_in_place || self.in_doubt) {
            return Ok(());
        }
        let mut backoff = Backoff::default();
        loop {
            match self.try_delete().await {
                Err(error) if session::is_outage(&error) => {
                    if !session::connected(&self.client, &mut self.states).await {
                        // An ephemeral node is gone with the session.
                        return if self.spec.mode.is_ephemeral() { Ok(()) } else { Err(error.into()) };
                    }
                    backoff.pause().await;
                }
                result => return Ok(result?),
            }
        }
    }

    async fn try_delete(&mut self) -> Result<(), ClientError> {
        if self.path.is_none() && self.spec.unique {
            self.path = self.find().await?;
        }
        let Some(path) = &self.path else { return Ok(()) };
        if self.in_doubt {
            // Another server than this one may have taken the creation to the leader.
            self.client.sync(path).await?;
        }
        if self.spec.mode.is_ephemeral() {
            // It may be that of a successor, when our session expired meanwhile.
            let stat = self.client.exists(path).await?;
            if stat.is_none_or(|stat| stat.ephemeral_owner != self.client.session_id().raw()) {
                return Ok(());
            }
        }
        match self.client.delete(path).await {
            Err(error) if error.is_no_node() => Ok(()),
            result => result,
        }
    }
}

/// The mode of a node that has got its number.
const fn without_number(mode: CreateMode) -> CreateMode {
    match mode {
        CreateMode::EphemeralSequential => CreateMode::Ephemeral,
        CreateMode::PersistentSequential => CreateMode::Persistent,
        CreateMode::PersistentSequentialWithTtl => CreateMode::PersistentWithTtl,
        other => other,
    }
}
