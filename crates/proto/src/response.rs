//! The bodies of replies, as clients read them. Bytes after the last field are ignored, as every client ignores them.

use crate::{AclList, DecodeError, DecodeReason, MultiHeader, OpCode, Put, Reader, get_stat, put_stat};
use crate::{put_error_result, write_multi_end};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use zabra_types::{Acl, EventType, Stat};

/// The answer to create2, createContainer and createTTL (`Create2Response`). That to create is its path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created<'a> {
    /// The path made, sequence number included.
    pub path: Cow<'a, str>,
    /// The new node's.
    pub stat: Stat,
}

/// The answer to getData and reconfig (`GetDataResponse`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// The data; null is not empty.
    pub data: Option<&'a [u8]>,
    /// The node's.
    pub stat: Stat,
}

/// The answer to getChildren2 (`GetChildren2Response`). That to getChildren is the names alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Children<'a> {
    /// The names, in no particular order.
    pub names: Vec<Cow<'a, str>>,
    /// The node's.
    pub stat: Stat,
}

/// The answer to getACL (`GetACLResponse`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclAnswer {
    /// The access control list.
    pub acl: Vec<Acl>,
    /// The node's.
    pub stat: Stat,
}

/// One identity in the answer to whoAmI (`ClientInfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo<'a> {
    /// How it was proved.
    pub scheme: Cow<'a, str>,
    /// The user.
    pub user: Cow<'a, str>,
}

/// One result of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiResult<'a> {
    /// The path made by a create of the oldest kind.
    Create(Cow<'a, str>),
    /// What any other create made.
    Create2(Created<'a>),
    /// A node was deleted.
    Delete,
    /// The Stat after data was set.
    SetData(Stat),
    /// The version was the expected one.
    Check,
    /// The code of a failure; all results of a failed multi are such, see `MultiResponse`.
    Error(i32),
}

/// One result of a multiRead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadResult<'a> {
    /// Data and Stat.
    GetData(Data<'a>),
    /// Names of children.
    GetChildren(Vec<Cow<'a, str>>),
    /// The code of this read's own failure.
    Error(i32),
}

/// A watch has fired (`WatcherEvent`), behind a header with `Xid::NOTIFICATION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatcherEvent<'a> {
    /// What happened.
    pub kind: EventType,
    /// The state as sent: always [`zabra_types::KEEPER_STATE_CONNECTED`].
    pub state: i32,
    /// The node it happened to.
    pub path: Cow<'a, str>,
}

impl<'a> Created<'a> {
    /// Reads the record.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { path: reader.some_text("path")?, stat: get_stat(reader)? })
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_text(&self.path);
        put_stat(out, &self.stat);
    }
}

impl<'a> Data<'a> {
    /// Reads the record.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { data: reader.buffer("data")?, stat: get_stat(reader)? })
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_buffer(self.data);
        put_stat(out, &self.stat);
    }
}

impl<'a> Children<'a> {
    /// Reads the record.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { names: read_names(reader)?, stat: get_stat(reader)? })
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_names(out, &self.names);
        put_stat(out, &self.stat);
    }
}

impl AclAnswer {
    /// Reads the record.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { acl: AclList::decode(reader)?.to_acls(), stat: get_stat(reader)? })
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&AclList::encode_entries(&self.acl));
        put_stat(out, &self.stat);
    }
}

impl<'a> WatcherEvent<'a> {
    /// Reads the record.
    ///
    /// # Errors
    /// Also when the type is one that no server sends.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let code = reader.i32("type")?;
        let unknown = DecodeError { field: "type", reason: DecodeReason::Unknown(code) };
        Ok(Self {
            kind: EventType::from_code(code).ok_or(unknown)?,
            state: reader.i32("state")?,
            path: reader.some_text("path")?,
        })
    }
}

/// Reads the answer to getChildren and getEphemerals: names or paths; null is none.
pub fn read_names<'a>(reader: &mut Reader<'a>) -> Result<Vec<Cow<'a, str>>, DecodeError> {
    Ok(reader.texts("children")?.unwrap_or_default())
}

