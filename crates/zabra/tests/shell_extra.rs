//! The shell's commands that zkCli does not have, against Zabra and against a genuine server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use zabra_client::blocking::Client;
use zabra_client::{Acl, CreateMode, Perms};
use zabra_embedded::blocking::Server;
use zabra_testkit::{Genuine, JvmOptions, ServerSpec};

/// A place on a server with some nodes, and a client that holds the ephemeral ones.
struct World {
    connect: String,
    /// Only Zabra runs inside a test.
    server: Option<Server>,
    client: Client,
    dir: TempDir,
}

impl World {
    /// On a server of its own.
    fn new() -> Self {
        let server = Server::builder().set("4lw.commands.whitelist", "*").start_blocking().unwrap();
        let connect = server.connect_string();
        Self { server: Some(server), ..Self::at(connect) }
    }

    fn at(connect: String) -> Self {
        let client = Client::connect(&connect).unwrap();
        for (path, data) in [
            ("/app", ""),
            ("/app/config", "{\"colour\":\"green\"}"),
            ("/app/config/db", "url=db:5432\nuser=me\n"),
            ("/app/members", ""),
        ] {
            client.create(path, data).wait().unwrap();
        }
        client.create("/app/config/key", [0xff, 0x00]).wait().unwrap();
        client.create("/app/empty", "").null().wait().unwrap();
        client.create("/app/members/a", "host-1").ephemeral().wait().unwrap();
        Self { connect, server: None, client, dir: TempDir::new().unwrap() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zabra"));
        command.args(["shell", "-server", &self.connect]).args(words);
        command.env_remove("VISUAL").env_remove("EDITOR").stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a command prints when it succeeds.
    fn told(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command says when it fails.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, words: &[&str]) -> Vec<Value> {
        let words: Vec<_> = words.iter().copied().chain(["--json"]).collect();
        self.told(&words).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The nodes below a path, without it.
    fn below(&self, path: &str) -> Vec<String> {
        let found = self.told(&["find", path]);
        found.lines().filter_map(|line| line.strip_prefix(path)).map(str::to_owned).collect()
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// An editor that does to the file what a line of shell says; `$1` is the file.
    fn edit(&self, script: &str, words: &[&str]) -> Output {
        let editor = self.dir.path().join("editor.sh");
        fs::write(&editor, script).unwrap();
        self.command(words).env("EDITOR", format!("sh {}", editor.display())).output().unwrap()
    }

    fn data(&self, path: &str) -> Vec<u8> {
        self.client.get(path).wait().unwrap().0.to_vec()
    }
}

macro_rules! on_both {
    ($($body:ident,)*) => {
        /// Each on a Zabra of its own.
        mod zabra {
            $(#[test]
            fn $body() {
                super::$body(&super::World::new());
            })*
        }

        /// All on one genuine server, each below a node of its own.
        #[test]
        fn on_a_genuine_server() {
            let Some(genuine) = Genuine::find_or_skip("the shell's own commands on a genuine server") else { return };
            let spec = ServerSpec::new(genuine.program(&JvmOptions::small()));
            let mut server = spec.with("4lw.commands.whitelist", "*").start().unwrap();
            let root = Client::connect(&server.addr().to_string()).unwrap();
            $(
                let place = concat!("/", stringify!($body));
                root.create(place, "").wait().unwrap();
                let world = World::at(format!("{}{place}", server.addr()));
                $body(&world);
                world.client.close().unwrap();
            )*
            server.stop().unwrap();
        }
    };
}

on_both! {
    trees_are_drawn,
    nodes_are_found_by_name_size_and_owner,
    data_is_searched,
    data_is_shown_as_what_it_is,
    subtrees_are_copied_and_moved,
    what_is_too_large_for_one_transaction_goes_in_several,
    exports_come_back,
    changes_are_followed,
    data_is_edited,
    an_edit_does_not_overwrite_somebody_elses,
    locks_are_explained,
    sessions_are_listed_with_their_nodes,
}

fn trees_are_drawn(world: &World) {
    let session = format!("{:#x}", world.client.asynchronous().session_id().raw());
    assert_eq!(
        world.told(&["tree", "/app"]),
        format!(
            "/app\n\
             ├── config  (18 B)\n\
             │   ├── db  (20 B)\n\
             │   └── key  (2 B)\n\
             ├── empty\n\
             └── members\n\
             \x20   └── a  (6 B, ephemeral of {session})\n\
             7 nodes, 46 B of data, 1 ephemeral\n"
        )
    );
    assert_eq!(
        world.told(&["tree", "--depth", "1", "--width", "2", "--data", "/app"]),
        "/app\n\
         ├── config  (18 B, 2 children)  \"{\"colour\":\"green\"}\"\n\
         ├── empty\n\
         └── … 1 more\n\
         3 nodes, 18 B of data, 0 ephemeral\n"
    );
    let json = world.json(&["tree", "/app"]);
    assert_eq!(json.len(), 7);
    assert_eq!((&json[1]["path"], &json[1]["stat"]["dataLength"]), (&"/app/config".into(), &18.into()));
    assert_eq!(world.refused(&["tree", "/nothing"]), "Node does not exist: /nothing\n");
}

fn nodes_are_found_by_name_size_and_owner(world: &World) {
    let session = format!("{:#x}", world.client.asynchronous().session_id().raw());
    let cases: [(&[&str], &[&str]); 8] = [
        (&["/app", "^[de]"], &["/app/config/db", "/app/empty"]),
        (&["/app", "config/", "--full"], &["/app/config/db", "/app/config/key"]),
        (&["/app", "^KEY$", "-i"], &["/app/config/key"]),
        (&["/app", "--type", "ephemeral"], &["/app/members/a"]),
        (&["/app", "--owner", &session], &["/app/members/a"]),
        (&["/app", "--min-size", "7", "--max-size", "18"], &["/app/config"]),
        (&["/app", "--empty"], &["/app/empty"]),
        (&["/app", ".", "--depth", "1", "--limit", "2"], &["/app", "/app/config"]),
    ];
    for (words, found) in cases {
        let words: Vec<_> = [&["find"], words].concat();
        assert_eq!(world.told(&words).lines().collect::<Vec<_>>(), found, "{words:?}");
    }
    assert!(world.refused(&["find", "/app", "["]).contains("unclosed"));
    assert!(world.refused(&["find", "/app", "--owner", "me"]).contains("no session"));
}

fn data_is_searched(world: &World) {
    assert_eq!(world.told(&["grep", "^u", "/app"]), "/app/config/db:url=db:5432\n/app/config/db:user=me\n");
    assert_eq!(world.told(&["grep", "-n", "USER", "-i"]), "/app/config/db:2:user=me\n");
    assert_eq!(world.told(&["grep", "-l", "o", "/app"]), "/app/config\n/app/members/a\n");
    assert_eq!(world.told(&["grep", "(?-u:\\xff)", "/app"]), "/app/config/key: binary data matches\n");
    assert_eq!(world.told(&["grep", "--names", "^memb", "/app"]), "/app/members\n");
    let json = world.json(&["grep", "user", "/app"]);
    assert_eq!(json[0]["lines"][0]["number"], 2);
    // Finding nothing is told by the exit code alone, as grep does.
    assert_eq!(world.refused(&["grep", "nothing", "/app"]), "");
}

fn data_is_shown_as_what_it_is(world: &World) {
    assert_eq!(world.told(&["view", "/app/config"]), "{\n  \"colour\": \"green\"\n}\n");
    assert_eq!(world.told(&["view", "/app/config/db"]), "url=db:5432\nuser=me\n");
    assert!(world.told(&["view", "/app/config/key"]).contains("|00000000| ff 00 "));
    assert_eq!(world.told(&["view", "--as", "text", "/app/config"]), "{\"colour\":\"green\"}\n");
    assert_eq!(world.told(&["view", "/app/empty"]), "null\n");
    assert_eq!(world.json(&["view", "/app/config"])[0]["json"]["colour"], "green");
    assert_eq!(
        world.refused(&["view", "--as", "json", "/app/config/db"]),
        "The data of /app/config/db is not JSON\n"
    );
}

fn subtrees_are_copied_and_moved(world: &World) {
    let acl = [Acl::new(Perms::READ | Perms::ADMIN, "world", "anyone")];
    world.client.set_acl("/app/config/db", acl.clone()).wait().unwrap();
    let before = world.below("/app");

    let told = world.told(&["cp", "--dry-run", "/app", "/copy"]);
    assert!(
        told.starts_with("would create /copy\n") && told.ends_with("would create /copy/members\n"),
        "{told}"
    );
    assert!(world.client.exists("/copy").wait().unwrap().is_none());

    let output = world.run(&["cp", "/app", "/copy"]);
    assert_eq!(output.stdout, b"copied 6 nodes to /copy\n");
    assert_eq!(output.stderr, b"/app/members/a is ephemeral: left out\n");
    assert_eq!(world.below("/app"), before);
    assert_eq!(world.data("/copy/config/key"), [0xff, 0x00]);
    assert_eq!(world.client.get("/copy/empty").or_null().wait().unwrap().0, None);
    assert_eq!(world.client.acl("/copy/config/db").wait().unwrap().0, acl);

    assert_eq!(world.refused(&["cp", "/app", "/copy"]), "Node already exists: /copy\n");
    assert_eq!(world.refused(&["cp", "/app", "/app/x"]), "/app/x is inside /app\n");
    assert_eq!(world.refused(&["mv", "/copy", "/x/y"]), "Node does not exist: /x\n");
    assert!(world.refused(&["mv", "/app", "/other"]).contains("/app/members/a is ephemeral"));
    assert_eq!(world.below("/app"), before);

    let copied = world.below("/copy");
    assert_eq!(world.told(&["mv", "--parents", "/copy", "/x/y"]), "moved 6 nodes to /x/y\n");
    assert_eq!(world.below("/x/y"), copied);
    assert!(world.client.exists("/copy").wait().unwrap().is_none());
}

fn what_is_too_large_for_one_transaction_goes_in_several(world: &World) {
    world.client.create("/large", "").wait().unwrap();
    let pending: Vec<_> = (0..1500)
        .map(|number| world.client.create(format!("/large/n{number}"), vec![b'x'; 900]).send())
        .collect();
    pending.into_iter().for_each(|pending| drop(pending.wait().unwrap()));
    let json = &world.json(&["mv", "/large", "/moved"])[0];
    assert_eq!((&json["moved"], &json["atOnce"]), (&1501.into(), &false.into()));
    assert!(world.client.exists("/large").wait().unwrap().is_none());
    assert_eq!(world.below("/moved").len(), 1501);
    assert_eq!(world.data("/moved/n1499"), [b'x'; 900]);
}

fn exports_come_back(world: &World) {
    let file = world.file("app.json");
    let acl = [Acl::new(Perms::ALL, "world", "anyone"), Acl::new(Perms::READ, "ip", "10.0.0.0/8")];
    world.client.set_acl("/app/empty", acl.clone()).wait().unwrap();
    assert_eq!(world.told(&["export", "/app", &file]), format!("exported 7 nodes to {file}\n"));
    assert!(world.refused(&["export", "/app", &file]).contains("is there already"));
    // The same goes to standard output, which holds nothing else.
    let streamed: Value = serde_json::from_str(&world.told(&["export", "/app"])).unwrap();
    let saved: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(streamed["nodes"], saved["nodes"]);
    assert!(saved["nodes"][6]["ephemeralOwner"].is_string());

    assert_eq!(world.refused(&["import", &file]), "Node already exists: /app\n");
    let told = world.run(&["import", &file, "/back"]);
    assert_eq!(told.stdout, b"created 6 nodes below /back\n");
    assert_eq!(told.stderr, b"1 ephemeral nodes are left out: their sessions are not these\n");
    assert_eq!(world.data("/back/config/key"), [0xff, 0x00]);
    assert_eq!(world.client.get("/back/empty").or_null().wait().unwrap().0, None);
    assert_eq!(world.client.acl("/back/empty").wait().unwrap().0, acl);

    // What was changed or deleted meanwhile comes back as told.
    world.client.set("/back/config", "other").wait().unwrap();
    world.client.delete("/back/config/db").wait().unwrap();
    assert_eq!(world.told(&["import", "--skip", &file, "/back"]), "created 1 nodes below /back\n");
    assert_eq!(world.data("/back/config"), b"other");
    let dry = world.told(&["import", "--overwrite", "--dry-run", &file, "/back"]);
    assert!(dry.contains("would set /back/config\n"), "{dry}");
    let told = world.told(&["import", "--overwrite", &file, "/back"]);
    assert_eq!(told, "created 0 nodes and set 6 below /back\n");
    assert_eq!(world.data("/back/config"), b"{\"colour\":\"green\"}");

    // From standard input, unless that is where commands come from.
    let piped = |words: &[&str], input: &str| {
        let mut child = world
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Who refuses to begin may have ended before.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    let told = piped(&["import", "-", "/piped"], &fs::read_to_string(&file).unwrap());
    assert_eq!(told.stdout, b"created 6 nodes below /piped\n");
    let told = piped(&[], "import -\nls /piped\n");
    let said = String::from_utf8(told.stderr).unwrap();
    assert!(said.contains("Standard input is where the commands come from"), "{said}");
    assert!(String::from_utf8(told.stdout).unwrap().contains("[config, empty, members]"));

    assert!(world.refused(&["import", &world.file("none.json")]).contains("cannot read"));
    fs::write(&file, "[1, 2]").unwrap();
    assert!(world.refused(&["import", &file]).contains("no export that can be used"));
}

#[test]
fn an_import_makes_containers_and_nodes_with_a_time_to_live() {
    let world = World::new();
    let file = world.file("kinds.json");
    let text = r#"{"format":"zabra-export","version":1,"path":"/k","nodes":[
        {"path":"/k/ttl","data":"t","ttlMs":3600000},
        {"path":"/k","container":true}]}"#;
    fs::write(&file, text).unwrap();
    let refused = world.refused(&["import", &file]);
    assert!(refused.contains("KeeperErrorCode = Unimplemented"), "{refused}");
    let server = Server::builder().set("extendedTypesEnabled", "true").start_blocking().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_zabra"))
        .args(["shell", "-server", &server.connect_string(), "import", &file])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"created 2 nodes below /k\n", "{output:?}");
}

#[test]
fn an_export_from_a_snapshot_tells_all_kinds_of_nodes() {
    let root =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/fixtures/datadir-plain/version-2/snapshot.35");
    let run = |path: &str| {
        Command::new(env!("CARGO_BIN_EXE_zabra")).args(["data", "export", root, path]).output().unwrap()
    };
    let document: Value = serde_json::from_slice(&run("/").stdout).unwrap();
    let nodes = document["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["path"], "/");
    assert!(nodes.iter().all(|node| !node["path"].as_str().unwrap().starts_with("/zookeeper")));
    let kind = |field: &str| nodes.iter().find(|node| !node[field].is_null()).unwrap()["path"].clone();
    assert_eq!((kind("container"), kind("ttlMs")), ("/kinds/container".into(), "/kinds/ttl".into()));
    assert_eq!(run("/nothing").status.code(), Some(2));

    // What comes out of it goes into a server.
    let server = Server::builder().set("extendedTypesEnabled", "true").start_blocking().unwrap();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("kinds.json");
    fs::write(&file, run("/kinds").stdout).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_zabra"))
        .args(["shell", "-server", &server.connect_string(), "import", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// A command that goes on, and what it prints line by line.
struct Following(Child, BufReader<std::process::ChildStdout>, BufReader<std::process::ChildStderr>);

impl Following {
    fn start(world: &World, words: &[&str]) -> Self {
        let mut child = world.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut ready = String::new();
        err.read_line(&mut ready).unwrap();
        assert!(ready.starts_with("watching "), "{ready}");
        Self(child, out, err)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        line
    }

    fn said(&mut self) -> String {
        let mut line = String::new();
        self.2.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn changes_are_followed(world: &World) {
    let mut following =
        Following::start(world, &["watch", "/app", "--count", "4", "--seconds", "60", "--json"]);
    world.client.set("/app/config", "new").wait().unwrap();
    let event: Value = serde_json::from_str(&following.line()).unwrap();
    assert_eq!(
        (&event["event"], &event["path"], &event["data"]),
        (&"changed".into(), &"/app/config".into(), &"new".into())
    );
    assert!(event["zxid"].as_str().unwrap().starts_with("0x") && event["stat"]["version"] == 1);
    world.client.create("/app/config/deep", "").wait().unwrap();
    let event: Value = serde_json::from_str(&following.line()).unwrap();
    assert_eq!((&event["event"], &event["path"]), (&"created".into(), &"/app/config/deep".into()));
    world.client.delete("/app/config/deep").wait().unwrap();
    let event: Value = serde_json::from_str(&following.line()).unwrap();
    assert_eq!((&event["event"], &event["path"]), (&"deleted".into(), &"/app/config/deep".into()));
    world.client.set("/app/empty", [0xff]).wait().unwrap();
    let event: Value = serde_json::from_str(&following.line()).unwrap();
    assert_eq!(event["dataBase64"], "/w==");
    // That was the fourth.
    assert!(following.0.wait().unwrap().success());
}

#[test]
fn who_follows_is_told_what_was_missed() {
    let world = World::new();
    let mut following = Following::start(&world, &["watch", "/app", "--quiet", "--seconds", "60"]);
    world.client.set("/app/config", "1").wait().unwrap();
    assert!(following.line().contains(" changed /app/config"));
    let others = world.json(&["sessions"]);
    let shells = others
        .iter()
        .filter(|line| line["own"] == false && line["ephemerals"].as_array().unwrap().is_empty());
    let [shell] = shells.collect::<Vec<_>>().try_into().unwrap();
    let session =
        u64::from_str_radix(shell["session"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let session = zabra_types::SessionId::from_raw(session.cast_signed());

    let server = world.server.as_ref().unwrap();
    server.cut(session).unwrap();
    assert!(following.said().contains("the connection is lost"));
    assert_eq!(following.said(), "connected; changes are seen again\n");
    world.client.set("/app/config", "2").wait().unwrap();
    assert!(following.line().contains(" changed /app/config"));

    server.expire(session).unwrap();
    let last = loop {
        let said = following.said();
        if !said.contains("connect") {
            break said;
        }
    };
    assert_eq!(last, "KeeperErrorCode = Session expired for /app\n");
    assert_eq!(following.0.wait().unwrap().code(), Some(1));
}

fn data_is_edited(world: &World) {
    let edited = world.edit("sed -i s/green/red/ \"$1\"", &["edit", "/app/config"]);
    assert_eq!(edited.stdout, b"set /app/config (v1)\n", "{edited:?}");
    assert_eq!(world.data("/app/config"), b"{\"colour\":\"red\"}");
    let same = world.edit("echo >> \"$1\"", &["edit", "/app/config"]);
    assert_eq!(same.stdout, b"nothing was changed\n", "{same:?}");
    let dry = world.edit("echo x > \"$1\"", &["edit", "--dry-run", "/app/config"]);
    assert_eq!(dry.stdout, b"would set 1 bytes\n", "{dry:?}");
    let failed = world.edit("exit 3", &["edit", "/app/config"]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(world.data("/app/config"), b"{\"colour\":\"red\"}");

    let binary = world.edit("true", &["edit", "/app/config/key"]);
    assert_eq!(String::from_utf8(binary.stderr).unwrap(), "The data is no text\n");
    let hex = world.edit("sed -i s/ff/fe/ \"$1\"", &["edit", "--hex", "/app/config/key"]);
    assert_eq!(hex.stdout, b"set /app/config/key (v1)\n", "{hex:?}");
    assert_eq!(world.data("/app/config/key"), [0xfe, 0x00]);
}

fn an_edit_does_not_overwrite_somebody_elses(world: &World) {
    let (begun, go) = (world.file("begun"), world.file("go"));
    let script = format!("echo mine > \"$1\"; cp \"$1\" {begun}; until [ -e {go} ]; do sleep 0.05; done");
    std::thread::scope(|scope| {
        let edit = scope.spawn(|| world.edit(&script, &["edit", "/app/config"]));
        while !fs::exists(&begun).unwrap() {
            std::thread::yield_now();
        }
        world.client.set("/app/config", "theirs").wait().unwrap();
        fs::write(&go, "").unwrap();
        let output = edit.join().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.ends_with("\nversion No is not valid : /app/config\n"), "{said}");
        // No work is lost.
        let kept = said.lines().next().unwrap().split("your text is in ").nth(1).unwrap();
        assert_eq!(fs::read_to_string(kept).unwrap(), "mine\n");
        fs::remove_file(kept).unwrap();
    });
    assert_eq!(world.data("/app/config"), b"theirs");
}

fn locks_are_explained(world: &World) {
    let other = Client::connect(&world.connect).unwrap();
    let clients = [&world.client, &other];
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    let simple = uuid.replace('-', "");
    let claim = |client: &Client, parent: &str, name: &str| {
        let path = format!("/locks/{parent}/{name}");
        client.create(path, "me").mode(CreateMode::EphemeralSequential).parents().wait().unwrap().path
    };
    let curator = format!("_c_{uuid}-lock-");
    let lock = clients.map(|client| claim(client, "orders", &curator));
    for client in clients {
        claim(client, "shared", &format!("{simple}__rlock__"));
    }
    claim(&other, "shared", &format!("{simple}__lock__"));
    world.client.create("/locks/not-0000000001", "").wait().unwrap();

    let told = world.told(&["locks", "/locks"]);
    let session = |client: &Client| format!("{:#x}", client.asynchronous().session_id().raw());
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "/locks/orders  (lock, Curator)");
    assert!(
        lines[1].starts_with(&format!("  holds  {}  in line since 20", session(&world.client))),
        "{told}"
    );
    assert!(lines[2].starts_with(&format!("  waits  {}  in line since 20", session(&other))), "{told}");
    assert!(lines[2].contains("\"me\"") && lines[2].ends_with(lock[1].rsplit('/').next().unwrap()), "{told}");
    assert_eq!(lines[3], "/locks/shared  (read/write lock, kazoo)");
    let roles: Vec<_> = lines[4..7].iter().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(roles, ["reads", "reads", "waits"]);

    let json = world.json(&["locks", "/locks/orders"]);
    let contender = &json[0]["contenders"][0];
    let fence = world.client.exists(&lock[0]).wait().unwrap().unwrap().czxid;
    assert_eq!((&contender["holds"], &contender["fence"]), (&true.into(), &format!("{fence:#x}").into()));
    assert_eq!(json[0]["contenders"].as_array().unwrap().len(), 2);

    // The next in line has it when the first is gone.
    world.client.delete(&lock[0]).wait().unwrap();
    let told = world.told(&["locks", "--held", "/locks/orders"]);
    assert!(told.contains(&format!("holds  {}", session(&other))), "{told}");
    assert_eq!(world.told(&["locks", "/app"]), "");
}

fn sessions_are_listed_with_their_nodes(world: &World) {
    let session = format!("{:#x}", world.client.asynchronous().session_id().raw());
    let told = world.told(&["sessions", &session]);
    let mut lines = told.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with(&format!("{session}  (127.0.0.1:")) && first.contains("time-out "), "{told}");
    assert_eq!(lines.next(), Some("  /app/members/a"));
    let all = world.json(&["sessions"]);
    assert_eq!(all.iter().filter(|line| line["own"] == true).count(), 1);
    assert!(world.refused(&["sessions", "0x17"]).contains("Nothing is known"));
}
