use std::error::Error;
use std::fmt;
use std::io;

use smol_str::SmolStr;

use crate::base::error::BoxError;

/// A call failed because a [`Chaos`](super::Chaos) was told to let it fail.
///
/// It is no [`Refusal`](crate::Refusal): the guards outside are to take it for a failure of whoever was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectedFault {
    pub(super) name: SmolStr,
    pub(super) is_disconnect: bool,
}

impl InjectedFault {
    /// Finds the injected fault in an error or in what caused it.
    pub fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref() {
                return Some(fault);
            }
            // An I/O error passes for the error in it and gives that one's source as its own.
            let inside = error.downcast_ref().and_then(io::Error::get_ref);
            next = inside.map_or_else(|| error.source(), |inside| Some(inside));
        }
        None
    }

    /// Returns the name of the handle that injected it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether it stands for a connection that broke.
    pub fn is_disconnect(&self) -> bool {
        self.is_disconnect
    }

    /// Makes of it what a client would return: for a broken connection an I/O error.
    pub(crate) fn into_error(self) -> BoxError {
        if self.is_disconnect {
            return Box::new(io::Error::new(io::ErrorKind::ConnectionReset, self));
        }
        Box::new(self)
    }
}

impl fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_disconnect {
            "broken connection"
        } else {
            "error"
        };
        write!(f, "chaos `{}`: injected {what}", self.name)
    }
}

impl Error for InjectedFault {}

/// What a user's own future ended with when faults may be injected: one of those, or the user's error as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Faulted<E> {
    /// A fault was injected, and the future was not made.
    Injected(InjectedFault),
    /// The call itself failed.
    Inner(E),
}

impl<E: fmt::Display> fmt::Display for Faulted<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Injected(fault) => fault.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for Faulted<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Injected(fault) => Some(fault),
            Self::Inner(error) => error.source(),
        }
    }
}
