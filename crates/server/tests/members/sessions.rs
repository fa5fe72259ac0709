//! Sessions on members of an ensemble.

use super::*;

const EPHEMERAL: i32 = 1;

#[test]
fn clients_of_all_members_see_one_tree() {
    let members = Members::start(|_| {});
    let mut clients: Vec<_> = (0..3).map(|at| members.client(at).0).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        let path = format!("/{at}");
        assert_eq!(call(client, &RawRequest::create(&*path, b"x", 0)).err, 0);
        assert_eq!(call(client, &RawRequest::create(&*path, b"x", 0)).err, -110);
    }
    for client in &mut clients {
        assert!((0..3).all(|at| exists(client, &format!("/{at}"))));
    }
}

#[test]
fn a_session_moves_and_its_former_connection_writes_no_more() {
    let members = Members::start(|_| {});
    let (mut old, session) = members.client(0);
    call(&mut old, &RawRequest::create("/e", b"", EPHEMERAL));
    let mut new = members.renew(1, &session);
    assert_eq!(call(&mut new, &RawRequest::create("/f", b"", EPHEMERAL)).err, 0);
    // If it still stands: on a learner it does until it writes.
    let _ = old.send(&RawRequest::create("/late", b"", 0));
    assert!(closes(&mut old));
    call(&mut new, &RawRequest::bare(OpCode::CloseSession));
    let mut other = members.client(2).0;
    assert!(!exists(&mut other, "/e") && !exists(&mut other, "/f") && !exists(&mut other, "/late"));
}

#[test]
fn a_client_that_went_is_forgotten_everywhere() {
    let members = Members::start(|_| {});
    for at in 0..3 {
        let path = &*format!("/{at}");
        let (mut short, _) = RawClient::connect(members.addr(at), 300).expect("connected");
        call(&mut short, &RawRequest::create(path, b"", EPHEMERAL));
        let mut watcher = members.client((at + 1) % 3).0;
        assert!(exists(&mut watcher, path));
        drop(short);
        eventually(|| (!exists(&mut watcher, path)).then_some(()));
    }
}

/// Its pings go to a learner, which tells the leader.
#[test]
fn a_client_that_stays_is_kept() {
    let members = Members::start(|_| {});
    let learner = (members.leader() + 1) % 3;
    let (mut kept, _) = RawClient::connect(members.addr(learner), 600).expect("connected");
    let (mut measure, _) = RawClient::connect(members.addr(learner), 600).expect("connected");
    call(&mut kept, &RawRequest::create("/kept", b"", EPHEMERAL));
    call(&mut measure, &RawRequest::create("/gone", b"", EPHEMERAL));
    drop(measure);
    // Until somebody else's session of the same timeout has ended, and for as long again.
    for path in ["/gone", "/gone-too"] {
        eventually(|| {
            assert_eq!(call(&mut kept, &RawRequest::bare(OpCode::Ping)).err, 0);
            (!exists(&mut kept, path)).then_some(())
        });
        let (mut measure, _) = RawClient::connect(members.addr(learner), 600).expect("connected");
        call(&mut measure, &RawRequest::create("/gone-too", b"", EPHEMERAL));
    }
    assert!(exists(&mut kept, "/kept"));
}
