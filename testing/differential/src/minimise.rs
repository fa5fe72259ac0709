//! Making a failing plan short: steps are left out, in ever smaller pieces, while the servers still differ.

use crate::plan::Action;
use crate::run::Mismatch;
use crate::variant::Variant;
use crate::{Arena, Outcome};
use std::error::Error;
use std::io::Write;

/// How many shorter plans are tried at most; each one starts both servers.
const ATTEMPTS_MAX: usize = 150;

/// Shortens a plan that shows a difference and prints what is left.
pub(crate) fn minimise(
    arena: &Arena,
    variant: Variant,
    mut plan: Vec<Action>,
    mismatch: &Mismatch,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    plan.truncate(mismatch.step + 1);
    let mut found = None;
    let mut attempts = 0;
    let mut piece = plan.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < plan.len() && attempts < ATTEMPTS_MAX {
            let end = (at + piece).min(plan.len());
            let shorter = [&plan[..at], &plan[end..]].concat();
            attempts += 1;
            match arena.run(variant, &shorter)? {
                // Another difference than the one looked for does not count.
                Outcome::Differ { mut differences, .. } if differences[0].doing == mismatch.doing => {
                    let mismatch = differences.swap_remove(0);
                    plan = shorter;
                    plan.truncate(mismatch.step + 1);
                    found = Some(mismatch);
                }
                Outcome::Differ { .. } | Outcome::Same { .. } => at = end,
            }
        }
        if piece == 1 || attempts >= ATTEMPTS_MAX {
            break;
        }
        piece = piece.div_ceil(2);
    }
    writeln!(out, "  shortest plan found, {} steps after {attempts} attempts:", plan.len())?;
    for (step, action) in plan.iter().enumerate() {
        writeln!(out, "    {step}: {action:?}")?;
    }
    if let Some(mismatch) = found {
        writeln!(out, "  {mismatch}")?;
    }
    Ok(())
}
