//! Plays a phase: an `orders` of its own, the load, the trouble, and the wait until all is well again.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use seaworthy::BoxError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::figures::{Restart, Seen};
use crate::load::{Load, Stream};
use crate::policy::Policy;
use crate::progress::Progress;
use crate::record::{Who, recovery};
use crate::replica::Replica;
use crate::script::{Phase, Rate, USUAL_PER_SECOND};
use crate::stand_in::{PLACES, StandIn};
use crate::trouble::Mood;

/// How long the usual load runs before the trouble begins.
const BEFORE: Duration = Duration::from_secs(1);
/// How long it is waited for `orders` to be well again.
const PATIENCE: Duration = Duration::from_secs(10);
/// All that is due has ended after this, when all is well.
const SURE: Duration = Duration::from_secs(1);
/// How often the load balancer asks whether `orders` is ready.
const PROBE: Duration = Duration::from_millis(100);
const SLOW_PER_SECOND: f64 = 10.0;

/// What all phases share.
pub struct Stage {
    pub payments: StandIn,
    pub without: Option<Policy>,
    pub began: Instant,
    pub progress: Progress,
}

impl Stage {
    /// Plays one phase. What it does to windows and limits is not to colour the next: `orders` begins anew.
    pub async fn play(&self, phase: &Phase) -> Result<Seen, BoxError> {
        let replica = Replica::start(&self.payments.url, self.without).await?;
        let (balancer, target) = watch::channel(replica.addr);
        let load = Load::new(target, self.began);
        tokio::select! {
            seen = self.seen(phase, replica, &balancer, &load) => seen,
            never = self.tell(phase, &load) => match never {},
        }
    }

    async fn seen(
        &self,
        phase: &Phase,
        replica: Replica,
        balancer: &watch::Sender<SocketAddr>,
        load: &Load,
    ) -> Result<Seen, BoxError> {
        let capacity = match phase.orders {
            Rate::Capacities(_) => Some(load.capacity(PLACES as u64 * 5 / 4, 2 * BEFORE).await),
            Rate::Usual => None,
        };
        let usual = load.begin(Who::Client, USUAL_PER_SECOND);
        sleep(BEFORE).await;
        let (start, calls) = (self.began.elapsed(), self.payments.calls());
        self.payments.set(phase.mood);
        let more = more(phase, capacity, load);
        let lasts = sleep(Duration::from_secs(phase.seconds));
        let (replica, restart) = if phase.is_restarted {
            tokio::join!(self.restart(replica, balancer), lasts).0?
        } else {
            lasts.await;
            (replica, None)
        };
        let (end, calls) = (self.began.elapsed(), self.payments.calls() - calls);
        self.payments.set(Mood::Well);
        // They end at once, and nobody waits for their answers before `orders` is well again.
        let more = tokio::spawn(join_all(more.into_iter().map(Stream::end)));

        self.wait_until_well(load, end).await;
        let healed = self.began.elapsed();
        usual.end().await?;
        more.await?.into_iter().collect::<Result<(), _>>()?;
        replica.signal(Signal::INT)?;
        replica.ended().await?;
        Ok(Seen {
            samples: load.samples(),
            trouble: start..end,
            end: healed,
            calls,
            capacity,
            restart,
        })
    }

    /// Replaces an `orders`, as a deployment does: starts another, waits until that is ready, and ends the first by
    /// `SIGTERM`. The load balancer looks at `/readyz` and nothing else.
    async fn restart(
        &self,
        old: Replica,
        balancer: &watch::Sender<SocketAddr>,
    ) -> Result<(Replica, Option<Restart>), BoxError> {
        let begun = Instant::now();
        let new = Replica::start(&self.payments.url, self.without).await?;
        let start = begun.elapsed();
        sleep(BEFORE).await;
        let begun = Instant::now();
        old.signal(Signal::TERM)?;
        while old.is_ready().await {
            sleep(PROBE).await;
        }
        balancer.send(new.addr)?;
        let exit_code = old.ended().await?.code().unwrap_or(-1);
        let stop = begun.elapsed();
        let restart = Restart { start, stop, exit_code };
        Ok((new, Some(restart)))
    }

    async fn wait_until_well(&self, load: &Load, since: Duration) {
        let mut is_well = false;
        while !is_well && self.began.elapsed() < since + PATIENCE {
            sleep(PROBE).await;
            let sure = self.began.elapsed().saturating_sub(SURE);
            is_well = recovery(&load.samples(), since, sure).is_some();
        }
    }

    async fn tell(&self, phase: &Phase, load: &Load) -> Infallible {
        loop {
            sleep(self.progress.pace()).await;
            self.progress.tell(phase, self.began.elapsed(), &load.samples());
        }
    }
}

/// Begins what comes beside the usual orders while a trouble lasts.
fn more(phase: &Phase, capacity: Option<f64>, load: &Load) -> Vec<Stream> {
    let mut more = Vec::new();
    if let (Rate::Capacities(times), Some(capacity)) = (&phase.orders, capacity) {
        more.push(load.begin(Who::Client, times * capacity - USUAL_PER_SECOND));
    }
    if phase.flood > 0 {
        more.push(load.begin(Who::Flooder, phase.flood.into()));
    }
    if phase.is_restarted {
        more.push(load.begin(Who::Slow, SLOW_PER_SECOND));
    }
    more
}
