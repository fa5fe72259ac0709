//! Choosing what to do.

use super::{
    Action, BrokenFrame, Call, Exclusions, Hello, Known, Mutation, Request, SLOTS, SessionChoice, Stranger,
    VersionRef, XidChoice, ZxidRef, acls, paths,
};
use zabra_proto::{OpClass, OpCode};
use zabra_testkit::{Blob, Rng, WatchLists};

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanOptions {
    /// The seed; everything follows from it.
    pub(crate) seed: u64,
    /// How many requests, give or take a batch.
    pub(crate) ops: usize,
    /// The longest frame the servers accept.
    pub(crate) frame_len_max: usize,
    /// Whether the servers enforce quotas.
    pub(crate) quota_enforced: bool,
    /// Whether the servers can be restarted.
    pub(crate) restarts: bool,
}

/// The plan of a seed.
pub(crate) fn generate(options: PlanOptions) -> Vec<Action> {
    let mut generator = Generator {
        rng: Rng::new(options.seed),
        frame_len_max: options.frame_len_max,
        quota_enforced: options.quota_enforced,
        restarts: options.restarts,
    };
    let mut actions: Vec<Action> = (0..SLOTS).map(|slot| Action::Connect(slot, Hello::ordinary())).collect();
    let mut ops = 0;
    while ops < options.ops {
        let action = generator.action();
        if (Exclusions { restarts: options.restarts }).allow(&action) {
            ops += if let Action::Batch(_, calls) = &action { calls.len() } else { 1 };
            actions.push(action);
        }
    }
    actions
}

struct Generator {
    rng: Rng,
    frame_len_max: usize,
    quota_enforced: bool,
    restarts: bool,
}

/// The kinds of steps.
#[derive(Clone, Copy)]
enum Step {
    One,
    Pipelined,
    LongPipeline,
    Connect,
    Drop,
    Broken,
    Stranger,
    Ending,
    Quota,
    Restart,
}

/// The kinds of requests.
#[derive(Clone, Copy)]
enum Kind {
    Create,
    Delete,
    SetData,
    SetAcl,
    Read,
    GetAcl,
    Sync,
    Ping,
    Multi,
    MultiRead,
    Reconfig,
    AddWatch,
    CheckWatches,
    RemoveWatches,
    SetWatches,
    GetEphemerals,
    CountChildren,
    WhoAmI,
    Quota,
}

const KINDS: &[(usize, Kind)] = &[
    (26, Kind::Create),
    (9, Kind::Delete),
    (12, Kind::SetData),
    (5, Kind::SetAcl),
    (20, Kind::Read),
    (4, Kind::GetAcl),
    (2, Kind::Sync),
    (2, Kind::Ping),
    (9, Kind::Multi),
    (3, Kind::MultiRead),
    (1, Kind::Reconfig),
    (4, Kind::AddWatch),
    (2, Kind::CheckWatches),
    (3, Kind::RemoveWatches),
    (3, Kind::SetWatches),
    (2, Kind::GetEphemerals),
    (2, Kind::CountChildren),
    (1, Kind::WhoAmI),
    (4, Kind::Quota),
];

impl Generator {
    fn action(&mut self) -> Action {
        let step = self.rng.weighted(&[
            (640, Step::One),
            (180, Step::Pipelined),
            (20, Step::LongPipeline),
            (55, Step::Connect),
            (15, Step::Drop),
            (8, Step::Broken),
            (6, Step::Stranger),
            (30, Step::Ending),
            (12, Step::Quota),
            (usize::from(self.restarts), Step::Restart),
        ]);
        let slot = self.rng.below(SLOTS);
        match step {
            Step::One => Action::Batch(slot, vec![self.call()]),
            Step::Pipelined => {
                let len = 2 + self.rng.below(7);
                Action::Batch(slot, self.calls(len))
            }
            Step::LongPipeline => {
                let len = 10 + self.rng.below(60);
                Action::Batch(slot, self.calls(len))
            }
            Step::Connect => Action::Connect(slot, self.hello()),
            Step::Drop => Action::Drop(slot),
            Step::Broken => Action::Broken(slot, self.broken_frame()),
            Step::Stranger => Action::Stranger(self.stranger()),
            Step::Ending => self.alone(slot),
            Step::Quota => Action::Batch(slot, self.whole_quota()),
            Step::Restart => Action::Restart { kill: self.rng.one_in(2) },
        }
    }

