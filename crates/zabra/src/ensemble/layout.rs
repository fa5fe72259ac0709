//! The directory of a local ensemble: a folder for each server, with its configuration, its data and its log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};

use zabra_server::chain;
use zabra_server::config::{Config, Flags, Membership, Mode, PeerRole};

use crate::exit::{Code, Failure};

/// What the folder of a server is called, before its number.
const HOME_PREFIX: &str = "server.";

/// How far the kinds of ports are apart when they are counted from a base. The number of servers is limited by it.
const PORT_STEP: u16 = 100;

/// The clients' ports of the first choice, where ZooKeeper's are.
const USUAL_BASE: u16 = 2181;

/// A local ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Its directory, absolute.
    pub(super) dir: PathBuf,
    /// Its servers, by number.
    pub(super) members: Vec<Member>,
}

/// One of its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its number (`myid`).
    pub(super) id: i64,
    /// Its folder.
    pub(super) home: PathBuf,
    /// Whether it only follows and does not vote.
    pub(super) observer: bool,
    /// Its ports, all on 127.0.0.1.
    pub(super) ports: Ports,
}

/// The ports of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) clients: u16,
    pub(super) quorum: u16,
    pub(super) election: u16,
}

/// What an ensemble is to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Servers that vote; `None` is what is there, or three.
    pub(super) servers: Option<u16>,
    /// Servers that do not; `None` is what is there, or none.
    pub(super) observers: Option<u16>,
    /// Where ports are counted from. 0 is any that are free; `None` is the usual ones, or any that are free.
    pub(super) port_base: Option<u16>,
}

impl Member {
    /// Where clients reach it.
    pub(super) fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.ports.clients)
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.home.join("zoo.cfg")
    }

    /// Where its output goes.
    pub(super) fn log_file(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// Where its process is noted.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.home.join("server.pid")
    }

    fn data_dir(&self) -> PathBuf {
        self.home.join("data")
    }
}

impl Layout {
    /// The ensemble in a directory, made there if the directory is empty or missing.
    pub(super) fn open_or_make(dir: &Path, wanted: Wanted) -> Result<Self, Failure> {
        let layout = match Self::find(dir)? {
            Some(found) => {
                found.refuse_other(wanted)?;
                found
            }
            None => Self::plan(dir, wanted)?,
        };
        layout.write_missing()?;
        Ok(layout)
    }

    /// The ensemble in a directory.
    pub(super) fn open(dir: &Path) -> Result<Self, Failure> {
        Self::find(dir)?.ok_or_else(|| {
            let text = format!("{} holds no ensemble; `zabra ensemble up --dir` makes one", dir.display());
            Failure::new(Code::Invocation, text)
        })
    }

    /// Addresses of all servers, as clients take them.
    pub(super) fn connect_string(&self) -> String {
        self.members.iter().map(Member::address).collect::<Vec<_>>().join(",")
    }

    /// How many servers vote.
    pub(super) fn voters(&self) -> usize {
        self.members.iter().filter(|member| !member.observer).count()
    }

    fn observers(&self) -> usize {
        self.members.len() - self.voters()
    }

