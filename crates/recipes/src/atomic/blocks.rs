//! Numbers in blocks.

use std::ops::Range;

use tokio::sync::Mutex;

use super::number::AtomicLong;
use crate::{Error, Result};

/// Unique numbers, handed out locally from blocks that are taken from a shared number. Curator's `CachedAtomicLong`.
///
/// Every number is handed out once among all processes, never in order among them. What is left of a block when the
/// process ends, or when it is unknown whether a block was taken, is never handed out.
#[derive(Debug)]
pub struct NumberBlocks {
    number: AtomicLong,
    block: i64,
    left: Mutex<Range<i64>>,
}

impl NumberBlocks {
    /// Takes blocks of this many from this number.
    ///
    /// # Errors
    /// [`Error::BadArgument`] for blocks of less than one.
    pub fn new(number: AtomicLong, block: i64) -> Result<Self> {
        if block < 1 {
            return Err(Error::BadArgument("a block has at least one number"));
        }
        Ok(Self { number, block, left: Mutex::new(0..0) })
    }

    /// The next number; `None` when others were quicker in every try to take a block.
    ///
    /// # Errors
    /// As [`AtomicNumber::add`](super::AtomicNumber::add).
    pub async fn next(&self) -> Result<Option<i64>> {
        let mut left = self.left.lock().await;
        if let Some(number) = left.next() {
            return Ok(Some(number));
        }
        let taken = self.number.add(self.block).await?;
        if let (true, Some(first)) = (taken.succeeded, taken.before) {
            *left = first..first.saturating_add(self.block);
        }
        Ok(left.next())
    }
}
