//! Learners that say anything at any time: each costs at most its own link.

use alloc::vec::Vec;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use zabra_proto::{AckEpochData, LearnerInfo, PROTOCOL_VERSION, PacketKind, QuorumPacket};
use zabra_types::{Epoch, Now, Zxid};

use super::Leader;
use super::broadcast::following;
use crate::context::{Context, State};
use crate::role::Verdict;
use crate::testing::{id, members, options};
use crate::{CloseReason, Durable, LinkId, Output, SyncToken, Ticket};

#[derive(Clone, Debug)]
enum Step {
    Accept,
    Close(u64),
    Say(u64, QuorumPacket),
    Sent(u64),
    Found(Option<Zxid>),
    Stored,
    Flushed,
    Propose,
    Sync(Option<u64>),
    Beat,
}

fn zxids() -> impl Strategy<Value = Zxid> {
    let raws = [i64::MIN, -2, -1, 0, 1, 2, (1 << 32) - 1, 1 << 32, i64::MAX];
    let near = (0u32..4, 0u32..4).prop_map(|(epoch, counter)| Zxid::new(Epoch::new(epoch), counter));
    prop_oneof![3 => near, 1 => select(Vec::from(raws)).prop_map(Zxid::from_raw)]
}

fn packets() -> impl Strategy<Value = QuorumPacket> {
    let kinds = [
        PacketKind::Request,
        PacketKind::Proposal,
        PacketKind::Ack,
        PacketKind::Commit,
        PacketKind::Ping,
        PacketKind::NewLeader,
        PacketKind::FollowerInfo,
        PacketKind::UpToDate,
        PacketKind::ObserverInfo,
        PacketKind::AckEpoch,
    ];
    let data = prop_oneof![Just(None), vec(any::<u8>(), 0..24).prop_map(|bytes| Some(Bytes::from(bytes)))];
    let any_packet = (select(Vec::from(kinds)), zxids(), data).prop_map(|(kind, zxid, data)| QuorumPacket {
        kind,
        zxid,
        data,
        identities: None,
    });
    let introduction =
        (select(Vec::from([PacketKind::FollowerInfo, PacketKind::ObserverInfo])), 1i64..6, 0u32..3).prop_map(
            |(kind, server, accepted)| {
                let info = LearnerInfo {
                    server: Some(id(server)),
                    protocol_version: PROTOCOL_VERSION,
                    config_version: 0,
                };
                QuorumPacket::introduction(kind, Epoch::new(accepted), &info)
            },
        );
    let promise = (zxids(), proptest::option::of(0u32..3))
        .prop_map(|(last, current)| QuorumPacket::ack_epoch(last, AckEpochData(current.map(Epoch::new))));
    let ack = zxids().prop_map(|zxid| QuorumPacket::bare(PacketKind::Ack, zxid));
    prop_oneof![1 => any_packet, 2 => introduction, 2 => promise, 4 => ack]
}