    fn find(dir: &Path) -> Result<Option<Self>, Failure> {
        let dir = std::path::absolute(dir).map_err(|error| unusable(dir, &error))?;
        let mut names = BTreeSet::new();
        match fs::read_dir(&dir) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(|error| unusable(&dir, &error))?;
                    names.insert(entry.file_name().to_string_lossy().into_owned());
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&dir, &error)),
        }
        let homes = names.iter().filter(|name| {
            name.strip_prefix(HOME_PREFIX).is_some_and(|number| number.parse::<i64>().is_ok())
        });
        // Each file tells of all servers. One is missing when an earlier start was interrupted.
        for home in homes {
            let file = dir.join(home).join("zoo.cfg");
            if file.is_file() {
                return Self::read(dir, &file).map(Some);
            }
        }
        let ours = |name: &String| name.starts_with(HOME_PREFIX);
        if let Some(other) = names.iter().find(|name| !ours(name)) {
            let text = format!(
                "{} holds {other} and no ensemble; take an empty directory for a new one (--dir)",
                dir.display()
            );
            return Err(Failure::new(Code::Invocation, text));
        }
        Ok(None)
    }

    fn read(dir: PathBuf, file: &Path) -> Result<Self, Failure> {
        let bad = |text: String| Failure::new(Code::Invocation, text);
        let loaded = Config::load(file, &Flags::default()).map_err(|error| bad(chain(&error)))?;
        let Mode::Ensemble(ensemble) = loaded.config.mode else {
            return Err(bad(format!("{} is not of an ensemble", file.display())));
        };
        Self::of(dir, &ensemble.membership)
            .ok_or_else(|| bad(format!("{} was not made by `zabra ensemble up`", file.display())))
    }

    fn of(dir: PathBuf, membership: &Membership) -> Option<Self> {
        let members = membership.servers.values().map(|server| {
            let [address] = &server.addresses[..] else { return None };
            let ports = Ports {
                clients: server.client.as_ref()?.port,
                quorum: address.quorum_port,
                election: address.election_port,
            };
            Some(member(&dir, server.id.get(), server.role == PeerRole::Observer, ports))
        });
        let members = members.collect::<Option<_>>()?;
        Some(Self { dir, members })
    }

    /// Who is a member is settled when an ensemble is made.
    fn refuse_other(&self, wanted: Wanted) -> Result<(), Failure> {
        let (voters, observers) = (self.voters(), self.observers());
        let others = wanted.servers.is_some_and(|servers| usize::from(servers) != voters)
            || wanted.observers.is_some_and(|wanted| usize::from(wanted) != observers);
        let base = wanted.port_base.filter(|&base| base > 0);
        let elsewhere =
            base.is_some_and(|base| self.members.first().is_none_or(|first| first.ports.clients != base));
        if !others && !elsewhere {
            return Ok(());
        }
        let what = if others {
            format!("an ensemble of {voters} servers and {observers} observers")
        } else {
            format!("an ensemble at {}", self.connect_string())
        };
        let text = format!(
            "{} holds {what} already: leave out --servers, --observers and --port-base to go on with it, take another \
             --dir, or remove it",
            self.dir.display()
        );
        Err(Failure::new(Code::Invocation, text))
    }

    fn plan(dir: &Path, wanted: Wanted) -> Result<Self, Failure> {
        let dir = std::path::absolute(dir).map_err(|error| unusable(dir, &error))?;
        let (servers, observers) = (wanted.servers.unwrap_or(3), wanted.observers.unwrap_or(0));
        let bad = |text: String| Failure::new(Code::Invocation, text);
        if servers < 2 {
            return Err(bad("an ensemble has at least 2 servers; `zabra server` runs one alone".to_owned()));
        }
        let count = servers.saturating_add(observers);
        if count > PORT_STEP {
            return Err(bad(format!("{count} servers are too many; there can be {PORT_STEP}")));
        }
        let ports = match wanted.port_base {
            Some(0) => any_free(count),
            Some(base) => from_base(base, count),
            None => from_base(USUAL_BASE, count).or_else(|_| any_free(count)),
        }?;
        let members = (1..).zip(ports);
        let members = members.map(|(id, ports)| member(&dir, id, id > i64::from(servers), ports)).collect();
        Ok(Self { dir, members })
    }

    /// Writes the files that are not there yet: all of them, or those that an interrupted start left out.
    fn write_missing(&self) -> Result<(), Failure> {
        for member in &self.members {
            let data = member.data_dir();
            fs::create_dir_all(&data).map_err(|error| unusable(&data, &error))?;
            let id = (data.join("myid"), format!("{}\n", member.id));
            // The configuration last: its being there says that an ensemble was made.
            for (path, text) in [id, (member.config_file(), self.config_of(member))] {
                if !path.exists() {
                    let new = path.with_extension("new");
                    fs::write(&new, text)
                        .and_then(|()| fs::rename(&new, &path))
                        .map_err(|error| unusable(&path, &error))?;
                }
            }
        }
        Ok(())
    }

    /// The `zoo.cfg` of a server. A genuine server can use it too.
    fn config_of(&self, member: &Member) -> String {
        let mut text = format!(
            "# Server {} of a local ensemble, made by `zabra ensemble up`.\n\
             tickTime=2000\ninitLimit=10\nsyncLimit=5\n\
             dataDir={}\nadmin.enableServer=false\n",
            member.id,
            escape(&member.data_dir().to_string_lossy())
        );
        for Member { id, observer, ports: Ports { clients, quorum, election }, .. } in &self.members {
            let (host, role) = (Ipv4Addr::LOCALHOST, if *observer { "observer" } else { "participant" });
            // Writing to a string cannot fail.
            let _ = writeln!(text, "server.{id}={host}:{quorum}:{election}:{role};{host}:{clients}");
        }
        text
    }
}

