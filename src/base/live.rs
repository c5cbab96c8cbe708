//! Settings that can change while they are in use.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::error::{InvalidSetting, InvalidSettings};

/// Plain settings that know what is wrong with themselves.
pub(crate) trait Validate {
    /// Lists what cannot be accepted; `name` is whose settings these are.
    fn validate(&self, name: &str) -> Vec<InvalidSetting>;
}

/// One value of settings, shared by a handle and everything made from it.
pub(crate) struct Live<T> {
    value: ArcSwap<T>,
    /// Held while somebody makes a new value of the old one.
    changing: Mutex<()>,
}

impl<T: Validate> Live<T> {
    pub(crate) fn new(name: &str, value: T) -> Result<Self, InvalidSettings> {
        InvalidSettings::check(value.validate(name))?;
        Ok(Self {
            value: ArcSwap::from_pointee(value),
            changing: Mutex::default(),
        })
    }

    /// Puts in force what `change` makes of the value, or says what is wrong with that and keeps the old one.
    ///
    /// `then` sees what is in force before anybody else can change it. Changes wait for each other: `change` must not
    /// change the same settings.
    pub(crate) fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut T),
        then: impl FnOnce(&T),
    ) -> Result<(), InvalidSettings>
    where
        T: Clone,
    {
        self.change_unless(name, |_| None, change, then)
    }

    /// As [`change`](Self::change); `objection` says what else cannot be accepted.
    pub(crate) fn change_unless(
        &self,
        name: &str,
        objection: impl FnOnce(&T) -> Option<InvalidSetting>,
        change: impl FnOnce(&mut T),
        then: impl FnOnce(&T),
    ) -> Result<(), InvalidSettings>
    where
        T: Clone,
    {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut value = T::clone(&self.value.load());
        change(&mut value);
        InvalidSettings::check(objection(&value).into_iter().collect())?;
        self.replace(name, value)?;
        then(&self.value.load());
        Ok(())
    }

    /// Puts `value` in force, or says what is wrong with it and keeps the old one.
    pub(crate) fn replace(&self, name: &str, value: T) -> Result<(), InvalidSettings> {
        InvalidSettings::check(value.validate(name))?;
        self.value.store(Arc::new(value));
        Ok(())
    }
}

impl<T> Live<T> {
    pub(crate) fn load(&self) -> Arc<T> {
        self.value.load_full()
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.load().fmt(f)
    }
}
