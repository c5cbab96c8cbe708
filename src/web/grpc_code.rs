//! The codes with which calls of gRPC end; the one place where a refusal gets its own.

use http::{HeaderMap, HeaderName, StatusCode};

use crate::base::refusal::{Reason, Refusal};

pub(super) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_RETRY_PUSHBACK_MS: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// How a gRPC call ended (the protocol's *Status codes and their use in gRPC*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Code {
    /// It did what it should.
    Ok = 0,
    /// The caller gave it up.
    Cancelled = 1,
    /// An error that nobody named, or a code that this list lacks.
    Unknown = 2,
    /// The caller's argument is wrong, whatever the state of the system.
    InvalidArgument = 3,
    /// The deadline passed first.
    DeadlineExceeded = 4,
    /// What was asked for does not exist.
    NotFound = 5,
    /// What was to be made exists.
    AlreadyExists = 6,
    /// The caller is known and may not do it.
    PermissionDenied = 7,
    /// A quota, or room, is used up.
    ResourceExhausted = 8,
    /// The system is not in the state that it needs.
    FailedPrecondition = 9,
    /// Somebody else was in the way, as with a transaction.
    Aborted = 10,
    /// Beyond what there is.
    OutOfRange = 11,
    /// There is no such method.
    Unimplemented = 12,
    /// Something that must hold does not.
    Internal = 13,
    /// Nobody can serve it now; most likely that passes.
    Unavailable = 14,
    /// Data is lost for good.
    DataLoss = 15,
    /// Nobody knows who the caller is.
    Unauthenticated = 16,
}

impl Code {
    const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// Returns the code with which a response's head ends the call; `None` if it does not, and the message begins.
    ///
    /// A head without `grpc-status` and with another status than 200 comes from somebody who does not speak gRPC, such as
    /// a proxy, and is read as the protocol says (*HTTP to gRPC Status Code Mapping*): 400 is `Internal`, 401
    /// `Unauthenticated`, 403 `PermissionDenied`, 404 `Unimplemented`; 429, 502, 503 and 504 are `Unavailable`; all others
    /// `Unknown`.
    pub fn of_head(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        Self::told(headers).or(match status.as_u16() {
            200 => None,
            400 => Some(Self::Internal),
            401 => Some(Self::Unauthenticated),
            403 => Some(Self::PermissionDenied),
            404 => Some(Self::Unimplemented),
            429 | 502 | 503 | 504 => Some(Self::Unavailable),
            _ => Some(Self::Unknown),
        })
    }

    /// Returns the code with which a service that refuses ends the call.
    ///
    /// Whatever took too long is `DeadlineExceeded`, what is used up (a rate, the bytes of a body) `ResourceExhausted`,
    /// and what passes by itself `Unavailable`, the code that clients try again by default.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        match refusal.reason() {
            Reason::Elapsed { .. } | Reason::DeadlinePassed => Self::DeadlineExceeded,
            Reason::RateLimited { .. } | Reason::BodyTooLarge { .. } => Self::ResourceExhausted,
            Reason::CircuitOpen
            | Reason::BulkheadFull { .. }
            | Reason::TooManyKeys
            | Reason::Overloaded { .. }
            | Reason::Shed { .. } => Self::Unavailable,
        }
    }

    /// Returns the code that the header `grpc-status` tells, if it is there.
    pub(crate) fn told(headers: &HeaderMap) -> Option<Self> {
        let told = headers.get(GRPC_STATUS)?;
        let number = told.to_str().ok().and_then(|told| told.parse::<usize>().ok());
        let known = number.and_then(|number| Self::ALL.get(number));
        Some(known.copied().unwrap_or(Self::Unknown))
    }

    /// Returns the name of a code that is an error of the server, by OpenTelemetry's conventions for gRPC.
    pub(crate) fn server_error(self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("UNKNOWN"),
            Self::DeadlineExceeded => Some("DEADLINE_EXCEEDED"),
            Self::Unimplemented => Some("UNIMPLEMENTED"),
            Self::Internal => Some("INTERNAL"),
            Self::Unavailable => Some("UNAVAILABLE"),
            Self::DataLoss => Some("DATA_LOSS"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::criticality::Criticality;
    use crate::base::refusal::Part;

    #[test]
    fn every_reason_of_a_refusal_has_its_code() {
        let parts = [
            Part::Response,
            Part::RequestBody,
            Part::Body,
            Part::Idle,
            Part::RequestIdle,
        ];
        let limit = Duration::from_secs(1);
        let elapsed = parts.map(|part| (Reason::Elapsed { limit, part }, 4));
        let others = [
            (Reason::DeadlinePassed, 4),
            (Reason::RateLimited { quota: 1, per: limit }, 8),
            (Reason::BodyTooLarge { limit: 1 }, 8),
            (Reason::CircuitOpen, 14),
            (Reason::BulkheadFull { waited: limit }, 14),
            (Reason::TooManyKeys, 14),
            (Reason::Overloaded { limit: 1 }, 14),
            (
                Reason::Shed {
                    criticality: Criticality::Critical,
                },
                14,
            ),
        ];
        for (reason, code) in elapsed.into_iter().chain(others) {
            let refusal = Refusal::new("policy", "name".into(), reason);
            assert_eq!(Code::of_refusal(&refusal) as u8, code, "{reason:?}");
        }
    }

    #[test]
    fn an_error_of_the_server_is_told_by_its_name() {
        let told = Code::ALL.map(Code::server_error);
        let named = told
            .into_iter()
            .enumerate()
            .filter_map(|(number, name)| Some((number, name?)));
        let expected = [
            (2, "UNKNOWN"),
            (4, "DEADLINE_EXCEEDED"),
            (12, "UNIMPLEMENTED"),
            (13, "INTERNAL"),
            (14, "UNAVAILABLE"),
            (15, "DATA_LOSS"),
        ];
        assert_eq!(named.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_code_stands_at_its_number() {
        for (number, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            let headers = HeaderMap::from_iter([(GRPC_STATUS, number.to_string().parse().unwrap())]);
            assert_eq!(Code::of_head(StatusCode::OK, &headers), Some(code));
        }
        for unknown in ["17", "-1", "", "x"] {
            let headers = HeaderMap::from_iter([(GRPC_STATUS, unknown.parse().unwrap())]);
            assert_eq!(
                Code::of_head(StatusCode::SERVICE_UNAVAILABLE, &headers),
                Some(Code::Unknown)
            );
        }
    }

    #[test]
    fn a_status_of_http_alone_is_read_as_the_protocol_says() {
        let cases = [
            (200, None),
            (400, Some(Code::Internal)),
            (401, Some(Code::Unauthenticated)),
            (403, Some(Code::PermissionDenied)),
            (404, Some(Code::Unimplemented)),
            (429, Some(Code::Unavailable)),
            (500, Some(Code::Unknown)),
            (502, Some(Code::Unavailable)),
            (503, Some(Code::Unavailable)),
            (504, Some(Code::Unavailable)),
            (204, Some(Code::Unknown)),
        ];
        for (status, code) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Code::of_head(status, &HeaderMap::new()), code, "{status}");
        }
    }
}
