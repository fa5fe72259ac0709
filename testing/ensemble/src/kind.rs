//! The two kinds of servers.

use zabra_testkit::{Genuine, JvmOptions, Program, zabra_program};

use crate::Failure;

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours.
    Zabra,
    /// Apache ZooKeeper.
    Genuine,
}

/// The two kinds, as programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    pub(crate) zabra: Program,
    pub(crate) genuine: Program,
}

impl Programs {
    pub(crate) fn of(&self, kind: Kind) -> Program {
        match kind {
            Kind::Zabra => self.zabra.clone(),
            Kind::Genuine => self.genuine.clone(),
        }
    }

    /// Both, as installed. In a rehearsal genuine servers stand in for ours.
    pub(crate) fn find(rehearse: bool) -> Result<Self, Failure> {
        let genuine = Genuine::find()?.program(&JvmOptions::small());
        let zabra = if rehearse { genuine.clone() } else { zabra_program()? };
        Ok(Self { zabra, genuine })
    }
}
