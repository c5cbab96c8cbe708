use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

use super::system::Signal;

/// How metrics are written down for whoever scrapes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposition {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Exposition {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes what the exporter has rendered, and the system's signals, except for those whose name is taken.
    ///
    /// In the order of their names, so that of two which become one it is always the same that is written.
    pub(super) fn write(self, rendered: &str, signals: &[Signal]) -> String {
        let mut text = String::with_capacity(rendered.len() + 200 * signals.len());
        let mut families: Vec<_> = rendered.split("\n\n").filter_map(Family::parse).collect();
        families.sort_by_key(|family| family.name);
        let mut taken = HashSet::new();
        for family in &families {
            if taken.insert(self.name(family.name, family.kind)) {
                self.write_family(&mut text, family);
            }
        }
        for signal in signals {
            let (name, kind) = (signal.name, signal.kind);
            if taken.insert(self.name(name, kind)) {
                self.write_head(&mut text, name, kind, Some(signal.help));
                let _ = writeln!(text, "{name} {}", signal.value);
            }
        }
        if self == Self::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    fn write_family(self, text: &mut String, family: &Family<'_>) {
        let Family { name, kind, help, .. } = *family;
        self.write_head(text, name, kind, help);
        for sample in family.samples.lines() {
            match kind {
                // All that follows the name: labels and value.
                COUNTER => {
                    let _ = write!(text, "{}_total{}", family.base(), &sample[name.len()..]);
                }
                "histogram" if is_of(sample, name, "_bucket{") => write_with_float(text, sample, "le=\""),
                "summary" if is_of(sample, name, "{") => write_with_float(text, sample, "quantile=\""),
                _ => text.push_str(sample),
            }
            text.push('\n');
        }
    }

    fn write_head(self, text: &mut String, name: &str, kind: &str, help: Option<&str>) {
        let name = self.name(name, kind);
        if let Some(help) = help {
            let _ = writeln!(text, "# HELP {name} {}", self.escape(help));
        }
        let _ = writeln!(text, "# TYPE {name} {kind}");
    }

    /// Returns what a family is called.
    fn name<'a>(self, name: &'a str, kind: &str) -> Cow<'a, str> {
        match self {
            // Without what its samples end in.
            Self::OpenMetrics => base(name, kind).into(),
            Self::Text if kind == COUNTER => format!("{}_total", base(name, kind)).into(),
            Self::Text => name.into(),
        }
    }

    /// OpenMetrics escapes quotes in texts too.
    fn escape(self, help: &str) -> String {
        match self {
            Self::Text => help.to_owned(),
            Self::OpenMetrics => help.replace('"', "\\\""),
        }
    }
}

pub(super) const COUNTER: &str = "counter";
pub(super) const GAUGE: &str = "gauge";

/// All that the exporter has rendered of one metric.
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    help: Option<&'a str>,
    samples: &'a str,
}

impl<'a> Family<'a> {
    fn parse(block: &'a str) -> Option<Self> {
        let block = block.trim_start_matches('\n');
        let (help, rest) = match block.strip_prefix("# HELP ") {
            Some(rest) => {
                let (help, rest) = rest.split_once('\n')?;
                (help.split_once(' ').map(|(_, help)| help), rest)
            }
            None => (None, block),
        };
        let (head, samples) = rest.strip_prefix("# TYPE ")?.split_once('\n')?;
        let (name, kind) = head.split_once(' ')?;
        Some(Self {
            name,
            kind,
            help,
            samples,
        })
    }

    fn base(&self) -> &'a str {
        base(self.name, self.kind)
    }
}

/// Returns a family's name in OpenMetrics.
fn base<'a>(name: &'a str, kind: &str) -> &'a str {
    if kind == COUNTER {
        name.strip_suffix("_total").unwrap_or(name)
    } else {
        name
    }
}

/// Tells whether a sample is called as its family, and then goes on so.
fn is_of(sample: &str, name: &str, then: &str) -> bool {
    sample.strip_prefix(name).is_some_and(|rest| rest.starts_with(then))
}

/// Writes a sample whose last label is a number: always with a point, as OpenMetrics wants it and Prometheus 3 stores it,
/// so that a series is the same whichever format is scraped.
fn write_with_float(text: &mut String, sample: &str, label: &str) {
    let at = sample.rfind(label).filter(|at| sample[..*at].ends_with(['{', ',']));
    let number = at.map(|at| at + label.len());
    let end = number.and_then(|number| Some(number + sample[number..].find('"')?));
    let is_whole = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match (number, end) {
        (Some(number), Some(end)) if is_whole(&sample[number..end]) => {
            text.push_str(&sample[..end]);
            text.push_str(".0");
            text.push_str(&sample[end..]);
        }
        _ => text.push_str(sample),
    }
}

#[cfg(test)]
mod tests {
    use super::super::system::{counter, gauge};
    use super::*;

