//! Replies taken apart, losing nothing: two replies are equal here exactly when their bytes are.

use std::fmt;
use zabra_proto::{DecodeError, DecodeReason, OpCode, Reader};
use zabra_types::Stat;

/// Bytes or null, shown as text where they are text and cut short where they are long.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Blob(pub Option<Vec<u8>>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 120;
        match &self.0 {
            None => f.write_str("null"),
            Some(bytes) if bytes.len() > SHOWN => {
                write!(f, "\"{}\"... ({} bytes)", bytes[..SHOWN].escape_ascii(), bytes.len())
            }
            Some(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
        }
    }
}

/// What follows the header of a successful reply, by operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    Nothing,
    /// Nothing, and the connection closes.
    Farewell,
    /// A path.
    Path,
    /// A path and a Stat.
    PathStat,
    /// A Stat.
    Stat,
    /// Data and a Stat.
    DataStat,
    /// An access control list and a Stat.
    AclStat,
    /// Names.
    Names,
    /// Names and a Stat.
    NamesStat,
    /// A number.
    Number,
    /// Identities.
    Identities,
    /// Results of a multi or multiRead.
    Results,
    /// A SASL token.
    Token,
}

impl Shape {
    /// The shape of the reply to an operation; `Nothing` for unknown ones.
    pub fn of(op: i32) -> Self {
        let Some(op) = OpCode::from_code(op) else { return Self::Nothing };
        match op {
            OpCode::CloseSession => Self::Farewell,
            OpCode::Create | OpCode::Sync => Self::Path,
            OpCode::Create2 | OpCode::CreateContainer | OpCode::CreateTtl => Self::PathStat,
            OpCode::Exists | OpCode::SetData | OpCode::SetAcl => Self::Stat,
            OpCode::GetData | OpCode::Reconfig => Self::DataStat,
            OpCode::GetAcl => Self::AclStat,
            OpCode::GetChildren | OpCode::GetEphemerals => Self::Names,
            OpCode::GetChildren2 => Self::NamesStat,
            OpCode::GetAllChildrenNumber | OpCode::AddWatch | OpCode::Error => Self::Number,
            OpCode::WhoAmI => Self::Identities,
            OpCode::Multi | OpCode::MultiRead => Self::Results,
            OpCode::Sasl => Self::Token,
            _ => Self::Nothing,
        }
    }
}

/// One access control entry of a reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AclRow {
    /// Permission bits.
    pub perms: i32,
    /// Scheme.
    pub scheme: Blob,
    /// Identity.
    pub id: Blob,
}

/// One identity of a whoAmI reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientInfo {
    /// Scheme.
    pub scheme: Blob,
    /// User.
    pub user: Blob,
}

/// One result of a multi; the last one ends the list and has no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultiResult {
    /// The result's type.
    pub op: i32,
    /// The byte that ends the list when it is not 0.
    pub done: u8,
    /// The code in the header.
    pub err: i32,
    /// The body.
    pub body: Body,
}

/// A watch event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// What happened.
    pub kind: i32,
    /// The state, always 3.
    pub state: i32,
    /// The path.
    pub path: Blob,
}

/// The body of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// No bytes.
    Nothing,
    /// A path.
    Path(Blob),
    /// A path and a Stat.
    PathStat(Blob, Stat),
    /// A Stat.
    Stat(Stat),
    /// Data and a Stat.
    DataStat(Blob, Stat),
    /// An access control list (`None`: null) and a Stat.
    AclStat(Option<Vec<AclRow>>, Stat),
    /// Names.
    Names(Option<Vec<Blob>>),
    /// Names and a Stat.
    NamesStat(Option<Vec<Blob>>, Stat),
    /// A number.
    Number(i32),
    /// Identities.
    Identities(Option<Vec<ClientInfo>>),
    /// Results of a multi, the end included.
    Results(Vec<MultiResult>),
    /// A SASL token.
    Token(Blob),
    /// An event.
    Event(Event),
    /// What does not have the expected shape.
    Raw(Blob),
}

/// A reply or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The request's number, or a reserved one.
    pub xid: i32,
    /// The last transaction the server has processed.
    pub zxid: i64,
    /// 0 or an error code.
    pub err: i32,
    /// The body.
    pub body: Body,
    /// Bytes after the body.
    pub rest: Blob,
}

/// The answer to a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Protocol version.
    pub version: i32,
    /// Negotiated timeout in milliseconds, 0 for a refusal.
    pub timeout_ms: i32,
    /// The session, 0 for a refusal.
    pub session: i64,
    /// The password.
    pub password: Vec<u8>,
    /// The read-only byte, when there is one.
    pub read_only: Option<u8>,
}

