use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;

const INSTANCE: &str = "service.instance.id";

/// Says whose spans they are: the SDK, what `OTEL_RESOURCE_ATTRIBUTES` says, and this service, whose name is the app's.
pub(super) fn resource(service: &str) -> Resource {
    let found = Resource::builder().build();
    let resource = Resource::builder().with_service_name(service.to_owned());
    let resource = match found.get(&Key::from_static_str(INSTANCE)) {
        Some(_) => resource,
        None => resource.with_attribute(KeyValue::new(INSTANCE, instance())),
    };
    resource.build()
}

fn instance() -> String {
    let random = fastrand::u128(..).to_ne_bytes();
    uuid::Builder::from_random_bytes(random).into_uuid().to_string()
}
