//! The lists inside multi and multiRead.

use crate::request::{Check, Create, CreateKind, Delete, PathWatch, SetData};
use crate::{DecodeError, DecodeReason, MultiHeader, OpCode, Reader};
use alloc::vec::Vec;
use zabra_types::CreateMode;

/// One write of a multi.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiOp<'a> {
    /// Create a node of any kind.
    Create(Create<'a>),
    /// Delete a node.
    Delete(Delete<'a>),
    /// Set data.
    SetData(SetData<'a>),
    /// Check a version.
    Check(Check<'a>),
}

/// One read of a multiRead. Watch flags are ignored there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultiRead<'a> {
    /// Data and Stat.
    GetData(PathWatch<'a>),
    /// Names of children.
    GetChildren(PathWatch<'a>),
}

/// Reads the list of a multi (`MultiOperationRecord`).
///
/// The kind of a create follows from its flags here: a container mode makes a container whatever the operation, and
/// createTTL with a mode that has no time to live is a plain create.
pub fn read_multi<'a>(reader: &mut Reader<'a>) -> Result<Vec<MultiOp<'a>>, DecodeError> {
    let mut ops = Vec::new();
    while let Some(op) = next_header(reader)? {
        ops.push(match op {
            OpCode::Create => MultiOp::Create(read_create(reader, CreateKind::Create)?),
            OpCode::Create2 => MultiOp::Create(read_create(reader, CreateKind::Create2)?),
            OpCode::CreateContainer => MultiOp::Create(read_create(reader, CreateKind::Container)?),
            OpCode::CreateTtl => MultiOp::Create(read_create(reader, CreateKind::Ttl)?),
            OpCode::Delete => MultiOp::Delete(Delete::decode(reader)?),
            OpCode::SetData => MultiOp::SetData(SetData::decode(reader)?),
            OpCode::Check => MultiOp::Check(Check::decode(reader)?),
            OpCode::GetData | OpCode::GetChildren => {
                return Err(DecodeError { field: "multi type", reason: DecodeReason::Mixed });
            }
            other => return Err(unknown(other.code())),
        });
    }
    Ok(ops)
}

/// Reads the list of a multiRead.
pub fn read_multi_read<'a>(reader: &mut Reader<'a>) -> Result<Vec<MultiRead<'a>>, DecodeError> {
    let mut ops = Vec::new();
    while let Some(op) = next_header(reader)? {
        ops.push(match op {
            OpCode::GetData => MultiRead::GetData(PathWatch::decode(reader)?),
            OpCode::GetChildren => MultiRead::GetChildren(PathWatch::decode(reader)?),
            other => return Err(unknown(other.code())),
        });
    }
    Ok(ops)
}

/// Appends the header that ends a list.
pub fn write_multi_end(out: &mut Vec<u8>) {
    MultiHeader::END.encode(out);
}

fn next_header(reader: &mut Reader<'_>) -> Result<Option<OpCode>, DecodeError> {
    let header = MultiHeader::decode(reader)?;
    if header.done {
        return Ok(None);
    }
    OpCode::from_code(header.op).map(Some).ok_or_else(|| unknown(header.op))
}

fn read_create<'a>(reader: &mut Reader<'a>, sent: CreateKind) -> Result<Create<'a>, DecodeError> {
    let mut create = Create::decode(reader, sent)?;
    let flags = create.flags;
    let bad = DecodeError { field: "flags", reason: DecodeReason::Unknown(flags) };
    let mode = CreateMode::from_flags(flags).ok_or(bad)?;
    if create.acl.is_none() {
        return Err(DecodeError { field: "acl", reason: DecodeReason::Null });
    }
    if mode.is_ttl() {
        if sent != CreateKind::Ttl {
            return Err(bad);
        }
    } else {
        create.ttl_ms = None;
        create.kind = match (mode, sent) {
            (CreateMode::Container, _) => CreateKind::Container,
            (_, CreateKind::Create2) => CreateKind::Create2,
            _ => CreateKind::Create,
        };
    }
    Ok(create)
}

const fn unknown(code: i32) -> DecodeError {
    DecodeError { field: "multi type", reason: DecodeReason::Unknown(code) }
}
