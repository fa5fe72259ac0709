//! Sessions with real servers: Zabra, and Apache ZooKeeper where it is installed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod against;
mod breaking;
mod endings;
mod life;
mod servers;

use against::Server;
use zabra_testkit::Genuine;

/// Runs each body on a Zabra server of its own, and one after another on a genuine one.
macro_rules! bodies {
    ($($module:ident :: $body:ident),* $(,)?) => {
        mod zabra {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $body() {
                    super::$module::$body(&mut super::Server::zabra().await).await;
                }
            )*
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn genuine() {
            let Some(genuine) = Genuine::find_or_skip("sessions with a genuine server") else { return };
            let mut server = Server::genuine(&genuine).await;
            $(
                // Shown when it fails.
                println!("{}", stringify!($body));
                server.move_to(stringify!($body)).await;
                $module::$body(&mut server).await;
            )*
        }
    };
}

bodies! {
    life::requests_are_answered_in_order,
    life::a_session_and_its_watches_outlive_the_server,
    endings::a_session_that_is_over_is_followed_by_another,
    endings::a_client_may_end_with_its_session,
    endings::a_session_changes_hands,
    endings::the_last_clone_closes_the_session,
    endings::credentials_are_shown_to_every_server,
    endings::refused_credentials_end_the_client,
    endings::answers_nobody_waits_for_do_no_harm,
}
