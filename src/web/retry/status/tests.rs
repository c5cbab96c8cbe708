use super::*;
use http::header::HeaderName;

fn wait(values: &[(HeaderName, &str)]) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    retry_after(&headers)
}

#[test]
fn any_number_of_seconds_is_understood() {
    for (text, seconds) in [
        ("0", 0),
        ("120", 120),
        ("0000000000000000000000000000007", 7),
        ("99999999999999999999999999", u64::MAX),
    ] {
        assert_eq!(
            wait(&[(RETRY_AFTER, text)]),
            Some(Duration::from_secs(seconds)),
            "{text}"
        );
    }
}

#[test]
fn a_date_is_compared_with_the_responses_own() {
    let date = (DATE, "Fri, 31 Dec 1999 23:59:29 GMT");
    for until in [
        "Fri, 31 Dec 1999 23:59:59 GMT",
        "Friday, 31-Dec-99 23:59:59 GMT",
        "Fri Dec 31 23:59:59 1999",
    ] {
        let wait = wait(&[(RETRY_AFTER, until), date.clone()]);
        assert_eq!(wait, Some(Duration::from_secs(30)), "{until}");
    }
    let past = wait(&[(RETRY_AFTER, "Fri, 31 Dec 1999 23:58:00 GMT"), date]);
    assert_eq!(past, Some(Duration::ZERO));
}

#[test]
fn without_a_date_of_its_own_it_is_compared_with_the_clock() {
    let soon = SystemTime::UNIX_EPOCH + Clock::default().unix_time() + Duration::from_secs(100);
    let soon = httpdate::fmt_http_date(soon);
    for own in [&[][..], &[(DATE, "yesterday")]] {
        let values: Vec<_> = [(RETRY_AFTER, &*soon)].into_iter().chain(own.iter().cloned()).collect();
        let wait = wait(&values).unwrap().as_secs();
        assert!((90..=100).contains(&wait), "{wait}");
    }
    let past = wait(&[(RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT")]);
    assert_eq!(past, Some(Duration::ZERO));
}

#[test]
fn garbage_is_as_good_as_not_there() {
    for garbage in [
        "",
        "-1",
        "+1",
        "1.5",
        "1 s",
        "soon",
        "0x10",
        "１",
        "é",
        "Fri, 31 Dec 1999",
    ] {
        assert_eq!(wait(&[(RETRY_AFTER, garbage)]), None, "{garbage:?}");
    }
    assert_eq!(wait(&[]), None);
}