    /// Requests sent together. The genuine server prepares a write against the tree and the changes before it that are
    /// not applied yet, except that it does not see their access control lists and quota usage: what comes behind a
    /// change of these would depend on timing.
    fn calls(&mut self, len: usize) -> Vec<Call> {
        let mut calls = Vec::new();
        while calls.len() < len {
            let call = self.call();
            // What is answered of the requests before one that is too long depends on timing.
            if self.is_too_long(&call) {
                if calls.is_empty() {
                    calls.push(call);
                }
                break;
            }
            let settles = match call.request {
                Request::SetAcl(..) => true,
                // Pending, this is an ephemeral node; applied, a container.
                Request::Create { op: OpCode::CreateContainer, flags, .. } => flags != 4,
                _ => self.quota_enforced && is_write(&call.request),
            };
            calls.push(call);
            if settles {
                break;
            }
        }
        calls
    }

    fn is_too_long(&self, call: &Call) -> bool {
        const HEADER_LEN: usize = 8;
        let mut raw = call.request.resolve(&Known::default(), 0);
        call.mutation.apply(&mut raw.body);
        raw.body.len() + HEADER_LEN > self.frame_len_max
    }

    fn call(&mut self) -> Call {
        let request = self.request();
        let mutation = match self.rng.below(60) {
            0..3 => Mutation::choose(&mut self.rng),
            3 if self.rng.one_in(20) => Mutation::Pad(self.frame_len_max),
            _ => Mutation::None,
        };
        let xid = match self.rng.below(40) {
            // -1 would make the reply look like an event.
            0 => XidChoice::Fixed(*self.rng.pick(&[0, -2, -4, -8, -3, i32::MIN, i32::MAX, 1])),
            _ => XidChoice::Next,
        };
        Call { request, xid, mutation }
    }

    /// Requests that are handled out of order or end the connection: never behind others, whose replies they could
    /// overtake.
    fn alone(&mut self, slot: usize) -> Action {
        let request = match self.rng.below(16) {
            0..8 => {
                let (scheme, auth) = acls::good_auth(&mut self.rng);
                Request::Auth(scheme, auth)
            }
            8 => {
                let (scheme, auth) = acls::bad_auth(&mut self.rng);
                Request::Auth(scheme, auth)
            }
            9 => Request::Sasl(if self.rng.one_in(3) { Blob(None) } else { paths::some("token") }),
            10 | 11 => {
                let op = *self.rng.pick(&[0, -1, 10, 13, 23, 99, 108, -2, -12, i32::MAX, i32::MIN, 1 << 16]);
                let len = self.rng.below(30);
                Request::Unknown(op, self.rng.bytes(len))
            }
            _ => {
                let len = self.rng.below(4);
                let mut calls = self.calls(len);
                calls.retain(|call| !self.is_too_long(call));
                calls.push(Call::plain(Request::Bare(OpCode::CloseSession)));
                return Action::Batch(slot, calls);
            }
        };
        let mut call = Call::plain(request);
        if self.rng.one_in(8) {
            call.mutation = Mutation::choose(&mut self.rng);
        }
        Action::Batch(slot, vec![call])
    }

