//! Measures rows on several threads that share one handle.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::comparison::{Batch, Comparison, Row};
use crate::cores;
use crate::interleave::{calibrate, order, time};
use crate::statistics::Spread;

/// What share of its best gain an empty loop must have for a round to count; less, and something else had a core.
const WHOLE: f64 = 0.9;

/// What it must gain for each of the threads in any case: cores that turn slower together do, one core for two does not.
const LEAST: f64 = 0.6;

/// How many rounds it takes to say anything: what else takes a core may do so between two rows of a round.
const ENOUGH: usize = 30;

/// When to end.
#[derive(Clone, Copy)]
pub struct Limits {
    /// After so many rounds.
    pub rounds: usize,
    /// Or after so long, as a machine that is busy with something else makes threads wait for each other.
    pub patience: Duration,
}

/// The figures of one comparison.
pub struct PairFigures {
    /// How many rounds there were.
    pub rounds: usize,
    /// In how many of them each thread had a whole core.
    pub counted: usize,
    /// What an empty loop gained in those.
    pub empty: Option<Spread>,
    /// Those of the shared rows, in their order; `None` if too few rounds counted.
    pub rows: Option<Vec<PairRow>>,
}

impl fmt::Display for PairFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, counted, .. } = self;
        match (&self.rows, self.empty) {
            (Some(_), Some(empty)) => {
                let gain = empty.median;
                write!(
                    f,
                    "{counted} of {rounds} rounds counted, in which an empty loop gained {gain:.2}"
                )
            }
            _ => write!(f, "no figures, as only {counted} of {rounds} rounds had whole cores"),
        }
    }
}

/// The figures of one row.
#[derive(Clone, Copy, Debug)]
pub struct PairRow {
    /// Throughput of all threads over that of one; their number is perfect.
    pub gain: Spread,
    /// Nanoseconds from one call's end to the next one's, whichever thread made them.
    pub cost: Spread,
}

/// What one row did in one round.
#[derive(Clone, Copy)]
struct Sample {
    alone: Duration,
    together: Duration,
    calls: u32,
    threads: u32,
}

impl Sample {
    fn gain(self) -> f64 {
        f64::from(self.threads) * self.alone.as_secs_f64() / self.together.as_secs_f64()
    }

    fn cost(self) -> f64 {
        self.together.as_nanos() as f64 / (f64::from(self.threads) * f64::from(self.calls))
    }
}

/// This thread and others, which are the same for every comparison: what spreads its state over threads deals out
/// places to them in turn, and further threads could be given those of the first.
pub struct Pair {
    core: usize,
    others: Vec<Other>,
    gate: Arc<Gate>,
}

impl Pair {
    /// Starts the other threads, each on a core of its own; this one has the first. `None` if there are no two.
    pub fn new(cores: &[usize], runtime: &Handle) -> Option<Self> {
        let (&core, others) = cores.split_first().filter(|(_, others)| !others.is_empty())?;
        let gate = Arc::new(Gate::of(cores.len()));
        let spawn = |&core: &usize| Other::spawn(core, runtime.clone(), Arc::clone(&gate));
        Some(Self {
            core,
            others: others.iter().map(spawn).collect(),
            gate,
        })
    }

    /// Returns how many threads there are.
    pub fn threads(&self) -> usize {
        1 + self.others.len()
    }

