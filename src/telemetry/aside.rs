use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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