    fn hello(&mut self) -> Hello {
        let rng = &mut self.rng;
        let session = match rng.below(12) {
            0..3 => SessionChoice::New(match rng.below(4) {
                0 => None,
                1 => Some(Vec::new()),
                2 => Some(vec![7; 5]),
                _ => Some(vec![0; 16]),
            }),
            3..7 => SessionChoice::Own,
            7..9 => SessionChoice::TakeOver,
            9 | 10 => SessionChoice::WrongPassword(match rng.below(4) {
                0 => None,
                1 => Some(Vec::new()),
                _ => Some(rng.bytes(16)),
            }),
            _ => SessionChoice::Unknown,
        };
        let accepted =
            matches!(session, SessionChoice::New(_) | SessionChoice::Own | SessionChoice::TakeOver);
        let mut hello = Hello { session, ..Hello::ordinary() };
        hello.timeout_ms = *rng.pick(&[30_000, 30_000, 700_000, 0, -1, 1, i32::MAX, i32::MIN]);
        hello.last_zxid = match rng.below(12) {
            0 => ZxidRef::Back(-1),
            1 => ZxidRef::Back(-1000),
            2 => ZxidRef::Raw(-1),
            3..6 => ZxidRef::Back(0),
            _ => ZxidRef::Raw(0),
        };
        hello.protocol_version = *rng.pick(&[0, 0, 0, 1, -1]);
        hello.read_only = *rng.pick(&[Some(false), Some(false), Some(true), None]);
        match rng.below(12) {
            0 => hello.cut = Some(rng.below(44)),
            // Bytes behind a record without the read-only byte would be taken for it.
            1 if hello.read_only.is_some() => hello.extra = rng.bytes(3),
            _ => {}
        }
        // A server that refuses closes with the rest unread, and the reset may overtake its answer.
        let answered = matches!(hello.last_zxid, ZxidRef::Raw(_) | ZxidRef::Back(0)) && hello.cut.is_none();
        if accepted && answered && matches!(hello.session, SessionChoice::New(_)) && self.rng.one_in(3) {
            let len = 1 + self.rng.below(3);
            hello.pipelined = self.calls(len);
        }
        hello
    }

    fn broken_frame(&mut self) -> BrokenFrame {
        let too_long = i32::try_from(self.frame_len_max + 1).unwrap_or(i32::MAX);
        match self.rng.below(3) {
            0 => BrokenFrame::ShortHeader(self.rng.below(8)),
            _ => BrokenFrame::Length(*self.rng.pick(&[-1, i32::MIN, too_long, i32::MAX, 0x7275_6f6b])),
        }
    }

    fn stranger(&mut self) -> Stranger {
        match self.rng.below(4) {
            0 => Stranger::Word(*b"ruok"),
            1 => Stranger::Word(*b"isro"),
            2 => Stranger::Word(*self.rng.pick(&[*b"abcd", *b"RUOK", [0xff; 4], [0, 0, 0, 0]])),
            _ => {
                let len = self.rng.below(44);
                Stranger::Frame(self.rng.bytes(len))
            }
        }
    }

    fn request(&mut self) -> Request {
        match self.rng.weighted(KINDS) {
            Kind::Create => self.create(),
            Kind::Delete => Request::Delete(paths::any(&mut self.rng), self.version()),
            Kind::SetData => {
                let path = paths::any(&mut self.rng);
                Request::SetData(path, self.data(), self.version())
            }
            Kind::SetAcl => {
                let path = paths::any(&mut self.rng);
                Request::SetAcl(path, acls::any(&mut self.rng), self.version())
            }
            Kind::Read => {
                const READS: [OpCode; 4] =
                    [OpCode::Exists, OpCode::GetData, OpCode::GetChildren, OpCode::GetChildren2];
                let op = *self.rng.pick(&READS);
                Request::Read(op, paths::any(&mut self.rng), self.rng.one_in(2))
            }
            Kind::GetAcl => Request::Path(OpCode::GetAcl, paths::any(&mut self.rng)),
            Kind::Sync => Request::Path(OpCode::Sync, paths::kept(&mut self.rng)),
            Kind::Ping => Request::Bare(OpCode::Ping),
            Kind::Multi => self.multi(),
            Kind::MultiRead => self.multi_read(),
            Kind::Reconfig => Request::Reconfig(None, Some("1"), None, -1),
            Kind::AddWatch => {
                let mode = *self.rng.pick(&[0, 0, 0, 1, 1, 1, 2, -1]);
                Request::PathAndNumber(OpCode::AddWatch, paths::kept(&mut self.rng), mode)
            }
            Kind::CheckWatches => self.watch_query(OpCode::CheckWatches),
            Kind::RemoveWatches => self.watch_query(OpCode::RemoveWatches),
            Kind::SetWatches => self.set_watches(),
            Kind::GetEphemerals => {
                Request::Path(OpCode::GetEphemerals, paths::ephemeral_prefix(&mut self.rng))
            }
            Kind::CountChildren => Request::Path(OpCode::GetAllChildrenNumber, paths::any(&mut self.rng)),
            Kind::WhoAmI => Request::Bare(OpCode::WhoAmI),
            Kind::Quota => self.quota(),
        }
    }

