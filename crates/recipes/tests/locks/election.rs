//! The leader election.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use zabra_embedded::Server;
use zabra_recipes::Error;
use zabra_recipes::leader::LeaderElection;

use crate::{Resource, connect, in_time, is_expiry, until_children};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terms_follow_each_other() {
    let server = Server::start().await.unwrap();
    let resource = Arc::new(Resource::default());
    let mut tasks = JoinSet::new();
    for number in 0..5 {
        let election =
            LeaderElection::new(&connect(&server).await, "/leader").unwrap().with_id(number.to_string());
        let resource = resource.clone();
        tasks.spawn(async move {
            for _ in 0..4 {
                let resource = &resource;
                let term =
                    election.run(|leadership| async move { resource.use_with(leadership.fence()).await });
                term.await.unwrap();
            }
        });
    }
    in_time(tasks.join_all()).await;
    assert_eq!(resource.uses(), 20);
}

#[tokio::test]
async fn the_leader_is_known_by_its_id() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let election = LeaderElection::new(&client, "/leader").unwrap().with_id("me");
    assert_eq!(election.leader().await.unwrap(), None);
    let observed = election.clone();
    let path = election
        .run(|leadership| async move {
            let leader = observed.leader().await.unwrap().unwrap();
            assert_eq!((leader.id(), leader.fence), ("me".to_owned(), leadership.fence()));
            leadership.path().to_owned()
        })
        .await
        .unwrap();
    assert_eq!(&path[47..], "-lock-0000000000");
    until_children(&client, "/leader", 0).await;
}

#[tokio::test]
async fn work_is_cancelled_when_leadership_is_in_doubt() {
    let server = Server::start().await.unwrap();
    let client = connect(&server).await;
    let election = LeaderElection::new(&client, "/leader").unwrap();
    let (leads, mut led) = mpsc::unbounded_channel();
    let run = |election: LeaderElection| {
        let leads = leads.clone();
        tokio::spawn(async move {
            let work = |leadership: zabra_recipes::leader::Leadership| async move {
                leads.send(leadership.fence()).unwrap();
                std::future::pending::<()>().await
            };
            election.run(work).await
        })
    };
    let term = run(election.clone());
    in_time(led.recv()).await.unwrap();
    server.cut(client.session_id()).await.unwrap();
    assert!(matches!(in_time(term).await.unwrap(), Err(Error::Lost(_))));
    until_children(&client, "/leader", 0).await;

    // In doubt is not lost, if so wanted.
    let term = run(election.stay_in_doubt(true));
    in_time(led.recv()).await.unwrap();
    let mut states = client.states();
    server.cut(client.session_id()).await.unwrap();
    in_time(async { while states.next().await != Some(zabra_client::SessionState::Connected) {} }).await;
    assert!(!term.is_finished());
    server.expire(client.session_id()).await.unwrap();
    assert!(matches!(in_time(term).await.unwrap(), Err(Error::Lost(loss)) if is_expiry(loss)));
}

#[tokio::test]
async fn a_candidate_queues_up_again() {
    let server = Server::start().await.unwrap();
    let (ours, theirs) = (connect(&server).await, connect(&server).await);
    let (leads, mut led) = mpsc::unbounded_channel();
    let candidate = |client, id: &'static str| {
        let leads = leads.clone();
        LeaderElection::new(client, "/leader").unwrap().with_id(id).start(move |leadership| {
            let leads = leads.clone();
            async move {
                leads.send((id, leadership.fence())).unwrap();
                std::future::pending().await
            }
        })
    };
    let one = candidate(&ours, "one");
    let (id, first) = in_time(led.recv()).await.unwrap();
    assert_eq!(id, "one");
    let two = candidate(&theirs, "two");
    until_children(&theirs, "/leader", 2).await;

    one.interrupt();
    let (id, second) = in_time(led.recv()).await.unwrap();
    assert!(id == "two" && second > first);
    until_children(&theirs, "/leader", 2).await;
    server.expire(theirs.session_id()).await.unwrap();
    let (id, third) = in_time(led.recv()).await.unwrap();
    assert!(id == "one" && third > second);
    assert_eq!(in_time(one.leading()).await.unwrap(), third);
    one.close().await;
    let (id, fourth) = in_time(led.recv()).await.unwrap();
    assert!(id == "two" && fourth > third && two.is_leader());
    drop(two);
    until_children(&theirs, "/leader", 0).await;
}
