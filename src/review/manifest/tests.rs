use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{LONGEST, Manifest, flaw, read};
use crate::base::error::InvalidSetting;
use crate::review::item::Item;
use crate::review::level::Level;

/// A file in a folder of its own.
struct File(PathBuf);

impl File {
    fn new(text: impl AsRef<[u8]>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("seaworthy-manifest-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("readiness.toml");
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn folder(&self) -> &Path {
        self.0.parent().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.folder());
    }
}

/// An item that can be waived, and one that cannot.
fn items() -> [Item; 2] {
    let never = Item {
        is_never: true,
        ..Item::new("rollback-plan", Level::Mvp, "A way back")
    };
    [Item::new("canary", Level::Optimized, "Canaries"), never]
}

fn of_file(path: &Path) -> (Manifest, Vec<InvalidSetting>) {
    let mut wrong = Vec::new();
    (Manifest::read(path, &items(), &mut wrong), wrong)
}

fn parsed(text: &str) -> (Manifest, Vec<String>) {
    let file = File::new(text);
    let (manifest, wrong) = of_file(&file.0);
    (manifest, wrong.iter().map(ToString::to_string).collect())
}

const FULL: &str = r#"
[attested.rollback-plan]
by = " ann "
on = 2026-11-01
expires = "2027-02-01"
link = "docs/rollback.md"
note = "took 3 minutes"

[waived.canary]
by = "bob"
reason = "one instance"
until = 2027-01-31

[runbooks]
overload = "runbooks/overload.md"
panic = "runbooks/panic.md"

[runbooks.dependencies]
payments = "runbooks/payments.md"

[on_call]
by = "ann"
on = "2026-11-01"
expires = 2027-02-01
rotation = ["ann", "bob"]
chain = ["ann", "bob", "cora"]

[on_call.escalation.SEV-1]
respond = "15min"
escalate_after = "30min"

[on_call.escalation.SEV-4]
respond = "14days"

[game_day]
result = "game-day.json"
at_most = "30days"
"#;

#[test]
fn everything_that_a_manifest_can_say_is_taken() {
    let file = File::new(FULL);
    let (manifest, wrong) = of_file(&file.0);
    assert_eq!(wrong, []);
    let attestation = &manifest.attested["rollback-plan"];
    assert_eq!(
        (attestation.word.by.as_str(), attestation.note.as_str()),
        ("ann", "took 3 minutes")
    );
    assert_eq!(attestation.word.on.to_string(), "2026-11-01");
    assert_eq!(attestation.word.expires.to_string(), "2027-02-01");
    assert_eq!(manifest.path(&attestation.link), file.folder().join("docs/rollback.md"));
    let waiver = &manifest.waived["canary"];
    assert_eq!((waiver.by.as_str(), waiver.reason.as_str()), ("bob", "one instance"));
    assert_eq!(waiver.until.to_string(), "2027-01-31");
    assert_eq!(manifest.runbooks.keys().collect::<Vec<_>>(), ["overload", "panic"]);
    assert_eq!(manifest.dependency_runbooks["payments"], "runbooks/payments.md");
    let on_call = manifest.on_call.as_ref().unwrap();
    assert_eq!(on_call.rotation, ["ann", "bob"]);
    assert_eq!(on_call.chain, ["ann", "bob", "cora"]);
    let first = &on_call.escalation["SEV-1"];
    assert_eq!((first.respond.as_secs(), first.after.unwrap().as_secs()), (900, 1_800));
    assert_eq!(on_call.escalation["SEV-4"].after, None);
    let game_day = manifest.game_day.as_ref().unwrap();
    assert_eq!(
        (game_day.result.as_str(), game_day.at_most.as_secs()),
        ("game-day.json", 30 * 86_400)
    );
}

#[test]
fn what_is_left_out_of_a_manifest_is_not_there() {
    let (manifest, wrong) = parsed("");
    assert_eq!(wrong, [""; 0]);
    assert!(manifest.attested.is_empty() && manifest.on_call.is_none() && manifest.game_day.is_none());
    let (manifest, wrong) = parsed("[game_day]\nresult = 'result.json'");
    assert_eq!(wrong, [""; 0]);
    assert_eq!(manifest.game_day.unwrap().at_most.as_secs(), 90 * 86_400);
}

#[test]
fn every_mistake_is_listed_at_once_with_its_key() {
    let (_, wrong) = parsed(
        r#"
        version = 1
        [attested.unheard-of]
        by = "ann"
        on = 2026-11-01
        expires = 2027-02-01
        link = "a"
        [attested.rollback-plan]
        by = 7
        on = 2027-02-01
        expires = 2027-02-01
        link = " "
        nota = "x"
        [attested]
        canary = "yes"
        [waived.rollback-plan]
        by = "ann"
        reason = "why not"
        until = "soon"
        [waived.canary]
        until = 2026-11-01T12:00:00Z
        [runbooks]
        overload = 1
        flood = "flood.md"
        dependencies = { payments = true }
        [on_call]
        by = "ann"
        on = 2026-11-01
        expires = 2026-10-01
        rotation = "ann"
        chain = ["ann", ""]
        [on_call.escalation]
        SEV-1 = { respond = "soon" }
        SEV-2 = { escalate_after = "0s" }
        SEV-3 = { respond = 15, after = "1h" }
        SEV-4 = "never"
        [game_day]
        at_most = "a while"
        "#,
    );
    let mut keys: Vec<_> = wrong.iter().map(|line| line.split('`').nth(1).unwrap()).collect();
    keys.sort_unstable();
    let mut wanted = [
        "readiness.version",
        "readiness.attested.unheard-of",
        "readiness.attested.rollback-plan.by",
        "readiness.attested.rollback-plan.link",
        "readiness.attested.rollback-plan.nota",
        "readiness.attested.canary",
        "readiness.waived.rollback-plan",
        "readiness.waived.rollback-plan.until",
        "readiness.waived.canary.by",
        "readiness.waived.canary.reason",
        "readiness.waived.canary.until",
        "readiness.runbooks.overload",
        "readiness.runbooks.flood",
        "readiness.runbooks.dependencies.payments",
        "readiness.on_call.expires",
        "readiness.on_call.rotation",
        "readiness.on_call.chain",
        "readiness.on_call.escalation.SEV-1.respond",
        "readiness.on_call.escalation.SEV-2.respond",
        "readiness.on_call.escalation.SEV-2.escalate_after",
        "readiness.on_call.escalation.SEV-3.respond",
        "readiness.on_call.escalation.SEV-3.after",
        "readiness.on_call.escalation.SEV-4",
        "readiness.game_day.at_most",
        "readiness.game_day.result",
    ];
    wanted.sort_unstable();
    assert_eq!(keys, wanted, "{}", wrong.join("\n"));
}

/// Takes the manifest above with one line changed, and returns what is wrong with it.
fn changed(line: &str, instead: &str) -> Vec<String> {
    assert!(FULL.contains(line), "{line}");
    parsed(&FULL.replacen(line, instead, 1)).1
}

#[test]
fn a_mistake_says_what_is_allowed() {
    for (line, instead, says) in [
        (
            "expires = \"2027-02-01\"",
            "expires = 2026-11-01",
            "`readiness.attested.rollback-plan.expires` is 2026-11-01; it must be after `on` (2026-11-01)",
        ),
        (
            "note =",
            "notes =",
            "`readiness.attested.rollback-plan.notes` is unknown; it must be one of `by`, `on`, `expires`, `link`, `note`",
        ),
        (
            "reason = \"one instance\"",
            "reason = \"\"",
            "`readiness.waived.canary.reason` is an empty text; it must be a text that is not empty",
        ),
        (
            "[waived.canary]",
            "[waived.rollback-plan]",
            "`readiness.waived.rollback-plan` is an item that no service is ready without; it must be met: it cannot be waived",
        ),
        (
            "until = 2027-01-31",
            "until = 2027-01-31T00:00:00Z",
            "`readiness.waived.canary.until` is a date with a time; it must be a day such as `2027-01-31`",
        ),
        (
            "respond = \"15min\"",
            "respond = 15",
            "`readiness.on_call.escalation.SEV-1.respond` is of the kind integer; it must be a time such as `15min`, `4h` or `90days`, longer than zero",
        ),
        (
            "respond = \"14days\"",
            "",
            "`readiness.on_call.escalation.SEV-4.respond` is not there; it must be a time such as `15min`, `4h` or `90days`, longer than zero",
        ),
    ] {
        assert_eq!(changed(line, instead), [says], "{instead}");
    }
}

#[test]
fn a_day_is_a_date_or_a_text_and_nothing_else() {
    for day in ["2027-01-31", "\"2027-01-31\""] {
        assert_eq!(
            changed("until = 2027-01-31", &format!("until = {day}")),
            [""; 0],
            "{day}"
        );
    }
    for day in [
        "2027-01-31T00:00:00",
        "12:00:00",
        "20270131",
        "\"2027-02-30\"",
        "\"31.1.2027\"",
        "\"\"",
        "[2027-01-31]",
    ] {
        let wrong = changed("until = 2027-01-31", &format!("until = {day}"));
        assert_eq!(wrong.len(), 1, "{day}: {wrong:?}");
        assert!(
            wrong[0].starts_with("`readiness.waived.canary.until`"),
            "{day}: {wrong:?}"
        );
    }
}

#[test]
fn what_a_text_says_is_in_no_error() {
    let secret = "hunter2";
    for (line, instead) in [
        ("until = 2027-01-31", "until = \"hunter2\""),
        ("respond = \"15min\"", "respond = \"hunter2\""),
        ("rotation = [\"ann\", \"bob\"]", "rotation = \"hunter2\""),
        ("[waived.canary]", "[waived.canary]\ntoken = \"hunter2\""),
        ("[game_day]", "[game_day]\npassword = \"hunter2\" \"hunter2\""),
        ("[game_day]", "[game_day]\nresult = \"hunter2"),
        ("[game_day]", "[game_day]\nresult = hunter2"),
    ] {
        let wrong = changed(line, instead);
        assert!(!wrong.is_empty());
        assert!(!wrong.join("\n").contains(secret), "{wrong:?}");
    }
}

#[test]
fn what_is_no_toml_is_refused_with_its_line() {
    for (text, line) in [
        ("by = ", 1),
        ("a = 1\nb = 2\n[c", 3),
        ("\n\na = 1\na = 2\n", 4),
        ("a = 1\r\nb = \"\n", 2),
    ] {
        let (_, wrong) = parsed(text);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(
            wrong[0].contains(&format!("no TOML in line {line}: ")),
            "{text:?}: {wrong:?}"
        );
    }
}

#[test]
fn a_manifest_that_cannot_be_read_is_refused() {
    let file = File::new("");
    for (path, says) in [
        (file.folder().join("nowhere.toml"), "not readable ("),
        (file.folder().to_path_buf(), "it is no ordinary file"),
    ] {
        let (_, wrong) = of_file(&path);
        assert_eq!(wrong.len(), 1);
        assert_eq!(wrong[0].key, format!("manifest {}", path.display()));
        assert!(wrong[0].found.contains(says), "{wrong:?}");
    }
    let binary = File::new([0x61, 0xff, 0xfe]);
    assert!(of_file(&binary.0).1[0].found.contains("it is no UTF-8"));
}

#[test]
fn more_than_1_mib_is_read_of_no_file() {
    let mebibyte = LONGEST as usize;
    let fits = File::new(" ".repeat(mebibyte));
    assert_eq!(of_file(&fits.0).1, []);
    // The bound is in the middle of a character.
    for text in [" ".repeat(mebibyte + 1), format!("#{}", "é".repeat(mebibyte))] {
        let wrong = of_file(&File::new(text).0).1;
        assert!(wrong[0].found.contains("it is longer than 1 MiB"), "{wrong:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_pipe_that_nobody_writes_to_is_refused_at_once() {
    let file = File::new("");
    let pipe = file.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let (done, over) = mpsc::channel();
    thread::spawn(move || done.send(read(&pipe).map_err(|error| error.to_string())));
    let found = over.recv_timeout(Duration::from_secs(10));
    assert_eq!(found, Ok(Err("it is no ordinary file".into())), "it waits for a writer");
}

#[test]
fn a_file_is_evidence_if_there_is_something_to_read_in_it() {
    assert_eq!(flaw(&File::new("it is so").0), None);
    let empty = File::new(" \n\t");
    assert_eq!(flaw(&empty.0), Some(format!("{} is empty", empty.0.display())));
    assert!(
        flaw(empty.folder())
            .unwrap()
            .contains("cannot be read: it is no ordinary file")
    );
}
