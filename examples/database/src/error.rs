//! The error of every query.

use std::error::Error;
use std::fmt;

use deadpool_postgres::PoolError;
use deadpool_postgres::tokio_postgres;
use deadpool_postgres::tokio_postgres::error::SqlState;

/// Why there was no connection, or what the database said; its text has the causes in it, as the driver's own is `db error`.
#[derive(Debug)]
pub struct DatabaseError(PoolError);

/// Classes of what goes away by itself: connections, deadlocks, resources, locks, a server that starts or stops.
const PASSING: [&str; 5] = ["08", "40", "53", "55", "57"];

impl DatabaseError {
    /// Returns whether the same may succeed later, without anybody mending anything.
    pub fn is_passing(&self) -> bool {
        let class = |code: &SqlState| PASSING.iter().any(|class| code.code().starts_with(class));
        match &self.0 {
            PoolError::Backend(error) => error.code().is_none_or(class),
            _ => true,
        }
    }
}

impl From<PoolError> for DatabaseError {
    fn from(error: PoolError) -> Self {
        Self(error)
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(PoolError::Backend(error))
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolError::Backend(error) = &self.0 else {
            return self.0.fmt(f);
        };
        error.fmt(f)?;
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for DatabaseError {}
