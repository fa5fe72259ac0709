//! From a file, the command line or nothing to a [`Config`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zabra_types::ServerId;

use super::clashes;
use super::draft::Draft;
use super::flags::Flags;
use super::membership::{MemberLines, Rules};
use super::properties::{MalformedEscape, Properties};
use super::read::Settings;
use super::report::{ConfigError, Notice, NoticeKind, Place, Report, Subject};
use super::settings::{Config, Ensemble, Membership, Mode, PeerRole, Source, Storage};

/// A configuration, and what there is to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// For the operator's eyes; nothing in it stops the server.
    pub notices: Vec<Notice>,
}

impl Config {
    /// From the arguments of `zabra server`: none is the embedded default, one is the name of a file, two to four
    /// are `port dataDir [tickTime] [maxClientCnxns]`.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_command_line(arguments: &[String], flags: &Flags) -> Result<Loaded, ConfigError> {
        match arguments {
            [] => Self::embedded(flags),
            [path] => Self::load(Path::new(path), flags),
            arguments => Self::from_arguments(arguments, flags),
        }
    }

    /// The embedded default, changed by flags only.
    ///
    /// # Errors
    /// Flags that are wrong.
    pub fn embedded(flags: &Flags) -> Result<Loaded, ConfigError> {
        let mut draft = Draft::new(Self::default(), Place::CommandLine);
        let mut settings = Settings::default();
        settings.add_flags(flags, &mut draft.report);
        settings.apply(&mut draft);
        draft.finish();
        draft.into_loaded(Mode::Standalone)
    }

    /// `port dataDir [tickTime] [maxClientCnxns]`, a standalone server.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_arguments(arguments: &[String], flags: &Flags) -> Result<Loaded, ConfigError> {
        const NAMES: [&str; 4] = ["clientPort", "dataDir", "tickTime", "maxClientCnxns"];
        let mut base = Self::unset();
        base.source = Source::Arguments;
        // Unlike a file, this form limits nobody unless told to.
        base.listen.connections_per_host_max = None;
        let mut draft = Draft::new(base, Place::CommandLine);
        if !(2..=NAMES.len()).contains(&arguments.len()) {
            let text = "expected a configuration file, or port dataDir [tickTime] [maxClientCnxns]";
            draft.report.problem(Subject::whole(Place::CommandLine), text);
            return draft.into_loaded(Mode::Standalone);
        }
        let mut settings = Settings::default();
        settings.add_flags(flags, &mut draft.report);
        for (name, value) in NAMES.iter().zip(arguments) {
            settings.add_argument(name, value, &mut draft.report);
        }
        settings.apply(&mut draft);
        draft.finish();
        draft.into_loaded(Mode::Standalone)
    }

    /// From a file in the format of `zoo.cfg`, the dynamic file it may name, and `myid` in its data directory.
    ///
    /// # Errors
    /// An unreadable file, or everything that is wrong, at once.
    pub fn load(path: &Path, flags: &Flags) -> Result<Loaded, ConfigError> {
        let bytes =
            fs::read(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::from_bytes(path, &bytes, flags)
    }

    /// The same with the contents of the main file at hand; `path` is its name for messages and relatives.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn from_bytes(path: &Path, bytes: &[u8], flags: &Flags) -> Result<Loaded, ConfigError> {
        let home = Place::file(path);
        let mut base = Self::unset();
        base.source =
            Source::File { path: path.to_owned(), text: String::from_utf8_lossy(bytes).into_owned() };
        let mut draft = Draft::new(base, home.clone());
        let mut settings = Settings::default();
        settings.add_flags(flags, &mut draft.report);
        if let Some(properties) = read_properties(bytes, &home, &mut draft.report) {
            refuse_mixed_members(&properties, &home, &mut draft.report);
            settings.add_file(&properties, &home, &mut draft.report);
        } else {
            return draft.into_loaded(Mode::Standalone);
        }
        settings.apply(&mut draft);
        draft.finish();
        let mode = draft.finish_mode(path);
        draft.into_loaded(mode)
    }
}

fn read_properties(bytes: &[u8], home: &Place, report: &mut Report) -> Option<Properties> {
    if !bytes.is_ascii() && std::str::from_utf8(bytes).is_ok() {
        let text = "the file is read as ISO-8859-1, as ZooKeeper does, but looks like UTF-8; write \\uXXXX for other letters";
        report.notice(NoticeKind::Encoding, Subject::whole(home.clone()), text);
    }
    match Properties::parse(bytes) {
        Ok(properties) => Some(properties),
        Err(malformed) => {
            for MalformedEscape { line } in malformed {
                let text = "\\u must be followed by four hexadecimal digits; write \\\\ for a backslash";
                report.problem(Subject::whole(home.line(line)), text);
            }
            None
        }
    }
}

/// The lines that belong into a dynamic file.
fn is_member_line(key: &str) -> bool {
    ["server.", "group.", "weight."].iter().any(|prefix| key.starts_with(prefix))
}

