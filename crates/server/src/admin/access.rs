//! Who may run the commands that move the whole database, and how often.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode, header};
use zabra_node::acl;
use zabra_types::{Identity, Perms};

use crate::core::Core;
use crate::http::Peer;

/// Lets one request through per interval; the first at once.
#[derive(Debug)]
pub(super) struct RateLimit {
    interval: Duration,
    last: Option<Instant>,
}

impl RateLimit {
    /// Nothing has come yet.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: None }
    }

    /// Whether a request may go through now; it counts if so.
    pub(super) fn allow(&mut self, now: Instant) -> bool {
        let allowed = self.last.is_none_or(|last| now.duration_since(last) >= self.interval);
        if allowed {
            self.last = Some(now);
        }
        allowed
    }
}

/// The permissions that are looked for one by one on the root.
const WANTED: [Perms; 5] = [Perms::READ, Perms::WRITE, Perms::CREATE, Perms::DELETE, Perms::ADMIN];

/// Whether a request has proved to come from somebody who holds every permission on the root.
///
/// # Errors
/// The status and the text of the refusal.
pub(super) fn authorize(
    core: &Core,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<(), (StatusCode, &'static str)> {
    let proof = headers
        .get(header::AUTHORIZATION)
        .ok_or((StatusCode::UNAUTHORIZED, "Auth info is missing for the command"))?;
    let identities = proof
        .to_str()
        .ok()
        .and_then(|proof| authenticate(core, proof, client(core, headers, peer)?))
        .ok_or((StatusCode::UNAUTHORIZED, "Not authenticated"))?;
    let tree = core.tree.read();
    let root = tree.get("/").ok_or((StatusCode::INTERNAL_SERVER_ERROR, "Error occurred during auth"))?;
    let allowed = WANTED.into_iter().all(|permission| {
        acl::check(root.acl(), permission, &identities, &core.schemes, core.options.skip_acl)
    });
    if allowed { Ok(()) } else { Err((StatusCode::FORBIDDEN, "Not authorized")) }
}

/// Who the header `<scheme> <proof>` proves to ask; nobody when it proves nothing.
fn authenticate(core: &Core, header: &str, client: IpAddr) -> Option<Vec<Identity>> {
    let mut words = header.trim_end_matches(' ').split(' ');
    let (scheme, proof) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let mut identities = Vec::new();
    core.schemes.authenticate(scheme, proof.map(str::as_bytes), client, &mut identities).ok()?;
    (!identities.is_empty()).then_some(identities)
}

/// Where the request comes from; behind a proxy, if the configuration says so, what the proxy tells. Nothing when
/// that is no address.
fn client(core: &Core, headers: &HeaderMap, peer: &Peer) -> Option<IpAddr> {
    let forwarded = headers.get("x-forwarded-for").filter(|_| core.config.access.use_x_forwarded_for);
    match forwarded {
        Some(forwarded) => forwarded.to_str().ok()?.split(',').next()?.trim().parse().ok(),
        None => Some(peer.address.ip().to_canonical()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_per_interval_goes_through() {
        let mut limit = RateLimit::new(Duration::from_secs(10));
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        for (seconds, allowed) in [(0, true), (1, false), (9, false), (10, true), (19, false), (20, true)] {
            assert_eq!(limit.allow(after(seconds)), allowed, "{seconds}");
        }
        let mut limit = RateLimit::new(Duration::ZERO);
        assert!(limit.allow(start) && limit.allow(start));
    }
}
