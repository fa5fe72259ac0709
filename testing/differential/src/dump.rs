//! The comparison at the end: every node with its Stat, data and access control list, and what the servers count.

use crate::plan::{Call, Hello, Request};
use crate::run::{Pair, Stop};
use crate::side::{DUMP_SLOT, Said, Side};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use zabra_proto::OpCode;
use zabra_testkit::{Blob, Body, four_letter};

/// Figures of `mntr` that follow from the operations alone. The approximate size of the data does not: the genuine
/// server leaves changes of quota usage out of it when they happen and not when the node goes.
const FIGURES: &[&str] = &[
    "zk_znode_count",
    "zk_ephemerals_count",
    "zk_watch_count",
    "zk_global_sessions",
    "zk_num_alive_connections",
];

/// How long the servers have to notice that dropped connections are gone.
const SETTLE: Duration = Duration::from_secs(5);
const SETTLE_INTERVAL: Duration = Duration::from_millis(20);

/// Compares the trees node by node.
pub(crate) fn compare_trees(pair: &mut Pair) -> Result<(), Stop> {
    pair.connect(DUMP_SLOT, &Hello::ordinary())?;
    let auth = Request::Auth(Blob(Some(b"digest".to_vec())), Blob(Some(b"super:secret".to_vec())));
    pair.batch(DUMP_SLOT, &[Call::plain(auth)])?;
    let mut open: BTreeSet<Vec<u8>> = BTreeSet::from([b"/".to_vec()]);
    while let Some(path) = open.pop_first() {
        let some = Blob(Some(path.clone()));
        let calls = [
            Call::plain(Request::Read(OpCode::GetChildren2, some.clone(), false)),
            Call::plain(Request::Read(OpCode::GetData, some.clone(), false)),
            Call::plain(Request::Path(OpCode::GetAcl, some.clone())),
            Call::plain(Request::Path(OpCode::GetAllChildrenNumber, some)),
        ];
        let heard = pair.batch(DUMP_SLOT, &calls)?;
        let Some(Said::Reply(reply)) = heard[0].said.first() else { continue };
        let Body::NamesStat(Some(names), _) = &reply.body else { continue };
        for name in names.iter().filter_map(|name| name.0.as_deref()) {
            let parent = if path == b"/" { &[][..] } else { &path[..] };
            open.insert([parent, b"/", name].concat());
        }
    }
    Ok(())
}

/// Compares what the servers count.
pub(crate) fn compare_figures(pair: &Pair) -> Result<(), Stop> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let [left, right] = pair.sides().each_ref().map(figures);
        if left == right {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(pair.differ("mntr at the end".into(), format!("{left:?}"), format!("{right:?}")));
        }
        std::thread::sleep(SETTLE_INTERVAL);
    }
}

fn figures(side: &Side) -> BTreeMap<String, String> {
    let answer = four_letter(side.addr(), "mntr", Duration::from_secs(10)).unwrap_or_default();
    answer
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(key, _)| FIGURES.contains(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
