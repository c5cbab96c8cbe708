//! What is asked for on the command line.

use std::ffi::OsString;

use http::Uri;
use seaworthy::BoxError;
use seaworthy::review::Level;

pub const USAGE: &str = "usage: review [--level LEVEL] [--format FORMAT] [URL]

  --level LEVEL    mvp, stable, resilient or optimized, or L1 to L4. Default: what the service says.
  --format FORMAT  text, markdown, html or json. Default text.
  URL              the admin plane of the service. Default http://127.0.0.1:9090.

Ends with 0 for GO, 1 for NO-GO, 2 if it could not tell.";

const FORMATS: [&str; 4] = ["text", "markdown", "html", "json"];

/// Whom to ask, for what.
#[derive(Debug)]
pub struct Arguments {
    pub admin: String,
    level: Option<Level>,
    format: &'static str,
}

impl Arguments {
    /// Reads the arguments; `None` if help is wanted.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        let (mut admin, mut level, mut format) = (None, None, FORMATS[0]);
        let arguments = arguments
            .into_iter()
            .map(|argument| argument.to_string_lossy().into_owned());
        let mut arguments = arguments.flat_map(|argument| match argument.split_once('=') {
            Some((option, value)) if option.starts_with("--") => vec![option.to_owned(), value.to_owned()],
            _ => vec![argument],
        });
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{argument} wants a value after it\n\n{USAGE}"))
            };
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--level" => level = Some(value()?.parse().map_err(|error| format!("--level must be {error}"))?),
                "--format" => {
                    let word = value()?;
                    let known = FORMATS.into_iter().find(|known| *known == word);
                    format = known.ok_or(format!("--format must be one of {}", FORMATS.join(", ")))?;
                }
                option if option.starts_with('-') => return Err(format!("there is no option {option}\n\n{USAGE}")),
                _ if admin.is_some() => return Err(format!("more than one URL: {argument}")),
                _ => admin = Some(argument),
            }
        }
        let admin = admin.unwrap_or_else(|| "http://127.0.0.1:9090".into());
        Ok(Some(Self { admin, level, format }))
    }

    /// Returns the page to ask for.
    pub fn uri(&self, colour: bool) -> Result<Uri, BoxError> {
        let format = if colour && self.format == "text" {
            "ansi"
        } else {
            self.format
        };
        let level = self
            .level
            .map_or(String::new(), |level| format!("&level={}", level.label()));
        let page = format!(
            "{}/review?format={format}{level}",
            self.admin.trim_end_matches('/').trim_end_matches("/review")
        );
        let uri: Uri = page.parse().map_err(|_| self.no_url())?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(self.no_url());
        }
        Ok(uri)
    }

    fn no_url(&self) -> BoxError {
        format!(
            "{:?} is no URL such as http://127.0.0.1:9090; the admin plane speaks no TLS",
            self.admin
        )
        .into()
    }
}
