//! A plain request is tried again only if its type proves that it may be.

#[test]
fn a_request_that_proves_nothing_is_not_retried() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/retry_of_a_read.rs");
    cases.compile_fail("tests/ui/retry_of_anything.rs");
}
