//! The order of one connection's replies.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use zabra_proto::OpCode;
use zabra_types::{Identity, KeeperError, Xid};

/// Which request of a connection is waited for: a write, or a `sync` that asks the leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GateToken(u64);

/// A read that has to wait for writes of its own session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRead {
    /// The request's number.
    pub xid: Xid,
    /// What is asked.
    pub op: OpCode,
    /// The undecoded body.
    pub body: Box<[u8]>,
    /// Who asked: what the connection had proved when the request arrived.
    pub identities: Arc<[Identity]>,
}

/// What has become free to go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released {
    /// A read to answer now.
    Read(QueuedRead),
    /// A request that failed without a transaction; the reply header is made now, with the zxid of now.
    Refusal(Xid, OpCode, KeeperError),
    /// The end of a local session, which needs no transaction; as above.
    Goodbye(Xid),
    /// A reply that was made before.
    Reply(Vec<u8>),
}

/// Keeps the replies of one connection in the order of its requests.
///
/// Writes wait for their transactions; whatever comes behind a write waits with it:
///
/// ```text
///   t = push_write()  push_read(a)  push_refusal(b)  u = push_write()  push_read(c)
///   complete(t):      the reply of t goes out, then pop() gives a, b, and nothing more
///   complete(u):      the reply of u goes out, then pop() gives c
/// ```
///
/// Nothing waits while [`Gate::is_waiting`] is false: then a read is answered and a refusal told at once, without
/// coming here. Ping and setWatches are reads; auth and SASL packets pass by.
///
/// After a `complete`, everything `pop` gives has to go out before anything else is pushed or completed.
#[derive(Debug, Default)]
pub struct Gate {
    waiting: VecDeque<Waiting>,
    next: GateToken,
}

#[derive(Debug)]
enum Waiting {
    Write(GateToken),
    Ready(Released),
}

impl Gate {
    /// Whether something waits, so that a request that comes now has to wait too.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A write is on its way to become a transaction, or a `sync` to the leader. Tokens of a gate never come again.
    pub fn push_write(&mut self) -> GateToken {
        let token = self.next;
        self.next.0 += 1;
        self.waiting.push_back(Waiting::Write(token));
        token
    }

    /// A read came while something waits.
    pub fn push_read(&mut self, read: QueuedRead) {
        self.push(Released::Read(read));
    }

    /// A request was refused without a transaction while something waits.
    pub fn push_refusal(&mut self, xid: Xid, op: OpCode, error: KeeperError) {
        self.push(Released::Refusal(xid, op, error));
    }

    /// A local session is closed while something waits.
    pub fn push_goodbye(&mut self, xid: Xid) {
        self.push(Released::Goodbye(xid));
    }

    /// A reply was made while something waits. Its header must not show a zxid, which would be an old one when it goes
    /// out, unless it stands for none.
    pub fn push_reply(&mut self, reply: Vec<u8>) {
        self.push(Released::Reply(reply));
    }

    /// The transaction is applied and its reply goes out; what is behind it becomes free, up to the next write.
    ///
    /// False, and nothing happens, when the first write that waits is another or there is none: the connection was
    /// [cleared](Gate::clear) meanwhile, and the reply must not go out either.
    pub fn complete(&mut self, token: GateToken) -> bool {
        match self.waiting.front() {
            Some(&Waiting::Write(first)) if first == token => {
                self.waiting.pop_front();
                true
            }
            _ => false,
        }
    }

    /// The next thing to go out; `None` when a write is to be waited for, or nothing is left.
    pub fn pop(&mut self) -> Option<Released> {
        match self.waiting.pop_front()? {
            Waiting::Ready(released) => Some(released),
            write @ Waiting::Write(_) => {
                self.waiting.push_front(write);
                None
            }
        }
    }

    /// Forgets everything: the connection is to close and nothing more goes out.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    fn push(&mut self, ready: Released) {
        self.waiting.push_back(Waiting::Ready(ready));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(xid: i32) -> QueuedRead {
        let (xid, body) = (Xid::from_raw(xid), Box::default());
        QueuedRead { xid, op: OpCode::GetData, body, identities: Arc::default() }
    }

