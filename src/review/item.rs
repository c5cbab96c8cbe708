use std::fmt;

use super::evidence::Evidence;
use super::level::Level;
use super::scene::Scene;

/// What a part of the checklist is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Area {
    /// Probes, startup and shutdown.
    Health,
    /// What keeps one failure from becoming many.
    Resilience,
    /// What becomes of errors.
    Errors,
    /// Settings and secrets.
    Configuration,
    /// Backups, migrations, retention.
    Data,
    /// Logs, metrics, traces, alerts.
    Observability,
    /// Service levels and their budgets.
    Objectives,
    /// Runbooks, and the people who read them.
    Operations,
    /// What is known of its speed.
    Performance,
    /// Who may do what, and what is let in.
    Security,
    /// How it gets to production, and back.
    Deployment,
    /// What is tried before.
    Testing,
    /// What is written down.
    Documentation,
    /// What this service adds itself.
    Own,
}

impl Area {
    /// Returns its heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Health => "Health and lifecycle",
            Self::Resilience => "Resilience",
            Self::Errors => "Error handling",
            Self::Configuration => "Configuration and secrets",
            Self::Data => "Data safety",
            Self::Observability => "Logs, metrics, traces",
            Self::Objectives => "Service levels",
            Self::Operations => "Operations",
            Self::Performance => "Performance",
            Self::Security => "Security",
            Self::Deployment => "Deployment",
            Self::Testing => "Testing",
            Self::Documentation => "Documentation",
            Self::Own => "Of this service",
        }
    }
}

/// One line of the checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// What it is called in manifests and reports; it never changes.
    pub id: String,
    /// What is wanted.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// How it is met.
    pub how: String,
    /// Where there is more about that; empty if there is nothing.
    pub docs: String,
    /// The lowest level that needs it.
    pub level: Level,
    /// What it is about.
    pub area: Area,
    /// Whether no service is ready without it, whatever its reason: it cannot be waived.
    pub is_never: bool,
}

impl Item {
    /// Makes an item of one's own; `id` has 1 to 64 lowercase letters, digits and `-`, and is not one of the checklist's.
    pub fn new(id: impl Into<String>, level: Level, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            why: String::new(),
            how: String::new(),
            docs: String::new(),
            level,
            area: Area::Own,
            is_never: false,
        }
    }

    /// Says what it is about. Default [`Area::Own`].
    #[must_use]
    pub fn area(mut self, area: Area) -> Self {
        self.area = area;
        self
    }

    /// No service is to go without it: it cannot be waived.
    #[must_use]
    pub fn never_waived(mut self) -> Self {
        self.is_never = true;
        self
    }

    /// Says why it matters.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// Says how it is met.
    #[must_use]
    pub fn how(mut self, how: impl Into<String>) -> Self {
        self.how = how.into();
        self
    }

    /// Says where there is more about it.
    #[must_use]
    pub fn docs(mut self, link: impl Into<String>) -> Self {
        self.docs = link.into();
        self
    }
}

/// An item of the checklist, with how it is found out whether a service meets it.
///
/// # Examples
///
/// ```
/// use seaworthy::App;
/// use seaworthy::review::{Criterion, Evidence, Item, Kind, Level, Scene};
///
/// /// Two replicas at least.
/// struct Replicas(u32);
///
/// impl Criterion for Replicas {
///     fn item(&self) -> Item {
///         Item::new("replicas", Level::Stable, "Two replicas or more").how("Set `replicas` of the deployment to 2")
///     }
///
///     fn examine(&self, scene: &Scene<'_>) -> Vec<Evidence> {
///         let found = format!("{} replicas", self.0);
///         if self.0 < 2 {
///             return vec![Evidence::missing("", found)];
///         }
///         vec![Evidence::measured("", found, scene.at())]
///     }
/// }
///
/// let app = App::builder("orders").criterion(Replicas(1)).build().unwrap();
/// assert_eq!(app.review().item("replicas").unwrap().kind, Kind::Missing);
/// ```
pub trait Criterion: Send + Sync + 'static {
    /// Describes the item.
    fn item(&self) -> Item;

    /// Tells how it stands; the worst of the parts counts for the whole, and no part at all is as good as
    /// [`Evidence::unknown`]. A panic counts as missing.
    fn examine(&self, scene: &Scene<'_>) -> Vec<Evidence>;
}

/// A criterion of the built-in checklist.
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) why: &'static str,
    pub(super) how: &'static str,
    pub(super) level: Level,
    pub(super) area: Area,
    pub(super) is_never: bool,
    /// Which lines of the checklist it answers to: its section and the number of the line there.
    pub(super) covers: &'static [&'static str],
    pub(super) examine: fn(&Scene<'_>) -> Vec<Evidence>,
}

/// Where each item has its section.
const DOCS: &str = "https://docs.rs/seaworthy/latest/seaworthy/docs/checklist/index.html#";

impl Row {
    pub(super) fn item(&self) -> Item {
        Item {
            id: self.id.into(),
            title: self.title.into(),
            why: self.why.into(),
            how: self.how.into(),
            docs: format!("{DOCS}{}", self.id),
            level: self.level,
            area: self.area,
            is_never: self.is_never,
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// Nothing can be looked at: somebody has to say so.
pub(super) fn nobody_looks(_: &Scene<'_>) -> Vec<Evidence> {
    vec![Evidence::unknown(
        "",
        "nothing that runs can show it: it is to be attested in the manifest",
    )]
}
