//! Holds the import rule: which module may use which, one way only.
//!
//! It reads tokens, not syntax trees. Whatever comes from another module is named by a path that starts at `crate`,
//! `super` or `self`, and that looks the same in a `use`, a type, an expression, a visibility and a macro's input.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Each module with those it may use. A new one is entered here deliberately; what is not here is refused.
const RULE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("policy", &["base"]),
    ("health", &["base"]),
    ("shutdown", &["base"]),
    ("telemetry", &["base"]),
    ("web", &["base", "policy", "health", "shutdown"]),
    // `web`, because gRPC is HTTP: its requests are kept and sent again as any other.
    ("grpc", &["base", "policy", "health", "shutdown", "web"]),
    ("server", &["base", "policy", "health", "shutdown", "web"]),
    ("client", &["base", "policy", "health", "shutdown", "web"]),
    ("worker", &["base", "policy", "health", "shutdown", "web"]),
    ("review", &["base", "health"]),
    // `server`, because the bounded accept loop exists once.
    (
        "admin",
        &["base", "health", "shutdown", "telemetry", "web", "review", "server"],
    ),
    (
        "assembly",
        &[
            "base",
            "policy",
            "health",
            "shutdown",
            "telemetry",
            "web",
            "grpc",
            "server",
            "client",
            "worker",
            "review",
            "admin",
        ],
    ),
];

#[test]
fn every_import_goes_one_way() {
    let lib = fs::read_to_string(source_root().join("lib.rs")).unwrap();
    let files = source_files(&source_root());
    assert!(files.len() > 10, "found only {files:?}");
    let objections: Vec<_> = files
        .iter()
        .flat_map(|file| {
            let path = file.strip_prefix(source_root()).unwrap().to_str().unwrap();
            check(path, &fs::read_to_string(file).unwrap(), &lib)
        })
        .collect();
    assert!(objections.is_empty(), "\n{}", objections.join("\n"));
}

#[test]
fn every_folder_is_in_the_rule() {
    for entry in fs::read_dir(source_root()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() && name != "docs" {
            assert!(allowed(&name).is_some(), "src/{name} is not in `RULE`");
        }
    }
}

#[test]
fn no_name_is_a_manager() {
    let objections: Vec<_> = source_files(&source_root())
        .iter()
        .flat_map(|file| vague_names(&fs::read_to_string(file).unwrap()))
        .collect();
    assert!(objections.is_empty(), "say what it does: {objections:?}");
}

/// Lists what `source`, which stands at `path` below `src/`, uses against the rule.
fn check(path: &str, source: &str, lib: &str) -> Vec<String> {
    let module = module_of(path);
    let Some(own) = module.first() else {
        return root_objections(lib);
    };
    if allowed(own).is_none() {
        return vec![format!("src/{path}: `{own}` is not in `RULE`")];
    }
    let mut uses = Vec::new();
    collect_uses(parse(source), &module, &mut uses);
    let exports = exports(lib);
    uses.iter()
        .filter_map(|found| {
            let objection = objection(&module, found, &exports)?;
            Some(format!(
                "src/{path}:{}: `{}`: {objection}",
                found.line,
                found.path.join("::")
            ))
        })
        .collect()
}

/// One path as it is written, with the module it stands in.
struct Use {
    path: Vec<String>,
    module: Vec<String>,
    line: usize,
    /// A visibility may name the root, as in `pub(crate)`.
    is_visibility: bool,
}

