//! What is never sent, because the two servers differ on purpose or the genuine one does not survive it.
//!
//! Each rule has its line in `docs/differences.md`.

use super::{Action, Call, Known, Request};
use zabra_proto::{CreateKind, MultiOp, OpCode, Reader, Request as Decoded};
use zabra_testkit::RawRequest;
use zabra_types::CreateMode;

/// The rules in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exclusions {
    /// The servers are restarted in between. Loading a snapshot counts the usage of every quota anew, and the two take
    /// snapshots at different times. So nothing may make the kept figures wrong: they are not written by clients, and
    /// they are created right behind the limits, which stay.
    pub(crate) restarts: bool,
}

impl Exclusions {
    /// Whether nothing in the action is excluded.
    pub(crate) fn allow(self, action: &Action) -> bool {
        let calls: &[Call] = match action {
            Action::Batch(_, calls) => calls,
            Action::Connect(_, hello) => &hello.pipelined,
            _ => &[],
        };
        let mut limits_before = None;
        calls.iter().all(|call| {
            let raw = sent(call);
            let limits = std::mem::replace(&mut limits_before, created_limits(&raw));
            !is_excluded(&raw)
                && !excluded_parts(&call.request)
                && (!self.restarts || !touches_usage(&raw, limits.as_deref()))
                && (!self.restarts || !parts(&call.request).any(|raw| touches_usage(&raw, None)))
        })
    }
}

/// What is sent; versions and zxids do not matter to any rule, so nothing need be known.
fn sent(call: &Call) -> RawRequest {
    let mut raw = call.request.resolve(&Known::default(), 0);
    call.mutation.apply(&mut raw.body);
    raw
}

/// The node above the limits a plain create makes.
fn created_limits(raw: &RawRequest) -> Option<String> {
    match Decoded::decode(OpCode::from_code(raw.op)?, &mut Reader::new(&raw.body)).ok()? {
        Decoded::Create(create) => Some(create.path?.strip_suffix("/zookeeper_limits")?.to_owned()),
        _ => None,
    }
}

/// Whether a request can make the figures of a quota other than they would be counted.
fn touches_usage(raw: &RawRequest, limits_before: Option<&str>) -> bool {
    let Some(op) = OpCode::from_code(raw.op) else { return false };
    match Decoded::decode(op, &mut Reader::new(&raw.body)) {
        Ok(Decoded::Create(create)) => {
            let of = create.path.as_deref().and_then(|path| path.strip_suffix("/zookeeper_stats"));
            of.is_some() && of != limits_before
        }
        Ok(Decoded::SetData(set)) => set.path.is_some_and(|path| path.ends_with("/zookeeper_stats")),
        Ok(Decoded::Delete(delete)) => delete.path.is_some_and(|path| path.ends_with("/zookeeper_limits")),
        _ => false,
    }
}

fn parts(request: &Request) -> impl Iterator<Item = RawRequest> {
    let ops = match request {
        Request::Multi { ops, .. } => ops.as_slice(),
        _ => &[],
    };
    ops.iter().map(|sub| sub.resolve(&Known::default(), 0))
}

/// Operations of a multi, even of one that is spoilt as a whole and may be read differently than meant.
fn excluded_parts(request: &Request) -> bool {
    parts(request).any(|raw| is_excluded_single(raw, true))
}

fn is_excluded(raw: &RawRequest) -> bool {
    match OpCode::from_code(raw.op) {
        Some(OpCode::DeleteContainer | OpCode::CreateSession) => true,
        Some(op @ OpCode::Multi) => match Decoded::decode(op, &mut Reader::new(&raw.body)) {
            Ok(Decoded::Multi(ops)) => ops.iter().any(excluded_multi_op),
            _ => false,
        },
        _ => is_excluded_single(raw.clone(), false),
    }
}

fn is_excluded_single(raw: RawRequest, in_multi: bool) -> bool {
    let Some(op) = OpCode::from_code(raw.op) else { return false };
    match Decoded::decode(op, &mut Reader::new(&raw.body)) {
        Ok(Decoded::Create(create)) => {
            let ttl_mode = CreateMode::from_flags(create.flags).is_some_and(CreateMode::is_ttl);
            let kills =
                create.kind == CreateKind::Ttl && !ttl_mode && create.ttl_ms.is_some_and(|ttl| ttl < 0);
            (kills && !in_multi)
                || root_quota(create.path.as_deref())
                || bad_stats(create.path.as_deref(), create.data)
        }
        Ok(Decoded::GetAllChildrenNumber(wanted)) => wanted.path.is_empty(),
        Ok(Decoded::SetData(set)) => bad_stats(set.path.as_deref(), set.data),
        _ => false,
    }
}