fn member(dir: &Path, id: i64, observer: bool, ports: Ports) -> Member {
    Member { id, home: dir.join(format!("{HOME_PREFIX}{id}")), observer, ports }
}

/// A value of a properties file, which is read as ISO-8859-1.
fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for unit in value.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'\\') => escaped.push_str("\\\\"),
            Ok(byte @ 0x20..=0x7e) => escaped.push(char::from(byte)),
            _ => {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

/// Ports counted from a base: those of clients, then, a hundred further each, those between the servers.
fn from_base(base: u16, count: u16) -> Result<Vec<Ports>, Failure> {
    let mut all = Vec::new();
    for at in 0..count {
        let port = |kind: u16| base.checked_add(kind * PORT_STEP + at);
        let (Some(clients), Some(quorum), Some(election)) = (port(0), port(1), port(2)) else {
            let text = format!("there are not enough ports after {base} (--port-base)");
            return Err(Failure::new(Code::Invocation, text));
        };
        for port in [clients, quorum, election] {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
                let text =
                    format!("port {port} cannot be used: {error}; --port-base 0 takes any that are free");
                Failure::new(Code::Unexpected, text)
            })?;
        }
        all.push(Ports { clients, quorum, election });
    }
    Ok(all)
}

/// Ports that are free now, below those that systems give to outgoing connections: a server that is started again finds its
/// own still free.
fn any_free(count: u16) -> Result<Vec<Ports>, Failure> {
    const PORTS: Range<u16> = 10_000..32_000;
    let tried = PORTS.cycle().skip(fastrand::usize(..PORTS.len())).take(PORTS.len());
    // All are held until the last is found, so that nobody else takes one.
    let held: Vec<_> = tried
        .filter_map(|port| Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?)))
        .take(usize::from(count) * 3)
        .collect();
    if held.len() < usize::from(count) * 3 {
        return Err(Failure::new(Code::Unexpected, format!("there are not enough free ports in {PORTS:?}")));
    }
    let triples = held.chunks_exact(3);
    Ok(triples.map(|held| Ports { clients: held[0].0, quorum: held[1].0, election: held[2].0 }).collect())
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::DataDirectory, format!("cannot use {}: {error}", path.display()))
}