fn refuse_mixed_members(properties: &Properties, home: &Place, report: &mut Report) {
    if properties.get("dynamicConfigFile").is_none() {
        return;
    }
    for (entry, _) in properties.effective() {
        if is_member_line(&entry.key) {
            let subject = Subject {
                place: home.line(entry.line),
                key: entry.key.clone(),
                value: Some(entry.value.clone()),
            };
            report.problem(subject, "belongs into the file that dynamicConfigFile names, not here");
        }
    }
}

impl Draft {
    fn into_loaded(mut self, mode: Mode) -> Result<Loaded, ConfigError> {
        self.report.sort();
        let Report { notices, problems } = self.report;
        if problems.is_empty() {
            Ok(Loaded { config: Config { mode, ..self.config }, notices })
        } else {
            Err(ConfigError::Wrong(problems))
        }
    }

    /// Who the members are, and whether that makes an ensemble. Mirrors `setupQuorumPeerConfig`.
    fn finish_mode(&mut self, config_path: &Path) -> Mode {
        let rules = Rules {
            standalone_enabled: self.config.quorum.standalone_enabled,
            multi_address: self.config.quorum.multi_address.enabled,
            oracle: self.config.quorum.oracle.is_some(),
        };
        let dynamic_file = self.dynamic_file.take();
        let (membership, next_membership) = match &dynamic_file {
            None => {
                let lines = std::mem::take(&mut self.members);
                let mut report = std::mem::take(&mut self.report);
                let membership = lines.finish(&rules, &mut report, |key| self.subject(key));
                self.report = report;
                (membership, None)
            }
            Some(path) => {
                let next = next_file(config_path);
                (
                    self.read_members(path, &rules, true),
                    next.is_file().then(|| self.read_members(&next, &rules, false)),
                )
            }
        };
        let id = self.read_id();
        if let Some(server) = id.and_then(|id| membership.servers.get(&id)) {
            let client = server.client.clone();
            self.finish_client(server.id, client);
        }
        let participants = membership.with_role(PeerRole::Participant).count();
        if participants == 0 || (participants == 1 && rules.standalone_enabled) {
            return Mode::Standalone;
        }
        self.finish_ensemble(id, membership, next_membership, dynamic_file)
    }

