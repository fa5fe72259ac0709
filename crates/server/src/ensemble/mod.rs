//! A member of an ensemble: the ports between servers, and what carries out the outputs of [`zabra_zab::Peer`].

#[expect(dead_code, reason = "the driver that uses it is being written")]
pub(crate) mod net;
#[cfg_attr(not(test), expect(dead_code, reason = "the driver that uses it is being written"))]
pub(crate) mod requests;
