use tower_layer::Layer;

use super::handle::Dependency;
use super::outbound::{Http, Plain};
use crate::base::outcome::ErrorIsFailure;
use crate::base::replay::Cloned;
use crate::policy::retry::ByOutcome;

/// Puts all guards of a dependency round any client that is a [`tower_service::Service`] and `Clone`.
///
/// Requests are tried again if their type is [`Idempotent`](crate::replay::Idempotent); [`http`](Self::http) and
/// [`replay`](Self::replay) take other proof.
///
/// Its errors are a [`Refusal`](crate::Refusal) or the client's own, boxed.
#[derive(Clone, Debug)]
pub struct DependencyLayer<R = Cloned, A = ByOutcome<ErrorIsFailure>, C = ErrorIsFailure> {
    dependency: Dependency,
    replay: R,
    appraise: A,
    classify: C,
}

impl DependencyLayer {
    pub(super) fn new(dependency: Dependency) -> Self {
        Self {
            dependency,
            replay: Cloned,
            appraise: ByOutcome(ErrorIsFailure),
            classify: ErrorIsFailure,
        }
    }

    /// Makes the layer for clients of HTTP: a call keeps its place until the end of the response's body, and a body that
    /// breaks is a failure.
    ///
    /// The client takes requests and gives responses of any body; what comes out gives a [`Body`](crate::Body).
    pub fn http(self) -> HttpDependencyLayer {
        HttpDependencyLayer(self.dependency)
    }
}

impl<R, A, C> DependencyLayer<R, A, C> {
    /// Lets `replay` say which requests may be sent again, and how.
    pub fn replay<P>(self, replay: P) -> DependencyLayer<P, A, C> {
        DependencyLayer {
            dependency: self.dependency,
            replay,
            appraise: self.appraise,
            classify: self.classify,
        }
    }

    /// Lets `appraise` say which ends are worth a further attempt.
    pub fn appraise<B>(self, appraise: B) -> DependencyLayer<R, B, C> {
        DependencyLayer {
            dependency: self.dependency,
            replay: self.replay,
            appraise,
            classify: self.classify,
        }
    }

    /// Lets `classify` say which ends are failures of the dependency.
    pub fn classify<D>(self, classify: D) -> DependencyLayer<R, A, D> {
        DependencyLayer {
            dependency: self.dependency,
            replay: self.replay,
            appraise: self.appraise,
            classify,
        }
    }
}

impl<S, R, A, C> Layer<S> for DependencyLayer<R, A, C>
where
    S: Clone,
    R: Clone,
    A: Clone,
    C: Clone,
{
    type Service = Plain<S, R, A, C>;

    fn layer(&self, client: S) -> Self::Service {
        self.dependency.wire();
        let guards = &self.dependency.0.guards;
        guards.plain(
            client,
            self.replay.clone(),
            self.appraise.clone(),
            self.classify.clone(),
        )
    }
}

/// Puts all guards of a dependency round any client of HTTP; made by [`DependencyLayer::http`].
#[derive(Clone, Debug)]
pub struct HttpDependencyLayer(Dependency);

impl<S: Clone> Layer<S> for HttpDependencyLayer {
    type Service = Http<S>;

    fn layer(&self, client: S) -> Self::Service {
        self.0.wire();
        self.0.0.guards.http(client)
    }
}