/// The processes of an earlier run that still live, by server.
pub(super) fn running(layout: &Layout) -> BTreeMap<i64, u32> {
    let alive = layout.members.iter().filter_map(|member| {
        let pid = fs::read_to_string(member.pid_file()).ok()?.trim().parse().ok()?;
        // The number may be somebody else's by now.
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let config = member.config_file();
        let ours = command.split(|&byte| byte == 0).any(|word| word == config.as_os_str().as_encoded_bytes());
        ours.then_some((member.id, pid))
    });
    alive.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Wanted = Wanted { servers: Some(3), observers: Some(1), port_base: Some(0) };
    const ANY: Wanted = Wanted { servers: None, observers: None, port_base: None };

    fn text_of(result: Result<Layout, Failure>) -> String {
        result.unwrap_err().text().to_owned()
    }

    #[test]
    fn what_is_made_is_found_again() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("ensemble");
        let made = Layout::open_or_make(&dir, NEW).unwrap();
        assert_eq!(made.members.len(), 4);
        assert_eq!((made.voters(), made.observers()), (3, 1));
        assert!(made.members[3].observer);
        let ports: BTreeSet<_> = made
            .members
            .iter()
            .flat_map(|at| [at.ports.clients, at.ports.quorum, at.ports.election])
            .collect();
        assert_eq!(ports.len(), 12);
        assert_eq!(Layout::open(&dir).unwrap(), made);
        assert_eq!(Layout::open_or_make(&dir, ANY).unwrap(), made);
        assert_eq!(Layout::open_or_make(&dir, NEW).unwrap(), made);
        for member in &made.members {
            let loaded = Config::load(&member.config_file(), &Flags::default()).unwrap();
            let config = loaded.config;
            assert_eq!(config.listen.client.as_ref().map(ToString::to_string), Some(member.address()));
            assert_eq!(config.storage.data_dir, member.data_dir());
            let Mode::Ensemble(ensemble) = config.mode else { panic!("standalone") };
            assert_eq!(ensemble.id.get(), member.id);
            assert_eq!(ensemble.role == PeerRole::Observer, member.observer);
        }
    }

    #[test]
    fn an_interrupted_start_is_made_up_for() {
        let temp = tempfile::tempdir().unwrap();
        let made = Layout::open_or_make(temp.path(), NEW).unwrap();
        fs::remove_dir_all(&made.members[0].home).unwrap();
        fs::remove_file(made.members[2].config_file()).unwrap();
        assert_eq!(Layout::open_or_make(temp.path(), ANY).unwrap(), made);
        assert!(made.members.iter().all(|member| member.config_file().is_file()));
        // Not even one configuration was there: made anew.
        for member in &made.members {
            fs::remove_file(member.config_file()).unwrap();
        }
        assert!(Layout::open_or_make(temp.path(), NEW).is_ok());
    }

    #[test]
    fn nothing_else_is_touched() {
        let temp = tempfile::tempdir().unwrap();
        assert!(text_of(Layout::open(temp.path())).contains("holds no ensemble"));
        assert!(text_of(Layout::open(&temp.path().join("none"))).contains("holds no ensemble"));
        fs::write(temp.path().join("letter"), "").unwrap();
        let text = text_of(Layout::open_or_make(temp.path(), NEW));
        assert!(text.contains("holds letter and no ensemble"), "{text}");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);

        let dir = temp.path().join("ensemble");
        let made = Layout::open_or_make(&dir, NEW).unwrap();
        for other in [
            Wanted { servers: Some(5), ..ANY },
            Wanted { observers: Some(0), ..ANY },
            Wanted { port_base: Some(made.members[0].ports.clients.wrapping_add(1)), ..ANY },
        ] {
            let text = text_of(Layout::open_or_make(&dir, other));
            assert!(text.contains("holds an ensemble") && text.contains("--dir"), "{text}");
        }
        fs::write(made.members[0].config_file(), "dataDir=/x\nclientPort=1\n").unwrap();
        assert!(text_of(Layout::open(&dir)).contains("is not of an ensemble"));
    }

    #[test]
    fn impossible_wishes_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        for (wanted, expected) in [
            (Wanted { servers: Some(1), ..NEW }, "at least 2"),
            (Wanted { servers: Some(90), observers: Some(11), ..NEW }, "101 servers are too many"),
            (Wanted { port_base: Some(65_500), ..NEW }, "not enough ports after 65500"),
        ] {
            let text = text_of(Layout::open_or_make(&temp.path().join("e"), wanted));
            assert!(text.contains(expected), "{text}");
        }
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let text = text_of(Layout::open_or_make(
            &temp.path().join("e"),
            Wanted { port_base: Some(port.min(65_000)), ..NEW },
        ));
        assert!(text.contains("cannot be used") || port > 65_000, "{text}");
        assert!(!temp.path().join("e").exists());
    }

    #[test]
    fn a_path_of_any_letters_survives_the_file() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("Zähler \\ 雪");
        let made = Layout::open_or_make(&dir, NEW).unwrap();
        let config = Config::load(&made.members[1].config_file(), &Flags::default()).unwrap().config;
        assert_eq!(config.storage.data_dir, made.members[1].data_dir());
    }

    #[test]
    fn only_living_processes_of_ours_count() {
        let temp = tempfile::tempdir().unwrap();
        let made = Layout::open_or_make(temp.path(), NEW).unwrap();
        assert!(running(&made).is_empty());
        fs::write(made.members[0].pid_file(), format!("{}\n", std::process::id())).unwrap();
        fs::write(made.members[1].pid_file(), "nonsense").unwrap();
        assert!(running(&made).is_empty(), "this process is no server");
    }
}
