//! A server with so many workers, its dependency, and the network before it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use seaworthy::BoxError;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tower::util::BoxCloneService;
use tower::{ServiceExt, service_fn};

use super::arrivals::{Request, exponential};
use super::record::Recorder;
use super::{WORK_MS, WORKERS};

/// Anything that answers requests.
pub type Answers = BoxCloneService<Request, (), BoxError>;

/// How the server or its dependency is at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Health {
    /// It takes so many times as long as when it is well.
    Slower(f64),
    /// It refuses connections, and forgets its line.
    Down,
    /// It takes connections and does not answer.
    Hangs,
}

impl Health {
    pub const WELL: Self = Self::Slower(1.0);
}

/// How it is at each time, in seconds.
pub type Course = fn(f64) -> Health;

/// How long a call hangs on a connection to nobody, until the operating system ends it.
const HANG: Duration = Duration::from_secs(60);

/// The mean time of the dependency when it is well and has little to do.
const LOOKUP_MS: f64 = 20.0;

/// With so many calls under way the dependency does the most; with more it is busy with them, and does less.
const THRASHES_FROM: f64 = 10.0;

/// How often a call of the dependency is looked at again, as how fast it goes changes.
const SLICE: Duration = Duration::from_millis(100);

/// Chance that can be shared.
#[derive(Clone, Debug)]
pub struct Dice(Arc<Mutex<Rng>>);

impl Dice {
    pub fn new(random: Rng) -> Self {
        Self(Arc::new(Mutex::new(random)))
    }

    /// Draws a time of at least 1 ms in whole milliseconds, as those are what timers go by.
    fn time(&self, mean_ms: f64) -> Duration {
        let drawn = exponential(&mut self.0.lock().unwrap(), mean_ms);
        Duration::from_millis(drawn.round().max(1.0) as u64)
    }
}

/// Makes the server without any protection: a line without end before so many workers.
///
/// A worker is held during the call of `dependency`, too.
pub fn server(course: Course, dependency: Answers, dice: Dice, recorder: Recorder) -> Answers {
    let workers = Arc::new(Semaphore::new(WORKERS as usize));
    BoxCloneService::new(service_fn(move |request: Request| {
        let (workers, dice, dependency, recorder) =
            (workers.clone(), dice.clone(), dependency.clone(), recorder.clone());
        async move {
            let came = recorder.now();
            let _worker = workers.acquire().await?;
            let slower = match course(recorder.now()) {
                Health::Slower(slower) if !was_down_since(course, came, recorder.now()) => slower,
                _ => return Err("connection refused".into()),
            };
            sleep(dice.time(WORK_MS * slower)).await;
            if request.calls_out {
                dependency.oneshot(request).await?;
            }
            Ok(())
        }
    }))
}

/// Says whether the server was restarted while a request was in its line.
fn was_down_since(course: Course, came: f64, now: f64) -> bool {
    let mut moments = (0..)
        .map(|step| came + 0.1 * f64::from(step))
        .take_while(|&time| time < now);
    moments.any(|time| course(time) == Health::Down)
}

/// Makes the dependency, which serves any number of requests at once, each the slower the more there are.
pub fn dependency(course: Course, dice: Dice, recorder: Recorder) -> Answers {
    // The inner one is held by each call, the outer one by each clone of the service.
    let calls = Arc::new(Arc::new(()));
    BoxCloneService::new(service_fn(move |_: Request| {
        let (dice, recorder, call) = (dice.clone(), recorder.clone(), Arc::clone(&*calls));
        async move {
            loop {
                match course(recorder.now()) {
                    Health::Slower(slower) => {
                        // What is left of an exponential time is distributed as all of it was: it may be drawn again.
                        let time = dice.time(LOOKUP_MS * slower * crowding(&call));
                        sleep(time.min(SLICE)).await;
                        if time <= SLICE {
                            return Ok(());
                        }
                    }
                    Health::Down => return Err("connection refused".into()),
                    Health::Hangs => {
                        drop(call);
                        sleep(HANG).await;
                        return Ok(());
                    }
                }
            }
        }
    }))
}

/// Returns how many times as long a call takes beside the others that are under way.
fn crowding(call: &Arc<()>) -> f64 {
    let others = Arc::strong_count(call) - 2;
    1.0 + (others as f64 / THRASHES_FROM).powi(2)
}

/// Notes each call.
pub fn counted(inner: Answers, recorder: Recorder) -> Answers {
    BoxCloneService::new(inner.map_request(move |request| {
        recorder.called();
        request
    }))
}

/// Puts a network before a server: who is called does not notice that the caller has gone, and what comes back is a
/// status, without the reason.
pub fn network(server: Answers) -> Answers {
    BoxCloneService::new(service_fn(move |request: Request| {
        let answer = tokio::spawn(server.clone().oneshot(request));
        async move { answer.await?.map_err(|_| BoxError::from("503 Service Unavailable")) }
    }))
}
