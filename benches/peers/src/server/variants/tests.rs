use std::collections::HashSet;
use std::sync::mpsc;

use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use super::{ALL, ANSWER, PACKAGES, Variant};
use crate::server::allocated::{self, ask, connect};
use crate::versions::Versions;

/// Serves a variant for as long as `visit` is there.
fn serve(variant: &'static Variant, visit: fn(std::net::SocketAddr) -> std::io::Result<()>) {
    let (told, address) = mpsc::channel();
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("the runtime starts").block_on(async {
        let visit = spawn_blocking(move || visit(address.recv().expect("it is served")));
        let serving = variant.serve(move |address| told.send(address).expect("somebody waits"));
        tokio::select! {
            ended = serving => panic!("{}: {ended:?}", variant.name),
            visited = visit => visited
                .expect("it does not panic")
                .unwrap_or_else(|error| panic!("{}: {error}", variant.name)),
        }
    });
}

#[test]
fn every_variant_says_what_the_handler_says() {
    for variant in &ALL {
        serve(variant, |address| {
            let mut stream = connect(address)?;
            // More than once, and more often than a breaker or a limit needs to make up its mind.
            for _ in 0..200 {
                assert_eq!(ask(&mut stream, "/")?, ANSWER);
            }
            Ok(())
        });
    }
}

#[test]
fn the_bare_server_allocates_little_and_always_as_often() {
    serve(&ALL[0], |address| {
        let [count, bytes] = allocated::per_request(address)?;
        assert!((1.0..10.0).contains(&count), "{count}");
        assert!(bytes > count, "{bytes}");
        let again = allocated::per_request(address)?;
        assert!((again[0] - count).abs() < 0.1, "{count}, and then {again:?}");
        Ok(())
    });
}

#[test]
fn no_server_takes_a_buffer_for_each_request() {
    for variant in ALL
        .iter()
        .filter(|variant| ["bare", "whole", "logged"].contains(&variant.name))
    {
        serve(variant, |address| {
            let [_, bytes] = allocated::per_request(address)?;
            // hyper's buffers have 8 kB.
            assert!(bytes < 4_096.0, "{bytes}");
            Ok(())
        });
    }
}

#[test]
fn every_variant_is_found_by_its_name() {
    for variant in &ALL {
        let found = Variant::named(variant.name).map(|found| found.label);
        assert_eq!(found, Ok(variant.label));
    }
    let labels: HashSet<&str> = ALL.iter().map(|variant| variant.label).collect();
    assert_eq!(labels.len(), ALL.len());
}

#[test]
fn an_unknown_variant_is_refused_with_those_that_there_are() {
    let refusal = Variant::named("fast").map(|variant| variant.name);
    let refusal = refusal.expect_err("nobody serves fast");
    assert!(refusal.contains("`fast`") && refusal.contains("bare"), "{refusal}");
}

#[test]
fn every_package_has_a_version() {
    let versions = Versions::of_this_build();
    for package in PACKAGES {
        assert_ne!(versions.label(package), package, "it is no dependency");
    }
}
