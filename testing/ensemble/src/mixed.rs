//! Ensembles of which some servers are ours and some genuine.

mod checks;
mod phases;
mod stage;

use std::io::{self, Write};
use std::time::Instant;

use crate::kind::{Kind, Programs};
use crate::{Failure, chain};
use phases::{Course, OTHERS, WHOLE};
use stage::{Cast, Stage};

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this ensemble, such as `z-gz-g`: the leader, the followers, the observer.
    #[arg(long)]
    only: Option<String>,
    /// Only this course: whole, weights or local.
    #[arg(long)]
    course: Option<String>,
    /// Only as many ensembles as show each kind as each role with each kind of leader.
    #[arg(long)]
    quick: bool,
    /// Genuine servers only: is the test itself sound?
    #[arg(long)]
    rehearse: bool,
}

/// Every ensemble with at least one server of each kind, and that of ours alone.
fn casts() -> impl Iterator<Item = Cast> {
    let kind = |bits: u8, bit: u8| if bits & (1 << bit) == 0 { Kind::Zabra } else { Kind::Genuine };
    (0..15).map(move |bits| Cast([kind(bits, 1), kind(bits, 2), kind(bits, 0), kind(bits, 3)]))
}

/// In these every kind of leader, first and after the first has died, has every kind of follower and of observer.
const QUICK: [&str; 3] = ["z-zg-g", "g-zz-z", "g-gz-g"];

/// Runs all courses with the ensembles that are to go through them; whether all of them passed.
pub(crate) fn run(args: &Args) -> Result<bool, Failure> {
    let programs = Programs::find(args.rehearse)?;
    let mut out = io::stdout();
    let (mut passed, mut failed) = (0, 0);
    for course in [WHOLE].iter().chain(&OTHERS) {
        if args.course.as_ref().is_some_and(|only| only != course.name) {
            continue;
        }
        let mixtures = casts().filter(|cast| !args.rehearse && args.wants(course, *cast));
        for cast in mixtures.chain(args.rehearse.then_some(Cast([Kind::Genuine; 4]))) {
            writeln!(out, "== {} {cast}", course.name)?;
            match play(&programs, cast, course, &mut out)? {
                Ok(()) => passed += 1,
                Err(Told) => failed += 1,
            }
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(failed == 0 && passed > 0)
}

impl Args {
    fn wants(&self, course: &Course, cast: Cast) -> bool {
        let name = cast.to_string();
        match &self.only {
            Some(only) => *only == name,
            None if self.quick || course.name != WHOLE.name => QUICK.contains(&name.as_str()),
            None => true,
        }
    }
}

/// A failure of the ensemble has been told.
struct Told;

fn play(
    programs: &Programs,
    cast: Cast,
    course: &Course,
    out: &mut impl Write,
) -> io::Result<Result<(), Told>> {
    let begun = Instant::now();
    let mut stage = match Stage::start(programs, cast, course) {
        Ok(stage) => stage,
        Err(error) => {
            writeln!(out, "FAILED to start: {}", chain(&*error))?;
            return Ok(Err(Told));
        }
    };
    writeln!(out, "   started, {:.1?}", begun.elapsed())?;
    for (name, phase) in course.phases {
        let begun = Instant::now();
        if let Err(error) = phase(&mut stage).and_then(|()| stage.expect_agreement()) {
            writeln!(out, "FAILED {name}: {}", chain(&*error))?;
            for home in stage.keep() {
                writeln!(out, "       {}", home.display())?;
            }
            return Ok(Err(Told));
        }
        writeln!(out, "   {name}, {:.1?}", begun.elapsed())?;
    }
    Ok(Ok(()))
}
