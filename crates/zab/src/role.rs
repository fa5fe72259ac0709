//! What the peer and its parts owe each other.
//!
//! The peer owns [`crate::context::State`], an `Election`, and at most one of `Leader` and `Learner`; whatever it asks of
//! them gets a [`Context`](crate::context::Context) made for that one call.
//!
//! | Call | Leader | Learner | Meaning |
//! |---|---|---|---|
//! | `begin(ctx, ..) -> Self` | × | × | The part begins; it says so with `Output::Became`. Everything appended is flushed, no store is under way |
//! | `handle_packet(ctx, link, packet) -> Verdict` | × | × | A packet on a link that is its own; any other link is not known to it and ignored |
//! | `handle_closed(ctx, link) -> Verdict` | × | × | As above |
//! | `handle_flushed(ctx) -> Verdict` | × | × | `ctx.state.flushed` has moved |
//! | `handle_stored(ctx, ticket) -> Verdict` | × | × | Comes after `handle_flushed` for what the store implies |
//! | `send(ctx, link, packet)` | × | × | `Input::Send`: passed on when the link is in the broadcast phase |
//! | `handle_deadline(ctx) -> Verdict` | × | × | May be called when nothing is due |
//! | `next_deadline(&self) -> Option<Now>` | × | × | |
//! | `established(&self) -> Option<Epoch>` | × | × | Set with `Became(Leading)`, `Following` or `Observing`; the peer then updates the vote |
//! | `end(self, ctx)` | × | × | Closes every link. Called after `Leave` and `Input::StepDown`; the peer says `Became(Looking)` |
//! | `handle_accepted(ctx, link)` | × | | Also for the links that waited in the peer before; their first packet follows |
//! | `handle_found(ctx, ticket, floor)` | × | | |
//! | `handle_history_sent(ctx, link) -> Verdict` | × | | |
//! | `propose(ctx, zxid, payload) -> Verdict` | × | | |
//! | `sync(ctx, learner, token)` | × | | |
//! | `handle_connected(ctx, link)`, `handle_not_connected` | | × | |
//! | `handle_snapshot_progress(ctx, link)`, `handle_snapshot_received` | | × | |
//! | `handle_cannot_truncate(ctx, ticket)` | | × | The state has noted that a snapshot is needed |
//!
//! The election lives as long as the peer, because a settled server goes on answering:
//!
//! | Call | Meaning |
//! |---|---|
//! | `begin(ctx) -> Option<Elected>` | Look for a leader. `ctx.state` is durable; its epoch and last zxid make the vote |
//! | `handle(ctx, from, &notification) -> Option<Elected>` | In every state. While a role is being left the peer holds notifications of voters back until `begin` |
//! | `peer_up(ctx, server)`, `peer_down(ctx, server) -> Option<Elected>` | In every state |
//! | `leave()` | A role is over and `begin` follows: observers that ask are not sent to it any more |
//! | `suspect(server)` | Before `begin`: this server was lost by silence, so the next election does not wait for it |
//! | `settled(epoch)` | The role is established: the vote's peer epoch is this from now on |
//! | `handle_deadline(ctx) -> Option<Elected>`, `next_deadline` | As above |
//! | `expected()`, `leader_looks()` | Until `settled`: who may still come to this leader; whether this learner's leader has begun another election |
//!
//! `Some(Elected)` settles the election: state and vote are those of the result until the next `begin`.

use zabra_types::ServerId;

/// What a role says after an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    /// It goes on.
    Stay,
    /// It is over: the peer ends it, waits until everything appended is on the disk, and looks for a leader.
    Leave {
        /// A leader that may be unreachable although connections to it stand: nothing was heard of it.
        suspect: Option<ServerId>,
    },
}

impl Verdict {
    /// It is over, and nobody is to blame.
    pub(crate) const LEAVE: Self = Self::Leave { suspect: None };
}

/// How an election ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elected {
    /// This server leads.
    Leading,
    /// This server follows another.
    Following(ServerId),
    /// This server observes another.
    Observing(ServerId),
}
