//! Whether an identity may do something, and what a list in a request becomes.
