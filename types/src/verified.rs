//! What was checked, told apart from what only claims to be true.

use std::ops::Deref;

use crate::Committee;

/// Something from outside that a committee's rules can accept or refuse.
pub trait Verify: Sized {
    /// What can be wrong with it.
    type Error;

    /// Checks everything that can be checked without knowing anything else.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    fn verify(&self, committee: &Committee) -> Result<(), Self::Error>;

    /// Checks the value and remembers, in its type, that it was.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    fn verified(self, committee: &Committee) -> Result<Verified<Self>, Self::Error> {
        self.verify(committee)?;
        Ok(Verified(self))
    }
}

/// A value that passed [`Verify::verify`], or that this validator signed or put together itself.
///
/// There is no other way to make one, so whatever takes a `Verified` need not check again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Vouches for a value that this validator signed itself, or put together of checked parts.
    /// Nothing that comes from others goes through here.
    pub const fn made_here(value: T) -> Self {
        Self(value)
    }

    /// The value; whoever gets it has to trust its origin.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
