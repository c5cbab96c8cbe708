use std::fmt;
use std::time::Duration;

use super::measurement::Probe;
use crate::base::clock::sleep;
use crate::base::error::BoxError;

/// How long to wait before the version is asked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets a service start only with the schema that its code needs.
///
/// A startup task asks for the version that there is, every second: it waits while that is too old, as a migration may be
/// under way, and fails if it is newer than the code can work with. A version that cannot be found out is asked for again.
///
/// # Examples
///
/// ```
/// use seaworthy::App;
/// use seaworthy::review::{Kind, SchemaGate};
///
/// # async fn version() -> Result<u64, std::io::Error> { Ok(2) }
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let schema = SchemaGate::new("orders-db", 2, version)
///     .migration(1, "create orders", "drop table orders")
///     .migration(2, "add quantity", "alter table orders drop quantity")
///     .works_with_up_to(3);
/// let app = App::builder("orders").schema(schema).build().unwrap();
/// app.measure().await;
/// assert_eq!(app.review().item("migrations").unwrap().kind, Kind::Measured);
/// # }
/// ```
#[must_use = "it guards the startup once it is given to `AppBuilder::schema`"]
pub struct SchemaGate {
    name: String,
    needs: u64,
    up_to: u64,
    migrations: Vec<Migration>,
    version: Box<dyn Fn() -> super::measurement::Found + Send + Sync>,
}

struct Migration {
    version: u64,
    name: String,
    way_back: String,
}

/// The item that it answers to.
const ITEM: &str = "migrations";

impl SchemaGate {
    /// Needs a version of the schema; `version` asks which there is, and is dropped if that takes longer than 5 s.
    /// The text of its error stands in the review: it must not hold a secret.
    pub fn new<F, Fut, E>(name: impl Into<String>, needs: u64, version: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<u64, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self {
            name: name.into(),
            needs,
            up_to: needs,
            migrations: Vec::new(),
            version: Box::new(move || {
                let version = version();
                Box::pin(async { version.await.map_err(|error| error.into().to_string()) })
            }),
        }
    }

    /// Works with newer schemas up to this one too, as it must while its next release is rolled out. Default: none.
    pub fn works_with_up_to(mut self, version: u64) -> Self {
        self.up_to = version.max(self.needs);
        self
    }

    /// Names the migration to a version, and the way back from it; without one the item `migrations` is missing.
    pub fn migration(mut self, version: u64, name: impl Into<String>, way_back: impl Into<String>) -> Self {
        self.migrations.push(Migration {
            version,
            name: name.into(),
            way_back: way_back.into(),
        });
        self
    }

    /// Lists what is wrong with the migrations, whatever version there is.
    fn flaws(&self) -> Vec<String> {
        let lost = self
            .migrations
            .iter()
            .filter(|migration| migration.way_back.trim().is_empty());
        let lost = lost.map(|Migration { version, name, .. }| format!("migration {version} ({name}) has no way back"));
        let is_named = self.migrations.iter().any(|migration| migration.version == self.needs);
        let unnamed = (!is_named).then(|| format!("the migration to version {} is not named", self.needs));
        lost.chain(unnamed).collect()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns what measures it, and what waits for it.
    pub(crate) fn split(self) -> (Probe, Gate) {
        let flaws = self.flaws();
        let window = Window {
            needs: self.needs,
            up_to: self.up_to,
            count: self.migrations.len(),
        };
        let judge = move |version, _| window.judge(version);
        let probe = Probe::new(ITEM, self.name, self.version, judge, flaws);
        (probe.clone(), Gate { probe, window })
    }
}

/// The versions that the code works with.
#[derive(Clone, Copy)]
struct Window {
    needs: u64,
    up_to: u64,
    count: usize,
}

impl Window {
    fn judge(self, version: u64) -> Result<String, String> {
        let Self { needs, up_to, count } = self;
        if version < needs {
            return Err(format!(
                "the schema is of version {version}, and the code needs {needs}"
            ));
        }
        if version > up_to {
            return Err(format!(
                "the schema is of version {version}, and the code works with {up_to} at most"
            ));
        }
        Ok(format!(
            "the schema is of version {version}, the code works with {needs} to {up_to}, and each of {count} migrations has its way back"
        ))
    }
}

/// Holds the startup until the schema is there.
pub(crate) struct Gate {
    probe: Probe,
    window: Window,
}

impl Gate {
    /// Waits until there is a schema that the code works with.
    pub(crate) async fn pass(self) -> Result<(), BoxError> {
        loop {
            if let Ok(version) = self.probe.take().await {
                let Window { needs, up_to, .. } = self.window;
                if version > up_to {
                    let why = self.window.judge(version).err();
                    return Err(why.unwrap_or_default().into());
                }
                if version >= needs {
                    return Ok(());
                }
            }
            sleep(PAUSE).await;
        }
    }
}

impl fmt::Debug for SchemaGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaGate")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
