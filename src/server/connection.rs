use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::activity::{Activity, InFlight, Noted};
use super::admission::Place;
use super::config::{BUFFER, ServerConfig};
use super::counters::Counters;
use super::engine::{Cause, Facts, Verdict, decide};
use super::io::Guarded;
use super::sniff::{Ended, Protocol, sniff};
use crate::base::clock::{Clock, sleep_until};
use crate::base::ready::Call;
use crate::shutdown::Shutdown;
use crate::web::{Body, HttpService, PeerAddr, Scheme};

/// What every connection of a server is served with.
#[derive(Clone)]
pub(super) struct Server {
    config: Arc<ServerConfig>,
    counters: Arc<Counters>,
    shutdown: Shutdown,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

impl Server {
    pub(super) fn new(config: Arc<ServerConfig>, counters: Arc<Counters>, shutdown: Shutdown) -> Self {
        let mut http1 = http1::Builder::new();
        // Our own deadline tells an idle connection from one whose headers never end.
        http1.timer(TokioTimer::new()).header_read_timeout(None);
        http1
            .max_header_size(config.header_limit as usize)
            .max_buf_size(BUFFER.max(config.header_limit as usize));
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        // hyper's own limits stay on: 200 streams, resets, CONTINUATION frames.
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(config.header_limit)
            .initial_stream_window_size(config.http2_window)
            .initial_connection_window_size(config.http2_window * 2)
            .max_send_buf_size(BUFFER);
        Self {
            config,
            counters,
            shutdown,
            http1,
            http2,
        }
    }

    /// Serves one connection, after its TLS handshake if there is to be one.
    pub(super) async fn greet(self, stream: TcpStream, peer: SocketAddr, place: Place, service: impl HttpService) {
        let Some(tls) = self.config.tls.clone() else {
            return self.serve(stream, peer, place, service).await;
        };
        let draining = self.shutdown.draining();
        // What a connection needs only later is in boxes, so that one that says nothing costs little.
        let accepted = Box::pin(tls.accept(stream, self.config.tls_handshake_timeout, &draining));
        match self.until_cut(peer, || "handshake", accepted).await {
            Some(Ok(stream)) => Box::pin(self.serve(stream, peer, place, service)).await,
            Some(Err(ended)) => self.ended(peer, ended),
            None => {}
        }
    }

    /// Serves one connection until it ends, by itself or by us.
    async fn serve<S>(self, stream: S, peer: SocketAddr, place: Place, service: impl HttpService)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::new());
        let serving = self.speak(stream, peer, place, service, Arc::clone(&activity));
        self.until_cut(peer, || kind(&activity.facts()), serving).await;
    }

    /// Drops `work` at the drain's deadline, and tells what it was.
    async fn until_cut<T>(
        &self,
        peer: SocketAddr,
        kind: impl Fn() -> &'static str,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let cut = self.shutdown.cut_token();
        let cut = async {
            cut.cancelled().await;
            // Here, where the work is still what it was.
            tracing::warn!(%peer, kind = kind(), "connection cut at the drain's deadline");
        };
        tokio::select! {
            // Before the socket notices it, which would pass for an end by the peer.
            biased;
            () = cut => None,
            done = work => Some(done),
        }
    }

    async fn speak<S>(
        &self,
        mut stream: S,
        peer: SocketAddr,
        place: Place,
        service: impl HttpService,
        activity: Arc<Activity>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (protocol, prefix) = match sniff(&mut stream, &self.config, &self.shutdown.draining()).await {
            Ok(sniffed) => sniffed,
            Err(ended) => return self.ended(peer, ended),
        };
        let cut = self.shutdown.cut_token();
        let io = Guarded::new(
            stream,
            prefix,
            Arc::clone(&activity),
            place,
            self.config.write_timeout,
            cut,
        );
        let io = TokioIo::new(io);
        let service = RefCell::new(service);
        let noting = Arc::clone(&activity);
        let scheme = if self.config.tls.is_some() {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let service = service_fn(move |request: Request<Incoming>| {
            let in_flight = InFlight::begin(&noting);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(PeerAddr(peer));
            // Each is an allocation, and without one a request is taken for plain.
            if scheme == Scheme::Https {
                request.extensions_mut().insert(scheme);
            }
            let call = Call::new(&mut *service.borrow_mut(), request);
            async {
                call.await
                    .map(|response| response.map(|body| Noted::new(body, in_flight)))
            }
        });
        activity.speaks(protocol);
        let ended = match protocol {
            Protocol::Http1 => {
                let mut connection = Box::pin(self.http1.serve_connection(io, service).with_upgrades());
                self.drive(
                    connection.as_mut(),
                    |connection| connection.graceful_shutdown(),
                    &activity,
                )
                .await
            }
            Protocol::Http2 => {
                let mut connection = Box::pin(self.http2.serve_connection(io, service));
                self.drive(
                    connection.as_mut(),
                    |connection| connection.graceful_shutdown(),
                    &activity,
                )
                .await
            }
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                if error.is_parse() {
                    self.counters.count(Cause::Malformed);
                }
                tracing::debug!(%peer, %error, "connection ended");
            }
            Err(cause) => self.ended(peer, Ended::ByUs(cause)),
        }
    }

    /// Polls a connection until it ends; the error is why we ended it.
    async fn drive<C, T>(
        &self,
        mut connection: Pin<&mut C>,
        close: impl Fn(Pin<&mut C>),
        activity: &Activity,
    ) -> Result<T, Cause>
    where
        C: Future<Output = T>,
    {
        let clock = Clock::default();
        let mut timer = pin!(sleep_until(clock.now()));
        let mut draining = pin!(self.shutdown.closing());
        let mut closes = false;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                    return Poll::Ready(Ok(result));
                }
                if !closes && draining.as_mut().poll(cx).is_ready() {
                    closes = true;
                    activity.closes();
                    close(connection.as_mut());
                    continue;
                }
                match decide(&activity.facts(), &self.config, clock.now()) {
                    Verdict::Drop(cause) => return Poll::Ready(Err(cause)),
                    Verdict::Close(cause) => {
                        closes = true;
                        self.counters.count(cause);
                        activity.closes();
                        close(connection.as_mut());
                    }
                    Verdict::Wait(until) => {
                        // Moved forward only when it has run out: most deadlines only ever move away.
                        if timer.is_elapsed() || until < timer.deadline().into_std() {
                            timer.as_mut().reset(until.into());
                        }
                        if timer.as_mut().poll(cx).is_pending() {
                            return Poll::Pending;
                        }
                    }
                }
            }
        })
        .await
    }

    fn ended(&self, peer: SocketAddr, ended: Ended) {
        match ended {
            Ended::ByUs(cause) => {
                self.counters.count(cause);
                tracing::debug!(%peer, cause = cause.label(), "connection ended by us");
            }
            Ended::ByThePeer(error) => tracing::debug!(%peer, %error, "connection ended"),
        }
    }
}

/// Says in one word what a connection was doing.
fn kind(facts: &Facts) -> &'static str {
    match facts {
        Facts { blocked: true, .. }
        | Facts {
            untaken_since: Some(_), ..
        } => "slow_reader",
        Facts {
            in_flight: 0,
            unsent: true,
            ..
        } => "slow_reader",
        Facts { in_flight: 1.., .. } => "request",
        Facts {
            head_since: Some(_), ..
        } => "partial_head",
        Facts { used: false, .. } => "silent",
        _ => "idle",
    }
}
