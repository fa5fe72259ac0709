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
    /// Either of them without a path (null): the answer breaks off here.
    WithoutPath,
}

/// Reads the list of a multi (`MultiOperationRecord`).
///
/// The kind of a create follows from its flags here: a container mode makes a container whatever the operation, and
/// createTTL with a mode that has no time to live is a plain create. The genuine server also looks at flags and access
/// control lists while it reads, but not at those of createTTL, which are refused one operation at a time later.
///
/// # Errors
/// As for any body. The reason [`DecodeReason::Null`] in the field `acl` stands out because the genuine server takes no
/// zxid for it.
pub fn read_multi<'a>(reader: &mut Reader<'a>) -> Result<Vec<MultiOp<'a>>, DecodeError> {
    const MIXED: DecodeError = DecodeError { field: "multi type", reason: DecodeReason::Mixed };
    // Room for operations of some length; a vector that grows from nothing is moved several times.
    let (mut ops, mut reads) = (Vec::with_capacity((reader.rest().len() / 64).min(64)), false);
    while let Some(op) = next_header(reader)? {
        let op = match op {
            OpCode::Create => MultiOp::Create(read_create(reader, CreateKind::Create)?),
            OpCode::Create2 => MultiOp::Create(read_create(reader, CreateKind::Create2)?),
            OpCode::CreateContainer => MultiOp::Create(read_create(reader, CreateKind::Container)?),
            OpCode::CreateTtl => MultiOp::Create(read_create(reader, CreateKind::Ttl)?),
            OpCode::Delete => MultiOp::Delete(Delete::decode(reader)?),
            OpCode::SetData => MultiOp::SetData(SetData::decode(reader)?),
            OpCode::Check => MultiOp::Check(Check::decode(reader)?),
            // Found out only by what follows: a create behind it may be wrong in another way.
            OpCode::GetData | OpCode::GetChildren if ops.is_empty() => {
                PathWatch::decode(reader)?;
                reads = true;
                continue;
            }
            OpCode::GetData | OpCode::GetChildren => return Err(MIXED),
            other => return Err(unknown(other.code())),
        };
        if reads {
            return Err(MIXED);
        }
        ops.push(op);
    }
    if reads { Err(MIXED) } else { Ok(ops) }
}

/// Reads the list of a multiRead.
pub fn read_multi_read<'a>(reader: &mut Reader<'a>) -> Result<Vec<MultiRead<'a>>, DecodeError> {
    let mut ops = Vec::new();
    while let Some(op) = next_header(reader)? {
        if !matches!(op, OpCode::GetData | OpCode::GetChildren) {
            return Err(unknown(op.code()));
        }
        let (path, watch) = (reader.text("path")?, reader.bool("watch")?);
        ops.push(match path {
            None => MultiRead::WithoutPath,
            Some(path) if op == OpCode::GetData => MultiRead::GetData(PathWatch { path, watch }),
            Some(path) => MultiRead::GetChildren(PathWatch { path, watch }),
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
    let mode = CreateMode::from_flags(create.flags);
    let is_ttl = mode.is_some_and(CreateMode::is_ttl);
    if sent != CreateKind::Ttl {
        let bad = DecodeError { field: "flags", reason: DecodeReason::Unknown(create.flags) };
        if mode.is_none() {
            return Err(bad);
        }
        if create.acl.is_none() {
            return Err(DecodeError { field: "acl", reason: DecodeReason::Null });
        }
        if is_ttl {
            return Err(bad);
        }
    }
    if !is_ttl {
        create.ttl_ms = None;
        create.kind = match (mode, sent) {
            (Some(CreateMode::Container), _) | (_, CreateKind::Container) => CreateKind::Container,
            (_, CreateKind::Create2) => CreateKind::Create2,
            _ => CreateKind::Create,
        };
    }
    Ok(create)
}

const fn unknown(code: i32) -> DecodeError {
    DecodeError { field: "multi type", reason: DecodeReason::Unknown(code) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Put;

    fn one_create(op: OpCode, flags: i32, acl: bool) -> Result<(CreateKind, Option<i64>), DecodeError> {
        let mut body = Vec::new();
        MultiHeader { op: op.code(), done: false, err: -1 }.encode(&mut body);
        body.put_text("/a");
        body.put_buffer(None);
        body.put_i32(if acl { 0 } else { -1 });
        body.put_i32(flags);
        if op == OpCode::CreateTtl {
            body.put_i64(7);
        }
        write_multi_end(&mut body);
        match read_multi(&mut Reader::new(&body))?.as_slice() {
            [MultiOp::Create(create)] => Ok((create.kind, create.ttl_ms)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_kind_of_a_create_follows_from_its_flags() {
        use CreateKind::{Container, Create, Create2, Ttl};
        let bad_flags = |flags| Err(DecodeError { field: "flags", reason: DecodeReason::Unknown(flags) });
        let null_acl = Err(DecodeError { field: "acl", reason: DecodeReason::Null });
        let cases = [
            (OpCode::Create, 0, true, Ok((Create, None))),
            (OpCode::Create2, 3, true, Ok((Create2, None))),
            (OpCode::Create, 4, true, Ok((Container, None))),
            (OpCode::Create2, 4, true, Ok((Container, None))),
            (OpCode::CreateContainer, 0, true, Ok((Container, None))),
            (OpCode::CreateTtl, 5, true, Ok((Ttl, Some(7)))),
            (OpCode::CreateTtl, 6, false, Ok((Ttl, Some(7)))),
            (OpCode::CreateTtl, 1, true, Ok((Create, None))),
            (OpCode::CreateTtl, 4, true, Ok((Container, None))),
            (OpCode::CreateTtl, 9, false, Ok((Create, None))),
            (OpCode::Create, 5, true, bad_flags(5)),
            (OpCode::CreateContainer, 6, true, bad_flags(6)),
            (OpCode::Create2, 7, false, bad_flags(7)),
            (OpCode::Create2, 5, false, null_acl),
            (OpCode::Create, 0, false, null_acl),
        ];
        for (op, flags, acl, expected) in cases {
            assert_eq!(one_create(op, flags, acl), expected, "{op:?} {flags} {acl}");
        }
    }
}
