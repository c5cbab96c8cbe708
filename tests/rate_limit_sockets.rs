//! Clients over real sockets: what they write into headers, and where they connect from, decides whom they are.

mod support;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get as on_get;
use seaworthy::rate_limit::{AtCapacity, Quota, RateLimit};
use seaworthy::web::ClientIp;
use support::{Answer, Connection, Served, builder, send};
use tokio::net::TcpSocket;
use tower::ServiceBuilder;

/// How many requests each client has in an hour, which no test takes.
const QUOTA: u32 = 3;

fn served(client: ClientIp) -> Served {
    let limit = RateLimit::builder("clients").quota(Quota::per_hour(QUOTA));
    let limit = limit.build_keyed(1000, AtCapacity::Forget).unwrap();
    let router = Router::new().route("/", on_get(|| async { "ok" }));
    let service = ServiceBuilder::new().layer(limit.http_layer(client)).service(router);
    Served::start(builder().build().unwrap(), service)
}

async fn forwarded(served: &Served, told: &str) -> Answer {
    send(served.addr, "GET", "/", &[&format!("x-forwarded-for: {told}")], "").await
}

/// Sends what a client tells in request `n`, far more often than it may, and expects that it is refused from then on.
async fn is_one_client(served: &Served, told: impl Fn(u32) -> String) {
    for n in 0..QUOTA * 4 {
        let answer = forwarded(served, &told(n)).await;
        let expected = if n < QUOTA { 200 } else { 429 };
        assert_eq!(answer.status, expected, "{n}: {answer:?}");
        let left = QUOTA.saturating_sub(n + 1);
        let told = answer.header("ratelimit").unwrap();
        assert!(told.starts_with(&format!("\"clients\";r={left};t=")), "{n}: {told}");
        assert_eq!(answer.header("retry-after").is_some(), n >= QUOTA, "{n}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_proxy_no_header_makes_another_client() {
    let served = served(ClientIp::peer());
    is_one_client(&served, |n| format!("192.0.2.{n}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_a_spoofed_left_end_makes_no_other_client_and_the_honest_are_served() {
    let served = served(ClientIp::x_forwarded_for(1));
    is_one_client(&served, |n| format!("6.6.{n}.6, 7.7.7.{n}, 192.0.2.1")).await;
    // A second line, as proxies add it that do not touch the first.
    let lines = ["x-forwarded-for: 6.6.6.6", "x-forwarded-for: 192.0.2.1"];
    assert_eq!(send(served.addr, "GET", "/", &lines, "").await.status, 429);
    is_one_client(&served, |_| "192.0.2.2".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_through_its_ipv6_network_stays_one_and_its_neighbour_is_served() {
    let served = served(ClientIp::x_forwarded_for(1));
    is_one_client(&served, |n| format!("2001:db8:0:1:{n:x}:{:x}::{n:x}", n * 7)).await;
    is_one_client(&served, |n| format!("2001:db8:0:2::{n:x}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_at_once_are_given_no_more_than_one() {
    let limit = RateLimit::builder("all").quota(Quota::per_hour(20)).build().unwrap();
    let router = Router::new().route("/", on_get(|| async { "ok" }));
    let service = ServiceBuilder::new().layer(limit.http_layer()).service(router);
    let served = Served::start(builder().build().unwrap(), service);
    let asked = (0..60).map(|_| tokio::spawn(send(served.addr, "GET", "/", &[], "")));
    let mut left = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        match answer.status {
            200 => left.push(
                answer
                    .header("ratelimit")
                    .unwrap()
                    .split(';')
                    .nth(1)
                    .unwrap()
                    .to_owned(),
            ),
            status => assert_eq!(status, 429),
        }
    }
    left.sort_by_key(|left| left[2..].parse::<u32>().unwrap());
    let each_once: Vec<_> = (0..20).map(|left| format!("r={left}")).collect();
    assert_eq!(left, each_once);
}

async fn get_from(local: &str, server: SocketAddr) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{local}:0").parse().unwrap()).unwrap();
    let mut connection = Connection::of(socket.connect(server).await.unwrap());
    connection
        .write("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .await;
    connection.closed().await
}

/// Only Linux has all of 127.0.0.0/8 without further ado.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn one_peer_cannot_spend_what_another_has() {
    let served = served(ClientIp::peer());
    for n in 0..QUOTA * 2 {
        let answer = get_from("127.0.0.1", served.addr).await;
        let expected = if n < QUOTA { "HTTP/1.1 200" } else { "HTTP/1.1 429" };
        assert!(answer.starts_with(expected), "{n}: {answer}");
    }
    let answer = get_from("127.0.0.2", served.addr).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