fn objection(file: &[String], found: &Use, exports: &HashMap<String, Vec<String>>) -> Option<String> {
    let target = behind_exports(resolve(&found.path, &found.module), exports);
    let own = file[0].as_str();
    let top = match target.first().map(String::as_str) {
        None | Some("*") if found.is_visibility => return None,
        None | Some("*") => return Some("the root as a whole would hide what is used".to_owned()),
        Some(top) => top,
    };
    if allowed(top).is_none() {
        return Some(format!("`{top}` is not in `RULE`"));
    }
    if top != own {
        let is_allowed = allowed(own).is_some_and(|may| may.contains(&top));
        return (!is_allowed).then(|| format!("`{own}` may not use `{top}`"));
    }
    // `policy/mod.rs` declares the policies; below it each sees only itself.
    let is_sibling = own == "policy" && file.len() > 1 && target.get(1) != file.get(1);
    (is_sibling && !found.is_visibility).then(|| format!("policy `{}` may not use another", file[1]))
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    RULE.iter().find(|(name, _)| *name == module).map(|(_, may)| *may)
}

/// Returns where a path leads, from the root.
fn resolve(path: &[String], module: &[String]) -> Vec<String> {
    let is_absolute = path.first().is_some_and(|first| first == "crate");
    let mut target = if is_absolute { Vec::new() } else { module.to_vec() };
    for segment in path {
        match segment.as_str() {
            "crate" | "self" => {}
            "super" => drop(target.pop()),
            name => target.push(name.to_owned()),
        }
    }
    target
}

/// Replaces a name that `lib.rs` brings to the root by what it stands for.
fn behind_exports(mut target: Vec<String>, exports: &HashMap<String, Vec<String>>) -> Vec<String> {
    // An export may stand for another; none can be followed more often than there are.
    for _ in 0..exports.len() {
        let Some(origin) = target.first().and_then(|first| exports.get(first)) else {
            break;
        };
        target.splice(..1, origin.iter().cloned());
    }
    target
}

/// Maps each name that a `use` of `lib.rs` brings to the root to its path; a private one is seen below it too.
fn exports(lib: &str) -> HashMap<String, Vec<String>> {
    let mut leaves = Vec::new();
    let tokens: Vec<_> = parse(lib).into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        if is_ident(token, "use") {
            read_tree(&tokens[index + 1..], Vec::new(), &mut leaves);
        }
    }
    leaves
        .into_iter()
        .map(|leaf| (leaf.name, resolve(&leaf.path, &[])))
        .collect()
}

/// The root may use everything, but not in ways that hide from [`exports`] what a name stands for.
fn root_objections(lib: &str) -> Vec<String> {
    let mut objections = Vec::new();
    if exports(lib).contains_key("*") {
        objections.push("src/lib.rs: a glob hides what is exported".to_owned());
    }
    let tokens: Vec<_> = parse(lib).into_iter().collect();
    if tokens
        .windows(2)
        .any(|pair| is_ident(&pair[0], "extern") && is_ident(&pair[1], "crate"))
    {
        objections.push("src/lib.rs: `extern crate` gives the root another name".to_owned());
    }
    objections
}

/// Collects every path that starts at `crate`, `super` or `self`.
fn collect_uses(tokens: TokenStream, module: &[String], uses: &mut Vec<Use>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    let mut after_pub = false;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (TokenTree::Ident(_), [TokenTree::Ident(name), TokenTree::Group(body), after @ ..])
                if is_ident(first, "mod") =>
            {
                let inner: Vec<_> = module.iter().cloned().chain([plain(name)]).collect();
                collect_uses(body.stream(), &inner, uses);
                rest = after;
            }
            (TokenTree::Ident(ident), _) if starts_path(first, after) => {
                let mut leaves = Vec::new();
                // From `first` on, which `rest` has left behind.
                let from = &tokens[tokens.len() - after.len() - 1..];
                rest = read_tree(from, Vec::new(), &mut leaves);
                uses.extend(leaves.into_iter().map(|leaf| Use {
                    path: leaf.path,
                    module: module.to_vec(),
                    line: ident.span().start().line,
                    is_visibility: false,
                }));
            }
            (TokenTree::Group(group), _) => {
                let start = uses.len();
                collect_uses(group.stream(), module, uses);
                if after_pub && is_restriction(group) {
                    uses[start..].iter_mut().for_each(|found| found.is_visibility = true);
                }
            }
            // serde and its like take paths as texts: `#[serde(with = "crate::web::millis")]`.
            (TokenTree::Literal(literal), _) => {
                let text = literal.to_string();
                let text = text.trim_matches('"');
                if text.starts_with("crate::") || text.starts_with("super::") {
                    collect_uses(parse(text), module, uses);
                }
            }
            _ => {}
        }
        after_pub = is_ident(first, "pub");
    }
}

