//! Members, their ids, and what makes an ensemble.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use zabra_server::config::{
    Config, ConfigError, Endpoint, Ensemble, Flags, Host, Loaded, Mode, NoticeKind, PeerRole,
};
use zabra_types::ServerId;

/// A data directory and a configuration file beside it.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new(id: Option<&str>) -> Self {
        let home = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(home.path("data")).unwrap();
        if let Some(id) = id {
            fs::write(home.path("data/myid"), id).unwrap();
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load(&self, lines: &str) -> Result<Loaded, ConfigError> {
        let file = format!("dataDir={}\n{lines}", self.path("data").display());
        fs::write(self.path("zoo.cfg"), file).unwrap();
        Config::load(&self.path("zoo.cfg"), &Flags::default())
    }

    /// What is told, with the directory's own name taken out.
    fn problems(&self, lines: &str) -> String {
        let text = self.load(lines).map(|_| ()).unwrap_err().to_string();
        text.replace(&format!("{}/", self.dir.path().display()), "")
    }
}

fn ensemble(loaded: &Loaded) -> &Ensemble {
    match &loaded.config.mode {
        Mode::Ensemble(ensemble) => ensemble,
        Mode::Standalone => panic!("standalone"),
    }
}

const LIMITS: &str = "clientPort=2181\ninitLimit=10\nsyncLimit=5\n";
const THREE: &str = "server.1=zoo1:2888:3888\nserver.2=zoo2:2888:3888\nserver.3=zoo3:2888:3888\n";

#[test]
fn three_servers_are_an_ensemble() {
    let home = Home::new(Some("2\n"));
    let loaded = home.load(&format!("{LIMITS}{THREE}connectToLearnerMasterLimit=7\n")).unwrap();
    assert_eq!(loaded.notices, []);
    let ensemble = ensemble(&loaded);
    assert_eq!(ensemble.id, ServerId::new(2));
    assert_eq!((ensemble.init_limit_ticks, ensemble.sync_limit_ticks), (10, 5));
    assert_eq!(ensemble.connect_limit_ticks, Some(7));
    assert_eq!(ensemble.role, PeerRole::Participant);
    assert_eq!(ensemble.membership.servers.len(), 3);
    assert_eq!(ensemble.membership.servers[&ServerId::new(3)].to_string(), "zoo3:2888:3888:participant");
    assert_eq!(loaded.config.listen.client, Some(Endpoint::any(2181)));
    assert_eq!(loaded.config.refusals(), []);
}

#[test]
fn members_are_read_as_zookeeper_does() {
    for (value, shown) in [
        ("zoo1:2888:3888", "zoo1:2888:3888:participant"),
        ("zoo1:2888:3888:Observer", "zoo1:2888:3888:observer"),
        ("zoo1:2888:3888;2181", "zoo1:2888:3888:participant;0.0.0.0:2181"),
        ("zoo1:2888:3888:participant;10.0.0.1:2181", "zoo1:2888:3888:participant;10.0.0.1:2181"),
        (
            "[2001:DB8::1]:2888:3888;[::1]:2181",
            "[2001:db8:0:0:0:0:0:1]:2888:3888:participant;[0:0:0:0:0:0:0:1]:2181",
        ),
        (":2888:3888", "localhost:2888:3888:participant"),
        ("zoo1:2888:3888;", "zoo1:2888:3888:participant"),
        ("b:1:2|a:3:4:observer", "a:3:4|b:1:2:observer"),
    ] {
        let home = Home::new(Some("1"));
        let lines = format!(
            "initLimit=1\nsyncLimit=1\nmultiAddress.enabled=true\nserver.1={value}\nserver.2=x:1:2\nserver.3=y:1:2"
        );
        let loaded = home.load(&lines).unwrap();
        assert_eq!(ensemble(&loaded).membership.servers[&ServerId::new(1)].to_string(), shown);
    }
}