    const RENDERED: &str = concat!(
        "# HELP hits_total Hits of \"all\" kinds.\n# TYPE hits_total counter\nhits_total{a=\"le=\"} 1\n\n",
        "# TYPE mine counter\nmine 2\n\n",
        "# HELP waits_seconds Waits.\n# TYPE waits_seconds histogram\n",
        "waits_seconds_bucket{a=\"le=\\\"1\",le=\"0.5\"} 1\nwaits_seconds_bucket{a=\"le=\\\"1\",le=\"1\"} 1\n",
        "waits_seconds_bucket{a=\"le=\\\"1\",le=\"+Inf\"} 1\n",
        "waits_seconds_sum{a=\"le=\\\"1\"} 0.2\nwaits_seconds_count{a=\"le=\\\"1\"} 1\n\n",
        "# TYPE sizes summary\nsizes{quantile=\"0\"} 3\nsizes_sum 3\nsizes_count 1\n\n",
        "# TYPE process_threads gauge\nprocess_threads 9\n\n",
    );

    fn signals() -> [Signal; 2] {
        [
            counter("process_cpu_seconds_total", 0.25, "CPU."),
            gauge("process_threads", 3.0, "Threads."),
        ]
    }

    #[test]
    fn open_metrics_names_families_without_total_and_ends_with_eof() {
        let expected = concat!(
            "# HELP hits Hits of \\\"all\\\" kinds.\n# TYPE hits counter\nhits_total{a=\"le=\"} 1\n",
            "# TYPE mine counter\nmine_total 2\n",
            "# TYPE process_threads gauge\nprocess_threads 9\n",
            "# TYPE sizes summary\nsizes{quantile=\"0.0\"} 3\nsizes_sum 3\nsizes_count 1\n",
            "# HELP waits_seconds Waits.\n# TYPE waits_seconds histogram\n",
            "waits_seconds_bucket{a=\"le=\\\"1\",le=\"0.5\"} 1\nwaits_seconds_bucket{a=\"le=\\\"1\",le=\"1.0\"} 1\n",
            "waits_seconds_bucket{a=\"le=\\\"1\",le=\"+Inf\"} 1\n",
            "waits_seconds_sum{a=\"le=\\\"1\"} 0.2\nwaits_seconds_count{a=\"le=\\\"1\"} 1\n",
            "# HELP process_cpu_seconds CPU.\n# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 0.25\n",
            "# EOF\n",
        );
        assert_eq!(Exposition::OpenMetrics.write(RENDERED, &signals()), expected);
    }

    #[test]
    fn a_label_of_the_users_that_ends_like_the_last_one_stays_as_it_is() {
        let rendered = concat!(
            "# TYPE reads histogram\nreads_bucket{title=\"1\",le=\"2\"} 1\n",
            "reads_sum{title=\"1\"} 3\nreads_count{le=\"1\"} 1\nreads_sum{title=\"\"} 3\n\n",
            "# TYPE sizes summary\nsizes{quantile=\"\"} 3\nsizes_sum{quantile=\"1\"} 3\n\n",
        );
        let written = Exposition::Text.write(rendered, &[]);
        let expected = rendered.replace("le=\"2\"", "le=\"2.0\"").replace("\n\n", "\n");
        assert_eq!(written, expected);
    }

    #[test]
    fn of_two_that_become_one_the_first_by_name_is_written() {
        let hits = "# TYPE hits counter\nhits 1\n\n";
        let total = "# TYPE hits_total counter\nhits_total 2\n\n";
        let jobs = "# TYPE jobs gauge\njobs 3\n\n# TYPE jobs_total counter\njobs_total 4\n\n";
        for rendered in [[hits, total, jobs].concat(), [jobs, total, hits].concat()] {
            let text = Exposition::Text.write(&rendered, &[]);
            let expected = "# TYPE hits_total counter\nhits_total 1\n# TYPE jobs gauge\njobs 3\n";
            assert_eq!(text, format!("{expected}# TYPE jobs_total counter\njobs_total 4\n"));
            let text = Exposition::OpenMetrics.write(&rendered, &[]);
            let expected = "# TYPE hits counter\nhits_total 1\n# TYPE jobs gauge\njobs 3\n# EOF\n";
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn both_formats_have_the_same_series() {
        let samples = |exposition: Exposition| {
            let text = exposition.write(RENDERED, &signals());
            let samples = text.lines().filter(|line| !line.starts_with('#'));
            samples.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(samples(Exposition::Text), samples(Exposition::OpenMetrics));
        let text = Exposition::Text.write(RENDERED, &signals());
        assert!(
            text.contains("# HELP hits_total Hits of \"all\" kinds.\n# TYPE hits_total counter\n"),
            "{text}"
        );
        assert!(!text.contains("# EOF"), "{text}");
    }
}