impl Connected {
    /// Takes the payload of the first frame apart.
    ///
    /// # Errors
    /// It is not 36 or 37 bytes of a handshake answer.
    pub fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame);
        let connected = Self {
            version: reader.i32("protocolVersion")?,
            timeout_ms: reader.i32("timeOut")?,
            session: reader.i64("sessionId")?,
            password: reader.buffer("passwd")?.unwrap_or_default().to_vec(),
            read_only: match reader.rest() {
                [] => None,
                _ => Some(reader.take("readOnly", 1)?[0]),
            },
        };
        reader.finish("ConnectResponse")?;
        Ok(connected)
    }

    /// Whether the server accepted.
    pub fn is_accepted(&self) -> bool {
        self.timeout_ms > 0 && self.session != 0
    }
}

impl Reply {
    /// Takes the payload of a frame apart, expecting `shape` when its header reports success, and perhaps results when
    /// it does not: a multiRead that fails half way sends those it has. Watch events are recognised by themselves. What
    /// does not fit becomes [`Body::Raw`].
    ///
    /// # Errors
    /// The frame has no whole header.
    pub fn decode(frame: &[u8], shape: Shape) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame);
        let (xid, zxid, err) = (reader.i32("xid")?, reader.i64("zxid")?, reader.i32("err")?);
        let all = reader.clone();
        let body = if xid == -1 {
            event(&mut reader)
        } else if err != 0 && (shape != Shape::Results || reader.rest().is_empty()) {
            Ok(Body::Nothing)
        } else {
            body(&mut reader, shape)
        };
        let (body, rest) = match body {
            Ok(body) => (body, reader.rest()),
            Err(_) => (Body::Raw(blob(all.rest())), &[][..]),
        };
        Ok(Self { xid, zxid, err, body, rest: blob(rest) })
    }

    /// The event, if it is one.
    pub fn event(&self) -> Option<&Event> {
        match &self.body {
            Body::Event(event) => Some(event),
            _ => None,
        }
    }

    /// The Stat of a reply that carries exactly one.
    pub fn stat(&self) -> Option<&Stat> {
        match &self.body {
            Body::PathStat(_, stat)
            | Body::Stat(stat)
            | Body::DataStat(_, stat)
            | Body::AclStat(_, stat)
            | Body::NamesStat(_, stat) => Some(stat),
            _ => None,
        }
    }

    /// Every Stat in the reply, those of a multi included.
    pub fn stats_mut(&mut self) -> Vec<&mut Stat> {
        match &mut self.body {
            Body::Results(results) => {
                results.iter_mut().filter_map(|result| result.body.stat_mut()).collect()
            }
            body => body.stat_mut().into_iter().collect(),
        }
    }

    /// Sorts the lists whose order means nothing: children, ephemeral nodes, identities, and runs of entries of one
    /// scheme and permission in an access control list, which the expansion of `auth` leaves in any order.
    pub fn sort_unordered(&mut self) {
        match &mut self.body {
            Body::Results(results) => results.iter_mut().for_each(|result| result.body.sort_unordered()),
            body => body.sort_unordered(),
        }
    }
}

impl Body {
    fn stat_mut(&mut self) -> Option<&mut Stat> {
        match self {
            Self::PathStat(_, stat)
            | Self::Stat(stat)
            | Self::DataStat(_, stat)
            | Self::AclStat(_, stat)
            | Self::NamesStat(_, stat) => Some(stat),
            _ => None,
        }
    }

    fn sort_unordered(&mut self) {
        match self {
            Self::Names(Some(names)) | Self::NamesStat(Some(names), _) => names.sort(),
            Self::Identities(Some(identities)) => identities.sort(),
            Self::AclStat(Some(rows), _) => {
                for run in rows.chunk_by_mut(|a, b| (a.perms, &a.scheme) == (b.perms, &b.scheme)) {
                    run.sort();
                }
            }
            _ => {}
        }
    }
}

fn blob(bytes: &[u8]) -> Blob {
    Blob(Some(bytes.to_vec()))
}

fn take_blob(reader: &mut Reader<'_>, field: &'static str) -> Result<Blob, DecodeError> {
    Ok(Blob(reader.buffer(field)?.map(<[u8]>::to_vec)))
}

fn event(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let (kind, state) = (reader.i32("type")?, reader.i32("state")?);
    Ok(Body::Event(Event { kind, state, path: take_blob(reader, "path")? }))
}