#[test]
fn wrong_members_are_told() {
    const FORM: &str = "expected host:quorumPort:electionPort[:role][;[clientHost:]clientPort]";
    for (value, message) in [
        ("", FORM.to_owned()),
        ("zoo1", FORM.to_owned()),
        ("zoo1:2888", format!("the election port is missing; {FORM}")),
        ("zoo1:2888:2888", "quorum port and election port must differ, both are 2888".to_owned()),
        ("zoo1:2888:x", "x is not a port, 0 to 65535".to_owned()),
        ("zoo1:2888:99999", "99999 is not a port, 0 to 65535".to_owned()),
        (
            "zoo1:2888:3888:observr",
            "observr is not a role, participant or observer; did you mean observer?".to_owned(),
        ),
        ("zoo1:2888:3888:observer:1", format!("{FORM}; an IPv6 address must be in brackets")),
        ("[::1:2888:3888", "[::1:2888:3888 begins with [ but has no ]".to_owned()),
        ("[::1]2888:3888", "expected : after [::1]".to_owned()),
        ("[::1]:", "[::1]: has no port after the colon".to_owned()),
        ("zoo1:2888:3888;2181;2281", format!("{FORM}; only one ; can be there")),
        ("zoo1:2888:3888;a:b:c", "expected [clientHost:]clientPort after ;, found a:b:c".to_owned()),
        ("zoo1:2888:3888;x", "x is not a port, 0 to 65535".to_owned()),
        ("a:1:2|d:1:2", "several addresses need multiAddress.enabled=true".to_owned()),
        ("a:1:2:observer|d:1:2:participant", "all addresses of a server must have the same role".to_owned()),
    ] {
        let home = Home::new(Some("2"));
        let lines = format!("{LIMITS}server.2=b:1:2\nserver.3=c:1:2\nserver.1={value}\n");
        assert_eq!(home.problems(&lines), format!("zoo.cfg:7: server.1={value}: {message}"));
    }
    let home = Home::new(Some("1"));
    assert_eq!(home.problems("server.x=a:1:2"), "zoo.cfg:2: server.x=a:1:2: expected a number after server.");
    assert_eq!(home.problems("weight.1=x"), "zoo.cfg:2: weight.1=x: expected a whole number of votes");
    assert_eq!(
        home.problems("group.1=1,2"),
        "zoo.cfg:2: group.1=1,2: expected server ids with : between them, as in 1:2:3"
    );
    assert_eq!(home.problems("version=xyz"), "zoo.cfg:2: version=xyz: expected a hexadecimal number");
}

#[test]
fn what_a_member_needs_is_told() {
    let home = Home::new(None);
    assert_eq!(
        home.problems(&format!("clientPort=2181\n{THREE}")),
        "3 settings are wrong:\n  \
         zoo.cfg: initLimit: is missing: how long a learner may take to connect and synchronize, in ticks\n  \
         zoo.cfg: syncLimit: is missing: how far a learner may fall behind, in ticks\n  \
         data/myid: is missing; write the N of this server's own server.N line into it, and nothing else: \
         1 on zoo1, 2 on zoo2, 3 on zoo3"
    );
    assert_eq!(
        Home::new(Some("7")).problems(&format!("{LIMITS}{THREE}")),
        "data/myid: it says 7, but there is no server.7; write the N of this server's own server.N line into it: \
         1 on zoo1, 2 on zoo2, 3 on zoo3"
    );
    assert_eq!(
        Home::new(Some("one\n2")).problems(&format!("{LIMITS}{THREE}")),
        "data/myid: expected the number of this server, as in its server.N line, found \"one\""
    );
}

#[test]
fn a_misplaced_id_is_found() {
    let home = Home::new(None);
    fs::create_dir(home.path("data/version-2")).unwrap();
    fs::write(home.path("data/version-2/myid"), "1").unwrap();
    assert_eq!(
        home.problems(&format!("{LIMITS}{THREE}")),
        "data/myid: is missing; move data/version-2/myid here: it belongs into dataDir itself"
    );
    fs::create_dir(home.path("logs")).unwrap();
    fs::remove_file(home.path("data/version-2/myid")).unwrap();
    fs::write(home.path("logs/myid"), "1").unwrap();
    assert_eq!(
        home.problems(&format!("{LIMITS}{THREE}dataLogDir={}\n", home.path("logs").display())),
        "data/myid: is missing; move logs/myid here: it belongs into dataDir itself"
    );
}

