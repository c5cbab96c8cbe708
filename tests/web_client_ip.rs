//! Who a request is counted for, whatever clients write into its headers.

#![cfg(feature = "http")]

mod alloc_support;

use std::collections::HashSet;
use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};

use alloc_support::allocations;
use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use seaworthy::key::KeyExtractor;
use seaworthy::web::{ClientIp, ClientKey, HeaderKey, PeerAddr};

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";
const PEER: &str = "10.0.0.9";

/// A request over a proxy's connection, with several lines of a header.
fn request(header: &'static str, lines: &[impl AsRef<[u8]>]) -> Request<()> {
    let mut request = Request::new(());
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_ref()).unwrap();
        request.headers_mut().append(header, value);
    }
    let peer: IpAddr = PEER.parse().unwrap();
    request.extensions_mut().insert(PeerAddr(SocketAddr::new(peer, 4711)));
    request
}

fn shown(client: ClientIp, header: &'static str, lines: &[&str]) -> String {
    client.extract(&request(header, lines)).to_string()
}

fn assert_all(extractor: fn(usize) -> ClientIp, header: &'static str, table: &[(usize, &[&str], &str)]) {
    for (hops, lines, client) in table {
        assert_eq!(
            shown(extractor(*hops), header, lines),
            *client,
            "{hops} hops, {lines:?}"
        );
    }
}

