use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::events::{Change, Events};

/// The most events that wait for a sink that is slow; what comes then is dropped.
const MOST_WAITING: usize = 1024;

/// One change on its way to the sink.
#[derive(Debug)]
pub(super) struct News {
    pub(super) kind: &'static str,
    pub(super) name: Arc<str>,
    pub(super) what: What,
    pub(super) detail: String,
}

#[derive(Debug)]
pub(super) enum What {
    State { from: &'static str, to: &'static str },
    Finished { result: &'static str, took: Duration },
}

/// Sends events in the order in which the changes happened, and outside of every lock.
///
/// The sink is the user's code: it may ask the health that reports to it.
#[derive(Debug)]
pub(super) struct Announcer {
    events: Events,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<News>,
    sending: bool,
}

impl Announcer {
    pub(super) fn new(events: Events) -> Self {
        Self {
            events,
            queue: Mutex::default(),
        }
    }

    /// Takes a change; [`send`](Self::send) must follow once no lock is held.
    pub(super) fn push(&self, news: News) {
        let mut queue = self.queue();
        if queue.waiting.len() < MOST_WAITING {
            queue.waiting.push_back(news);
        }
    }

    /// Sends what waits, unless somebody is at it already, who then sends it.
    pub(super) fn send(&self) {
        let mut queue = self.queue();
        if queue.sending {
            return;
        }
        while let Some(news) = queue.waiting.pop_front() {
            queue.sending = true;
            drop(queue);
            self.events.emit(news.kind, &news.name, news.change());
            queue = self.queue();
            queue.sending = false;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl News {
    fn change(&self) -> Change<'_> {
        let detail = &self.detail;
        match self.what {
            What::State { from, to } => Change::State { from, to, detail },
            What::Finished { result, took } => Change::Finished { result, took, detail },
        }
    }
}