#[test]
fn two_servers_cannot_be_at_one_place() {
    for (third, message) in [
        ("zoo1:2888:3889", "the quorum port zoo1:2888 is server 1's quorum port too"),
        ("ZOO2:2889:3888", "the election port zoo2:3888 is server 2's election port too"),
        ("zoo1:3888:2889", "the quorum port zoo1:3888 is server 1's election port too"),
        ("zoo3:2888:3888;zoo3:2888", "the client port zoo3:2888 is this quorum port too"),
    ] {
        let lines = format!("{LIMITS}server.1=zoo1:2888:3888\nserver.2=zoo2:2888:3888\nserver.3={third}\n");
        assert_eq!(
            Home::new(Some("1")).problems(&lines),
            format!("zoo.cfg:7: server.3={third}: {message}; every server needs ports of its own")
        );
    }
    // One machine for all of them is fine.
    let here = "server.1=::1:1:2\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\n".replace("::1", "[::1]");
    assert_eq!(Home::new(Some("1")).load(&format!("{LIMITS}{here}")).unwrap().notices, []);
}

#[test]
fn members_out_of_reach_are_told() {
    let home = Home::new(Some("1"));
    let lines =
        format!("{LIMITS}server.1=localhost:2888:3888\nserver.2=zoo2:2888:3888\nserver.3=zoo3:2888:3888\n");
    let loaded = home.load(&lines).unwrap();
    let told: Vec<_> = loaded.notices.iter().map(|notice| notice.text.as_str()).collect();
    assert_eq!(
        told,
        ["localhost is another machine to each server: one at zoo2 cannot reach this one by it"]
    );
    // A server may say of itself that it listens everywhere.
    let lines = lines.replace("localhost", "0.0.0.0");
    assert_eq!(home.load(&lines).unwrap().notices, []);
    assert_eq!(
        Home::new(Some("2")).problems(&lines),
        "zoo.cfg:5: server.1=0.0.0.0:2888:3888: no server can be reached at 0.0.0.0; only a server's own line may say so"
    );
}

#[test]
fn clients_need_a_port_of_their_own() {
    for (port, what) in [(2888, "quorum"), (3888, "election")] {
        let lines = format!("clientPort={port}\ninitLimit=10\nsyncLimit=5\n{THREE}");
        assert_eq!(
            Home::new(Some("2")).problems(&lines),
            format!("zoo.cfg:2: clientPort={port}: {port} is the {what} port of this server, server.2, too")
        );
    }
    let lines = format!("{LIMITS}{THREE}server.4=zoo4:2888:2181\n");
    assert!(Home::new(Some("1")).load(&lines).is_ok(), "another server may have it");
}

#[test]
fn ttl_nodes_leave_less_numbers() {
    let lines = format!("{LIMITS}extendedTypesEnabled=true\n{THREE}server.254=d:1:2\nserver.255=e:1:2\n");
    assert!(Home::new(Some("254")).load(&lines).is_ok());
    assert_eq!(
        Home::new(Some("255")).problems(&lines),
        "zoo.cfg:5: extendedTypesEnabled=true: with TTL nodes a server's number is at most 254, not 255"
    );
}

