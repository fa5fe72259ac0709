//! What several modules' tests need.

use zabra_types::AuthSchemes;

/// Two schemes: `ip`, which proves nothing for `auth`, and `digest`, whose ids have a colon.
pub(crate) struct Schemes;

impl AuthSchemes for Schemes {
    fn exists(&self, scheme: &str) -> bool {
        matches!(scheme, "ip" | "digest")
    }

    fn is_valid_id(&self, scheme: &str, id: &str) -> bool {
        self.exists(scheme) && (scheme == "ip" || id.contains(':'))
    }

    fn matches(&self, scheme: &str, connection_id: &str, acl_id: &str) -> bool {
        self.exists(scheme) && connection_id == acl_id
    }

    fn authenticates(&self, scheme: &str) -> bool {
        scheme == "digest"
    }

    fn user_name<'a>(&self, _: &str, id: &'a str) -> &'a str {
        id
    }
}
