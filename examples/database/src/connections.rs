//! Connections to the database: how many, how long one is waited for, and how long a query may run on each.

use std::env::{self, VarError};
use std::time::Duration;

use deadpool_postgres::tokio_postgres::NoTls;
use deadpool_postgres::tokio_postgres::config::{Config, SslMode};
use deadpool_postgres::{BuildError, Client, Manager, Pool, Runtime};
use seaworthy::InvalidSetting;
use seaworthy::deadline::Deadline;

use crate::error::DatabaseError;

/// The setting that says where the database is.
const SETTING: &str = "DATABASE_URL";

/// The longest wait for a connection that somebody else has. The guard lets no more in than there are, so nobody waits.
const WAIT: Duration = Duration::from_millis(100);

/// The longest time to connect.
const CONNECT: Duration = Duration::from_secs(1);

/// The longest silence of a server that has something to acknowledge; a connection to one that has vanished ends then.
const SILENCE: Duration = Duration::from_secs(5);

/// The longest time for a query that nobody has given a deadline.
const LONGEST: Duration = Duration::from_secs(5);

/// Reads `DATABASE_URL`. The error never has its text, in which there may be a password.
pub fn database_url() -> Result<Config, InvalidSetting> {
    let refuse = |found: String| {
        let allowed = "a URL such as `postgresql://user:password@host:5432/name`, without TLS";
        InvalidSetting::new(SETTING, found, allowed)
    };
    let url = env::var(SETTING).map_err(|error| match error {
        VarError::NotPresent => refuse("not set".into()),
        VarError::NotUnicode(_) => refuse("no text".into()),
    })?;
    let config = url.parse::<Config>().ok();
    let config = config.filter(|config| !config.get_hosts().is_empty() && config.get_ssl_mode() != SslMode::Require);
    config.ok_or_else(|| refuse(format!("a text of {} characters", url.chars().count())))
}

/// A pool of connections; clones share it.
#[derive(Clone)]
pub struct Connections(Pool);

impl Connections {
    /// Makes a pool of so many connections at the most; connects to nothing yet.
    pub fn new(database: &Config, most: u32) -> Result<Self, BuildError> {
        let mut database = database.clone();
        database.connect_timeout(CONNECT).tcp_user_timeout(SILENCE);
        let pool = Pool::builder(Manager::new(database, NoTls))
            .runtime(Runtime::Tokio1)
            .max_size(most as usize)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .build()?;
        Ok(Self(pool))
    }

    /// Takes a connection on which no statement runs longer than what is now left of the caller's deadline.
    ///
    /// The server ends it, whoever is still there: what nobody waits for any more holds no locks and no connection.
    pub async fn take(&self) -> Result<Client, DatabaseError> {
        let connection = self.0.get().await?;
        let left = Deadline::current().map_or(LONGEST, Deadline::remaining);
        // 0 would be no limit at all.
        let left = left.min(LONGEST).as_millis().max(1);
        connection
            .batch_execute(&format!("set statement_timeout = {left}"))
            .await?;
        Ok(connection)
    }

    /// Asks the database whether it answers.
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        let connection = self.take().await?;
        connection.query_one("select 1", &[]).await?;
        Ok(())
    }
}
