use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc, oneshot};

use super::answer::Answer;
use super::counts::{Counts, EXPORTING, FAILING};
use super::exporter::Way;
use super::queue::BATCH;
use crate::base::clock::{sleep, timeout};
use crate::base::events::{Change, Events};

/// The longest time for one export, the connection included.
pub(super) const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often spans are sent of which there are not enough for a batch.
const INTERVAL: Duration = Duration::from_secs(1);

thread_local! {
    static EXPORTS: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread exports spans, so that none of its own may ever be exported.
pub(super) fn exports() -> bool {
    EXPORTS.get()
}

/// Takes spans out of the queue and sends them, on a thread and a runtime of its own.
pub(super) struct Export {
    pub(super) spans: mpsc::Receiver<SpanData>,
    pub(super) full: Arc<Notify>,
    pub(super) flushes: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    pub(super) counts: Arc<Counts>,
    pub(super) events: Events,
    pub(super) resource: Resource,
}

impl Export {
    pub(super) fn spawn(self, way: Way) -> io::Result<()> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            // Those too that look names up.
            .on_thread_start(|| EXPORTS.set(true))
            .build()?;
        let run = move || {
            EXPORTS.set(true);
            runtime.block_on(self.run(way));
            runtime.shutdown_background();
        };
        thread::Builder::new()
            .name("seaworthy-otlp".to_owned())
            .spawn(run)
            .map(drop)
    }

    pub(super) async fn run(mut self, way: Way) {
        let answer = Answer::default();
        let exporter = way.exporter(&answer).map(|mut exporter| {
            exporter.set_resource(&self.resource);
            exporter
        });
        let exporter = exporter.map_err(|error| error.to_string());
        loop {
            let flush = tokio::select! {
                () = sleep(INTERVAL) => None,
                () = self.full.notified() => None,
                Some(flush) = self.flushes.recv() => Some(flush),
            };
            self.send_what_waits(&exporter, &answer).await;
            if let Some(flush) = flush {
                let _ = flush.send(());
            }
            if self.spans.is_closed() && self.spans.is_empty() {
                return;
            }
        }
    }

    async fn send_what_waits(&mut self, exporter: &Result<SpanExporter, String>, answer: &Answer) {
        // Not what comes meanwhile: that would be sent one by one.
        let mut waiting = self.spans.len();
        while waiting > 0 {
            let mut batch = Vec::with_capacity(waiting.min(BATCH));
            while batch.len() < waiting.min(BATCH) {
                let Ok(span) = self.spans.try_recv() else { break };
                batch.push(span);
            }
            let taken = batch.len();
            waiting = if taken == 0 { 0 } else { waiting - taken };
            let sent = match exporter {
                Ok(exporter) => send(exporter, batch, answer).await,
                Err(cause) => Err(cause.clone()),
            };
            self.count(taken, sent);
        }
    }

    fn count(&self, taken: usize, sent: Result<usize, String>) {
        let rejected = *sent.as_ref().unwrap_or(&taken).min(&taken);
        Counts::add(&self.counts.exported, taken - rejected);
        Counts::add(&self.counts.export_failed, rejected);
        let cause = match sent {
            Ok(0) => None,
            Ok(rejected) => Some(format!("the collector rejected {rejected} of {taken} spans")),
            Err(cause) => Some(cause),
        };
        if self.counts.failing.swap(cause.is_some(), Ordering::Relaxed) != cause.is_some() {
            let (from, to) = match cause {
                Some(_) => (EXPORTING, FAILING),
                None => (FAILING, EXPORTING),
            };
            let detail = cause.as_deref().unwrap_or_default();
            self.events.emit("otlp", "traces", Change::State { from, to, detail });
        }
    }
}

/// Sends once; tells how many spans the collector did not take, or why it took none.
async fn send(exporter: &SpanExporter, batch: Vec<SpanData>, answer: &Answer) -> Result<usize, String> {
    let sent = timeout(EXPORT_TIMEOUT, exporter.export(batch)).await;
    let said = answer.take();
    match sent {
        Ok(Ok(())) => Ok(said.rejected),
        Ok(Err(error)) => Err(said.cause.unwrap_or_else(|| error.to_string())),
        Err(_) => Err(format!("no answer within {EXPORT_TIMEOUT:?}")),
    }
}
