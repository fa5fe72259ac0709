//! Who is there: groups whose members are ephemeral nodes.
//!
//! Two layouts: [`GroupMember`] and [`Members`] share groups with Curator (a child named by the member's id, its data a
//! payload), [`Party`] with kazoo (a child named by a random UUID, its data or the rest of its name an identifier).
//!
//! ```no_run
//! # async fn example(client: &zabra_client::Client) -> zabra_recipes::Result<()> {
//! use zabra_recipes::membership::GroupMember;
//!
//! let member = GroupMember::join(client, "/members", "worker-7", "10.0.0.7:9000").await?;
//! for (id, payload) in member.members().current() {
//!     println!("{id}: {}", String::from_utf8_lossy(&payload));
//! }
//! member.leave().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! A member is in the group while its session lives, and back as soon as its client has another session. What one knows
//! of the others is a [cache](crate::cache): eventually right, and never proof that somebody is dead. A process that was
//! paused may go on for a while after the others saw it leave; where that matters, hold a lock with a fencing token.
//!
//! # Connection loss
//!
//! The members stay as they were last known; this one stays in the group until the server expires its session.
//!
//! # Session expiry
//!
//! The others see this member leave and come back when its client has renewed its session.

mod group;
mod party;

pub use group::{GroupMember, Members};
pub use party::{Party, PartyMember, PartyStyle};
