use http::Response;

use crate::base::error::BoxError;
use crate::policy::chaos::InjectedFault;
use crate::web::body::Body;

/// Leaves the response whole.
#[expect(clippy::unnecessary_wraps, reason = "what injects can fail")]
pub(super) fn cut(response: Response<Body>, _is_head: bool, _: InjectedFault) -> Result<Response<Body>, BoxError> {
    Ok(response)
}
