//! Queues, counters, shared values and barriers, against a genuine server and against Zabra: what they write, and that nothing
//! is lost or doubled while connections break, sessions expire and servers are killed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod atomic;
mod barrier;
mod blocking;
mod cuts;
mod doubt;
mod ensemble;
mod golden;
mod kazoo;
mod queue;
mod shared;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use support::{AnyServer, World, soon};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Runs the bodies: on Zabra each on a server of its own, on the genuine server one after another.
macro_rules! bodies {
    ($($module:ident :: $body:ident),* $(,)?) => {
        mod zabra {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $body() {
                    let server = super::AnyServer::zabra().await;
                    let body = super::$module::$body(super::World::new(&server, stringify!($body)).into());
                    super::soon(stringify!($body), body).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn genuine() {
            let what = "queues, counters and barriers, against a genuine server";
            let Some(server) = AnyServer::genuine(what).await else { return };
            $(
                // Shown when it fails.
                println!("{}", stringify!($body));
                soon(stringify!($body), $module::$body(World::new(&server, stringify!($body)).into())).await;
            )*
        }
    };
}

bodies! {
    golden::znodes_are_those_of_curator,
    golden::what_curator_has_put_is_taken_in_its_order,
    queue::a_waiting_consumer_is_woken,
    queue::foreign_znodes_are_left_alone,
    queue::what_is_no_message_is_removed_and_handed_over_as_it_is,
    queue::a_dropped_take_loses_nothing,
    queue::an_item_in_hand_is_nobody_elses,
    queue::an_item_of_an_expired_session_goes_to_another,
    queue::the_rest_of_a_message_is_put_back,
    queue::a_more_urgent_item_overtakes,
    queue::items_wait_for_their_time,
    queue::items_are_removed_by_id,
    queue::a_full_queue_lets_producers_wait,
    queue::background_puts_keep_their_order_and_are_flushed,
    queue::failed_items_are_handled_again_or_deleted,
    queue::the_simple_queue_survives_its_container,
    queue::a_consumer_that_is_stopped_loses_nothing,
    queue::what_recipes_create_has_the_acl_of_the_view,
    cuts::with_receipts_each_item_is_taken_once_under_cuts,
    cuts::with_locks_each_item_is_handled_once_under_cuts,
    cuts::with_locks_no_item_is_lost_when_servers_and_sessions_die,
    cuts::without_receipts_what_is_in_doubt_is_said,
    cuts::with_receipts_every_addition_counts_once_under_cuts,
    cuts::without_receipts_no_addition_counts_twice_under_cuts,
    cuts::two_that_share_a_receipt_double_nothing,
    atomic::a_number_is_changed_in_every_way,
    atomic::a_number_that_is_not_there_is_not_compared,
    atomic::other_data_is_refused,
    atomic::many_tasks_and_sessions_count_exactly,
    atomic::promoted_changes_queue_up,
    atomic::blocks_of_numbers_are_unique,
    barrier::a_gate_opens_for_all,
    barrier::a_gate_is_waited_for_under_the_next_session,
    barrier::a_group_enters_and_leaves_together,
    barrier::a_group_enters_and_leaves_together_under_cuts,
    barrier::who_has_no_patience_withdraws,
    barrier::a_member_without_its_session_is_told_and_holds_nobody_up,
    shared::changes_reach_everybody,
    shared::a_value_is_set_only_if_it_is_unchanged,
    shared::a_value_is_followed_through_loss_expiry_and_deletion,
    shared::counts_are_exact_among_many,
    kazoo::counters_are_text,
    kazoo::queues_have_entries_with_priorities,
    kazoo::locking_queues_mark_what_is_in_hand,
}

/// Breaks all connections each time so much progress was made.
fn cut_with(world: &Arc<World>, progress: &Arc<Semaphore>, every: u32) -> JoinHandle<()> {
    let (world, progress) = (Arc::clone(world), Arc::clone(progress));
    tokio::spawn(async move {
        loop {
            progress.acquire_many(every).await.unwrap().forget();
            world.cut_all().await;
        }
    })
}
