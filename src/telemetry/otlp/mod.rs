//! Exports spans by OTLP, without anything that could make the service wait for a collector; see
//! [traces](crate::docs::traces).

mod answer;
mod counts;
mod export;
mod exporter;
mod filter;
mod ids;
mod queue;
mod resource;
#[cfg(test)]
mod tests;
mod tracer;
mod traces;

pub(crate) use exporter::Way;
pub use traces::Traces;
