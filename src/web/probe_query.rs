//! Reads the query of a probe, which anybody may have written.

use crate::health::is_name;

/// The most bytes of a query that are read.
const LONGEST: usize = 2048;
/// The most checks that one probe excludes.
const MOST_EXCLUDED: usize = 32;

/// What a probe asks for: `verbose`, and any number of `exclude=name`.
#[derive(Debug, Default)]
pub(super) struct ProbeQuery<'a> {
    verbose: bool,
    /// The names to exclude, and whether each was found.
    excluded: Vec<(&'a str, bool)>,
    too_long: bool,
    too_many: bool,
}

impl<'a> ProbeQuery<'a> {
    pub(super) fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        if query.len() > LONGEST {
            parsed.too_long = true;
            return parsed;
        }
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "verbose" => parsed.verbose = true,
                "exclude" => parsed.exclude(value),
                _ => {}
            }
        }
        parsed
    }

    fn exclude(&mut self, name: &'a str) {
        if self.excluded.iter().any(|(other, _)| *other == name) {
            return;
        }
        if self.excluded.len() == MOST_EXCLUDED {
            self.too_many = true;
            return;
        }
        self.excluded.push((name, false));
    }

    /// Tells whether every line is asked for; whoever wrote a query that is not read gets to know it.
    pub(super) fn is_verbose(&self) -> bool {
        self.verbose || self.too_long
    }

    /// Tells whether `name` is excluded, and takes note that it exists.
    pub(super) fn take_excluded(&mut self, name: &str) -> bool {
        let excluded = self.excluded.iter_mut().find(|(other, _)| *other == name);
        excluded.is_some_and(|(_, found)| {
            *found = true;
            true
        })
    }

    /// Writes a line for everything in the query that had no effect; what is not a name is not repeated.
    pub(super) fn warn(&self, body: &mut String) {
        let mut unknown = Vec::new();
        for (name, _) in self.excluded.iter().filter(|(_, found)| !found) {
            let shown = format!("\"{}\"", if is_name(name) { name } else { "(not a name)" });
            if !unknown.contains(&shown) {
                unknown.push(shown);
            }
        }
        if !unknown.is_empty() {
            let unknown = unknown.join(",");
            *body += &format!("warn: some health checks cannot be excluded: no matches for {unknown}\n");
        }
        if self.too_many {
            *body += &format!("warn: only the first {MOST_EXCLUDED} exclusions count\n");
        }
        if self.too_long {
            *body += &format!("warn: the query is longer than {LONGEST} bytes and was not read\n");
        }
    }
}
