use crate::policy::chaos::InjectedFault;
use crate::web::body::Body;

/// Leaves the body whole.
pub(super) fn cut(body: Body, _: InjectedFault) -> Body {
    body
}