    fn create(&mut self) -> Request {
        let (op, flags) = match self.rng.below(20) {
            0..7 => (OpCode::Create, self.rng.below(4) as i32),
            7..13 => (OpCode::Create2, self.rng.below(4) as i32),
            13 | 14 => (OpCode::CreateContainer, 4),
            15 | 16 => (OpCode::CreateTtl, 5 + self.rng.below(2) as i32),
            _ => {
                const CREATES: [OpCode; 4] =
                    [OpCode::Create, OpCode::Create2, OpCode::CreateContainer, OpCode::CreateTtl];
                (*self.rng.pick(&CREATES), *self.rng.pick(&[0, 1, 2, 3, 4, 5, 6, 7, -1, 100, i32::MIN]))
            }
        };
        // Long enough that no container or TTL node is reaped while the plan runs.
        let ttl_ms = match self.rng.below(8) {
            0 => *self.rng.pick(&[0, -1, i64::MIN, i64::MAX, 1 << 40, (1 << 40) - 1]),
            _ => 86_400_000,
        };
        let path = paths::to_create(&mut self.rng, matches!(flags, 2 | 3 | 6));
        Request::Create { op, path, data: self.data(), acl: acls::any(&mut self.rng), flags, ttl_ms }
    }

    fn data(&mut self) -> Blob {
        let len = match self.rng.below(24) {
            0 | 1 => return Blob(None),
            2 | 3 => 0,
            4 => return paths::some(self.quota_text()),
            5 if self.rng.one_in(6) => self.rng.below(self.frame_len_max / 2),
            5 => 3000,
            _ => 1 + self.rng.below(40),
        };
        paths::some(self.rng.bytes(len))
    }

    fn version(&mut self) -> VersionRef {
        match self.rng.below(10) {
            0..5 => VersionRef::Exact(-1),
            5..8 => VersionRef::Seen(0),
            8 => VersionRef::Seen(*self.rng.pick(&[-1, 1, 2])),
            _ => VersionRef::Exact(*self.rng.pick(&[0, 1, 2, 3, -2, i32::MIN, i32::MAX])),
        }
    }

    fn multi(&mut self) -> Request {
        let len = self.rng.weighted(&[(1, 0), (3, 1), (6, 2), (5, 3), (3, 5), (1, 20)]);
        let ops = (0..len).map(|_| self.multi_op()).collect();
        Request::Multi { op: OpCode::Multi, ops, finished: !self.rng.one_in(40) }
    }

    fn multi_op(&mut self) -> Request {
        match self.rng.below(40) {
            0..14 => self.create(),
            14..20 => Request::Delete(paths::any(&mut self.rng), self.version()),
            20..29 => {
                let path = paths::any(&mut self.rng);
                Request::SetData(path, self.data(), self.version())
            }
            29..38 => Request::Check(paths::any(&mut self.rng), self.version()),
            38 => Request::Read(OpCode::GetData, paths::any(&mut self.rng), false),
            _ => Request::Path(*self.rng.pick(&[OpCode::GetAcl, OpCode::Sync]), paths::any(&mut self.rng)),
        }
    }

    fn multi_read(&mut self) -> Request {
        let len = self.rng.below(6);
        let ops = (0..len)
            .map(|_| match self.rng.below(30) {
                0 => Request::Delete(paths::any(&mut self.rng), VersionRef::Exact(-1)),
                n => {
                    let op = if n % 2 == 0 { OpCode::GetData } else { OpCode::GetChildren };
                    Request::Read(op, paths::kept(&mut self.rng), self.rng.one_in(3))
                }
            })
            .collect();
        Request::Multi { op: OpCode::MultiRead, ops, finished: !self.rng.one_in(30) }
    }

