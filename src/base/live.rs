//! Settings that can change while they are in use.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use arc_swap::cache::Cache;

use super::error::{InvalidSetting, InvalidSettings};

/// Plain settings that know what is wrong with themselves.
pub(crate) trait Validate {
    /// Lists what cannot be accepted; `name` is whose settings these are.
    fn validate(&self, name: &str) -> Vec<InvalidSetting>;
}

/// One value of settings, shared by a handle and everything made from it.
pub(crate) struct Live<T>(Arc<ArcSwap<T>>);

impl<T: Validate> Live<T> {
    pub(crate) fn new(name: &str, value: T) -> Result<Self, InvalidSettings> {
        InvalidSettings::check(value.validate(name))?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(value))))
    }

    /// Puts `value` in force, or says what is wrong with it and keeps the old one.
    pub(crate) fn replace(&self, name: &str, value: T) -> Result<(), InvalidSettings> {
        InvalidSettings::check(value.validate(name))?;
        self.0.store(Arc::new(value));
        Ok(())
    }
}

impl<T> Live<T> {
    pub(crate) fn load(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Makes a reader for a hot path: it looks for a new value at the price of one load.
    pub(crate) fn reader(&self) -> LiveReader<T> {
        LiveReader(Cache::new(Arc::clone(&self.0)))
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.load().fmt(f)
    }
}

/// Reads live settings; one a service, never shared among threads.
pub(crate) struct LiveReader<T>(Cache<Arc<ArcSwap<T>>, Arc<T>>);

impl<T> LiveReader<T> {
    pub(crate) fn get(&mut self) -> &T {
        self.0.load()
    }
}

impl<T> Clone for LiveReader<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for LiveReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveReader")
    }
}
