//! The bodies of requests.

use crate::{AclEntry, DecodeError, DecodeReason, MultiOp, MultiRead, OpCode, Reader};
use crate::{read_acl_vector, read_multi, read_multi_read};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use zabra_types::Zxid;

/// Which of the four create operations was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CreateKind {
    /// Answers the path.
    Create,
    /// Answers path and Stat.
    Create2,
    /// Makes a container; answers path and Stat.
    Container,
    /// Makes a node with a time to live; answers path and Stat.
    Ttl,
}

/// A create request of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create<'a> {
    /// The operation used.
    pub kind: CreateKind,
    /// The path, without the sequence number; null is refused later.
    pub path: Option<Cow<'a, str>>,
    /// The data; null is not empty.
    pub data: Option<&'a [u8]>,
    /// The access control list as sent; null is refused later.
    pub acl: Option<Vec<AclEntry<'a>>>,
    /// The create mode as sent.
    pub flags: i32,
    /// The time to live in milliseconds, present in [`CreateKind::Ttl`] requests only.
    pub ttl_ms: Option<i64>,
}

impl<'a> Create<'a> {
    /// Reads the body of this kind of create.
    pub fn decode(reader: &mut Reader<'a>, kind: CreateKind) -> Result<Self, DecodeError> {
        Ok(Self {
            kind,
            path: reader.text("path")?,
            data: reader.buffer("data")?,
            acl: read_acl_vector(reader)?,
            flags: reader.i32("flags")?,
            ttl_ms: match kind {
                CreateKind::Ttl => Some(reader.i64("ttl")?),
                _ => None,
            },
        })
    }
}

/// Delete a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// The node; null is refused later.
    pub path: Option<Cow<'a, str>>,
    /// The expected version, -1 for any.
    pub version: i32,
}

/// Set data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetData<'a> {
    /// The node; null is refused later.
    pub path: Option<Cow<'a, str>>,
    /// The data; null is not empty.
    pub data: Option<&'a [u8]>,
    /// The expected version, -1 for any.
    pub version: i32,
}

/// Set the access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAcl<'a> {
    /// The node; null is refused later.
    pub path: Option<Cow<'a, str>>,
    /// The list as sent.
    pub acl: Option<Vec<AclEntry<'a>>>,
    /// The expected aversion, -1 for any.
    pub version: i32,
}

/// Check a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check<'a> {
    /// The node; null is refused later.
    pub path: Option<Cow<'a, str>>,
    /// The expected version, -1 for any.
    pub version: i32,
}

/// A path and whether to watch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathWatch<'a> {
    /// The node.
    pub path: Cow<'a, str>,
    /// Whether to leave a watch.
    pub watch: bool,
}

/// A path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathOnly<'a> {
    /// The node.
    pub path: Cow<'a, str>,
}

/// The node whose access control list is wanted.
pub type GetAcl<'a> = PathOnly<'a>;

/// Add a persistent watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddWatch<'a> {
    /// The node; empty, which is never told of anything, when it was null.
    pub path: Cow<'a, str>,
    /// The mode as sent.
    pub mode: i32,
}

/// Check for or remove a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchQuery<'a> {
    /// The node.
    pub path: Cow<'a, str>,
    /// The watcher type as sent.
    pub watcher_type: i32,
}

/// Change the membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconfig<'a> {
    /// Servers to add or change, unless `new_members` is given.
    pub joining_servers: Option<Cow<'a, str>>,
    /// Ids of servers to remove, unless `new_members` is given.
    pub leaving_servers: Option<Cow<'a, str>>,
    /// The whole new membership.
    pub new_members: Option<Cow<'a, str>>,
    /// The version of the configuration this changes, -1 for any.
    pub config_version: i64,
}

/// The watches of a client that has reconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetWatches<'a> {
    /// What the client has seen; later changes become events.
    pub relative_zxid: Zxid,
    /// Watches on the data of present nodes.
    pub data: Vec<Cow<'a, str>>,
    /// Watches on missing nodes.
    pub exists: Vec<Cow<'a, str>>,
    /// Watches on children.
    pub children: Vec<Cow<'a, str>>,
    /// Persistent watches.
    pub persistent: Vec<Cow<'a, str>>,
    /// Persistent recursive watches.
    pub persistent_recursive: Vec<Cow<'a, str>>,
}

/// An auth packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// The scheme.
    pub scheme: Option<Cow<'a, str>>,
    /// What proves the identity, in the scheme's own form.
    pub auth: Option<&'a [u8]>,
}

