use http::{HeaderMap, HeaderName, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

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
        if let Some(told) = headers.get(GRPC_STATUS) {
            let number = told.to_str().ok().and_then(|told| told.parse::<usize>().ok());
            let known = number.and_then(|number| Self::ALL.get(number));
            return Some(known.copied().unwrap_or(Self::Unknown));
        }
        Some(match status.as_u16() {
            200 => return None,
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
