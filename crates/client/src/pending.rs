//! Requests under way.

use crate::core::{Failure, Reply};
use crate::error::{may_change, op_name, refused};
use crate::view::View;
use crate::watch::Watcher;
use crate::{Error, Outcome};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use zabra_proto::{DecodeError, DecodeReason, FieldLimit, OpCode, Reader};

/// A request that is under way: a future of its result.
///
/// The request was put into the session's queue when this was made, and nothing needs to be awaited for it to be sent.
/// Dropping this does not take the request back; it only gives up the result. An operation that consists of several
/// requests (a retried, protected or recursive one) sends the first of them at once, the others only while this is
/// awaited.
#[must_use = "the result of the request is in here"]
pub struct Pending<T> {
    state: State<T>,
}

enum State<T> {
    Failed(Option<Error>),
    Call(Call<T>),
    Steps { future: Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>, runtime: Handle },
}

/// One request and what makes its answer the result.
struct Call<T> {
    answer: oneshot::Receiver<Result<Reply, Failure>>,
    asked: Option<Asked>,
    decode: Decode<T>,
}

/// Makes the result of a good answer. The bytes are all of its body.
pub(crate) type Decode<T> = fn(&Reply, &mut Asked) -> Result<T, Error>;

/// What was asked: all that is needed to understand the answer.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) op: OpCode,
    /// As the user named it.
    pub(crate) path: String,
    pub(crate) view: View,
    /// Who watches if the request succeeds.
    pub(crate) watcher: Option<Watcher>,
    /// The operations of a transaction or of several reads, as the user named their nodes.
    pub(crate) steps: Vec<(OpCode, String)>,
}

impl Asked {
    /// The error of a refusal.
    pub(crate) fn refused(&self, code: i32) -> Error {
        refused(code, self.op, self.path.clone())
    }

    /// Reads the body of a good answer.
    pub(crate) fn read<'a, T>(
        &self,
        reply: &'a Reply,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        if reply.err != 0 {
            return Err(self.refused(reply.err));
        }
        let mut reader = Reader::with_limit(&reply.body, FieldLimit(reply.body.len()));
        read(&mut reader).map_err(|source| self.bad_reply(source))
    }

    /// The error of an answer with another number of results than there were questions.
    pub(crate) fn miscounted(&self, results: usize) -> Error {
        let reason = DecodeReason::Unknown(i32::try_from(results).unwrap_or(i32::MAX));
        self.bad_reply(DecodeError { field: "number of results", reason })
    }

    /// The error of an answer that says the request was successful and cannot be read.
    fn bad_reply(&self, source: DecodeError) -> Error {
        let outcome = if may_change(self.op) { Outcome::Happened } else { Outcome::DidNotHappen };
        Error::BadReply { outcome, op: op_name(self.op), path: self.path.clone(), source }
    }

    /// The watcher this was asked with.
    pub(crate) fn take_watcher(&mut self) -> Watcher {
        self.watcher.take().expect("a request that watches is made with a watcher")
    }
}

impl<T> Pending<T> {
    pub(crate) const fn failed(error: Error) -> Self {
        Self { state: State::Failed(Some(error)) }
    }

    pub(crate) const fn call(
        answer: oneshot::Receiver<Result<Reply, Failure>>,
        asked: Asked,
        decode: Decode<T>,
    ) -> Self {
        Self { state: State::Call(Call { answer, asked: Some(asked), decode }) }
    }

    /// Several requests, one after another.
    pub(crate) fn steps(
        runtime: Handle,
        future: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Self {
        Self { state: State::Steps { future: Box::pin(future), runtime } }
    }

    /// Blocks this thread until the result is there.
    ///
    /// # Errors
    /// Those of the request.
    ///
    /// # Panics
    /// In asynchronous code, where it would block others: await this instead.
    pub fn wait(self) -> Result<T, Error> {
        match self.state {
            State::Failed(error) => Err(error.expect("the result is taken once")),
            State::Call(Call { answer, asked, decode }) => result(answer.blocking_recv(), asked, decode),
            State::Steps { future, runtime } => runtime.block_on(future),
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().state {
            State::Failed(error) => {
                Poll::Ready(Err(error.take().expect("a future is polled to its end once")))
            }
            State::Call(call) => {
                let answer = ready!(Pin::new(&mut call.answer).poll(cx));
                Poll::Ready(result(answer, call.asked.take(), call.decode))
            }
            State::Steps { future, runtime } => {
                // Pauses between the steps need the runtime's clock, whoever polls.
                let _entered = runtime.enter();
                future.as_mut().poll(cx)
            }
        }
    }
}

// Nothing in it is ever pinned in place: the future of steps has its own box.
impl<T> Unpin for Pending<T> {}

type Answer = Result<Result<Reply, Failure>, oneshot::error::RecvError>;

fn result<T>(answer: Answer, asked: Option<Asked>, decode: Decode<T>) -> Result<T, Error> {
    let mut asked = asked.expect("a future is polled to its end once");
    // Without a driver there will be no answer; it ends only with the client or with its runtime.
    match answer.unwrap_or(Err(Failure::ConnectionLost { sent: true })) {
        Ok(reply) => decode(&reply, &mut asked),
        Err(failure) => Err(from_failure(failure, asked.op, asked.path)),
    }
}

/// The error of a request that has no answer.
pub(crate) fn from_failure(failure: Failure, op: OpCode, path: String) -> Error {
    let name = op_name(op);
    let outcome = |sent| if sent && may_change(op) { Outcome::Unknown } else { Outcome::DidNotHappen };
    match failure {
        Failure::ConnectionLost { sent } => Error::ConnectionLost { outcome: outcome(sent), op: name, path },
        Failure::SessionExpired => Error::SessionExpired { outcome: outcome(false), op: name, path },
        Failure::SessionClosed => Error::SessionClosed { outcome: outcome(false), op: name, path },
        Failure::AuthFailed => {
            let reason = "a server refused who this client says it is".to_owned();
            Error::AuthFailed { reason, outcome: outcome(false), op: name, path }
        }
        Failure::TooLarge { len, max } => Error::TooLarge { len, max, op: name, path },
        Failure::Overloaded { max } => Error::Overloaded { max, op: name, path },
        Failure::NotConnected { within } => Error::NotConnected { within, op: name, path },
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Pending");
        match &self.state {
            State::Failed(error) => shown.field("failed", error),
            State::Call(call) => shown.field("asked", &call.asked),
            State::Steps { .. } => &mut shown,
        };
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_write_that_was_sent_may_have_happened() {
        let cases = [
            (OpCode::SetData, true, Outcome::Unknown),
            (OpCode::SetData, false, Outcome::DidNotHappen),
            (OpCode::GetData, true, Outcome::DidNotHappen),
            (OpCode::Sync, true, Outcome::DidNotHappen),
            (OpCode::Multi, true, Outcome::Unknown),
            (OpCode::CreateTtl, true, Outcome::Unknown),
        ];
        for (op, sent, expected) in cases {
            let error = from_failure(Failure::ConnectionLost { sent }, op, "/a".to_owned());
            assert_eq!(error.outcome(), expected, "{error}");
        }
    }
}