    /// Measures those rows of a comparison that can be shared.
    pub fn measure(&self, comparison: &Comparison, limits: Limits) -> PairFigures {
        let empty = Row::new("std", "empty loop", || turn_registers);
        let shared = comparison.rows.iter().filter(|row| row.shared);
        let rows: Vec<&Row> = std::iter::once(&empty).chain(shared).collect();
        let mut mine: Vec<Batch> = rows.iter().map(|row| row.batch()).collect();
        for other in &self.others {
            other.order(Order::Take(rows.iter().map(|row| row.batch()).collect()));
        }
        let calls: Vec<u32> = rows
            .iter()
            .zip(&mut mine)
            .map(|(row, batch)| calibrate(row, batch))
            .collect();

        let _bound = cores::bind(self.core);
        let mut samples: Vec<Vec<Sample>> = Vec::with_capacity(limits.rounds);
        let warm_up = limits.rounds / 10;
        let start = Instant::now();
        for round in (0..warm_up + limits.rounds).take_while(|_| start.elapsed() < limits.patience) {
            let mut taken: Vec<Option<Sample>> = vec![None; rows.len()];
            for which in order(round, rows.len()) {
                let calls = calls[which];
                let alone = time(rows[which], &mut mine[which], calls);
                rows[which].reset();
                let together = self.together(which, &mut mine[which], calls);
                let threads = self.threads() as u32;
                taken[which] = Some(Sample {
                    alone,
                    together,
                    calls,
                    threads,
                });
            }
            if round >= warm_up {
                samples.push(taken.into_iter().flatten().collect());
            }
        }
        summarise(&samples, rows.len())
    }

    /// Runs a batch on each thread at once, and returns how long it took until all had ended.
    fn together(&self, which: usize, mine: &mut Batch, calls: u32) -> Duration {
        for other in &self.others {
            other.order(Order::Run { which, calls });
        }
        let (mut start, mut end) = run(&self.gate, mine, calls);
        for other in &self.others {
            let theirs = other.reports.recv().expect("the other thread reports");
            (start, end) = (start.min(theirs.0), end.max(theirs.1));
        }
        end - start
    }
}

/// Keeps the rounds in which the first row, the empty loop, gained what it can gain on this machine.
fn summarise(samples: &[Vec<Sample>], rows: usize) -> PairFigures {
    let counted = whole(samples);
    let spread = |which: usize, figure: fn(Sample) -> f64| Spread::of(counted.iter().map(|round| figure(round[which])));
    PairFigures {
        rounds: samples.len(),
        counted: counted.len(),
        empty: spread(0, Sample::gain),
        rows: (1..rows)
            .map(|which| {
                let row = PairRow {
                    gain: spread(which, Sample::gain)?,
                    cost: spread(which, Sample::cost)?,
                };
                (counted.len() >= ENOUGH).then_some(row)
            })
            .collect(),
    }
}

fn whole(samples: &[Vec<Sample>]) -> Vec<&Vec<Sample>> {
    let empty = || samples.iter().map(|round| round[0]);
    let threads = f64::from(empty().next().map_or(0, |sample| sample.threads));
    // What nine rounds in ten stay below: where fewer are whole, disturbed ones count, which the printed gain shows. No more than
    // the threads, as what seems more was disturbed when it was alone.
    let best = Spread::of(empty().map(Sample::gain)).map_or(0.0, |gain| gain.high.min(threads));
    let enough = (WHOLE * best).max(LEAST * threads);
    samples.iter().filter(|round| round[0].gain() >= enough).collect()
}

/// Touches no memory that two cores could want, so that nothing but the want of a core can slow it down.
fn turn_registers(n: u64) -> bool {
    let mut register = n | 1;
    for _ in 0..16 {
        register ^= register << 13;
        register ^= register >> 7;
        register ^= register << 17;
    }
    register != 0
}

/// A further thread, which waits, asleep, for batches to run beside the first one's.
struct Other {
    orders: mpsc::Sender<Order>,
    reports: mpsc::Receiver<(Instant, Instant)>,
}

enum Order {
    Take(Vec<Batch>),
    Run { which: usize, calls: u32 },
}

