//! The closed loop: as many requests at once as there are lines, each after the answer to the one before.
//!
//! It finds out how much a server can do. Its latencies say little about the tail: while a server stalls, nobody asks,
//! and one slow answer stands for all that would have been asked meanwhile.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::{Done, Lines};

/// How long a server may say nothing at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks for so long, and waits for the last answers.
pub(in crate::server) fn run(lines: &mut impl Lines, length: Duration) -> io::Result<Done> {
    let begun = lines.now();
    let mut latencies = Vec::with_capacity(1 << 18);
    // When each line asked what is not answered yet.
    let mut asked = Vec::with_capacity(lines.count());
    for line in 0..lines.count() {
        asked.push(Some(lines.now()));
        lines.ask(line)?;
    }
    let mut under_way = asked.len();
    let mut last = begun;
    while under_way > 0 {
        let before = latencies.len();
        for (line, asked) in asked.iter_mut().enumerate() {
            let Some(since) = *asked else { continue };
            if !lines.is_answered(line)? {
                continue;
            }
            last = lines.now();
            latencies.push(last - since);
            if last - begun < length {
                *asked = Some(last);
                lines.ask(line)?;
            } else {
                *asked = None;
                under_way -= 1;
            }
        }
        if latencies.len() == before {
            if lines.now() - last > PATIENCE {
                return Err(ErrorKind::TimedOut.into());
            }
            lines.pause();
        }
    }
    Ok(Done::new(last - begun, latencies.len(), latencies))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::run;
    use crate::server::load::fake::Fake;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_finds_out_how_much_a_server_can_do() {
        let mut lines = Fake::answering_in(Duration::from_micros(500)).lines(4);
        let done = run(&mut lines, SECOND).expect("it answers");
        let per_second = done.answered as f64 / done.took.as_secs_f64();
        assert!((1_990.0..=2_000.0).contains(&per_second), "{per_second}");
    }

    #[test]
    fn a_server_that_never_answers_is_given_up() {
        let mut lines = Fake::answering_in(Duration::MAX).lines(1);
        assert!(run(&mut lines, SECOND).is_err());
    }
}
