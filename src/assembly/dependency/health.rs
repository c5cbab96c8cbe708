//! Says whether a dependency works.

use http::Request;
use tower_service::Service;

use super::builder::Ask;
use super::handle::Dependency;
use crate::base::error::BoxError;
use crate::client::Transport;
use crate::health::Check;
use crate::web::Body;

/// Makes the check of a dependency: what it says of itself, and what its circuit says.
pub(super) fn check(dependency: &Dependency, mut ask: Option<Ask>) -> Check {
    let of = dependency.clone();
    let check = Check::new(dependency.name(), move || {
        let asked = ask.as_mut().map(|ask| ask());
        let of = of.clone();
        async move {
            if let Some(asked) = asked {
                asked.await?;
            }
            of.complaint()
                .map_or(Ok::<_, BoxError>(()), |complaint| Err(complaint.into()))
        }
    });
    if dependency.0.is_required {
        check.critical()
    } else {
        check.optional()
    }
}

/// Asks for a path on the dependency's own connections, outside of its guards: a check asks the dependency, and not what
/// we think of it.
pub(super) fn asking(transport: Transport, path: String) -> Ask {
    Box::new(move || {
        let mut transport = transport.clone();
        let request = Request::get(&path).body(Body::empty());
        Box::pin(async move {
            let mut request = request?;
            transport.address(&mut request)?;
            let status = transport.call(request).await?.status();
            if status.is_success() {
                Ok(())
            } else {
                Err(format!("it answered {status}").into())
            }
        })
    })
}
