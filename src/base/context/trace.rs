//! Which trace the present work is a part of, as W3C Trace Context has it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::origin::Origin;

/// The id of a trace; never all zero, 32 lowercase hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of one span of a trace; never all zero, 16 lowercase hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

/// The span that the present work is in: its trace, its own id, and whether it is sampled.
///
/// Read from the header `traceparent` and written to it, as the
/// [W3C](https://www.w3.org/TR/trace-context/) has it. A [`ContextLayer`](crate::web::ContextLayer) gives it to a request.
///
/// # Examples
///
/// ```
/// use seaworthy::context::TraceContext;
///
/// let told = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let trace: TraceContext = told.parse().unwrap();
/// assert!(trace.is_sampled());
/// assert_eq!(trace.to_string(), told);
/// assert_eq!(trace.child().trace_id(), trace.trace_id());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    parent: Option<SpanId>,
    flags: u8,
    state: Option<Arc<str>>,
}

/// A text is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTraceContext;

/// Which of the traces that begin here are sampled: a part of all, from 0 (none) to 1 (all, the default).
///
/// The decision is that of OpenTelemetry's `TraceIdRatioBased`: whoever has the same ratio decides the same of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRatio(f64);

/// A number is no part of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidSampleRatio;

const SAMPLED: u8 = 0b01;
const RANDOM: u8 = 0b10;

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;

impl TraceContext {
    /// Begins a trace.
    pub fn begin(ratio: SampleRatio) -> Self {
        let trace_id = TraceId(nonzero());
        Self {
            trace_id,
            span_id: SpanId(nonzero()),
            parent: None,
            flags: if ratio.takes(trace_id) {
                SAMPLED | RANDOM
            } else {
                RANDOM
            },
            state: None,
        }
    }

    /// Returns the span that the present work is in, if it is known.
    pub fn current() -> Option<Self> {
        Origin::with(|origin| origin.trace.clone())
    }

    /// Makes a span whose parent is this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: SpanId(nonzero()),
            parent: Some(self.span_id),
            ..self.clone()
        }
    }

    /// Returns the trace's id.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// Returns the span's own id.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Returns the id of the span that this one is a part of; `None` at the root of a trace, and of what has been read.
    pub fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    /// Returns whether the trace is to be recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Returns what the systems on the way have said, the header `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Takes what came as `tracestate`; what is not one is left out.
    #[cfg(feature = "http")]
    pub(crate) fn with_state<'a>(mut self, values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.state = super::state::of(values);
        self
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    /// Reads a `traceparent`. Of a version that is not known, what version 00 has is taken, and nothing else.
    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let text = text.as_bytes();
        let rest = text.get(LENGTH..).ok_or(InvalidTraceContext)?;
        let [version] = hex(&text[..2])?;
        let is_known = version == 0;
        let has_end = rest.is_empty() || (!is_known && rest[0] == b'-');
        if version == 0xff || !has_end || [text[2], text[35], text[52]] != *b"---" {
            return Err(InvalidTraceContext);
        }
        let (trace_id, span_id, [flags]) = (hex(&text[3..35])?, hex(&text[36..52])?, hex(&text[53..55])?);
        if trace_id == [0; 16] || span_id == [0; 8] {
            return Err(InvalidTraceContext);
        }
        Ok(Self {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            parent: None,
            flags: flags & (SAMPLED | RANDOM),
            state: None,
        })
    }
}

impl fmt::Display for TraceContext {
    /// Writes a `traceparent` of version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({self})")
    }
}

impl SampleRatio {
    /// Samples every trace.
    pub const ALL: Self = Self(1.0);
    /// Samples none.
    pub const NONE: Self = Self(0.0);

    /// Samples this part of all traces.
    ///
    /// # Errors
    ///
    /// [`InvalidSampleRatio`] unless it is from 0 to 1.
    pub fn new(ratio: f64) -> Result<Self, InvalidSampleRatio> {
        let is_part = (0.0..=1.0).contains(&ratio);
        is_part.then_some(Self(ratio)).ok_or(InvalidSampleRatio)
    }

    /// Returns the part.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Returns whether it takes this trace.
    pub(crate) fn takes(self, id: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = id.0;
        // The lower 63 of the bits that are random by every version of the standard.
        let drawn = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        self.0 >= 1.0 || drawn < (self.0 * (1u64 << 63) as f64) as u64
    }
}

impl Default for SampleRatio {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromStr for SampleRatio {
    type Err = InvalidSampleRatio;

    fn from_str(text: &str) -> Result<Self, InvalidSampleRatio> {
        text.parse().map_err(|_| InvalidSampleRatio).and_then(Self::new)
    }
}

macro_rules! id {
    ($id:ident) => {
        impl $id {
            /// Returns the bytes, the highest first.
            pub fn to_bytes(self) -> [u8; size_of::<$id>()] {
                self.0
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * size_of::<$id>()];
                for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
                    pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
                }
                f.write_str(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}
id!(TraceId);
id!(SpanId);

macro_rules! error {
    ($error:ident, $text:literal) => {
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($text)
            }
        }

        impl std::error::Error for $error {}
    };
}
error!(
    InvalidTraceContext,
    "a `traceparent` is `00-<32 lowercase hexadecimal digits>-<16 of them>-<2 of them>`, its ids not zero"
);
error!(InvalidSampleRatio, "a sample ratio is from 0 to 1");

fn digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble)]
}

fn hex<const N: usize>(text: &[u8]) -> Result<[u8; N], InvalidTraceContext> {
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Result<u8, InvalidTraceContext> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidTraceContext),
    }
}

fn nonzero<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fastrand::fill(&mut bytes);
    // One in 2⁶⁴ is all zero, which is no id.
    bytes[N - 1] |= u8::from(bytes == [0; N]);
    bytes
}

#[cfg(test)]
mod tests;