fn steps() -> impl Strategy<Value = Step> {
    let link = || 0u64..6;
    prop_oneof![
        3 => Just(Step::Accept),
        1 => link().prop_map(Step::Close),
        12 => (link(), packets()).prop_map(|(link, packet)| Step::Say(link, packet)),
        2 => link().prop_map(Step::Sent),
        1 => proptest::option::of(zxids()).prop_map(Step::Found),
        2 => Just(Step::Stored),
        1 => Just(Step::Flushed),
        2 => Just(Step::Propose),
        1 => proptest::option::of(link()).prop_map(Step::Sync),
        1 => Just(Step::Beat),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_learner_costs_its_own_link_only(steps in vec(steps(), 0..200)) {
        let (options, members) = (options(id(1)), members(1..=3, [4]));
        let last_zxid = Zxid::new(Epoch::new(1), 2);
        let epoch = Epoch::new(1);
        let durable = Durable { accepted_epoch: epoch, current_epoch: epoch, last_zxid };
        let mut state = State::new(&durable, [(last_zxid, Bytes::new())].into());
        let mut now = Now::default();
        // The links that stand; a step's number is the place of one.
        let mut links: Vec<LinkId> = Vec::new();
        let mut next_link = 0;
        let (mut stores, mut searches): (Vec<Ticket>, Vec<Ticket>) = (Vec::new(), Vec::new());
        let mut out = Vec::new();
        let begun =
            Context { now, options: &options, members: &members, state: &mut state, out: &mut out };
        let mut leader = Leader::begin(&mut { begun });
        for step in steps {
            let at = |place: u64| links.get(usize::try_from(place).unwrap()).copied();
            let mut accepted = None;
            let mut spoken_for = None;
            let mut ctx =
                Context { now, options: &options, members: &members, state: &mut state, out: &mut out };
            let verdict = match step {
                Step::Accept => {
                    next_link += 1;
                    accepted = Some(LinkId(next_link));
                    leader.handle_accepted(&mut ctx, LinkId(next_link));
                    Verdict::Stay
                }
                Step::Close(place) => {
                    let closed = at(place);
                    links.retain(|link| Some(*link) != closed);
                    closed.map_or(Verdict::Stay, |link| leader.handle_closed(&mut ctx, link))
                }
                Step::Say(place, packet) => {
                    spoken_for = at(place);
                    spoken_for.map_or(Verdict::Stay, |link| leader.handle_packet(&mut ctx, link, packet))
                }
                Step::Sent(place) => {
                    at(place).map_or(Verdict::Stay, |link| leader.handle_history_sent(&mut ctx, link))
                }
                Step::Found(floor) => {
                    if let Some(ticket) = searches.pop() {
                        leader.handle_found(&mut ctx, ticket, floor);
                    }
                    Verdict::Stay
                }
                Step::Stored if stores.is_empty() => Verdict::Stay,
                Step::Stored => {
                    let ticket = stores.remove(0);
                    ctx.state.note_stored(ticket);
                    let _ = leader.handle_flushed(&mut ctx);
                    leader.handle_stored(&mut ctx, ticket)
                }
                Step::Flushed => {
                    let last = ctx.state.history.last();
                    ctx.state.note_flushed(last);
                    leader.handle_flushed(&mut ctx)
                }
                Step::Propose => match leader.established() {
                    Some(epoch) => {
                        let next = following(ctx.state.history.last(), epoch).unwrap();
                        leader.propose(&mut ctx, next, Bytes::new())
                    }
                    None => Verdict::Stay,
                },
                Step::Sync(place) => {
                    leader.sync(&mut ctx, place.and_then(at), SyncToken(1));
                    Verdict::Stay
                }
                Step::Beat => {
                    now = leader.next_deadline().unwrap();
                    ctx.now = now;
                    leader.handle_deadline(&mut ctx)
                }
            };
            leader.check(&state);
            links.extend(accepted);
            for output in out.drain(..) {
                match output {
                    Output::Close { link, why } => {
                        prop_assert!(links.contains(&link), "{:?} closed twice", link);
                        let own = spoken_for.is_none_or(|spoken_for| link == spoken_for);
                        prop_assert!(own || why == CloseReason::Replaced || is_of_another(&why), "{}", why);
                        links.retain(|open| *open != link);
                    }
                    Output::Send { link, .. } | Output::SendSnapshot { link } | Output::SendLog { link, .. } => {
                        prop_assert!(links.contains(&link), "{:?} is closed", link);
                    }
                    Output::Store { ticket, .. } => stores.push(ticket),
                    Output::FindInLog { ticket, .. } => searches.push(ticket),
                    _ => {}
                }
            }
            if verdict != Verdict::Stay {
                break;
            }
        }
    }
}

/// Whether one learner's words can bring this upon another that waited for them: it is told what becomes of it when a quorum
/// has promised.
fn is_of_another(why: &CloseReason) -> bool {
    matches!(why, CloseReason::AheadOfLeader(..) | CloseReason::Throttled)
}
