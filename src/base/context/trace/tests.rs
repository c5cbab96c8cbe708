use super::*;

const TOLD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn the_table_of_the_standard_holds() {
    for (sent, expected) in [
        (TOLD, Some(TOLD)),
        // Flags: the two that are known are kept.
        (&TOLD.replace("-01", "-00"), Some(&*TOLD.replace("-01", "-00"))),
        (&TOLD.replace("-01", "-03"), Some(&*TOLD.replace("-01", "-03"))),
        (&TOLD.replace("-01", "-ff"), Some(&*TOLD.replace("-01", "-03"))),
        (&TOLD.replace("-01", "-fc"), Some(&*TOLD.replace("-01", "-00"))),
        // A future version: what is known of it is taken.
        (&TOLD.replace("00-4", "01-4"), Some(TOLD)),
        (&TOLD.replace("00-4", "cc-4"), Some(TOLD)),
        (
            &format!("{}-what-the-future-brings", TOLD.replace("00-4", "cc-4")),
            Some(TOLD),
        ),
        (&format!("{}-", TOLD.replace("00-4", "cc-4")), Some(TOLD)),
        (&format!("{}.what", TOLD.replace("00-4", "cc-4")), None),
        (&TOLD.replace("00-4", "cc-4")[..54], None),
        (&TOLD.replace("00-4", "ff-4"), None),
        // Version 00 has an end.
        (&format!("{TOLD}-"), None),
        (&format!("{TOLD}-extra"), None),
        (&format!("{TOLD}0"), None),
        (&TOLD[..54], None),
        (&TOLD[..1], None),
        ("", None),
        // Digits, and in lowercase.
        (&TOLD.to_uppercase(), None),
        (&TOLD.replace("4bf9", "4bfg"), None),
        (&TOLD.replace("00-4", "0x-4"), None),
        (&TOLD.replace("00f0", "00F0"), None),
        (&TOLD.replace("-01", "-0g"), None),
        (&TOLD.replace("-01", "-.0"), None),
        // Zeros are no ids.
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None),
        // Dashes where they belong.
        (&TOLD.replace('-', "_"), None),
        (&TOLD.replace("736-", "7360"), None),
        (&format!(" {TOLD}"), None),
    ] {
        let read = sent.parse::<TraceContext>().ok().map(|read| read.to_string());
        assert_eq!(read.as_deref(), expected, "{sent:?}");
    }
}

#[test]
fn no_text_makes_it_panic() {
    let text = "00-é-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
        let _ = text[..end].parse::<TraceContext>();
        let _ = format!("{}{}", &text[..end], "é".repeat(60)).parse::<TraceContext>();
    }
}

#[test]
fn a_child_has_its_trace_and_an_id_of_its_own() {
    let parent = TraceContext::begin(SampleRatio::ALL);
    let child = parent.child();
    assert_eq!(
        (child.trace_id(), child.parent()),
        (parent.trace_id(), Some(parent.span_id()))
    );
    assert_ne!(child.span_id(), parent.span_id());
    assert_eq!(parent.parent(), None);
    assert_ne!(parent.trace_id(), TraceContext::begin(SampleRatio::ALL).trace_id());
}

#[test]
fn a_ratio_takes_its_part_and_the_same_traces_everywhere() {
    let id = |low: u64| {
        let mut bytes = [0xff; 16];
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        TraceId(bytes)
    };
    let half = SampleRatio::new(0.5).unwrap();
    // By the formula of OpenTelemetry's sampler: (low 64 bits) >> 1 < ratio * 2^63.
    assert!(half.takes(id((1 << 63) - 1)));
    assert!(!half.takes(id(1 << 63)));
    assert!(SampleRatio::ALL.takes(id(u64::MAX)));
    assert!(!SampleRatio::NONE.takes(id(0)));
    let sampled = (0..10_000).filter(|_| TraceContext::begin(half).is_sampled()).count();
    assert!((4_500..5_500).contains(&sampled), "{sampled}");
    for (text, expected) in [
        ("0", true),
        ("1", true),
        ("0.25", true),
        ("1.1", false),
        ("-0.1", false),
        ("NaN", false),
        ("", false),
    ] {
        assert_eq!(text.parse::<SampleRatio>().is_ok(), expected, "{text}");
    }
}
