use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// Works on a thread of its own and waits no longer than `limit` for its end, whatever blocks it.
pub(crate) fn aside(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let work = move || {
        work();
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(work).is_ok() {
        let _ = ended.recv_timeout(limit);
    }
}

/// Does the same without blocking the thread of the task that waits.
///
/// Not by tokio's blocking pool, where the user's own work may take every thread and never end.
pub(crate) async fn aside_of_task(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, ended) = oneshot::channel();
    let work = move || {
        aside(limit, work);
        let _ = done.send(());
    };
    if thread::Builder::new().spawn(work).is_ok() {
        let _ = ended.await;
    }
}
