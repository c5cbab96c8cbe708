//! Paused clocks that stand at different times. In a binary of its own, as the first to ask matters.

use std::time::Duration;

use seaworthy::deadline::Deadline;
use tokio::runtime::Builder;

fn left_of_a_second(after: Duration) -> Duration {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        tokio::time::advance(after).await;
        Deadline::after(Duration::from_secs(1)).remaining()
    })
}

#[test]
fn a_clock_that_was_moved_forward_first_does_not_spoil_the_deadlines_of_others() {
    for hours in [48, 0, 1] {
        let left = left_of_a_second(Duration::from_secs(hours * 3600));
        assert_eq!(left, Duration::from_secs(1), "{hours} hours on");
    }
}