fn body(reader: &mut Reader<'_>, shape: Shape) -> Result<Body, DecodeError> {
    Ok(match shape {
        Shape::Nothing | Shape::Farewell => Body::Nothing,
        Shape::Path => Body::Path(take_blob(reader, "path")?),
        Shape::PathStat => Body::PathStat(take_blob(reader, "path")?, stat(reader)?),
        Shape::Stat => Body::Stat(stat(reader)?),
        Shape::DataStat => Body::DataStat(take_blob(reader, "data")?, stat(reader)?),
        Shape::AclStat => {
            let rows = vector(reader, |reader| {
                Ok(AclRow {
                    perms: reader.i32("perms")?,
                    scheme: take_blob(reader, "scheme")?,
                    id: take_blob(reader, "id")?,
                })
            })?;
            Body::AclStat(rows, stat(reader)?)
        }
        Shape::Names => Body::Names(vector(reader, |reader| take_blob(reader, "name"))?),
        Shape::NamesStat => {
            Body::NamesStat(vector(reader, |reader| take_blob(reader, "name"))?, stat(reader)?)
        }
        Shape::Number => Body::Number(reader.i32("number")?),
        Shape::Identities => Body::Identities(vector(reader, |reader| {
            Ok(ClientInfo { scheme: take_blob(reader, "authScheme")?, user: take_blob(reader, "user")? })
        })?),
        Shape::Results => results(reader)?,
        Shape::Token => Body::Token(take_blob(reader, "token")?),
    })
}

fn results(reader: &mut Reader<'_>) -> Result<Body, DecodeError> {
    let mut results = Vec::new();
    loop {
        let op = reader.i32("multi type")?;
        let done = reader.take("multi done", 1)?[0];
        let err = reader.i32("multi err")?;
        let body = if done != 0 { Body::Nothing } else { body(reader, Shape::of(op))? };
        results.push(MultiResult { op, done, err, body });
        if done != 0 {
            return Ok(Body::Results(results));
        }
    }
}

/// A vector; a negative count other than -1 does not fit, so that equal values mean equal bytes.
fn vector<'a, T>(
    reader: &mut Reader<'a>,
    mut element: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<Vec<T>>, DecodeError> {
    match reader.i32("count")? {
        -1 => Ok(None),
        count @ 0.. => (0..count).map(|_| element(reader)).collect::<Result<_, _>>().map(Some),
        count => Err(DecodeError { field: "count", reason: DecodeReason::UnreasonableLength(count) }),
    }
}

fn stat(reader: &mut Reader<'_>) -> Result<Stat, DecodeError> {
    Ok(Stat {
        czxid: reader.i64("czxid")?,
        mzxid: reader.i64("mzxid")?,
        ctime: reader.i64("ctime")?,
        mtime: reader.i64("mtime")?,
        version: reader.i32("version")?,
        cversion: reader.i32("cversion")?,
        aversion: reader.i32("aversion")?,
        ephemeral_owner: reader.i64("ephemeralOwner")?,
        data_length: reader.i32("dataLength")?,
        num_children: reader.i32("numChildren")?,
        pzxid: reader.i64("pzxid")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn the_failed_multi_of_the_protocol_reference() {
        let frame = bytes(
            "00000003 0000000000000074 00000000 FFFFFFFF 00 00000000 00000000 FFFFFFFF 00 FFFFFF99 FFFFFF99
             FFFFFFFF 00 FFFFFFFE FFFFFFFE FFFFFFFF 01 FFFFFFFF",
        );
        let reply = Reply::decode(&frame, Shape::of(14)).unwrap();
        let Body::Results(results) = reply.body else { panic!("{reply:?}") };
        let codes: Vec<_> = results.iter().map(|result| (result.err, result.body.clone())).collect();
        assert_eq!(codes[1], (-103, Body::Number(-103)));
        assert_eq!(codes[3], (-1, Body::Nothing));
        assert_eq!(reply.rest, blob(b""));
    }

    #[test]
    fn events_are_recognised_and_misfits_kept() {
        let frame = bytes("FFFFFFFF 0000000000000089 00000000 00000001 00000003 00000004 2F772F78");
        let reply = Reply::decode(&frame, Shape::Stat).unwrap();
        assert_eq!(reply.event().map(|event| event.kind), Some(1));
        let short = bytes("00000001 0000000000000089 00000000 0000");
        assert_eq!(Reply::decode(&short, Shape::Stat).unwrap().body, Body::Raw(blob(&[0, 0])));
        let long = bytes("00000001 0000000000000089 FFFFFF9B 0000");
        assert_eq!(Reply::decode(&long, Shape::Stat).unwrap().rest, blob(&[0, 0]));
    }

    #[test]
    fn only_meaningless_order_is_lost() {
        let row = |perms, id: &str| AclRow { perms, scheme: blob(b"digest"), id: blob(id.as_bytes()) };
        let rows = vec![row(1, "b"), row(1, "a"), row(2, "d"), row(1, "c")];
        let mut body = Body::AclStat(Some(rows), Stat::default());
        body.sort_unordered();
        let Body::AclStat(Some(rows), _) = body else { unreachable!() };
        assert_eq!(rows, [row(1, "a"), row(1, "b"), row(2, "d"), row(1, "c")]);
    }
}
