use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prost::Message;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_subscriber::layer::SubscriberExt;

use super::counts::Counts;
use super::export::{EXPORT_TIMEOUT, Export};
use super::exporter::Way;
use super::queue::{BATCH, Queue, WAITING};
use super::resource::resource;
use super::traces::Traces;
use crate::base::clock::{Clock, sleep};
use crate::base::context::SampleRatio;
use crate::base::events::{Change, Event, Events};
use crate::base::inventory::Describe;

#[derive(Clone, Debug)]
enum Answer {
    Well,
    Never,
    Broken,
    Status(u16),
    Says(&'static [u8]),
    Rejects(i64),
}

/// Answers in turn, and then always well.
#[derive(Clone, Debug, Default)]
struct Script(Arc<Mutex<VecDeque<Answer>>>);

impl HttpClient for Script {
    fn send_bytes<'a, 'f>(
        &'a self,
        _: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        let answer = self.0.lock().unwrap().pop_front().unwrap_or(Answer::Well);
        Box::pin(async move {
            let mut response = Response::new(Bytes::new());
            match answer {
                Answer::Well => {}
                Answer::Never => std::future::pending().await,
                Answer::Broken => return Err("connection reset".into()),
                Answer::Status(status) => *response.status_mut() = StatusCode::from_u16(status).unwrap(),
                Answer::Says(text) => *response.body_mut() = Bytes::from_static(text),
                Answer::Rejects(rejected_spans) => {
                    let partial_success = Some(ExportTracePartialSuccess {
                        rejected_spans,
                        error_message: String::new(),
                    });
                    *response.body_mut() = ExportTraceServiceResponse { partial_success }.encode_to_vec().into();
                }
            }
            Ok(response)
        })
    }
}

/// An export on the test's runtime, whose time is paused.
struct Running {
    tracer: SdkTracer,
    counts: Arc<Counts>,
    flush: mpsc::UnboundedSender<oneshot::Sender<()>>,
    script: Script,
    changes: Arc<Mutex<Vec<String>>>,
}

impl Running {
    fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let script = Script(Arc::new(Mutex::new(answers.into_iter().collect())));
        let changes = Arc::<Mutex<Vec<String>>>::default();
        let (sender, spans) = mpsc::channel(WAITING);
        let (flush, flushes) = mpsc::unbounded_channel();
        let (counts, full) = (Arc::<Counts>::default(), Arc::new(Notify::new()));
        let queue = Queue {
            spans: sender,
            counts: Arc::clone(&counts),
            full: Arc::clone(&full),
        };
        let told = Arc::clone(&changes);
        let export = Export {
            spans,
            full,
            flushes,
            counts: Arc::clone(&counts),
            events: Events::new(move |event: &Event<'_>| {
                if let Change::State { from, to, detail } = event.change {
                    told.lock().unwrap().push(format!("{from} -> {to}: {detail}"));
                }
            }),
            resource: resource("tested"),
        };
        let way = Way::Http {
            url: "http://collector.test/v1/traces".to_owned(),
            client: Arc::new(script.clone()),
        };
        tokio::spawn(export.run(way));
        let provider = SdkTracerProvider::builder().with_span_processor(queue).build();
        let tracer = provider.tracer_with_scope(InstrumentationScope::builder("test").build());
        Self {
            tracer,
            counts,
            flush,
            script,
            changes,
        }
    }

    fn end(&self, spans: usize) {
        (0..spans).for_each(|_| drop(self.tracer.start("span")));
    }

    async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        self.flush.send(done).unwrap();
        flushed.await.unwrap();
    }

    /// Ended, exported, dropped as the queue was full, dropped as the export failed.
    fn told(&self) -> [u64; 4] {
        let Counts {
            ended,
            exported,
            queue_full,
            export_failed,
            ..
        } = &*self.counts;
        [ended, exported, queue_full, export_failed].map(|counter| counter.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn changes(&self) -> Vec<String> {
        self.changes.lock().unwrap().clone()
    }
}

fn since(start: Instant) -> Duration {
    Clock::default().now() - start
}

#[tokio::test(start_paused = true)]
async fn spans_that_fill_no_batch_are_sent_within_a_second_and_a_full_batch_at_once() {
    let running = Running::start([]);
    let start = Clock::default().now();
    running.end(BATCH);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!((since(start).as_millis(), running.told()), (0, [512, 512, 0, 0]));
    running.end(1);
    while running.told()[1] == 512 {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(since(start).as_millis() <= 1_010, "{:?}", since(start));
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_never_answers_costs_the_batch_and_no_more_than_the_timeout() {
    let running = Running::start([Answer::Never]);
    let start = Clock::default().now();
    running.end(3);
    running.flush().await;
    assert_eq!((since(start), running.told()), (EXPORT_TIMEOUT, [3, 0, 0, 3]));
    assert_eq!(running.changes(), ["exporting -> failing: no answer within 5s"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_the_queue_is_dropped_and_every_span_is_accounted_for() {
    let running = Running::start([Answer::Never]);
    running.end(1);
    sleep(Duration::from_secs(2)).await;
    running.end(WAITING + 952);
    assert_eq!(running.told(), [3_001, 0, 952, 0]);
    running.flush().await;
    assert_eq!(running.told(), [3_001, 2_048, 952, 1]);
}

#[tokio::test(start_paused = true)]
async fn each_failure_drops_its_batch_with_a_cause_and_is_told_once_until_it_ends() {
    for (failure, cause) in [
        (Answer::Broken, "connection reset"),
        (Answer::Status(503), "503"),
        (Answer::Status(400), "400"),
        (
            Answer::Says(b"<html>It works!</html>"),
            "status 200 with an answer that is not OTLP's",
        ),
    ] {
        let running = Running::start([failure.clone(), failure.clone(), failure]);
        for _ in 0..5 {
            running.end(1);
            running.flush().await;
        }
        assert_eq!(running.told(), [5, 2, 0, 3], "{cause}");
        let changes = running.changes();
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(
            changes[0].starts_with("exporting -> failing: ") && changes[0].contains(cause),
            "{changes:?}"
        );
        assert_eq!(changes[1], "failing -> exporting: ");
    }
}

#[tokio::test(start_paused = true)]
async fn spans_that_a_collector_rejects_are_not_exported_ones() {
    let running = Running::start([Answer::Rejects(2), Answer::Rejects(1_000), Answer::Rejects(-1)]);
    for told in [[5, 3, 0, 2], [10, 3, 0, 7], [15, 8, 0, 7]] {
        running.end(5);
        running.flush().await;
        assert_eq!(running.told(), told);
    }
    assert_eq!(
        running.changes()[0],
        "exporting -> failing: the collector rejected 2 of 5 spans"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_json_is_good_enough() {
    let running = Running::start([Answer::Says(b"{\"partialSuccess\":{}}")]);
    running.end(1);
    running.flush().await;
    assert_eq!(running.told(), [1, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_batch_is_not_tried_again() {
    let running = Running::start([Answer::Status(503), Answer::Broken]);
    running.end(1);
    running.flush().await;
    assert_eq!(running.script.0.lock().unwrap().len(), 1, "asked once");
}

/// Makes a span of its own for each request, as a client may that is traced.
#[derive(Debug)]
struct Traced(Arc<OnceLock<Dispatch>>);

impl HttpClient for Traced {
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        'a: 'f,
        Self: 'f,
    {
        with_default(self.0.get().unwrap(), || drop(tracing::info_span!("export")));
        Box::pin(async move { Script::default().send_bytes(request).await })
    }
}

#[tokio::test]
async fn exports_are_never_exported() {
    let dispatch = Arc::<OnceLock<Dispatch>>::default();
    let way = Way::Http {
        url: "http://collector.test/v1/traces".to_owned(),
        client: Arc::new(Traced(Arc::clone(&dispatch))),
    };
    let (name, url) = ("tested".into(), "http://collector.test/".to_owned());
    let traces = Traces::new(name, url, "http", SampleRatio::ALL, way, |_: &Event<'_>| {});
    let subscriber = tracing_subscriber::registry().with(traces.layer().unwrap());
    let dispatch = dispatch.get_or_init(|| Dispatch::new(subscriber));
    with_default(dispatch, || drop(tracing::info_span!("request")));
    for _ in 0..3 {
        assert!(traces.flush(Duration::from_secs(20)).await);
    }
    let counters = traces.describe().counters;
    assert!(
        counters.contains(&("ended", 1)) && counters.contains(&("exported", 1)),
        "{counters:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nobody_is_left_who_could_end_a_span() {
    let Running { tracer, flush, .. } = Running::start([]);
    drop(tracer);
    crate::base::clock::timeout(Duration::from_secs(5), flush.closed())
        .await
        .unwrap();
}
