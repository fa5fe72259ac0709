//! Who waits for which answer.

use crate::core::{CallId, Failure, Reply};
use crate::handle::Answer;
use std::collections::VecDeque;

/// Answers to come, by the numbers of their requests. Numbers grow by one and answers come nearly in that order, so this
/// is a queue with gaps.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The number of the first of `waiting`.
    first: u64,
    waiting: VecDeque<Option<Answer>>,
}

impl Answers {
    /// A number for a request whose answer goes to `answer`.
    pub(super) fn expect(&mut self, answer: Answer) -> CallId {
        let id = CallId(self.first + self.waiting.len() as u64);
        self.waiting.push_back(Some(answer));
        id
    }

    /// Hands an answer over. Nobody may be interested any more.
    pub(super) fn give(&mut self, id: CallId, result: Result<Reply, Failure>) {
        let at = id.0.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let answer = at.and_then(|at| self.waiting.get_mut(at)).and_then(Option::take);
        debug_assert!(answer.is_some(), "{id:?} is answered once");
        if let Some(answer) = answer {
            let _ = answer.send(result);
        }
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.first += 1;
        }
    }

    /// Fails all that wait.
    pub(super) fn give_up(&mut self, why: Failure) {
        self.first += self.waiting.len() as u64;
        for answer in self.waiting.drain(..).flatten() {
            let _ = answer.send(Err(why));
        }
    }
}
