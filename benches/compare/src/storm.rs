//! All clients at once: when they come, when they come back after a restart of the server, while they only ping, and when
//! all hear of one change.

use crate::contender::{Contender, Source};
use serde_json::json;
use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zabra_load::requests::{self, create, set};
use zabra_load::{
    Class, Engine, Process, Queue, Storm, Until, Workload, first_back, micros, put_request,
    require_connections, storm,
};
use zabra_proto::Request;
use zabra_testkit::ServerProcess;
use zabra_types::SessionId;

/// The node that every session watches.
const COMMON: &str = "/bench-common";
/// Watches are set by so many sessions at once: fewer than the thousand outstanding requests above which the genuine server
/// stops reading.
const WAVE: usize = 500;
/// Clients ping three times in a timeout.
const PINGS_PER_TIMEOUT: u32 = 3;
/// Pings come evenly: those that are due are sent this often.
const PING_STEP: Duration = Duration::from_millis(1);

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// genuine, zabra, or host:port.
    #[arg(long, default_value = "zabra")]
    server: String,
    /// Sessions.
    #[arg(long, default_value_t = 5000)]
    sessions: usize,
    /// Seconds of watching sessions that are idle, and again while they ping; 0 leaves it out.
    #[arg(long, default_value_t = 0)]
    idle: u64,
    /// The session timeout in milliseconds, of which pings follow.
    #[arg(long, default_value_t = 30_000)]
    timeout_ms: i32,
    /// Where a server that is started keeps its data.
    #[arg(long)]
    data_root: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// All of it.
#[derive(Debug)]
struct Found {
    connecting: Came,
    bytes_per_session: f64,
    fan_out: FanOut,
    /// Of one processor: idle, and pinging.
    idle: Option<(f64, f64)>,
    restart: Option<Restart>,
}

/// Clients that came at once.
#[derive(Debug)]
pub(crate) struct Came {
    /// Until the last had its session.
    pub(crate) elapsed: Duration,
    /// The server's.
    pub(crate) cpu_per_session: Duration,
    /// How often a client was sent away.
    pub(crate) sent_away: u64,
    /// How many were not answered by then and are left out; their time would be longer.
    pub(crate) given_up: usize,
}

/// One change that all hear of.
#[derive(Debug)]
pub(crate) struct FanOut {
    /// From the request to the last event.
    pub(crate) elapsed: Duration,
    /// The server's.
    pub(crate) cpu_per_event: Duration,
}

/// Clients that come back after a kill -9 of the server.
#[derive(Debug)]
pub(crate) struct Restart {
    /// From the start of the process to the first renewed session.
    pub(crate) first: Duration,
    /// From there to the last, who all came then.
    pub(crate) rest: Came,
}

/// Runs it and prints what was measured.
pub(crate) fn run(args: &Args, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    require_connections(args.sessions)?;
    let mut contender = Source::parse(&args.server)?.start(args.data_root.as_deref())?;
    let process = contender.process().ok_or("the server's process is not known")?;
    let before = process.resident()?;
    let (connecting, held) =
        come(contender.addr, process, &vec![SessionId::NONE; args.sessions], args.timeout_ms)?;
    let bytes_per_session = (process.resident()? as f64 - before as f64) / args.sessions.max(1) as f64;
    let sessions = held.sessions;
    // Who was given up does not count any more.
    let args = &Args { sessions: sessions.len(), ..args.clone() };
    let mut engine = Engine::over(held.streams, 1)?;
    let idle = match args.idle {
        0 => None,
        seconds => Some(idle(&mut engine, process, Duration::from_secs(seconds), args)?),
    };
    let fan_out = fan_out(&contender, process, &mut engine, args.sessions)?;
    drop(engine);
    let restart = match &mut contender.server {
        Some(server) => Some(restart(server, &sessions, args.timeout_ms)?),
        None => None,
    };
    let found = Found { connecting, bytes_per_session, fan_out, idle, restart };
    tell(&contender.name, args, &found, out)?;
    Ok(())
}

/// Lets all clients come at once.
pub(crate) fn come(
    addr: SocketAddr,
    process: Process,
    sessions: &[SessionId],
    timeout_ms: i32,
) -> io::Result<(Came, Storm)> {
    let cpu = process.cpu()?;
    let storm = storm(addr, sessions, timeout_ms)?;
    let cpu = process.cpu()?.saturating_sub(cpu);
    let came = Came {
        elapsed: storm.elapsed,
        cpu_per_session: cpu / u32::try_from(sessions.len().max(1)).map_err(io::Error::other)?,
        sent_away: storm.sent_away,
        given_up: storm.given_up,
    };
    Ok((came, storm))
}

/// Kills the server, starts it again, and lets the clients of these sessions come back: the first as soon as it can,
/// the others then, all at once.
///
/// # Errors
/// The server does not start, or a session is lost.
pub(crate) fn restart(
    server: &mut ServerProcess,
    sessions: &[SessionId],
    timeout_ms: i32,
) -> Result<Restart, Box<dyn Error>> {
    let addr = server.addr();
    let (&scout, others) = sessions.split_first().ok_or("there are no sessions")?;
    server.kill()?;
    server.spawn()?;
    let begun = Instant::now();
    let _scout = first_back(addr, scout, timeout_ms)?;
    let first = begun.elapsed();
    let process = Process::new(server.pid().ok_or("the server does not run")?);
    let (rest, _) = come(addr, process, others, timeout_ms)?;
    Ok(Restart { first, rest })
}

