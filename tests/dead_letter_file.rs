//! Dead letters in a file: none that was acknowledged is lost, and none is torn.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use seaworthy::BoxError;
use seaworthy::worker::{DeadLetter, DeadLetterFile, DeadLetters};

const MOST: u64 = 1 << 20;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("seaworthy-dead-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("dead.jsonl")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn letter(number: u64) -> DeadLetter {
    let mut letter = DeadLetter::new("invoices", "no \"money\"\nat all", format!("{number}"));
    letter.at = Duration::from_millis(1_795_435_200_123);
    letter.attempts = 3;
    letter.request_id = Some("r-1".into());
    letter
}

fn numbers(letters: &[DeadLetter]) -> Vec<u64> {
    letters.iter().map(|letter| letter.payload.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_letter_is_read_back_as_it_was_stored_by_whoever_opens_it_next() {
    let folder = Folder::new("back");
    let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
    file.store(letter(1)).await.unwrap();
    file.store(letter(2)).await.unwrap();
    assert_eq!(file.list().await.unwrap(), [letter(1), letter(2)]);
    assert!(DeadLetterFile::open(folder.file(), MOST).is_err(), "two would tear it");
    drop(file);
    let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
    assert_eq!(
        (file.letters(), file.list().await.unwrap()),
        (2, vec![letter(1), letter(2)])
    );
}

#[tokio::test]
async fn a_replay_takes_out_what_was_done_and_leaves_the_rest_and_what_came_meanwhile() {
    let folder = Folder::new("replay");
    let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
    for number in 0..4 {
        file.store(letter(number)).await.unwrap();
    }
    let again = async |letter: DeadLetter| {
        let number: u64 = letter.payload.parse().unwrap();
        file.store(self::letter(10 + number)).await.unwrap();
        if number.is_multiple_of(2) {
            Ok(())
        } else {
            Err("still no")
        }
    };
    let replayed = file.replay(again).await.unwrap();
    assert_eq!((replayed.done, replayed.left), (2, 6));
    assert_eq!(numbers(&file.list().await.unwrap()), [1, 3, 10, 11, 12, 13]);
    file.store(letter(20)).await.unwrap();
    drop(file);
    let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
    assert_eq!(numbers(&file.list().await.unwrap()), [1, 3, 10, 11, 12, 13, 20]);
}

#[tokio::test]
async fn a_full_file_refuses_and_keeps_what_it_has() {
    let folder = Folder::new("full");
    let file = DeadLetterFile::open(folder.file(), 320).unwrap();
    file.store(letter(1)).await.unwrap();
    file.store(letter(2)).await.unwrap();
    let error = file.store(letter(3)).await.unwrap_err().to_string();
    assert!(error.contains("is full"), "{error}");
    assert_eq!(file.letters(), 2);
    assert!(fs::metadata(folder.file()).unwrap().len() <= 320);
    file.replay(async |_| Ok::<_, BoxError>(())).await.unwrap();
    file.store(letter(3)).await.unwrap();
    assert_eq!(numbers(&file.list().await.unwrap()), [3]);
}

#[tokio::test]
async fn a_torn_end_is_cut_off_at_every_byte() {
    let folder = Folder::new("torn");
    let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
    file.store(letter(1)).await.unwrap();
    let whole = fs::metadata(folder.file()).unwrap().len() as usize;
    file.store(letter(2)).await.unwrap();
    drop(file);
    let text = fs::read(folder.file()).unwrap();
    for end in whole..text.len() {
        fs::write(folder.file(), &text[..end]).unwrap();
        let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
        assert_eq!(
            fs::metadata(folder.file()).unwrap().len() as usize,
            whole,
            "cut at {end}"
        );
        file.store(letter(3)).await.unwrap();
        assert_eq!(numbers(&file.list().await.unwrap()), [1, 3], "cut at {end}");
    }
    // What a machine leaves that lost its power: a length without content.
    fs::write(folder.file(), [&text[..whole], &[0; 100]].concat()).unwrap();
    let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
    assert_eq!(numbers(&file.list().await.unwrap()), [1]);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_it_and_who_was_allowed_to_may_after_a_replay() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new("mode");
    let mode = || fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777;
    let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
    file.store(letter(1)).await.unwrap();
    assert_eq!(mode(), 0o600);
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o640)).unwrap();
    file.replay(async |_| Ok::<_, BoxError>(())).await.unwrap();
    assert_eq!(mode(), 0o640);
}

#[tokio::test]
async fn a_replay_that_is_given_up_has_taken_out_what_was_done_before() {
    let folder = Folder::new("given-up");
    let file = DeadLetterFile::open(folder.file(), MOST).unwrap();
    for number in 0..4 {
        file.store(letter(number)).await.unwrap();
    }
    let again = async |letter: DeadLetter| {
        if letter.payload == "3" {
            std::future::pending::<()>().await;
        }
        // Each is a second of its own.
        std::thread::sleep(Duration::from_millis(1_001));
        if letter.payload == "1" { Err("still no") } else { Ok(()) }
    };
    let replay = tokio::time::timeout(Duration::from_secs(20), file.replay(again));
    tokio::select! {
        _ = replay => unreachable!("the last one never ends"),
        () = async { while file.letters() > 2 { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(numbers(&file.list().await.unwrap()), [1, 3]);
    let replayed = file.replay(async |_| Ok::<_, BoxError>(())).await.unwrap();
    assert_eq!((replayed.done, replayed.left), (2, 0));
}

#[test]
fn what_is_no_file_of_dead_letters_is_left_alone() {
    let folder = Folder::new("other");
    let good =
        r#"{"at":"2026-11-23T12:00:00Z","worker":"w","reason":"r","attempts":1,"request_id":null,"payload":"1"}"#;
    let of_a_later_release = good.replace(r#""attempts":1"#, r#""attempts":"one""#);
    for text in [
        "orders: 7\n".to_owned(),
        "orders: 7".to_owned(),
        format!("{good}\nsomebody's note\n"),
        format!("{good}\nsomebody's note"),
        format!("{good}\n{of_a_later_release}\n"),
    ] {
        fs::write(folder.file(), &text).unwrap();
        let error = DeadLetterFile::open(folder.file(), MOST).unwrap_err().to_string();
        assert!(error.contains("is no dead letter"), "{error}");
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
    }
}

#[test]
fn what_is_no_letter_before_others_is_no_torn_end_and_nothing_is_thrown_away() {
    let folder = Folder::new("garbage");
    let good =
        r#"{"at":"2026-11-23T12:00:00Z","worker":"w","reason":"r","attempts":1,"request_id":null,"payload":"1"}"#;
    let text = format!("{good}\nsomebody's note\n{good}\n");
    fs::write(folder.file(), &text).unwrap();
    let error = DeadLetterFile::open(folder.file(), MOST).unwrap_err().to_string();
    assert!(error.contains("line 2 is no dead letter"), "{error}");
    assert_eq!(fs::read_to_string(folder.file()).unwrap(), text);
}
