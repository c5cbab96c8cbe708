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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::events::Event;
    use std::sync::{OnceLock, Weak};

    fn news(name: &str) -> News {
        News {
            kind: "check",
            name: name.into(),
            what: What::State { from: "up", to: "down" },
            detail: String::new(),
        }
    }

    #[test]
    fn a_sink_that_brings_news_itself_gets_it_next() {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let itself: Arc<OnceLock<Weak<Announcer>>> = Arc::default();
        let (sees, knows) = (Arc::clone(&seen), Arc::clone(&itself));
        let announcer = Arc::new(Announcer::new(Events::new(move |event: &Event<'_>| {
            sees.lock().unwrap().push(event.name.to_owned());
            if event.name == "first"
                && let Some(announcer) = knows.get().and_then(Weak::upgrade)
                && let Ok(mut queue) = announcer.queue.try_lock()
            {
                queue.waiting.push_back(news("third"));
                drop(queue);
                announcer.send();
            }
        })));
        itself.set(Arc::downgrade(&announcer)).unwrap();
        announcer.push(news("first"));
        announcer.push(news("second"));
        announcer.send();
        assert_eq!(*seen.lock().unwrap(), ["first", "second", "third"]);
    }

    #[test]
    fn news_that_nobody_takes_do_not_pile_up() {
        let announcer = Announcer::new(Events::default());
        (0..2 * MOST_WAITING).for_each(|_| announcer.push(news("again")));
        assert_eq!(announcer.queue().waiting.len(), MOST_WAITING);
    }
}
