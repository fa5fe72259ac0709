//! Groups of both that meet.

use zabra_recipes::NameStyle;
use zabra_recipes::barrier::DoubleBarrier;

use crate::peer::Meeting;

const ROUNDS: usize = 5;

/// Two of ours and one of theirs go in and out together, round after round.
async fn meet(meeting: Meeting, style: NameStyle) {
    let Meeting { server: _server, client, mut peer } = meeting;
    peer.begin(&["meet", "/groups", &ROUNDS.to_string()]).await;
    for round in 0..ROUNDS {
        let group = DoubleBarrier::new(&client, format!("/groups/{round}"), 3).unwrap().with_style(style);
        let (one, two) = tokio::join!(group.enter(), group.enter());
        assert_eq!(peer.hear().await, format!("in {round}"));
        let (one, two) = tokio::join!(one.unwrap().leave(), two.unwrap().leave());
        one.and(two).unwrap();
        assert_eq!(peer.hear().await, format!("out {round}"));
    }
    peer.done().await;
}

#[tokio::test]
async fn a_group_with_curator_meets() {
    let Some(meeting) = Meeting::with_curator_or_skip("barriers shared with Curator").await else { return };
    meet(meeting, NameStyle::Curator).await;
}

#[tokio::test]
async fn a_group_with_kazoo_meets() {
    let Some(meeting) = Meeting::with_kazoo_or_skip("barriers shared with kazoo").await else { return };
    meet(meeting, NameStyle::Kazoo).await;
}