    fn watch_query(&mut self, op: OpCode) -> Request {
        let kind = *self.rng.pick(&[1, 2, 3, 3, 4, 5, 0, 6, -1]);
        Request::PathAndNumber(op, paths::kept(&mut self.rng), kind)
    }

    fn set_watches(&mut self) -> Request {
        let op = *self.rng.pick(&[OpCode::SetWatches, OpCode::SetWatches2]);
        let rng = &mut self.rng;
        let relative = match rng.below(8) {
            0 => ZxidRef::Raw(*rng.pick(&[0, -1, i64::MAX, i64::MIN])),
            1 => ZxidRef::Back(0),
            _ => ZxidRef::Back(rng.below(60) as i64 - 5),
        };
        let lists = std::array::from_fn(|_| {
            let len = rng.below(4);
            Some((0..len).map(|_| paths::kept(rng)).collect())
        });
        Request::SetWatches(op, relative, WatchLists { lists })
    }

    /// One of the creates a quota consists of, or a change of its limits.
    fn quota(&mut self) -> Request {
        const PARTS: [&str; 7] = [
            "/zookeeper/quota/a",
            "/zookeeper/quota/a/zookeeper_limits",
            "/zookeeper/quota/a/zookeeper_stats",
            "/zookeeper/quota/b",
            "/zookeeper/quota/b/c",
            "/zookeeper/quota/b/c/zookeeper_limits",
            "/zookeeper/quota/b/c/zookeeper_stats",
        ];
        let path = paths::some(self.rng.pick(&PARTS));
        let data = paths::some(self.quota_text());
        if self.rng.one_in(4) {
            return Request::SetData(path, data, VersionRef::Exact(-1));
        }
        let acl = Some(zabra_testkit::open_acl());
        Request::Create { op: OpCode::Create, path, data, acl, flags: 0, ttl_ms: 0 }
    }

    /// Everything a quota consists of, as administrators make it.
    fn whole_quota(&mut self) -> Vec<Call> {
        let names: &[&str] = if self.rng.one_in(2) { &["a"] } else { &["b", "c"] };
        let mut path = String::from("/zookeeper/quota");
        let mut paths = Vec::new();
        for name in names {
            path = format!("{path}/{name}");
            paths.push(path.clone());
        }
        paths.push(format!("{path}/zookeeper_limits"));
        paths.push(format!("{path}/zookeeper_stats"));
        let create = |path: String| {
            Call::plain(Request::Create {
                op: OpCode::Create,
                path: paths::some(path),
                data: paths::some(self.quota_text()),
                acl: Some(zabra_testkit::open_acl()),
                flags: 0,
                ttl_ms: 0,
            })
        };
        paths.into_iter().map(create).collect()
    }

    fn quota_text(&mut self) -> Vec<u8> {
        let rng = &mut self.rng;
        let (count, bytes) = (rng.below(8) as i64 - 1, rng.below(300) as i64 - 1);
        let text = match rng.below(5) {
            0 => format!("count={count},bytes={bytes}"),
            1 => format!("count={count},bytes=-1=;byteHardLimit={bytes}"),
            2 => format!("count=-1,bytes={bytes}=;countHardLimit={count}"),
            3 => format!("count=,bytes={bytes}=;byteHardLimit={bytes};countHardLimit={count}"),
            _ => format!("count={count},bytes={bytes}=;byteHardLimit=-1;countHardLimit={count}"),
        };
        text.into_bytes()
    }
}

fn is_write(request: &Request) -> bool {
    OpCode::from_code(request.op()).is_some_and(|op| op.class() == OpClass::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_follows_from_its_seed() {
        let options =
            PlanOptions { seed: 3, ops: 500, frame_len_max: 0xF_FFFF, quota_enforced: false, restarts: true };
        let shown = |options| format!("{:?}", generate(options));
        assert_eq!(shown(options), shown(options));
        assert_ne!(shown(options), shown(PlanOptions { seed: 4, ..options }));
    }
}
