//! Recipes that follow or keep nodes, against a genuine server and against Zabra: while connections break, sessions
//! expire and servers are killed. The same bodies, which must not be able to tell the servers apart.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocking;
mod cache;
mod configuration;
mod discovery;
mod ensemble;
mod membership;
mod persistent;
#[path = "../support/mod.rs"]
mod support;

use support::{AnyServer, World};

/// Runs the bodies: on Zabra each on a server of its own, on the genuine server one after another.
macro_rules! bodies {
    ($($module:ident :: $body:ident),* $(,)?) => {
        mod zabra {
            $(
                #[tokio::test]
                async fn $body() {
                    let server = super::AnyServer::zabra().await;
                    super::$module::$body(&super::World::new(&server, stringify!($body))).await;
                }
            )*
        }

        #[tokio::test]
        async fn genuine() {
            let what = "recipes that follow and keep nodes, against a genuine server";
            let Some(server) = AnyServer::genuine(what).await else { return };
            $(
                // Shown when it fails.
                println!("{}", stringify!($body));
                $module::$body(&World::new(&server, stringify!($body))).await;
            )*
        }
    };
}

bodies! {
    cache::a_tree_is_filled_and_followed,
    cache::one_node_and_children_see_no_more_than_that,
    cache::what_was_missed_is_told_after_the_connection_is_back,
    cache::cuts_in_the_middle_of_everything_end_in_the_right_contents,
    cache::a_cache_goes_on_in_the_next_session,
    cache::requests_that_do_not_wait_are_no_hindrance,
    cache::a_cache_ends_with_its_client,
    cache::a_dropped_cache_leaves_no_watch_behind,
    cache::unreadable_nodes_are_told_and_the_rest_is_followed,
    cache::many_nodes_are_read_in_a_pipeline,
    configuration::everybody_follows_what_one_sets,
    configuration::no_update_is_lost_among_many_though_connections_break,
    configuration::a_configuration_goes_on_after_a_restart_and_in_the_next_session,
    configuration::a_history_tells_what_was_set_and_forgets_the_oldest,
    discovery::instances_are_nodes_with_json,
    discovery::registrations_survive_expiry_and_a_restart,
    discovery::a_process_that_starts_again_replaces_its_old_node,
    discovery::a_provider_balances_over_what_is_up,
    discovery::sticky_and_round_robin_follow_the_instances,
    membership::members_see_one_another_come_change_and_leave,
    membership::parties_have_the_names_of_kazoo,
    persistent::a_node_comes_back_in_every_mode,
    persistent::a_node_survives_expiry_cuts_and_restarts_with_its_last_data,
    persistent::another_session_is_waited_for_or_taken_over_from,
    persistent::an_existing_persistent_node_is_given_the_data,
    persistent::refusals_are_told,
    persistent::a_node_ends_with_its_client,
    persistent::a_node_of_the_next_session_is_deleted_at_the_end,
    persistent::whatever_happens_there_is_one_node_and_none_after_the_end,
    persistent::a_ttl_node_is_there_while_it_is_refreshed_and_goes_afterwards,
}
