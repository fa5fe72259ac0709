//! Preparing: a request becomes a transaction or a refusal.