/// `self` alone is a value; `crate` and `super` alone are modules.
fn starts_path(first: &TokenTree, after: &[TokenTree]) -> bool {
    is_ident(first, "crate") || is_ident(first, "super") || is_ident(first, "self") && after_colons(after).is_some()
}

/// Tells `(crate)` and `(in path)` from the type of a public tuple field.
fn is_restriction(group: &proc_macro2::Group) -> bool {
    let tokens: Vec<_> = group.stream().into_iter().collect();
    group.delimiter() == Delimiter::Parenthesis && (tokens.len() == 1 || is_ident(&tokens[0], "in"))
}

/// One end of a tree of paths and the name it gets.
struct Leaf {
    path: Vec<String>,
    name: String,
}

/// Reads `a::b`, `a::{b, c as d}` or `a::*`, and returns what follows it.
fn read_tree<'a>(mut rest: &'a [TokenTree], mut path: Vec<String>, leaves: &mut Vec<Leaf>) -> &'a [TokenTree] {
    loop {
        match rest {
            [TokenTree::Ident(name), after @ ..] => {
                path.push(plain(name));
                rest = after;
            }
            [TokenTree::Punct(star), after @ ..] if star.as_char() == '*' => {
                path.push("*".to_owned());
                rest = after;
            }
            [TokenTree::Group(braces), after @ ..] if braces.delimiter() == Delimiter::Brace => {
                let branches: Vec<_> = braces.stream().into_iter().collect();
                for branch in branches.split(|token| is_punct(token, ',')).filter(|it| !it.is_empty()) {
                    read_tree(branch, path.clone(), leaves);
                }
                return after;
            }
            _ => break,
        }
        match after_colons(rest) {
            Some(after) => rest = after,
            None => break,
        }
    }
    let name = match rest {
        [keyword, TokenTree::Ident(alias), ..] if is_ident(keyword, "as") => Some(plain(alias)),
        _ => path.iter().rfind(|segment| *segment != "self").cloned(),
    };
    leaves.extend(name.map(|name| Leaf { path, name }));
    rest
}

fn after_colons(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [one, two, after @ ..] if is_punct(one, ':') && is_punct(two, ':') => Some(after),
        _ => None,
    }
}

/// Lists the types, traits and modules whose names say nothing.
fn vague_names(source: &str) -> Vec<String> {
    fn visit(tokens: TokenStream, vague: &mut Vec<String>) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for token in &tokens {
            if let TokenTree::Group(group) = token {
                visit(group.stream(), vague);
            }
        }
        for pair in tokens.windows(2) {
            let [TokenTree::Ident(keyword), TokenTree::Ident(name)] = pair else {
                continue;
            };
            let name = name.to_string();
            let is_vague = match keyword.to_string().as_str() {
                "struct" | "enum" | "union" | "trait" | "type" => ["Manager", "Helper", "Factory", "Util"]
                    .iter()
                    .any(|word| name.contains(word)),
                "mod" => ["util", "utils", "helper", "helpers"].contains(&name.as_str()),
                _ => false,
            };
            vague.extend(is_vague.then_some(name));
        }
    }
    let mut vague = Vec::new();
    visit(parse(source), &mut vague);
    vague
}

fn parse(source: &str) -> TokenStream {
    source.parse().unwrap_or_else(|error| panic!("{error} in\n{source}"))
}

