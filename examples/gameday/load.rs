//! Real HTTP requests, at a rate that does not care how those before them fare.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use seaworthy::BoxError;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::record::{Ended, Sample, Who, refused_by};

/// Longer than `orders` may take for anything.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many clients place orders; each says who it is, as a proxy would say it.
const CLIENTS: u64 = 100;

/// Everybody who asks something of `orders`.
#[derive(Clone)]
pub struct Load {
    client: Client<HttpConnector, Full<Bytes>>,
    /// Where `orders` is at the time.
    target: watch::Receiver<SocketAddr>,
    began: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
}

/// Requests that go on coming until somebody ends them.
pub struct Stream {
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Load {
    pub fn new(target: watch::Receiver<SocketAddr>, began: Instant) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            target,
            began,
            samples: Arc::default(),
        }
    }

    /// Returns all that has ended by now.
    pub fn samples(&self) -> Vec<Sample> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to send so many requests a second.
    pub fn begin(&self, who: Who, per_second: f64) -> Stream {
        let (stop, mut stopped) = oneshot::channel();
        let load = self.clone();
        let done = tokio::spawn(async move {
            let (begin, mut under_way) = (Instant::now(), JoinSet::new());
            for number in 0_u32.. {
                let due = begin + Duration::from_secs(1).mul_f64(f64::from(number) / per_second);
                tokio::select! {
                    biased;
                    _ = &mut stopped => break,
                    () = sleep_until(due) => {}
                }
                let load = load.clone();
                under_way.spawn(async move { load.send(who, number.into(), due).await });
                while under_way.try_join_next().is_some() {}
            }
            under_way.join_all().await;
        });
        Stream { stop, done }
    }

    /// Measures how many orders a second are possible: somewhat more clients than `payments` has places, each of whom waits
    /// for its answer.
    pub async fn capacity(&self, clients: u64, time: Duration) -> f64 {
        let end = Instant::now() + time;
        let mut under_way = JoinSet::new();
        for client in 0..clients {
            let load = self.clone();
            under_way.spawn(async move {
                let mut answered = 0;
                while Instant::now() < end {
                    let ended = load.send(Who::Client, client, Instant::now()).await;
                    answered += u32::from(ended == Ended::Answered);
                }
                answered
            });
        }
        let answered: u32 = under_way.join_all().await.into_iter().sum();
        f64::from(answered) / time.as_secs_f64()
    }

    async fn send(&self, who: Who, number: u64, due: Instant) -> Ended {
        let ended = timeout(PATIENCE, self.ask(who, number)).await;
        let ended = ended.ok().and_then(Result::ok).unwrap_or(Ended::Lost);
        let sample = Sample {
            due: due - self.began,
            took: due.elapsed(),
            who,
            ended,
        };
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        ended
    }

    async fn ask(&self, who: Who, number: u64) -> Result<Ended, BoxError> {
        let request = request(*self.target.borrow(), who, number)?;
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(match head.status {
            StatusCode::CREATED | StatusCode::OK => Ended::Answered,
            _ => {
                let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                let by = problem["detail"].as_str().and_then(refused_by);
                by.map_or(Ended::Failed, Ended::Refused)
            }
        })
    }
}

impl Stream {
    /// Ends it, and waits for the answers that are still to come.
    pub async fn end(self) -> Result<(), BoxError> {
        let _ = self.stop.send(());
        Ok(self.done.await?)
    }
}

fn request(to: SocketAddr, who: Who, number: u64) -> http::Result<Request<Full<Bytes>>> {
    let (address, order) = match who {
        Who::Client => (format!("192.0.2.{}", number % CLIENTS), true),
        Who::Flooder => ("198.51.100.1".to_owned(), true),
        Who::Slow => (format!("203.0.113.{}", number % CLIENTS), false),
    };
    let request = if order {
        Request::post(format!("http://{to}/orders")).header("content-type", "application/json")
    } else {
        Request::get(format!("http://{to}/slow?ms=1500"))
    };
    let body = if order { r#"{"item":"anchor","quantity":2}"# } else { "" };
    request.header("x-forwarded-for", address).body(Full::from(body))
}
