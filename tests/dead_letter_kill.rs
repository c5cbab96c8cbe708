//! A file of dead letters whose process is killed: none that was acknowledged is lost, none is torn, and none is back that
//! was taken out.
//!
//! Alone in its program: a process that is being started holds, for a moment, the locks of the one that starts it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use seaworthy::worker::{DeadLetter, DeadLetterFile, DeadLetters};

/// Says to the process that is killed where it writes, and the number of its first letter.
const WRITES_TO: &str = "SEAWORTHY_TEST_DEAD_LETTERS";
const BEGINS_WITH: &str = "SEAWORTHY_TEST_FIRST_LETTER";

/// Not a test: the process that the next one kills. It takes out all even letters after each eight.
#[tokio::test]
#[ignore = "is started by another test"]
async fn writes_and_replays_until_it_is_killed() {
    let file = DeadLetterFile::open(std::env::var_os(WRITES_TO).unwrap(), 1 << 30).unwrap();
    let first: u64 = std::env::var(BEGINS_WITH).unwrap().parse().unwrap();
    let say = |what: String| {
        println!("{what}");
        std::io::stdout().flush().unwrap();
    };
    for number in first.. {
        let letter = DeadLetter::new("invoices", "no \"money\"\nat all", number.to_string());
        file.store(letter).await.unwrap();
        say(format!("stored {number}"));
        if number % 8 == 7 {
            let again = async |letter: DeadLetter| {
                if number_of(&letter).is_multiple_of(2) {
                    Ok(())
                } else {
                    Err(())
                }
            };
            file.replay(again).await.unwrap();
            say(format!("replayed {number}"));
        }
    }
}

fn number_of(letter: &DeadLetter) -> u64 {
    letter.payload.parse().unwrap()
}

fn child(path: &Path, first: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "writes_and_replays_until_it_is_killed",
        "--ignored",
        "--nocapture",
    ]);
    command.env(WRITES_TO, path).env(BEGINS_WITH, first.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Kills it at a random moment after some of its lines; returns all whole lines that it has said.
fn killed(mut child: Child) -> String {
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    let lines = fastrand::usize(1..24);
    while text.matches("ed ").count() < lines {
        assert_ne!(said.read_line(&mut text).unwrap(), 0, "it ended by itself: {text}");
    }
    std::thread::sleep(Duration::from_micros(fastrand::u64(0..2000)));
    child.kill().unwrap();
    child.wait().unwrap();
    said.read_to_string(&mut text).unwrap();
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    text
}

/// Returns the greatest number that stands behind a word.
fn last(said: &str, word: &str) -> Option<u64> {
    let numbers = said
        .lines()
        .filter_map(|line| line.rsplit_once(word)?.1.trim().parse().ok());
    numbers.max()
}

/// 200 processes in a row write to one file, and each is killed at a random moment.
#[test]
fn no_letter_that_was_acknowledged_is_lost_by_a_kill() {
    let folder = std::env::temp_dir().join(format!("seaworthy-dead-kill-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("dead.jsonl");
    let kills = std::env::var("TEST_KILLS").map_or(200, |kills| kills.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    // One behind the last letter that was acknowledged, and behind the last that a replay has seen.
    let (mut stored, mut replayed, mut first) = (0, 0, 0);
    for kill in 0..kills {
        let said = killed(child(&path, first));
        stored = last(&said, "stored ").map_or(stored, |number| number + 1);
        replayed = last(&said, "replayed ").map_or(replayed, |number| number + 1);

        let file = DeadLetterFile::open(&path, 1 << 30).unwrap();
        let numbers: Vec<u64> = runtime.block_on(file.list()).unwrap().iter().map(number_of).collect();
        assert!(
            numbers.is_sorted_by(|one, next| one < next),
            "after kill {kill}: {numbers:?}"
        );
        // The last replay that can have begun, and may have taken out all even ones before it.
        let begun = (0..=stored).rev().find(|number| number % 8 == 7).unwrap_or(0);
        let must_be_there = |number: &u64| number % 2 == 1 || *number > begun;
        let lost = (0..stored).find(|number| must_be_there(number) && numbers.binary_search(number).is_err());
        assert_eq!(lost, None, "lost by kill {kill}");
        let back = numbers
            .iter()
            .find(|number| number.is_multiple_of(2) && **number < replayed);
        assert_eq!(back, None, "back after kill {kill}");
        // What was not acknowledged may be there.
        first = stored.max(numbers.last().map_or(0, |number| number + 1));
        // An odd one that was never written is not missed.
        stored = stored.max(first);
    }
    assert!(stored >= kills && replayed > 0, "{stored} letters, {replayed} replayed");
    fs::remove_dir_all(folder).unwrap();
}