fn is_ident(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// Returns a name without the `r#` of a raw one.
fn plain(ident: &proc_macro2::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map_or(name.clone(), str::to_owned)
}

/// Returns the module that a file below `src/` holds: `web/mod.rs` is `web`; `lib.rs` is the root.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("src/ can be read") {
        let path = entry.expect("src/ can be read").path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The root of the small trees below.
const LIB: &str = "
    mod base; mod policy; mod web;
    pub use base::{clock, error::BoxError};
    pub use policy::timeout;
    pub use web::Body;
    pub use {self::web::{body::Limit as BodyLimit, probe::{self, Probe}}, Probe as Probed};
";

#[track_caller]
fn objects(path: &str, source: &str, expected: &str) {
    let objections = check(path, source, LIB);
    assert!(
        objections.len() == 1 && objections[0].contains(expected),
        "expected one objection with {expected:?} to\n{source}\nfound {objections:#?}"
    );
}

#[track_caller]
fn accepts(path: &str, source: &str) {
    assert_eq!(check(path, source, LIB), [""; 0], "in\n{source}");
}

const UPWARD: &str = "`base` may not use `web`";

#[test]
fn a_plain_upward_import_is_seen() {
    objects("base/live.rs", "use crate::web::Body;", UPWARD);
}

#[test]
fn an_upward_import_in_braces_is_seen() {
    objects("base/live.rs", "use crate::{base::clock, web::Body};", UPWARD);
    objects("base/live.rs", "use crate::{base::{self, clock}, web::{self}};", UPWARD);
    objects("base/live.rs", "use {crate::web::Body, std::fmt};", UPWARD);
}

#[test]
fn an_upward_import_by_super_is_seen() {
    objects("base/live.rs", "use super::super::web::Body;", UPWARD);
    objects("base/live.rs", "use self::super::super::{web::Body};", UPWARD);
    objects("base/mod.rs", "use super::web::Body;", UPWARD);
}

#[test]
fn an_upward_import_by_a_name_at_the_root_is_seen() {
    objects("base/live.rs", "use crate::Body;", UPWARD);
    objects("base/live.rs", "use crate::{BoxError, BodyLimit};", UPWARD);
    objects("base/live.rs", "use super::super::probe::Any;", UPWARD);
    objects("base/live.rs", "use crate::Probed;", UPWARD);
    objects(
        "health/mod.rs",
        "use crate::timeout::Timeout;",
        "`health` may not use `policy`",
    );
}

#[test]
fn an_upward_path_outside_of_imports_is_seen() {
    objects("base/live.rs", "fn f() { let _ = crate::web::body::empty(); }", UPWARD);
    objects("base/live.rs", "fn f() -> Vec<crate::web::Body> { Vec::new() }", UPWARD);
    objects(
        "base/live.rs",
        "fn f(e: E) { match e { crate::web::E::A => {} } }",
        UPWARD,
    );
    objects("base/live.rs", "impl<T> crate::web::Answer<T> for Live<T> {}", UPWARD);
    objects("base/live.rs", "struct Live(pub (crate::web::Body));", UPWARD);
    objects("base/live.rs", "pub(in crate::web) struct Live;", UPWARD);
    objects(
        "base/live.rs",
        "#[serde(with = \"crate::web::millis\")] struct Live;",
        UPWARD,
    );
}

#[test]
fn an_upward_path_within_a_macro_is_seen() {
    objects(
        "base/live.rs",
        "pin_project! { struct Live { body: crate::web::Body } }",
        UPWARD,
    );
    objects(
        "base/live.rs",
        "fn f() { println!(\"{}\", super::super::web::NAME); }",
        UPWARD,
    );
    objects(
        "base/live.rs",
        "macro_rules! body { () => { $crate :: web :: Body::empty() } }",
        UPWARD,
    );
}

#[test]
fn tests_are_held_to_the_rule_too() {
    objects(
        "base/live.rs",
        "#[cfg(test)] mod tests { use crate::web::Body; }",
        UPWARD,
    );
    objects(
        "base/live.rs",
        "#[cfg(test)] mod tests { use super::super::super::web; }",
        UPWARD,
    );
    objects(
        "policy/timeout/tests.rs",
        "use crate::web::Body;",
        "`policy` may not use `web`",
    );
}

#[test]
fn a_policy_that_uses_its_sibling_is_seen() {
    const SIBLING: &str = "policy `retry` may not use another";
    objects("policy/retry/layer.rs", "use crate::policy::timeout::Timeout;", SIBLING);
    objects("policy/retry/layer.rs", "use super::super::timeout::Timeout;", SIBLING);
    objects("policy/retry/mod.rs", "use super::{retry::Retry, timeout};", SIBLING);
    objects("policy/retry/layer.rs", "use crate::timeout::Timeout;", SIBLING);
    objects("policy/retry/layer.rs", "use crate::policy;", SIBLING);
    objects("policy/retry/mod.rs", "use super::*;", SIBLING);
}

#[test]
fn a_module_without_a_rule_is_refused() {
    objects("base/live.rs", "use crate::cache::Cache;", "`cache` is not in `RULE`");
    objects("cache/mod.rs", "", "`cache` is not in `RULE`");
    objects("cache.rs", "", "`cache` is not in `RULE`");
}

#[test]
fn the_root_as_a_whole_is_refused() {
    const ROOT: &str = "the root as a whole";
    objects("base/live.rs", "use crate::*;", ROOT);
    objects("base/live.rs", "use crate as root;", ROOT);
    objects("base/live.rs", "use crate::{base::clock, self as root};", ROOT);
    objects("base/live.rs", "use super::super as root;", ROOT);
    objects("base/mod.rs", "use super::*;", ROOT);
    objects("base/live.rs", "extern crate self as root;", ROOT);
}

#[test]
fn a_root_that_hides_what_it_exports_is_refused() {
    assert_eq!(check("lib.rs", LIB, LIB), [""; 0]);
    for lib in ["pub use web::*;", "extern crate self as seaworthy;"] {
        assert_eq!(check("lib.rs", lib, lib).len(), 1, "{lib}");
    }
}

#[test]
fn what_the_rule_allows_is_accepted() {
    accepts(
        "base/live.rs",
        "//! See [`crate::web`].
         use super::{clock::{self, Clock}, error::BoxError};
         pub(crate) struct Live { pub(super) at: Clock, pub(in crate::base) error: crate::BoxError }
         impl Live { pub(crate) fn f(self) -> Self { self::g(); self } }
         #[cfg(test)] mod tests { use super::*; use super::super::clock; use crate::base::events; }",
    );
    accepts("policy/mod.rs", "pub mod timeout; pub use self::timeout::Timeout;");
    accepts(
        "policy/timeout/layer.rs",
        "use super::config::X; use crate::{base::ready, timeout::Y, clock};",
    );
    accepts(
        "policy/timeout/mod.rs",
        "pub(super) fn f() {} pub(in super::super) fn g() {}",
    );
    accepts(
        "web/probe.rs",
        "use crate::{health::Health, policy::timeout, shutdown, Body}; use super::body;",
    );
    accepts("admin/mod.rs", "use crate::server::accept;");
}

#[test]
fn a_vague_name_is_seen() {
    assert_eq!(vague_names("pub struct CheckManager;"), ["CheckManager"]);
    assert_eq!(vague_names("mod a { pub trait ServiceFactory {} }"), ["ServiceFactory"]);
    assert_eq!(vague_names("m! { pub type Helper = (); }"), ["Helper"]);
    assert_eq!(vague_names("pub(crate) mod utils;"), ["utils"]);
    assert_eq!(vague_names("pub struct Watchdog; mod checks;"), [""; 0]);
}
