//! Changes that are proposed and not yet applied.
