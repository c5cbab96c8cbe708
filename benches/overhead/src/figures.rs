//! Measures all that was asked for.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Handle;

use seaworthy_harness::baseline::name;
use seaworthy_harness::comparison::{Comparison, Row};
use seaworthy_harness::cores;
use seaworthy_harness::interleave::{self, RowFigures};
use seaworthy_harness::origin::Origin;
use seaworthy_harness::pair::{Limits, Pair, PairRow};
use seaworthy_harness::statistics::Spread;

use crate::chosen::chosen;
use crate::instructions;

/// So many that a median stands still.
const ROUNDS: usize = 3_001;
/// Fewer, as a round takes longer here.
const ROUNDS_OF_ALL: Limits = Limits {
    rounds: 1_001,
    patience: Duration::from_secs(12),
};

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Figures {
    #[serde(flatten)]
    pub(crate) origin: Origin,
    pub(crate) seconds: u64,
    pub(crate) comparisons: Vec<Measured>,
}

/// One comparison with its figures.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub(crate) title: String,
    pub(crate) settings: String,
    /// Nanoseconds of a call of the service alone.
    pub(crate) bare: Spread,
    /// How many rounds counted on all cores, in words.
    pub(crate) rounds: Option<String>,
    pub(crate) rows: Vec<Line>,
}

/// What one row adds to the service.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(crate) what: &'static str,
    pub(crate) nanoseconds: Spread,
    pub(crate) instructions: Option<f64>,
    pub(crate) allocations: f64,
    pub(crate) bytes: f64,
    pub(crate) on_all_cores: Option<AllCores>,
}

/// What becomes of it when all cores share one handle.
#[derive(Serialize)]
pub(crate) struct AllCores {
    /// Throughput over one thread's.
    pub(crate) gain: Spread,
    /// Nanoseconds from one call's end to the next one's, whichever thread made them; the service's own among them.
    pub(crate) nanoseconds: Spread,
}

/// Measures the comparisons in whose titles one of `wanted` stands, or all.
pub(crate) fn measure(wanted: &[&str], runtime: &Handle) -> Result<Figures, Box<dyn Error>> {
    let comparisons = chosen(wanted)?;
    let (origin, start) = (Origin::now(), Instant::now());
    let steps = comparisons.len() + 1;
    eprintln!("[1/{steps}] instructions, under valgrind");
    let instructions = instructions::of(wanted).unwrap_or_else(|reason| {
        eprintln!("      not counted: {reason}");
        HashMap::new()
    });
    let pair = Pair::new(&cores::all(), runtime);
    let mut measured = Vec::new();
    for (step, comparison) in comparisons.iter().enumerate() {
        eprintln!("[{}/{steps}] {}", step + 2, comparison.title);
        measured.push(measure_one(comparison, &instructions, pair.as_ref()));
    }
    Ok(Figures {
        origin,
        seconds: start.elapsed().as_secs(),
        comparisons: measured,
    })
}

fn measure_one(comparison: &Comparison, instructions: &HashMap<String, f64>, pair: Option<&Pair>) -> Measured {
    let alone = interleave::measure(comparison, ROUNDS);
    let shared = pair.filter(|_| comparison.on_two_threads);
    let shared = shared.map(|pair| pair.measure(comparison, ROUNDS_OF_ALL));
    let of_all = shared.as_ref().and_then(|figures| figures.rows.as_deref());
    let rounds = shared.as_ref().map(ToString::to_string);
    let lines = comparison.rows.iter().zip(&alone.rows).enumerate();
    let lines = lines.map(|(which, (row, figures))| {
        let counted = instructions.get(&name(&comparison.title, row.what)).copied();
        line(row, figures, counted, of_all.map(|rows| rows[which]))
    });
    Measured {
        title: comparison.title.clone(),
        settings: comparison.settings.clone(),
        bare: alone.bare,
        rounds,
        rows: lines.collect(),
    }
}

fn line(row: &Row, figures: &RowFigures, instructions: Option<f64>, on_all_cores: Option<PairRow>) -> Line {
    Line {
        what: row.what,
        nanoseconds: figures.added,
        instructions,
        allocations: figures.allocations,
        bytes: figures.bytes,
        on_all_cores: on_all_cores.map(|row| AllCores {
            gain: row.gain,
            nanoseconds: row.cost,
        }),
    }
}
