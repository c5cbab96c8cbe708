//! Writes `application/health+json` (draft-inadarei-api-health-check-06).

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::probes::Detail;
use crate::health::{CheckReport, HealthReport, HeartbeatReport, Status};

pub(super) const CONTENT_TYPE: &str = "application/health+json";

pub(super) fn status_code(report: &HealthReport) -> StatusCode {
    match report.status() {
        Status::Pass | Status::Warn => StatusCode::OK,
        Status::Fail => StatusCode::SERVICE_UNAVAILABLE,
    }
}

pub(super) fn body(report: &HealthReport, detail: Detail) -> String {
    let status = report.status().label();
    if detail == Detail::StatusOnly {
        return json!({ "status": status }).to_string();
    }
    let checks = report.checks.iter().map(check);
    let checks: Map<_, _> = checks.chain(report.heartbeats.iter().map(heartbeat)).collect();
    let mut body = json!({ "status": status, "checks": checks });
    if !report.is_ready() {
        body["notes"] = json!([report.phase.label()]);
    }
    body.to_string()
}

fn check(check: &CheckReport) -> (String, Value) {
    let mut object = json!({
        "componentType": check.component_type.label(),
        "status": check.status().label(),
    });
    if let Some(last) = check.last_run {
        object["observedValue"] = millis(last.took);
        object["observedUnit"] = "ms".into();
        object["time"] = rfc3339(last.time).into();
    }
    if check.status() != Status::Pass {
        object["output"] = check.why.into();
    }
    (format!("{}:responseTime", check.name), json!([object]))
}

fn heartbeat(heartbeat: &HeartbeatReport) -> (String, Value) {
    let late_by = heartbeat.late_by();
    let status = late_by.map_or(Status::Pass, |_| Status::Fail);
    let mut object = json!({
        "componentType": "component",
        "status": status.label(),
        "observedValue": millis(heartbeat.silence),
        "observedUnit": "ms",
    });
    if let Some(late_by) = late_by {
        object["output"] = late(late_by).into();
    }
    (format!("{}:silence", heartbeat.name), json!([object]))
}

/// Says by how much a heartbeat is late, to the millisecond.
pub(super) fn late(by: Duration) -> String {
    format!("late by {:.3} s", by.as_secs_f64())
}

/// Returns milliseconds with three decimals, as a check can take less than one.
fn millis(time: Duration) -> Value {
    (time.as_micros() as f64 / 1000.0).into()
}

/// Formats a time since 1970 as RFC 3339 wants it, in UTC.
fn rfc3339(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let millis = since_1970.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Returns year, month and day of a day since 1970, by Howard Hinnant's `civil_from_days`.
///
/// It counts years from March, so that the leap day is the last of its year, in eras of 400 years.
fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339() {
        let cases = [
            // As `date -u -d @… +%FT%T` gives them.
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(rfc3339(Duration::from_millis(1_234)), "1970-01-01T00:00:01.234Z");
    }

    #[test]
    fn every_day_for_four_hundred_years_follows_the_one_before() {
        let mut before = civil(0);
        for day in 1..=146_097 {
            let (year, month, date) = civil(day);
            let next = match date {
                1 if month == 1 => (year, 1, 1) == (before.0 + 1, 1, 1) && (before.1, before.2) == (12, 31),
                1 => (year, month) == (before.0, before.1 + 1) && before.2 >= 28,
                _ => (year, month, date) == (before.0, before.1, before.2 + 1) && date <= 31,
            };
            assert!(next, "{before:?} before {:?}", (year, month, date));
            before = (year, month, date);
        }
        assert_eq!(before, (2370, 1, 1));
    }
}
