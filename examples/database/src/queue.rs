//! The table `jobs` as the source of a worker.
//!
//! A job is handed out under a lease. A worker that dies settles nothing, and the job is handed out again when its lease is
//! over; so whatever does the job must be able to do it twice.

use std::time::Duration;

use deadpool_postgres::tokio_postgres::types::ToSql;
use seaworthy::context::{Context, RequestId};
use seaworthy::worker::{Delivery, GivenBack, Job, Source};
use seaworthy::{BoxError, Guard, Guarded};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::connections::Connections;
use crate::error::DatabaseError;

/// Takes the job that has been free for longest, past those that others are taking at this moment.
const CLAIM: &str = "
    update jobs set handed_out = handed_out + 1, leased_until = now() + make_interval(secs => $1)
    where id = (
        select id from jobs where leased_until <= now() order by leased_until, id limit 1 for update skip locked
    )
    returning id, handed_out, order_id, request_id, handed_out - given_back, attempts";
const DONE: &str = "delete from jobs where id = $1 and handed_out = $2";
const GIVE_BACK: &str = "
    update jobs set leased_until = now(), given_back = given_back + 1, attempts = attempts + $3
    where id = $1 and handed_out = $2";

/// How often an empty queue is asked.
const POLL: Duration = Duration::from_millis(200);

/// Asks for the invoice of an order.
#[derive(Debug)]
pub struct InvoiceJob {
    pub order: i64,
    /// How often it was handed out without being given back, this time included; more than once if a worker has died with it.
    pub unsettled: i32,
}

impl Job for InvoiceJob {
    fn payload(&self) -> String {
        self.order.to_string()
    }
}

/// One lease of a job: what settles it counts only as long as nobody else has got the job.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    job: i64,
    handed_out: i32,
}

/// The jobs in the database.
#[derive(Clone)]
pub struct Queue {
    connections: Connections,
    guard: Guard,
    lease: Duration,
}

impl Queue {
    /// Hands jobs out for `lease`, which must be longer than the worker may take for one and for settling it.
    pub fn new(connections: Connections, guard: Guard, lease: Duration) -> Self {
        Self {
            connections,
            guard,
            lease,
        }
    }

    /// Claims a job in a task of its own: whoever waits for it may go away, and then it is given back.
    async fn claim(&self) -> Result<Option<Delivery<Self>>, BoxError> {
        let (answer, claimed) = oneshot::channel();
        let queue = self.clone();
        tokio::spawn(async move {
            let unheard = answer.send(queue.claim_now().await);
            if let Err(Ok(Some(delivery))) = unheard {
                // If not even that works, the lease ends by itself.
                let _ = queue
                    .give_back(delivery.receipt, GivenBack::new(0, "nobody has heard of it"))
                    .await;
            }
        });
        Ok(claimed.await??)
    }

    async fn claim_now(&self) -> Result<Option<Delivery<Self>>, Guarded<DatabaseError>> {
        let claim = || async {
            let connection = self.connections.take().await?;
            let claim = connection.prepare_cached(CLAIM).await?;
            let Some(row) = connection.query_opt(&claim, &[&self.lease.as_secs_f64()]).await? else {
                return Ok(None);
            };
            let (job, handed_out, order) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let (unsettled, attempts): (i32, i64) = (row.try_get(4)?, row.try_get(5)?);
            let delivery = Delivery::new(InvoiceJob { order, unsettled }, Lease { job, handed_out });
            let delivery = delivery.attempts(attempts.try_into().unwrap_or(u32::MAX));
            let request: Option<String> = row.try_get(3)?;
            // What is called and logged for the job carries the id of the request that asked for it.
            Ok(Some(match request.and_then(|id| id.parse::<RequestId>().ok()) {
                Some(id) => delivery.context(Context::current().detached().request_id(id)),
                None => delivery,
            }))
        };
        self.guard.call(claim).await
    }

    /// Runs a statement on a job, if the lease still holds.
    async fn settle(&self, statement: &str, lease: Lease, more: &[&(dyn ToSql + Sync)]) -> Result<(), BoxError> {
        let Lease { job, handed_out } = lease;
        let settle = || async {
            let connection = self.connections.take().await?;
            let statement = connection.prepare_cached(statement).await?;
            let parameters = [&[&job as &(dyn ToSql + Sync), &handed_out], more].concat();
            Ok::<_, DatabaseError>(connection.execute(&statement, &parameters).await?)
        };
        match self.guard.call(settle).await? {
            0 => Err(format!("the lease of job {job} was over: somebody else has it").into()),
            _ => Ok(()),
        }
    }
}

impl Source for Queue {
    type Job = InvoiceJob;
    type Receipt = Lease;

    async fn next(&self) -> Result<Option<Delivery<Self>>, BoxError> {
        loop {
            if let Some(delivery) = self.claim().await? {
                return Ok(Some(delivery));
            }
            sleep(POLL).await;
        }
    }

    async fn done(&self, lease: Lease) -> Result<(), BoxError> {
        self.settle(DONE, lease, &[]).await
    }

    async fn give_back(&self, lease: Lease, given_back: GivenBack) -> Result<(), BoxError> {
        self.settle(GIVE_BACK, lease, &[&i64::from(given_back.attempts)]).await
    }
}
