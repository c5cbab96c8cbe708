//! What the tests of reviews share: a fixed day, folders with manifests in them, and short ways to ask.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use seaworthy::review::{Kind, Review};
use seaworthy::{App, AppBuilder};

/// The beginning of 2026-11-23, when all reviews of these tests are held.
pub const NOW: Duration = Duration::from_secs(1_795_392_000);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub const URL: &str = "http://127.0.0.1:1";

/// A manifest in a folder of its own, with the files that it names.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("seaworthy-review-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let folder = Self(folder);
        folder.file("proof.md", "it is so");
        folder
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and returns where it is.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Returns a builder with this manifest.
    pub fn app(&self, manifest: &str) -> AppBuilder {
        builder().manifest_file(self.file("readiness.toml", manifest))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn builder() -> AppBuilder {
    App::builder("tested")
}

/// A service with one dependency that is called.
pub fn with_payments(mut app: AppBuilder) -> AppBuilder {
    let _payments = app.dependency("payments").http(URL);
    app
}

/// What attests an item, on the day of the review, for a month.
pub fn attested(id: &str) -> String {
    format!("[attested.{id}]\nby = \"ann\"\non = 2026-11-23\nexpires = 2026-12-23\nlink = \"proof.md\"\n")
}

/// What waives an item until a day.
pub fn waived(id: &str, until: &str) -> String {
    format!("[waived.{id}]\nby = \"ann\"\nreason = \"nobody needs it\"\nuntil = {until}\n")
}

pub fn review(app: AppBuilder) -> Review {
    app.build().unwrap().review_at(NOW)
}

pub fn kind(review: &Review, id: &str) -> Kind {
    review.item(id).unwrap_or_else(|| panic!("no item {id}")).kind
}

/// Returns all that is said of an item, one part a line: its kind, its subject, and what was found.
pub fn said(review: &Review, id: &str) -> String {
    let parts = review.item(id).unwrap().evidence.iter();
    let lines = parts.map(|part| format!("{} {}: {}", part.kind.label(), part.subject, part.found));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the text of the error that a service is refused with.
pub fn wrong(app: AppBuilder) -> String {
    app.build().unwrap_err().to_string()
}