#[test]
fn one_server_is_standalone_unless_told_otherwise() {
    let one = "clientPort=2181\ninitLimit=1\nsyncLimit=1\nserver.1=zoo1:2888:3888\n";
    let home = Home::new(Some("1"));
    let loaded = home.load(one).unwrap();
    assert_eq!(loaded.config.mode, Mode::Standalone);
    assert_eq!(loaded.notices.len(), 1);
    assert_eq!(loaded.notices[0].kind, NoticeKind::Ensemble);
    assert!(
        loaded.notices[0].to_string().ends_with("server.N: there is only one server, so it runs standalone")
    );
    assert_eq!(loaded.config.refusals(), []);

    let loaded = home.load(&format!("{one}standaloneEnabled=false\n")).unwrap();
    assert_eq!(ensemble(&loaded).membership.servers.len(), 1);

    assert_eq!(
        home.problems(&format!("{one}server.2=zoo2:1:2:observer\n")),
        "zoo.cfg: server.N: observers need at least two participants, or standaloneEnabled=false"
    );
    assert_eq!(
        home.problems(&format!("{LIMITS}server.2=zoo2:1:2:observer\n")),
        "zoo.cfg: server.N: there are only observers; at least one server must take part"
    );
    assert_eq!(
        home.problems("standaloneEnabled=false\n"),
        "zoo.cfg:2: standaloneEnabled=false: without it at least one server.N must take part"
    );
}

#[test]
fn small_and_even_ensembles_are_remarked_on() {
    for (count, text) in [
        (2, Some("no failure is tolerated with less than three participants")),
        (3, None),
        (4, Some("4 participants tolerate no more failures than 3")),
    ] {
        let home = Home::new(Some("1"));
        let lines: String = (1..=count).map(|n| format!("server.{n}=zoo{n}:1:2\n")).collect();
        let loaded = home.load(&format!("{LIMITS}{lines}")).unwrap();
        let told: Vec<_> = loaded.notices.iter().map(|notice| notice.text.as_str()).collect();
        assert_eq!(told, text.into_iter().collect::<Vec<_>>());
    }
    let home = Home::new(Some("1"));
    let loaded = home.load(&format!("{LIMITS}{THREE}server.300=zoo4:1:2:observer\n")).unwrap();
    assert!(loaded.notices[0].text.starts_with("the id is outside 1 to 255"), "{:?}", loaded.notices);
}

#[test]
fn the_client_address_of_the_own_line_counts() {
    let line = |value: &str| format!("initLimit=1\nsyncLimit=1\nserver.1=zoo1:2888:3888;{value}\n");
    let home = Home::new(Some("1"));
    let loaded = home.load(&line("10.0.0.1:2181")).unwrap();
    assert_eq!(loaded.config.mode, Mode::Standalone);
    assert_eq!(loaded.config.listen.client, Some(Endpoint::new(Host::new("10.0.0.1"), 2181)));
    // The same port on every address is no contradiction, and the line is more precise.
    let loaded = home.load(&format!("{}clientPort=2181\n", line("10.0.0.1:2181"))).unwrap();
    assert_eq!(loaded.config.listen.client, Some(Endpoint::new(Host::new("10.0.0.1"), 2181)));
    for own in ["clientPort=2182", "clientPort=2181\nclientPortAddress=10.0.0.2"] {
        let told = home.problems(&format!("{}{own}\n", line("10.0.0.1:2181")));
        assert!(told.ends_with("server.1 says that clients come to 10.0.0.1:2181"), "{told}");
    }
    // Without an id nobody knows which line is the own one.
    let loaded = Home::new(None).load(&line("10.0.0.1:2181")).unwrap();
    assert_eq!(loaded.config.listen.client, None);
    assert_eq!(loaded.config.refusals()[0].to_string(), "clientPort: is missing, so nobody could connect");
}

#[test]
fn the_own_line_knows_the_role() {
    let home = Home::new(Some("4"));
    let lines = format!("{LIMITS}{THREE}server.4=zoo4:1:2:observer\n");
    let loaded = home.load(&format!("{lines}peerType=observer\n")).unwrap();
    assert_eq!((ensemble(&loaded).role, loaded.notices.len()), (PeerRole::Observer, 0));
    let loaded = home.load(&format!("{lines}peerType=participant\n")).unwrap();
    assert_eq!(ensemble(&loaded).role, PeerRole::Observer);
    assert_eq!(
        loaded.notices[0].text,
        "the server's own line says observer, not participant, and that counts"
    );
}

