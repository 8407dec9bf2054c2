//! What a validator says once, or lies.

use std::fmt;

/// Something that a validator signs once in its place, and has shown us two of.
///
/// No honest validator does, in any of its lives: what it signs is durable before it is sent, and
/// who lost its disk is silent until that cannot matter. So somebody lies, or uses a key twice. It
/// makes no two validators disagree, since at most one of the two finds a quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Equivocation {
    /// A header of a round.
    Header,
    /// A proposal of a view.
    Proposal,
    /// A vote of a view.
    Vote,
}

impl Equivocation {
    /// What metrics call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Proposal => "proposal",
            Self::Vote => "vote",
        }
    }
}

impl fmt::Display for Equivocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