impl Other {
    fn spawn(core: usize, runtime: Handle, gate: Arc<Gate>) -> Self {
        let (orders, received) = mpsc::channel();
        let (report, reports) = mpsc::channel();
        thread::spawn(move || {
            let _entered = runtime.enter();
            let _bound = cores::bind(core);
            let mut batches: Vec<Batch> = Vec::new();
            for order in received {
                match order {
                    Order::Take(others) => batches = others,
                    Order::Run { which, calls } => {
                        if report.send(run(&gate, &mut batches[which], calls)).is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Self { orders, reports }
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the other thread waits for orders");
    }
}

fn run(gate: &Gate, batch: &mut Batch, calls: u32) -> (Instant, Instant) {
    gate.meet();
    let start = Instant::now();
    std::hint::black_box(batch(calls));
    (start, Instant::now())
}

/// Where threads wait for each other, awake: to be woken takes as long as a batch.
struct Gate {
    threads: u64,
    arrived: AtomicU64,
}

impl Gate {
    fn of(threads: usize) -> Self {
        Self {
            threads: threads as u64,
            arrived: AtomicU64::new(0),
        }
    }

    fn meet(&self) {
        let arrived = self.arrived.fetch_add(1, Ordering::AcqRel) + 1;
        let all = arrived.next_multiple_of(self.threads);
        while self.arrived.load(Ordering::Acquire) < all {
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ENOUGH, Sample, summarise};

    fn sample(alone: u64, together: u64) -> Sample {
        Sample {
            alone: Duration::from_micros(alone),
            together: Duration::from_micros(together),
            calls: 100,
            threads: 2,
        }
    }

    #[test]
    fn the_gain_is_throughput_over_throughput() {
        assert_eq!(sample(50, 50).gain(), 2.0);
        assert_eq!(sample(50, 200).gain(), 0.5);
    }

    #[test]
    fn the_cost_is_that_of_a_call_of_any_thread() {
        assert_eq!(sample(50, 200).cost(), 1_000.0);
        let of_four = Sample {
            threads: 4,
            ..sample(50, 100)
        };
        assert_eq!((of_four.gain(), of_four.cost()), (2.0, 250.0));
    }

    #[test]
    fn a_round_in_which_the_empty_loop_lacked_a_core_does_not_count() {
        let whole = vec![sample(50, 50), sample(50, 100)];
        let lacking = vec![sample(50, 60), sample(50, 400)];
        let figures = summarise(&[vec![whole; ENOUGH], vec![lacking; ENOUGH]].concat(), 2);
        assert_eq!((figures.rounds, figures.counted), (2 * ENOUGH, ENOUGH));
        let rows = figures.rows.expect("enough rounds counted");
        assert_eq!((rows[0].gain.low, rows[0].gain.high), (1.0, 1.0));
    }

    #[test]
    fn cores_that_turn_slower_together_are_whole() {
        let slower = vec![sample(50, 60), sample(50, 100)];
        let lacking = vec![sample(50, 80), sample(50, 400)];
        let figures = summarise(&[vec![slower; ENOUGH], vec![lacking; ENOUGH]].concat(), 2);
        assert_eq!(figures.counted, ENOUGH);
        assert_eq!(figures.empty.map(|gain| gain.median), Some(100.0 / 60.0));
    }

    #[test]
    fn more_than_the_threads_can_gain_is_no_best() {
        let disturbed_alone = vec![sample(80, 50), sample(50, 100)];
        let whole = vec![sample(50, 50), sample(50, 100)];
        let figures = summarise(&[vec![disturbed_alone; ENOUGH], vec![whole; ENOUGH]].concat(), 2);
        assert_eq!(figures.counted, 2 * ENOUGH);
    }

    #[test]
    fn two_threads_that_never_had_two_cores_tell_nothing() {
        let one_core = vec![sample(50, 98), sample(50, 100)];
        let figures = summarise(&vec![one_core; 2 * ENOUGH], 2);
        assert_eq!((figures.counted, figures.rows.is_none()), (0, true));
    }

    #[test]
    fn no_figure_is_given_when_too_few_rounds_counted() {
        let whole = vec![sample(50, 50), sample(50, 100)];
        let figures = summarise(&vec![whole; ENOUGH - 1], 2);
        assert_eq!(figures.counted, ENOUGH - 1);
        assert!(figures.rows.is_none());
    }
}
