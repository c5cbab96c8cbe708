//! Notices that nobody is at the other end any more, which a connection that many calls share would otherwise not for a
//! quarter of an hour.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;

/// How long bytes may go unacknowledged; shorter than a circuit stays open at the most.
const SILENCE: Duration = Duration::from_secs(10);

/// Ends connections whose peer acknowledges nothing, also while nothing is sent.
#[cfg(all(target_os = "linux", not(seaworthy_portable)))]
pub(super) fn noticed(http: &mut HttpConnector) {
    http.set_keepalive(Some(SILENCE));
    http.set_tcp_user_timeout(Some(SILENCE));
}

/// Elsewhere the system has no bound for what is sent, and asks only while nothing is.
#[cfg(not(all(target_os = "linux", not(seaworthy_portable))))]
pub(super) fn noticed(http: &mut HttpConnector) {
    http.set_keepalive(Some(SILENCE));
}
