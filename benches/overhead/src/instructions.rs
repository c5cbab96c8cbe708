//! Counts the instructions of a call under valgrind, which needs no quiet machine and counts the same every time.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::Command;

use seaworthy_harness::baseline::name;
use seaworthy_harness::comparison::{Batch, Comparison, Row};
use seaworthy_harness::surroundings::Surroundings;

use crate::chosen::chosen;

/// What the process is told that runs under valgrind.
pub(crate) const CHILD: &str = "count-instructions-under-valgrind";

const CALLS: u32 = 1_000;
/// So many that whatever is made by a first call has been made.
const WARM_UP: u32 = 2_000;
/// The least of them counts: now and then a call has to begin a new second of a window.
const REPEATS: usize = 5;

/// Makes the calls that are counted; in the child.
pub(crate) fn count(wanted: &[&str]) -> Result<(), Box<dyn Error>> {
    let surroundings = Surroundings::new()?;
    let _entered = surroundings.enter();
    for row in chosen(wanted)?.iter().flat_map(with_bare) {
        let mut batch = row.batch();
        row.reset();
        batch(WARM_UP);
        for _ in 0..REPEATS {
            black_box(seaworthy_counted(&mut batch, CALLS));
        }
    }
    Ok(())
}

fn with_bare(comparison: &Comparison) -> impl Iterator<Item = &Row> {
    std::iter::once(&comparison.bare).chain(&comparison.rows)
}

/// What valgrind counts in; it goes by the name.
#[unsafe(no_mangle)]
#[inline(never)]
fn seaworthy_counted(batch: &mut Batch, calls: u32) -> u32 {
    black_box(batch(calls))
}

/// Returns what each row adds to the service, by its name, of the comparisons that are wanted.
pub(crate) fn of(wanted: &[&str]) -> Result<HashMap<String, f64>, Box<dyn Error>> {
    let folder = env::temp_dir().join(format!("seaworthy-overhead-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let counted = run(&folder, wanted).and_then(|()| read(&folder));
    let _ = fs::remove_dir_all(&folder);
    assign(&chosen(wanted)?, &counted?)
}

fn run(folder: &Path, wanted: &[&str]) -> Result<(), Box<dyn Error>> {
    let ended = child(folder, wanted)?
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(format!("under valgrind: {}\n{said}", ended.status).into())
}

/// Makes the command that counts what is wanted, and no more.
fn child(folder: &Path, wanted: &[&str]) -> io::Result<Command> {
    let mut command = Command::new("valgrind");
    command
        .args([
            "--tool=callgrind",
            "--zero-before=seaworthy_counted",
            "--dump-after=seaworthy_counted",
        ])
        .arg(format!("--callgrind-out-file={}", folder.join("out").display()))
        .arg(env::current_exe()?)
        .arg(CHILD)
        .args(wanted);
    Ok(command)
}

/// Reads the sums of all dumps, in their order; what comes after the last of them is in a file without a number.
fn read(folder: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut sums = Vec::new();
    for number in 1.. {
        let Ok(text) = fs::read_to_string(folder.join(format!("out.{number}"))) else {
            break;
        };
        let sum = text.lines().find_map(|line| line.strip_prefix("summary: "));
        sums.push(sum.ok_or("a dump without its sum")?.trim().parse()?);
    }
    Ok(sums)
}

fn assign(comparisons: &[Comparison], sums: &[f64]) -> Result<HashMap<String, f64>, Box<dyn Error>> {
    let rows: usize = comparisons.iter().map(|comparison| 1 + comparison.rows.len()).sum();
    if sums.len() != rows * REPEATS {
        return Err(format!("{} dumps of valgrind for {rows} rows", sums.len()).into());
    }
    let least = |sums: &[f64]| sums.iter().copied().fold(f64::INFINITY, f64::min) / f64::from(CALLS);
    let mut sums = sums.chunks(REPEATS).map(least);
    let mut added = HashMap::new();
    for comparison in comparisons {
        let bare = sums.next().ok_or("too few sums")?;
        for (row, sum) in comparison.rows.iter().zip(&mut sums) {
            added.insert(name(&comparison.title, row.what), sum - bare);
        }
    }
    Ok(added)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use seaworthy_harness::surroundings::Surroundings;

    use super::{CALLS, CHILD, REPEATS, assign, child};
    use crate::chosen::chosen;

    #[test]
    fn valgrind_is_told_what_is_wanted_and_no_more() {
        let told = |wanted: &[&str]| {
            let command = child(Path::new("/out"), wanted).expect("this process has a path");
            let arguments: Vec<String> = command.get_args().map(|one| one.to_string_lossy().into()).collect();
            let child = arguments.iter().position(|one| one == CHILD).expect("it is a child");
            arguments[child + 1..].to_vec()
        };
        assert_eq!(told(&["refused", "a route"]), ["refused", "a route"]);
        assert!(told(&[]).is_empty());
    }

    #[test]
    fn the_least_of_the_repeats_counts_over_the_service_alone() {
        let surroundings = Surroundings::new().expect("the runtime starts");
        let _entered = surroundings.enter();
        let comparisons = chosen(&["a route of axum"]).expect("there is one");
        let of_calls = |instructions: f64| instructions * f64::from(CALLS);
        let mut sums = [vec![of_calls(10.0); REPEATS], vec![of_calls(30.0); REPEATS]].concat();
        sums[REPEATS] = of_calls(25.0);
        let added = assign(&comparisons, &sums).expect("there are as many as there should be");
        assert_eq!(added.get("a route of axum: matched path"), Some(&15.0));
        assert!(assign(&comparisons, &sums[1..]).is_err());
    }
}