/// Lets all sessions watch one node, and changes it.
pub(crate) fn fan_out(
    contender: &Contender,
    process: Process,
    held: &mut Engine,
    sessions: usize,
) -> io::Result<FanOut> {
    let mut writer = Engine::connect(contender.addr, 1, 1)?;
    let mut write =
        |request| writer.run(&mut Queue { requests: std::iter::once(request) }, Until::Done, || ());
    write(create(COMMON, b"old", 0))?;
    for from in (0..sessions).step_by(WAVE) {
        let wave = from..sessions.min(from + WAVE);
        held.run(&mut Once::of(sessions, wave, requests::get(COMMON, true)), Until::Done, || ())?;
    }
    let cpu = process.cpu()?;
    let begun = Instant::now();
    write(set(COMMON, b"new"))?;
    held.wait_events(sessions as u64, Duration::from_secs(60))?;
    let elapsed = begun.elapsed();
    let cpu = process.cpu()?.saturating_sub(cpu);
    Ok(FanOut { elapsed, cpu_per_event: cpu / u32::try_from(sessions.max(1)).map_err(io::Error::other)? })
}

/// The share of one processor the server uses while all are silent, and while all ping as clients do.
fn idle(
    held: &mut Engine,
    process: Process,
    span: Duration,
    args: &Args,
) -> Result<(f64, f64), Box<dyn Error>> {
    let share = |cpu: Duration, of: Duration| cpu.as_secs_f64() / of.as_secs_f64();
    let (cpu, begun) = (process.cpu()?, Instant::now());
    std::thread::sleep(span);
    let silent = share(process.cpu()?.saturating_sub(cpu), begun.elapsed());
    let every = Duration::from_millis(u64::try_from(args.timeout_ms)?) / PINGS_PER_TIMEOUT;
    let (cpu, begun) = (process.cpu()?, Instant::now());
    ping(held, args.sessions, every, span)?;
    Ok((silent, share(process.cpu()?.saturating_sub(cpu), begun.elapsed())))
}

/// Lets each session ping once in `every`, evenly, for this long.
pub(crate) fn ping(held: &mut Engine, sessions: usize, every: Duration, span: Duration) -> io::Result<()> {
    let begun = Instant::now();
    let mut pinged = 0;
    while begun.elapsed() < span {
        std::thread::sleep(PING_STEP);
        let due = (begun.elapsed().as_secs_f64() / every.as_secs_f64() * sessions as f64) as usize;
        held.run(&mut Once::of(sessions, pinged..due, Request::Ping), Until::Done, || ())?;
        pinged = due;
    }
    Ok(())
}

fn tell(name: &str, args: &Args, found: &Found, out: &mut impl Write) -> io::Result<()> {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let Found { connecting, bytes_per_session, fan_out, idle, restart } = found;
    if args.json {
        let all = json!({
            "server": name,
            "sessions": args.sessions,
            "connect_ms": ms(connecting.elapsed),
            "cpu_us_per_session": micros(connecting.cpu_per_session),
            "sent_away": connecting.sent_away,
            "given_up": connecting.given_up,
            "bytes_per_session": bytes_per_session.round(),
            "fan_out_ms": ms(fan_out.elapsed),
            "cpu_us_per_event": micros(fan_out.cpu_per_event),
            "idle_share": idle.map(|(silent, _)| silent),
            "pinging_share": idle.map(|(_, pinging)| pinging),
            "restart_first_ms": restart.as_ref().map(|restart| ms(restart.first)),
            "restart_rest_ms": restart.as_ref().map(|restart| ms(restart.rest.elapsed)),
            "restart_cpu_us_per_session": restart.as_ref().map(|restart| micros(restart.rest.cpu_per_session)),
            "restart_sent_away": restart.as_ref().map(|restart| restart.rest.sent_away),
            "restart_given_up": restart.as_ref().map(|restart| restart.rest.given_up),
        });
        return writeln!(out, "{all:#}");
    }
    writeln!(out, "{name}: {} sessions at once", args.sessions)?;
    writeln!(
        out,
        "  connecting   {:.0} ms, {:.1} us CPU and {bytes_per_session:.0} B a session, {} sent away, {} given up",
        ms(connecting.elapsed),
        micros(connecting.cpu_per_session),
        connecting.sent_away,
        connecting.given_up
    )?;
    if let Some((silent, pinging)) = idle {
        writeln!(
            out,
            "  idle         {:.2} % of a processor, pinging {:.2} %",
            silent * 100.0,
            pinging * 100.0
        )?;
    }
    writeln!(
        out,
        "  one set      seen by all in {:.1} ms, {:.1} us CPU an event",
        ms(fan_out.elapsed),
        micros(fan_out.cpu_per_event)
    )?;
    if let Some(Restart { first, rest }) = restart {
        writeln!(
            out,
            "  restart      first back after {:.0} ms, the last {:.0} ms later, {:.1} us CPU a session, {} sent away, {} given up",
            ms(*first),
            ms(rest.elapsed),
            micros(rest.cpu_per_session),
            rest.sent_away,
            rest.given_up
        )?;
    }
    Ok(())
}

/// One request from each of some sessions.
struct Once {
    request: Request<'static>,
    due: Vec<bool>,
}

impl Once {
    /// Of all these sessions, from those whose turn it is, in a circle.
    fn of(sessions: usize, turns: std::ops::Range<usize>, request: Request<'static>) -> Self {
        let mut due = vec![false; sessions];
        turns.for_each(|turn| due[turn % sessions] = true);
        Self { request, due }
    }
}

impl Workload for Once {
    fn next(&mut self, connection: usize, xid: i32, out: &mut Vec<u8>) -> Option<Class> {
        if !std::mem::take(&mut self.due[connection]) {
            return None;
        }
        put_request(out, xid, &self.request);
        Some(Class::Read)
    }
}