/// A request body of any kind, borrowed from its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Any of the four creates.
    Create(Create<'a>),
    /// Delete.
    Delete(Delete<'a>),
    /// Exists.
    Exists(PathWatch<'a>),
    /// Get data.
    GetData(PathWatch<'a>),
    /// Set data.
    SetData(SetData<'a>),
    /// Get the access control list.
    GetAcl(GetAcl<'a>),
    /// Set the access control list.
    SetAcl(SetAcl<'a>),
    /// Names of children.
    GetChildren(PathWatch<'a>),
    /// Names of children and Stat.
    GetChildren2(PathWatch<'a>),
    /// Sync; the path is only echoed, null included.
    Sync(Option<Cow<'a, str>>),
    /// Ping.
    Ping,
    /// Several writes.
    Multi(Vec<MultiOp<'a>>),
    /// Several reads.
    MultiRead(Vec<MultiRead<'a>>),
    /// Change the membership.
    Reconfig(Reconfig<'a>),
    /// Check for a watch.
    CheckWatches(WatchQuery<'a>),
    /// Remove a watch.
    RemoveWatches(WatchQuery<'a>),
    /// Set watches after a reconnect, of either form.
    SetWatches(SetWatches<'a>),
    /// The session's ephemeral nodes below a prefix; null means all.
    GetEphemerals(Option<Cow<'a, str>>),
    /// Number of descendants.
    GetAllChildrenNumber(PathOnly<'a>),
    /// Add a persistent watch.
    AddWatch(AddWatch<'a>),
    /// The identities of the connection.
    WhoAmI,
    /// End the session.
    CloseSession,
    /// Authenticate.
    Auth(Auth<'a>),
    /// A step of SASL; the token may be null.
    Sasl(Option<&'a [u8]>),
}

impl<'a> Request<'a> {
    /// Reads the body of `op`. Bytes after the last field are ignored, as the genuine server ignores them.
    ///
    /// # Errors
    /// The body is short, a length in it is absurd, or a value has no meaning: the client is told
    /// `MarshallingError`. Operations that no client may send are errors too.
    pub fn decode(op: OpCode, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match op {
            OpCode::Create => Self::Create(Create::decode(reader, CreateKind::Create)?),
            OpCode::Create2 => Self::Create(Create::decode(reader, CreateKind::Create2)?),
            OpCode::CreateContainer => Self::Create(Create::decode(reader, CreateKind::Container)?),
            OpCode::CreateTtl => Self::Create(Create::decode(reader, CreateKind::Ttl)?),
            OpCode::Delete => Self::Delete(Delete::decode(reader)?),
            OpCode::Exists => Self::Exists(PathWatch::decode(reader)?),
            OpCode::GetData => Self::GetData(PathWatch::decode(reader)?),
            OpCode::SetData => Self::SetData(SetData::decode(reader)?),
            OpCode::GetAcl => Self::GetAcl(PathOnly::decode(reader)?),
            OpCode::SetAcl => Self::SetAcl(SetAcl::decode(reader)?),
            OpCode::GetChildren => Self::GetChildren(PathWatch::decode(reader)?),
            OpCode::GetChildren2 => Self::GetChildren2(PathWatch::decode(reader)?),
            OpCode::Sync => Self::Sync(reader.text("path")?),
            OpCode::Ping => Self::Ping,
            OpCode::Multi => Self::Multi(read_multi(reader)?),
            OpCode::MultiRead => Self::MultiRead(read_multi_read(reader)?),
            OpCode::Reconfig => Self::Reconfig(Reconfig::decode(reader)?),
            OpCode::CheckWatches => Self::CheckWatches(WatchQuery::decode(reader)?),
            OpCode::RemoveWatches => Self::RemoveWatches(WatchQuery::decode(reader)?),
            OpCode::SetWatches => Self::SetWatches(SetWatches::decode(reader, false)?),
            OpCode::SetWatches2 => Self::SetWatches(SetWatches::decode(reader, true)?),
            OpCode::GetEphemerals => Self::GetEphemerals(reader.text("prefixPath")?),
            OpCode::GetAllChildrenNumber => Self::GetAllChildrenNumber(PathOnly::decode(reader)?),
            OpCode::AddWatch => Self::AddWatch(AddWatch::decode(reader)?),
            OpCode::WhoAmI => Self::WhoAmI,
            OpCode::CloseSession => Self::CloseSession,
            OpCode::Auth => {
                reader.i32("auth type")?;
                Self::Auth(Auth { scheme: reader.text("scheme")?, auth: reader.buffer("auth")? })
            }
            OpCode::Sasl => Self::Sasl(reader.buffer("token")?),
            OpCode::Check | OpCode::DeleteContainer | OpCode::CreateSession | OpCode::Error => {
                return Err(DecodeError { field: "type", reason: DecodeReason::Unknown(op.code()) });
            }
        })
    }
}

impl<'a> PathWatch<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { path: reader.some_text("path")?, watch: reader.bool("watch")? })
    }
}

impl<'a> PathOnly<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { path: reader.some_text("path")? })
    }
}

impl<'a> Delete<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { path: reader.text("path")?, version: reader.i32("version")? })
    }
}

impl<'a> SetData<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { path: reader.text("path")?, data: reader.buffer("data")?, version: reader.i32("version")? })
    }
}

impl<'a> SetAcl<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            path: reader.text("path")?,
            acl: read_acl_vector(reader)?,
            version: reader.i32("version")?,
        })
    }
}

impl<'a> Check<'a> {
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { path: reader.text("path")?, version: reader.i32("version")? })
    }
}

impl<'a> Reconfig<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            joining_servers: reader.text("joiningServers")?,
            leaving_servers: reader.text("leavingServers")?,
            new_members: reader.text("newMembers")?,
            config_version: reader.i64("curConfigId")?,
        })
    }
}

impl<'a> WatchQuery<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { path: reader.some_text("path")?, watcher_type: reader.i32("type")? })
    }
}

impl<'a> AddWatch<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { path: reader.text("path")?.unwrap_or_default(), mode: reader.i32("mode")? })
    }
}

impl<'a> SetWatches<'a> {
    fn decode(reader: &mut Reader<'a>, persistent: bool) -> Result<Self, DecodeError> {
        let relative_zxid = Zxid::from_raw(reader.i64("relativeZxid")?);
        let mut list = |field| reader.texts(field)?.ok_or(DecodeError { field, reason: DecodeReason::Null });
        let (data, exists, children) = (list("dataWatches")?, list("existWatches")?, list("childWatches")?);
        let (persistent, persistent_recursive) = if persistent {
            (list("persistentWatches")?, list("persistentRecursiveWatches")?)
        } else {
            (Vec::new(), Vec::new())
        };
        Ok(Self { relative_zxid, data, exists, children, persistent, persistent_recursive })
    }
}