#[test]
fn groups_and_weights() {
    let home = Home::new(Some("1"));
    let lines = format!("{LIMITS}{THREE}group.1=1:2\ngroup.2=3\nweight.2=0\n");
    let loaded = home.load(&lines).unwrap();
    let membership = &ensemble(&loaded).membership;
    assert_eq!(membership.groups[&1], [ServerId::new(1), ServerId::new(2)]);
    assert_eq!(membership.weights[&ServerId::new(2)], 0);
    for (more, message) in [
        ("group.1=1:2\n", "zoo.cfg:7: server.3=zoo3:2888:3888: the server is in no group"),
        ("group.1=1:2:3\ngroup.2=3\n", "zoo.cfg:9: group.2=3: server 3 is in group 1 too"),
        ("group.1=1:2:3:4\n", "zoo.cfg:8: group.1=1:2:3:4: there is no server.4"),
        ("group.1=1:2:3\nweight.2=-1\n", "zoo.cfg:9: weight.2=-1: expected 0 or more votes"),
        (
            "group.1=1:2:3\nweight.1=0\nweight.2=0\nweight.3=0\n",
            "zoo.cfg: weight.N: no participant has any votes, so none could be elected",
        ),
    ] {
        assert_eq!(home.problems(&format!("{LIMITS}{THREE}{more}")), message);
    }
    let loaded = home.load(&format!("{lines}oraclePath=/o\n")).unwrap();
    assert!(ensemble(&loaded).membership.groups.is_empty());
    assert_eq!(loaded.notices[0].kind, NoticeKind::Adjusted);
}

#[test]
fn members_can_be_in_a_file_of_their_own() {
    let home = Home::new(Some("1"));
    let dynamic = home.path("zoo.cfg.dynamic.10000001a");
    fs::write(&dynamic, THREE).unwrap();
    let main = format!("{LIMITS}dynamicConfigFile={}\n", dynamic.display());
    let loaded = home.load(&main).unwrap();
    assert_eq!(loaded.notices, []);
    let found = ensemble(&loaded);
    assert_eq!(found.membership.version, 0x1_0000_001a);
    assert_eq!(found.membership.servers.len(), 3);
    assert_eq!((found.dynamic_file.as_ref(), &found.next_membership), (Some(&dynamic), &None));

    fs::write(home.path("zoo.cfg.dynamic.next"), format!("{THREE}server.4=d:1:2\nversion=10000001b\n"))
        .unwrap();
    let loaded = home.load(&main).unwrap();
    let next = ensemble(&loaded).next_membership.as_ref().unwrap();
    assert_eq!((next.servers.len(), next.version), (4, 0x1_0000_001b));
    fs::remove_file(home.path("zoo.cfg.dynamic.next")).unwrap();

    assert_eq!(
        home.problems(&format!("{main}server.4=d:1:2\ngroup.1=1:2\n")),
        "2 settings are wrong:\n  \
         zoo.cfg:6: server.4=d:1:2: belongs into the file that dynamicConfigFile names, not here\n  \
         zoo.cfg:7: group.1=1:2: belongs into the file that dynamicConfigFile names, not here"
    );
    for (more, message) in [
        (
            "version=1a\n",
            "zoo.cfg.dynamic.10000001a:4: version=1a: the version is the end of the file's name, not a line of it",
        ),
        (
            "tickTime=5\n",
            "zoo.cfg.dynamic.10000001a:4: tickTime=5: only server.N, group.N and weight.N may stand in a dynamic \
             configuration file",
        ),
        (
            "server.4=d\n",
            "zoo.cfg.dynamic.10000001a:4: server.4=d: expected host:quorumPort:electionPort[:role][;[clientHost:]clientPort]",
        ),
    ] {
        fs::write(&dynamic, format!("{THREE}{more}")).unwrap();
        assert_eq!(home.problems(&main), message);
    }
    fs::remove_file(&dynamic).unwrap();
    let told = home.problems(&main);
    assert!(told.starts_with("zoo.cfg:5: dynamicConfigFile="), "{told}");
    assert!(told.contains("zoo.cfg.dynamic.10000001a cannot be read: "), "{told}");
}
