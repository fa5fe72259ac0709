//! Numbers and bytes that many processes change at once.
//!
//! A change is first tried optimistically: read, compute, set on the condition that the version is unchanged. If others keep
//! being quicker, it can be promoted to a lock, for which all who promote queue up.
//!
//! ```
//! use zabra_client::Client;
//! use zabra_recipes::atomic::AtomicLong;
//!
//! # async fn work(client: Client) -> zabra_recipes::Result<()> {
//! let visits = AtomicLong::new(&client, "/site/visits");
//! let change = visits.increment().await?;
//! assert!(change.succeeded);
//! assert_eq!((change.before, change.after), (Some(0), Some(1)));
//! # Ok(())
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let server = zabra_embedded::Server::start().await?;
//! #     Ok(work(Client::connect(&server.connect_string()).await?).await?)
//! # }
//! ```
//!
//! - **Guarantee.** A change that is reported as succeeded was made exactly once, to the value that is reported; one that is
//!   reported as failed was not made.
//! - **Connection loss.** A lost reply leaves open whether the change was made. What the node holds often tells; where it
//!   does not, the call fails with an error of [unknown](zabra_client::Outcome::Unknown) outcome, and is *not* repeated:
//!   unlike with Curator's default of retrying, nothing is ever counted twice. With a [receipt](crate::Receipt) it is always
//!   found out, and the call goes on.
//! - **Session expiry.** As connection loss: the node is persistent. A promoting lock that was lost protects nobody from
//!   anything: the condition on the version does.

mod blocks;
mod format;
mod number;
mod tries;
mod value;

pub use blocks::NumberBlocks;
pub use format::{DecimalFloat, DecimalInt, Format, Int32, Int64};
pub use number::{AtomicInteger, AtomicLong, AtomicNumber};
pub use tries::{Promotion, Tries};
pub use value::{AtomicValue, Change, Stats};
