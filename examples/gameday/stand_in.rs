//! A stand-in for `payments` that outlives `orders`, has troubles, and can do only so much at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::StatusCode;
use seaworthy::BoxError;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::trouble::{Fate, Mood};

/// How many charges it works on at a time; further ones wait, for as long as somebody waits for them.
pub const PLACES: usize = 12;
const TAKES: Duration = Duration::from_millis(50);
const HANGS: Duration = Duration::from_secs(5);

/// The stand-in, as those see it who make trouble.
#[derive(Clone)]
pub struct StandIn {
    shared: Arc<Shared>,
    pub url: String,
}

struct Shared {
    /// With when it began.
    mood: Mutex<(Mood, Instant)>,
    places: Semaphore,
    calls: AtomicU64,
}

impl StandIn {
    /// Starts it on a free port of the loopback interface; it ends with the process.
    pub async fn start() -> Result<Self, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let shared = Arc::new(Shared {
            mood: Mutex::new((Mood::Well, Instant::now())),
            places: Semaphore::new(PLACES),
            calls: AtomicU64::new(0),
        });
        let app = Router::new()
            .route("/ping", get(|| async { StatusCode::OK }))
            .route("/charges", post(charge))
            .with_state(Arc::clone(&shared));
        tokio::spawn(axum::serve(listener, app).into_future());
        Ok(Self { shared, url })
    }

    pub fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = (mood, Instant::now());
    }

    /// Returns how many charges it has been asked for.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }
}

async fn charge(State(shared): State<Arc<Shared>>) -> StatusCode {
    let call = shared.calls.fetch_add(1, Ordering::Relaxed);
    let (mood, since) = *shared.mood.lock().unwrap_or_else(PoisonError::into_inner);
    let takes = match mood.fate(call, since.elapsed()) {
        Fate::Failed => return StatusCode::INTERNAL_SERVER_ERROR,
        Fate::Agreed => TAKES,
        Fate::Hung => HANGS,
    };
    let Ok(_place) = shared.places.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE;
    };
    sleep(takes).await;
    StatusCode::OK
}
