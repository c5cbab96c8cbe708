//! The versions that were built, as `Cargo.lock` has them.

use std::collections::HashMap;

const LOCK: &str = include_str!("../../../Cargo.lock");

/// The versions of this package's direct dependencies.
pub(crate) struct Versions(HashMap<&'static str, &'static str>);

impl Versions {
    pub(crate) fn of_this_build() -> Self {
        Self::of("seaworthy-peers", LOCK)
    }

    fn of(user: &str, lock: &'static str) -> Self {
        let packages: Vec<Package> = lock.split("[[package]]").filter_map(Package::parse).collect();
        let user = packages.iter().find(|package| package.name == user);
        let dependencies = user.into_iter().flat_map(|user| &user.dependencies);
        Self(
            dependencies
                .filter_map(|dependency| match dependency.split_once(' ') {
                    // The version stands there only if there are several.
                    Some((name, version)) => Some((name, version)),
                    None => packages
                        .iter()
                        .find(|package| package.name == *dependency)
                        .map(|package| (package.name, package.version)),
                })
                .collect(),
        )
    }

    /// Returns a package's name, with its version if it is a dependency.
    pub(crate) fn label(&self, package: &str) -> String {
        match self.0.get(package) {
            Some(version) => format!("{package} {version}"),
            None => package.to_owned(),
        }
    }
}

struct Package {
    name: &'static str,
    version: &'static str,
    dependencies: Vec<&'static str>,
}

impl Package {
    fn parse(text: &'static str) -> Option<Self> {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.strip_prefix(" = \"")?.strip_suffix('"')
        };
        let dependencies = text
            .lines()
            .filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\","));
        Some(Self {
            name: value("name")?,
            version: value("version")?,
            dependencies: dependencies.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Versions;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "benches"
version = "0.0.0"
dependencies = [
 "governor",
 "tower 0.5.3",
]

[[package]]
name = "governor"
version = "0.10.4"

[[package]]
name = "tower"
version = "0.4.13"

[[package]]
name = "tower"
version = "0.5.3"

[[package]]
name = "unrelated"
version = "1.0.0"
"#;

    #[test]
    fn of_several_versions_it_is_the_one_depended_on() {
        let versions = Versions::of("benches", LOCK);
        assert_eq!(versions.label("tower"), "tower 0.5.3");
        assert_eq!(versions.label("governor"), "governor 0.10.4");
    }

    #[test]
    fn what_is_no_dependency_has_no_version() {
        let versions = Versions::of("benches", LOCK);
        assert_eq!(versions.label("unrelated"), "unrelated");
        assert_eq!(versions.label("std"), "std");
    }
}