/// Reads the answer to whoAmI.
pub fn read_client_infos<'a>(reader: &mut Reader<'a>) -> Result<Vec<ClientInfo<'a>>, DecodeError> {
    let count = reader.count("clientInfo")?.unwrap_or(0);
    // Eight bytes is the least an entry takes: a false count cannot make us reserve more than the frame holds.
    let mut infos = Vec::with_capacity(count.min(reader.rest().len() / 8));
    for _ in 0..count {
        infos.push(ClientInfo { scheme: reader.some_text("authScheme")?, user: reader.some_text("user")? });
    }
    Ok(infos)
}

/// Reads the answer to a multi (`MultiResponse`).
pub fn read_multi_results<'a>(reader: &mut Reader<'a>) -> Result<Vec<MultiResult<'a>>, DecodeError> {
    let mut results = Vec::new();
    while let Some(op) = next_result(reader)? {
        results.push(match op {
            OpCode::Create => MultiResult::Create(reader.some_text("path")?),
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => {
                MultiResult::Create2(Created::decode(reader)?)
            }
            OpCode::Delete => MultiResult::Delete,
            OpCode::SetData => MultiResult::SetData(get_stat(reader)?),
            OpCode::Check => MultiResult::Check,
            OpCode::Error => MultiResult::Error(reader.i32("err")?),
            other => return Err(unknown(other.code())),
        });
    }
    Ok(results)
}

/// Reads the answer to a multiRead.
pub fn read_multi_read_results<'a>(reader: &mut Reader<'a>) -> Result<Vec<ReadResult<'a>>, DecodeError> {
    let mut results = Vec::new();
    while let Some(op) = next_result(reader)? {
        results.push(match op {
            OpCode::GetData => ReadResult::GetData(Data::decode(reader)?),
            OpCode::GetChildren => ReadResult::GetChildren(read_names(reader)?),
            OpCode::Error => ReadResult::Error(reader.i32("err")?),
            other => return Err(unknown(other.code())),
        });
    }
    Ok(results)
}

/// Appends the answer to a multi.
pub fn put_multi_results(out: &mut Vec<u8>, results: &[MultiResult<'_>]) {
    for result in results {
        match result {
            MultiResult::Create(path) => {
                MultiHeader::result(OpCode::Create).encode(out);
                out.put_text(path);
            }
            MultiResult::Create2(created) => {
                MultiHeader::result(OpCode::Create2).encode(out);
                created.encode(out);
            }
            MultiResult::Delete => MultiHeader::result(OpCode::Delete).encode(out),
            MultiResult::SetData(stat) => {
                MultiHeader::result(OpCode::SetData).encode(out);
                put_stat(out, stat);
            }
            MultiResult::Check => MultiHeader::result(OpCode::Check).encode(out),
            MultiResult::Error(code) => put_error_result(out, *code),
        }
    }
    write_multi_end(out);
}

/// Appends the answer to a multiRead.
pub fn put_multi_read_results(out: &mut Vec<u8>, results: &[ReadResult<'_>]) {
    for result in results {
        match result {
            ReadResult::GetData(data) => {
                MultiHeader::result(OpCode::GetData).encode(out);
                data.encode(out);
            }
            ReadResult::GetChildren(names) => {
                MultiHeader::result(OpCode::GetChildren).encode(out);
                put_names(out, names);
            }
            ReadResult::Error(code) => put_error_result(out, *code),
        }
    }
    write_multi_end(out);
}

fn next_result(reader: &mut Reader<'_>) -> Result<Option<OpCode>, DecodeError> {
    let header = MultiHeader::decode(reader)?;
    if header.done {
        return Ok(None);
    }
    OpCode::from_code(header.op).map(Some).ok_or_else(|| unknown(header.op))
}

fn put_names(out: &mut Vec<u8>, names: &[Cow<'_, str>]) {
    out.put_count(names.len());
    for name in names {
        out.put_text(name);
    }
}

const fn unknown(code: i32) -> DecodeError {
    DecodeError { field: "multi type", reason: DecodeReason::Unknown(code) }
}
