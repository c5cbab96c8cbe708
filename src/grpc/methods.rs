use std::sync::Arc;

use crate::base::error::{InvalidSetting, InvalidSettings};

/// Declares which gRPC methods have the same effect however often they are called.
///
/// All gRPC requests are `POST`, so nothing about them proves it; their protobuf may say so (`idempotency_level`), but
/// that does not travel. A cheap handle: clones share the list.
///
/// # Examples
///
/// ```
/// use seaworthy::grpc::IdempotentMethods;
///
/// let methods = IdempotentMethods::new([
///     "/bank.Ledger/GetBalance", // one method
///     "/bank.Rates/*",           // all methods of a service
/// ])
/// .unwrap();
/// assert!(methods.contains("/bank.Ledger/GetBalance"));
/// assert!(methods.contains("/bank.Rates/List"));
/// assert!(!methods.contains("/bank.Ledger/Append"));
///
/// let wrong = IdempotentMethods::new(["bank.Ledger.GetBalance"]).unwrap_err();
/// assert!(wrong.to_string().contains("/package.Service/Method"));
/// ```
#[derive(Clone, Debug)]
pub struct IdempotentMethods(Arc<[Box<str>]>);

impl IdempotentMethods {
    /// Takes the methods' paths, `/package.Service/Method`, or `/package.Service/*` for all methods of one service.
    ///
    /// # Errors
    ///
    /// Every path that is of neither form; it would never match anything.
    pub fn new<S: AsRef<str>>(paths: impl IntoIterator<Item = S>) -> Result<Self, InvalidSettings> {
        let mut kept = Vec::new();
        let mut wrong = Vec::new();
        for (index, path) in paths.into_iter().enumerate() {
            let path = path.as_ref();
            if is_path(path) {
                // A service alone ends with the slash, as no method does.
                kept.push(path.strip_suffix('*').unwrap_or(path).into());
            } else {
                wrong.push(InvalidSetting::new(
                    format!("grpc.idempotent_methods.{index}"),
                    format!("a text of {} bytes", path.len()),
                    "`/package.Service/Method` or `/package.Service/*`",
                ));
            }
        }
        InvalidSettings::check(wrong)?;
        kept.sort_unstable();
        Ok(Self(kept.into()))
    }

    /// Returns whether the method with that path is declared, alone or with all of its service.
    pub fn contains(&self, path: &str) -> bool {
        let service = path.rfind('/').map_or("", |end| &path[..=end]);
        [path, service].into_iter().any(|wanted| self.has(wanted))
    }

    fn has(&self, wanted: &str) -> bool {
        self.0.binary_search_by(|path| (**path).cmp(wanted)).is_ok()
    }
}

fn is_path(path: &str) -> bool {
    let is_name = |name: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
        !name.is_empty() && name.bytes().all(allowed)
    };
    let names = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    names.is_some_and(|(service, method)| is_name(service) && (method == "*" || is_name(method)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_never_match_is_refused_all_at_once() {
        let bad = [
            "", "/", "/a", "a/B", "/a/", "//B", "/a/B/C", "/a/*B", "/*/B", "/a b/C", "/*", "/a/é",
        ];
        let wrong = IdempotentMethods::new(bad).unwrap_err();
        assert_eq!(wrong.as_slice().len(), bad.len());
        IdempotentMethods::new(["/a/B", "/a.b_c.D1/E_f", "/a/*"]).unwrap();
    }

    #[test]
    fn a_service_is_declared_by_its_whole_name() {
        let methods = IdempotentMethods::new(["/a.B/*", "/a.C/Get"]).unwrap();
        for (path, expected) in [
            ("/a.B/Get", true),
            ("/a.C/Get", true),
            ("/a.C/Getter", false),
            ("/a.C/get", false),
            ("/a.C/Set", false),
            ("/a.BB/Get", false),
            ("/x/a.B/Get", false),
            ("/a.B/Get/Get", false),
            ("/a.C/", false),
            ("", false),
            ("*", false),
        ] {
            assert_eq!(methods.contains(path), expected, "{path}");
        }
    }
}