    #[test]
    fn reads_go_with_the_write_before_them() {
        let mut gate = Gate::default();
        let (xid, error) = (Xid::from_raw(2), KeeperError::MarshallingError);
        let first = gate.push_write();
        gate.push_read(read(1));
        gate.push_refusal(xid, OpCode::Create, error);
        let second = gate.push_write();
        gate.push_reply([3].into());
        gate.push_goodbye(xid);
        assert_eq!((gate.len(), gate.pop()), (6, None));
        assert!(!gate.complete(second), "not the first");
        assert!(gate.complete(first));
        assert_eq!(gate.pop(), Some(Released::Read(read(1))));
        assert_eq!(gate.pop(), Some(Released::Refusal(xid, OpCode::Create, error)));
        assert_eq!(gate.pop(), None);
        assert!(gate.complete(second));
        assert_eq!(gate.pop(), Some(Released::Reply([3].into())));
        assert_eq!((gate.pop(), gate.pop()), (Some(Released::Goodbye(xid)), None));
        assert!(!gate.is_waiting() && gate.is_empty());
    }

    #[test]
    fn a_cleared_gate_answers_no_write() {
        let mut gate = Gate::default();
        let before = gate.push_write();
        gate.clear();
        assert!(!gate.complete(before));
        let after = gate.push_write();
        assert!(!gate.complete(before), "the write of before is not the write of after");
        assert!(gate.complete(after));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Read,
        Refusal,
        Write,
        /// Applies the oldest transaction of any connection.
        Apply,
    }

    fn step() -> impl Strategy<Value = (usize, Step)> {
        let step = prop_oneof![
            3 => Just(Step::Read),
            1 => Just(Step::Refusal),
            2 => Just(Step::Write),
            3 => Just(Step::Apply),
        ];
        (0..3_usize, step)
    }

    /// What a client is told about one of its requests: its number, and the last transaction applied at that time.
    type Answer = (i32, i64);

    /// Some connections behind gates, whose transactions are applied in one common order.
    #[derive(Default)]
    struct Server {
        gates: [Gate; 3],
        log: VecDeque<(usize, i32, i64, GateToken)>,
        applied: i64,
        answers: [Vec<Answer>; 3],
    }

    impl Server {
        fn apply(&mut self) {
            let Some((conn, xid, zxid, token)) = self.log.pop_front() else { return };
            self.applied = zxid;
            assert!(self.gates[conn].complete(token));
            self.answers[conn].push((xid, zxid));
            while let Some(released) = self.gates[conn].pop() {
                let xid = match released {
                    Released::Read(read) => read.xid,
                    Released::Refusal(xid, ..) => xid,
                    Released::Goodbye(_) | Released::Reply(_) => unreachable!("none was pushed"),
                };
                self.answers[conn].push((xid.raw(), self.applied));
            }
        }
    }

    proptest! {
        /// The model answers each connection's requests one after the other: a write when its transaction is applied,
        /// anything else as soon as everything before it is answered.
        #[test]
        fn answers_are_those_of_a_server_that_does_one_thing_at_a_time(
            steps in proptest::collection::vec(step(), 1..60),
        ) {
            let mut server = Server::default();
            let mut asked: [Vec<(i32, Option<i64>)>; 3] = Default::default();
            let mut expected: [Vec<Answer>; 3] = Default::default();
            let mut proposed = 0;
            let drain = core::iter::repeat_n((0, Step::Apply), steps.len());
            for (number, (conn, step)) in steps.iter().cloned().chain(drain).enumerate() {
                let xid = number as i32;
                match step {
                    Step::Read if server.gates[conn].is_waiting() => server.gates[conn].push_read(read(xid)),
                    Step::Refusal if server.gates[conn].is_waiting() => {
                        let xid = Xid::from_raw(xid);
                        server.gates[conn].push_refusal(xid, OpCode::Create, KeeperError::MarshallingError);
                    }
                    Step::Read | Step::Refusal => server.answers[conn].push((xid, server.applied)),
                    Step::Write => {
                        proposed += 1;
                        let token = server.gates[conn].push_write();
                        server.log.push_back((conn, xid, proposed, token));
                    }
                    Step::Apply => server.apply(),
                }
                match step {
                    Step::Apply => {}
                    Step::Write => asked[conn].push((xid, Some(proposed))),
                    Step::Read | Step::Refusal => asked[conn].push((xid, None)),
                }
                for conn in 0..3 {
                    while let Some(&(xid, zxid)) = asked[conn].get(expected[conn].len())
                        && zxid.is_none_or(|zxid| zxid <= server.applied)
                    {
                        expected[conn].push((xid, server.applied));
                    }
                }
                prop_assert_eq!(&server.answers, &expected);
            }
            for (asked, answered) in asked.iter().zip(&server.answers) {
                prop_assert!(asked.iter().map(|(xid, _)| xid).eq(answered.iter().map(|(xid, _)| xid)));
            }
        }
    }
}