#[test]
fn the_client_is_the_nth_address_from_the_right() {
    assert_all(
        ClientIp::x_forwarded_for,
        X_FORWARDED_FOR,
        &[
            (1, &["192.0.2.1"], "192.0.2.1"),
            (1, &["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
            (2, &["6.6.6.6, 192.0.2.1, 10.0.0.1"], "192.0.2.1"),
            (3, &["192.0.2.1,10.0.0.1,10.0.0.2"], "192.0.2.1"),
            (1, &["6.6.6.6, 192.0.2.1:1234"], "192.0.2.1"),
            (1, &["2001:db8::1"], "2001:db8::"),
            (1, &["[2001:db8::1]"], "2001:db8::"),
            (1, &["[2001:db8::1]:443"], "2001:db8::"),
            (1, &["::ffff:192.0.2.1"], "192.0.2.1"),
            (1, &["  \t 192.0.2.1 \t "], "192.0.2.1"),
        ],
    );
    assert_all(
        ClientIp::forwarded,
        FORWARDED,
        &[
            (1, &["for=192.0.2.1"], "192.0.2.1"),
            (1, &["for=6.6.6.6, for=192.0.2.1;proto=https;by=10.0.0.9"], "192.0.2.1"),
            (1, &["proto=https ; For = 192.0.2.1"], "192.0.2.1"),
            (2, &["FOR=192.0.2.1;HOST=a, for=10.0.0.1"], "192.0.2.1"),
            (1, &[r#"for="192.0.2.1:80""#], "192.0.2.1"),
            (1, &[r#"for="[2001:db8::1]:4711""#], "2001:db8::"),
            (1, &[r#"for="[2001:db8::1]";;"#], "2001:db8::"),
            (1, &["for=[2001:db8::1]"], "2001:db8::"),
            (1, &[r#"host="a,b;for=6.6.6.6";for=192.0.2.1"#], "192.0.2.1"),
            (1, &[r#"for=192.0.2.1;host="a\",for=6.6.6.6""#], "192.0.2.1"),
            (1, &[r#"for=192.0.2.1;host="\\""#], "192.0.2.1"),
        ],
    );
}

#[test]
fn several_lines_are_one_list_and_empty_members_do_not_count() {
    assert_all(
        ClientIp::x_forwarded_for,
        X_FORWARDED_FOR,
        &[
            (1, &["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
            (2, &["6.6.6.6, 192.0.2.1", "10.0.0.1"], "192.0.2.1"),
            (2, &["6.6.6.6", "192.0.2.1, 10.0.0.1"], "192.0.2.1"),
            (2, &["192.0.2.1", "", " , ,", ", 10.0.0.1,"], "192.0.2.1"),
        ],
    );
    assert_all(
        ClientIp::forwarded,
        FORWARDED,
        &[
            (1, &["for=6.6.6.6", "for=192.0.2.1"], "192.0.2.1"),
            (2, &["for=192.0.2.1", "", " , ,", ", for=10.0.0.1,"], "192.0.2.1"),
        ],
    );
}

#[test]
fn what_cannot_be_read_or_is_not_there_is_the_peer() {
    assert_all(
        ClientIp::x_forwarded_for,
        X_FORWARDED_FOR,
        &[
            (0, &["6.6.6.6"], PEER),
            (1, &[], PEER),
            (1, &["", ","], PEER),
            (2, &["6.6.6.6"], PEER),
            (4, &["6.6.6.6", "192.0.2.1, 10.0.0.1"], PEER),
            (usize::MAX, &["6.6.6.6"], PEER),
            (1, &["6.6.6.6, unknown"], PEER),
            (1, &["6.6.6.6, 192.0.2.1 192.0.2.2"], PEER),
            (1, &["6.6.6.6, \"192.0.2.1\""], PEER),
            (2, &["6.6.6.6, ?, 10.0.0.1"], PEER),
        ],
    );
    assert_all(
        ClientIp::forwarded,
        FORWARDED,
        &[
            (0, &["for=6.6.6.6"], PEER),
            (1, &[], PEER),
            (2, &["for=6.6.6.6"], PEER),
            (1, &["for=6.6.6.6, for=unknown"], PEER),
            (1, &["for=6.6.6.6, for=_hidden"], PEER),
            (1, &["for=6.6.6.6, proto=https"], PEER),
            (1, &["for=6.6.6.6, for"], PEER),
            (1, &["for=6.6.6.6;for=192.0.2.1"], PEER),
            (1, &["6.6.6.6"], PEER),
            (1, &[r#"for=""#], PEER),
            (1, &[r#"for="192.0.2.1"#], PEER),
        ],
    );
    assert_eq!(shown(ClientIp::peer(), X_FORWARDED_FOR, &["6.6.6.6"]), PEER);
    assert_eq!(shown(ClientIp::forwarded(1), X_FORWARDED_FOR, &["6.6.6.6"]), PEER);
}

#[test]
fn a_spoofed_left_end_does_not_change_the_key() {
    for spoofed in [
        "6.6.6.6, ",
        "\"",
        "\\",
        "for=\"6.6.6.6, ",
        ", , ,",
        "for=\"\\",
        "\u{e4}",
    ] {
        for separator in [", ", ","] {
            let line = format!("{spoofed}{separator}192.0.2.1, 10.0.0.1");
            assert_eq!(
                shown(ClientIp::x_forwarded_for(2), X_FORWARDED_FOR, &[&line]),
                "192.0.2.1",
                "{line}"
            );
            let line = format!("{spoofed}{separator}for=192.0.2.1, for=\"10.0.0.1\"");
            assert_eq!(
                shown(ClientIp::forwarded(2), FORWARDED, &[&line]),
                "192.0.2.1",
                "{line}"
            );
        }
    }
    let long = "6.6.6.6, ".repeat(100_000);
    let line = format!("{long}192.0.2.1");
    assert_eq!(
        shown(ClientIp::x_forwarded_for(1), X_FORWARDED_FOR, &[&line]),
        "192.0.2.1"
    );
    let line = format!("{}, for=192.0.2.1", "\"".repeat(100_001));
    assert_eq!(shown(ClientIp::forwarded(1), FORWARDED, &[&line]), "192.0.2.1");
}

#[test]
fn an_open_quote_does_not_swallow_what_trusted_proxies_append() {
    let lines = ["for=\"6.6.6.6", "x=\"y, for=192.0.2.1;host=\"a\", for=10.0.0.1"];
    assert_eq!(shown(ClientIp::forwarded(2), FORWARDED, &lines), "192.0.2.1");
}

#[test]
fn going_through_a_network_of_64_bits_does_not_bring_a_new_key() {
    let client = ClientIp::x_forwarded_for(1);
    let keys = |client: ClientIp, addresses: &dyn Fn(u32) -> String| -> usize {
        let key = |n| client.extract(&request(X_FORWARDED_FOR, &[addresses(n)]));
        (0..1000).map(key).collect::<HashSet<_>>().len()
    };
    assert_eq!(keys(client, &|n| format!("2001:db8:0:1:{n:x}:{n:x}::1")), 1);
    assert_eq!(keys(client, &|n| format!("2001:db8:0:{n:x}::1")), 1000);
    assert_eq!(keys(client.ipv6_prefix(48), &|n| format!("2001:db8:0:{n:x}::1")), 1);
    assert_eq!(keys(client.ipv6_prefix(128), &|n| format!("2001:db8::{n:x}")), 1000);
    let ipv4 = |n: u32| format!("192.0.{}.{}", n >> 8, n & 255);
    assert_eq!(keys(client, &ipv4), 1000);
    assert_eq!(keys(client, &|n| format!("::ffff:{}", ipv4(n))), 1000);
}

#[test]
fn the_peer_is_cut_and_mapped_like_any_client() {
    let peer = |address: &str| {
        let mut request = Request::new(());
        let address = SocketAddr::new(address.parse().unwrap(), 1);
        request.extensions_mut().insert(PeerAddr(address));
        ClientIp::peer().extract(&request)
    };
    assert_eq!(peer("2001:db8::1"), peer("2001:db8::2"));
    assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
}

#[cfg(feature = "axum")]
#[test]
fn what_axum_knows_of_the_connection_is_the_peer_unless_somebody_knows_better() {
    let mut request = Request::new(());
    let axums = SocketAddr::from(([192, 0, 2, 7], 4711));
    request.extensions_mut().insert(axum::extract::ConnectInfo(axums));
    assert_eq!(ClientIp::peer().extract(&request).to_string(), "192.0.2.7");
    request
        .extensions_mut()
        .insert(PeerAddr(SocketAddr::from(([192, 0, 2, 8], 4711))));
    assert_eq!(ClientIp::peer().extract(&request).to_string(), "192.0.2.8");
}

#[test]
fn without_a_peer_all_share_one_key() {
    let mut request = Request::new(());
    for client in [ClientIp::peer(), ClientIp::x_forwarded_for(1), ClientIp::forwarded(1)] {
        assert_eq!(client.extract(&request), ClientKey::UNKNOWN);
    }
    request
        .headers_mut()
        .insert(X_FORWARDED_FOR, HeaderValue::from_static("192.0.2.1"));
    let told = ClientIp::x_forwarded_for(1).extract(&request);
    assert_eq!(told.address(), Some("192.0.2.1".parse().unwrap()));
}

/// All bytes that may be in a header, those that mean something more often.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(br#"",;=\[]: fFoOrR.0123456789_-"#.to_vec()),
        any::<u8>().prop_filter("not in a header", |byte| HeaderValue::from_bytes(&[*byte]).is_ok()),
    ];
    prop::collection::vec(byte, 0..60)
}

/// Elements as proxies write them, the first of which is for the client; `host` is what the client sent as its `Host`.
fn appended(hops: usize, host: &[u8]) -> Vec<u8> {
    let escaped = host.iter().flat_map(|byte| match byte {
        b'"' | b'\\' => vec![b'\\', *byte],
        byte => vec![*byte],
    });
    let escaped: Vec<_> = escaped.collect();
    let element = |n: usize| [format!("for=\"192.0.2.{n}:80\";host=\"").as_bytes(), &escaped, b"\""].concat();
    (1..=hops).map(element).collect::<Vec<_>>().join(&b", "[..])
}

proptest! {
    #[test]
    fn no_bytes_in_the_headers_panic(lines in prop::collection::vec(bytes(), 0..4), hops in 0..5usize) {
        ClientIp::x_forwarded_for(hops).extract(&request(X_FORWARDED_FOR, &lines));
        ClientIp::forwarded(hops).extract(&request(FORWARDED, &lines));
        HeaderKey::new(HeaderName::from_static("x")).extract(&request("x", &lines));
    }

    #[test]
    fn whatever_stands_left_of_the_trusted_members_never_changes_the_key(
        mut lines in prop::collection::vec(bytes(), 0..4),
        hops in 1..5usize,
        host in bytes(),
        same_line in any::<bool>(),
    ) {
        let addresses: Vec<_> = (1..=hops).map(|n| format!("192.0.2.{n}")).collect();
        for (header, client, told) in [
            (X_FORWARDED_FOR, ClientIp::x_forwarded_for(hops), addresses.join(",").into_bytes()),
            (FORWARDED, ClientIp::forwarded(hops), appended(hops, &host)),
        ] {
            let before = lines.clone();
            match lines.last_mut().filter(|_| same_line) {
                Some(line) => line.extend([b", ", &*told].concat()),
                None => lines.push(told),
            }
            let key = client.extract(&request(header, &lines));
            prop_assert_eq!(key.to_string(), "192.0.2.1");
            lines = before;
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn to_know_the_client_costs_no_allocation() {
    let lines = ["6.6.6.6", "\"x, 2001:db8::1, 10.0.0.1"];
    let elements = [
        "for=6.6.6.6",
        "x=\"y, for=\"[2001:db8::1]:80\";host=\"a,b\", for=10.0.0.1",
    ];
    let (listed, forwarded) = (request(X_FORWARDED_FOR, &lines), request(FORWARDED, &elements));
    let (header, name) = (request("x-api-key", &["secret"]), HeaderName::from_static("x-api-key"));
    let by_header = HeaderKey::new(name);
    let two = ClientIp::x_forwarded_for(2);
    assert_eq!(two.extract(&listed), ClientIp::forwarded(2).extract(&forwarded));
    let counts = [
        allocations(async || two.extract(black_box(&listed))).await,
        allocations(async || ClientIp::forwarded(2).extract(black_box(&forwarded))).await,
        allocations(async || ClientIp::forwarded(9).extract(black_box(&forwarded))).await,
        allocations(async || ClientIp::peer().extract(black_box(&listed))).await,
        allocations(async || by_header.extract(black_box(&header))).await,
    ];
    assert_eq!(counts, [0; 5]);
}