    /// Reads a dynamic file. Only the current one, not the next, has the version in its name.
    fn read_members(&mut self, path: &Path, rules: &Rules, current: bool) -> Membership {
        let home = Place::file(path);
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let subject = self.subject("dynamicConfigFile");
                self.report.problem(subject, format!("{} cannot be read: {error}", path.display()));
                return Membership::default();
            }
        };
        // The lines are read like those of a main file, with a draft of their own.
        let mut lines = Self::new(Config::unset(), home.clone());
        let mut report = Report::default();
        let mut settings = Settings::default();
        if let Some(properties) = read_properties(&bytes, &home, &mut report) {
            for (entry, _) in properties.effective() {
                let text = match entry.key.as_str() {
                    "version" if current => "the version is the end of the file's name, not a line of it",
                    key if is_member_line(key) || key == "version" => continue,
                    _ => "only server.N, group.N and weight.N may stand in a dynamic configuration file",
                };
                let subject = Subject {
                    place: home.line(entry.line),
                    key: entry.key.clone(),
                    value: Some(entry.value.clone()),
                };
                report.problem(subject, text);
            }
            if report.problems.is_empty() {
                settings.add_file(&properties, &home, &mut report);
            }
        }
        settings.apply(&mut lines);
        let mut members: MemberLines = std::mem::take(&mut lines.members);
        if current {
            members.version = version_of(path);
        }
        let membership = members.finish(rules, &mut report, |key| lines.subject(key));
        for found in [report, lines.report] {
            self.report.notices.extend(found.notices);
            self.report.problems.extend(found.problems);
        }
        membership
    }

    /// `myid` in the data directory, if it is there. Mirrors `setupMyId`.
    fn read_id(&mut self) -> Option<ServerId> {
        let path = self.config.storage.data_dir.join(ID_FILE);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            // A directory of that name, or one above it that is not, is no `myid` either.
            Err(_) if !path.is_file() => return None,
            Err(error) => {
                self.report.problem(Subject::whole(Place::file(&path)), format!("cannot be read: {error}"));
                return None;
            }
        };
        let line = text.lines().next().unwrap_or_default().trim();
        let id = line.parse().ok().map(ServerId::new);
        if id.is_none() {
            let text = format!("expected the number of this server, as in its server.N line, found {line:?}");
            self.report.problem(Subject::whole(Place::file(&path)), text);
        }
        id
    }

    /// The client address of this server's own line counts, and must not contradict `clientPort`. Mirrors
    /// `setupClientPort`, except that no names are looked up.
    fn finish_client(&mut self, id: ServerId, client: Option<super::Endpoint>) {
        let Some(client) = client else { return };
        if let Some(own) = &self.config.listen.client {
            let same_host = match (&own.host, &client.host) {
                (a, _) if a.is_any() => true,
                (super::Host::Ip(a), super::Host::Ip(b)) => a == b,
                _ => true,
            };
            if own.port != client.port || !same_host {
                let text = format!("server.{id} says that clients come to {client}");
                let subject = self.subject("clientPort");
                self.report.problem(subject, text);
            }
        }
        self.config.listen.client = Some(client);
    }

    /// What a member of an ensemble needs. Mirrors `setupPeerType` and `checkValidity`.
    fn finish_ensemble(
        &mut self,
        id: Option<ServerId>,
        membership: Membership,
        next_membership: Option<Membership>,
        dynamic_file: Option<PathBuf>,
    ) -> Mode {
        for (key, limit, what) in [
            ("initLimit", self.init_limit_ticks, "how long a learner may take to connect and synchronize"),
            ("syncLimit", self.sync_limit_ticks, "how far a learner may fall behind"),
        ] {
            if limit.unwrap_or(0) == 0 {
                let subject = self.subject(key);
                self.report.problem(subject, format!("is missing: {what}, in ticks"));
            }
        }
        if let Some(id) = id {
            let mut report = std::mem::take(&mut self.report);
            let client = self.config.listen.client.as_ref();
            clashes::check_own(id, &membership, client, &mut report, &|key| self.subject(key));
            self.report = report;
        }
        let path = self.config.storage.data_dir.join(ID_FILE);
        let own = id.and_then(|id| membership.servers.get(&id));
        let role = own.map_or(PeerRole::Participant, |server| server.role);
        match (id, own) {
            (None, _)
                if self.report.problems.iter().any(|problem| problem.subject.place == Place::file(&path)) => {
            }
            (None, _) => {
                let text = missing_id(&self.config.storage, &membership);
                self.report.problem(Subject::whole(Place::file(&path)), text);
            }
            (Some(id), None) => {
                let text = format!(
                    "it says {id}, but there is no server.{id}; write the N of this server's own server.N line into \
                     it: {}",
                    numbers(&membership)
                );
                self.report.problem(Subject::whole(Place::file(&path)), text);
            }
            (Some(id), Some(_)) => {
                if self.config.tree.extended_types && id.get() > SERVER_ID_MAX_WITH_TTL {
                    let text = format!(
                        "with TTL nodes a server's number is at most {SERVER_ID_MAX_WITH_TTL}, not {id}"
                    );
                    let subject = self.subject("extendedTypesEnabled");
                    self.report.problem(subject, text);
                }
                if let Some(said) = self.peer_role.filter(|said| *said != role) {
                    let subject = self.subject("peerType");
                    let text = format!("the server's own line says {role}, not {said}, and that counts");
                    self.report.notice(NoticeKind::Adjusted, subject, text);
                }
            }
        }
        Mode::Ensemble(Box::new(Ensemble {
            id: id.unwrap_or_default(),
            role,
            init_limit_ticks: self.init_limit_ticks.unwrap_or(0),
            sync_limit_ticks: self.sync_limit_ticks.unwrap_or(0),
            connect_limit_ticks: self.connect_limit_ticks,
            membership,
            next_membership,
            dynamic_file,
        }))
    }
}

/// The file with the number of a server, in the data directory.
const ID_FILE: &str = "myid";

/// What to do about a missing `myid`.
fn missing_id(storage: &Storage, membership: &Membership) -> String {
    let elsewhere = [storage.data_dir.join(zabra_storage::VERSION_DIR), storage.data_log_dir.clone()];
    match elsewhere.into_iter().map(|dir| dir.join(ID_FILE)).find(|path| path.is_file()) {
        Some(found) => format!("is missing; move {} here: it belongs into dataDir itself", found.display()),
        None => format!(
            "is missing; write the N of this server's own server.N line into it, and nothing else: {}",
            numbers(membership)
        ),
    }
}

/// The numbers that a server can have, with where each is.
fn numbers(membership: &Membership) -> String {
    let shown = membership.servers.values().map(|server| {
        let hosts: Vec<_> = server.addresses.iter().map(|address| address.host.to_string()).collect();
        format!("{} on {}", server.id, hosts.join(" and "))
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Owners of ephemeral nodes begin with the server's number, owners of TTL nodes with 255. Mirrors
/// `EphemeralType.validateServerId`.
const SERVER_ID_MAX_WITH_TTL: i64 = 254;

/// Where a change of membership that was under way is kept.
fn next_file(config_path: &Path) -> PathBuf {
    let mut name = config_path.as_os_str().to_owned();
    name.push(".dynamic.next");
    PathBuf::from(name)
}

/// The version at the end of a dynamic file's name, in hexadecimal; 0 without one.
fn version_of(path: &Path) -> i64 {
    let name = path.to_string_lossy();
    name.rsplit_once('.').and_then(|(_, version)| i64::from_str_radix(version, 16).ok()).unwrap_or(0)
}