fn excluded_multi_op(op: &MultiOp<'_>) -> bool {
    match op {
        MultiOp::Create(create) => {
            root_quota(create.path.as_deref()) || bad_stats(create.path.as_deref(), create.data)
        }
        MultiOp::SetData(set) => bad_stats(set.path.as_deref(), set.data),
        _ => false,
    }
}

/// A quota on the root.
fn root_quota(path: Option<&str>) -> bool {
    matches!(path, Some("/zookeeper/quota/zookeeper_limits" | "/zookeeper/quota/zookeeper_stats"))
}

/// Usage figures the genuine server cannot read (`StatsTrack`).
fn bad_stats(path: Option<&str>, data: Option<&[u8]>) -> bool {
    let figure = |piece: &str| {
        let value = piece.split('=').nth(1).unwrap_or_default();
        !piece.starts_with('=') && value.parse::<i64>().is_ok()
    };
    let readable = |data| {
        std::str::from_utf8(data)
            .is_ok_and(|text| text.split([',', ';']).filter(|piece| !piece.is_empty()).all(figure))
    };
    path.is_some_and(|path| path.ends_with("/zookeeper_stats")) && !data.is_some_and(readable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mutation, VersionRef, XidChoice, paths};
    use zabra_testkit::Blob;

    fn call(request: Request) -> Call {
        Call { request, xid: XidChoice::Next, mutation: Mutation::None }
    }

    fn create_ttl(flags: i32, ttl_ms: i64) -> Request {
        Request::Create {
            op: OpCode::CreateTtl,
            path: paths::some("/a"),
            data: Blob(None),
            acl: Some(zabra_testkit::open_acl()),
            flags,
            ttl_ms,
        }
    }

    #[test]
    fn what_stops_the_genuine_server_is_never_sent() {
        let stats = |data: Option<&[u8]>| {
            let path = paths::some("/zookeeper/quota/a/zookeeper_stats");
            Request::SetData(path, Blob(data.map(<[u8]>::to_vec)), VersionRef::Exact(-1))
        };
        let cases = [
            (create_ttl(0, -1), false),
            (create_ttl(0, 1), true),
            (create_ttl(5, -1), true),
            (Request::Multi { op: OpCode::Multi, ops: vec![create_ttl(0, -1)], finished: true }, true),
            (stats(None), false),
            (stats(Some(b"junk")), false),
            (stats(Some(b"count=1,bytes=2")), true),
            (stats(Some(b"count=1,bytes=2=;byteHardLimit=-1")), true),
            (stats(Some(b"count=,bytes=2")), false),
            (Request::Multi { op: OpCode::Multi, ops: vec![stats(None)], finished: false }, false),
            (Request::Path(OpCode::GetAllChildrenNumber, paths::some("")), false),
            (Request::Unknown(20, vec![]), false),
            (Request::Unknown(-10, vec![]), false),
            (Request::Unknown(23, vec![]), true),
        ];
        for (request, allowed) in cases {
            let action = Action::Batch(0, vec![call(request.clone())]);
            assert_eq!(Exclusions { restarts: false }.allow(&action), allowed, "{request:?}");
        }
    }

    #[test]
    fn figures_stay_right_when_servers_restart() {
        let create = |name: &str| Request::Create {
            op: OpCode::Create,
            path: paths::some(format!("/zookeeper/quota/a/{name}")),
            data: paths::some("count=1,bytes=1"),
            acl: Some(zabra_testkit::open_acl()),
            flags: 0,
            ttl_ms: 0,
        };
        let (limits, stats) = (create("zookeeper_limits"), create("zookeeper_stats"));
        let delete =
            Request::Delete(paths::some("/zookeeper/quota/a/zookeeper_limits"), VersionRef::Exact(-1));
        let multi = Request::Multi { op: OpCode::Multi, ops: vec![stats.clone()], finished: true };
        let cases = [
            (vec![limits.clone(), stats.clone()], true),
            (vec![stats.clone()], false),
            (vec![limits, delete.clone(), stats], false),
            (vec![delete], false),
            (vec![multi], false),
        ];
        for (requests, allowed) in cases {
            let action = Action::Batch(0, requests.iter().cloned().map(call).collect());
            assert_eq!(Exclusions { restarts: true }.allow(&action), allowed, "{requests:?}");
        }
    }
}
