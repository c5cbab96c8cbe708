use http::{Request, StatusCode};
use seaworthy::testing::{TestClient, text};

use super::*;

/// The service on a paused clock, with a file of its own.
async fn service(name: &str) -> (TestClient, DeadLetterFile, PathBuf) {
    let file = format!("seaworthy-worker-{}-{name}.jsonl", std::process::id());
    let path = std::env::temp_dir().join(file);
    let dead_letters = DeadLetterFile::open(&path, MOST_BYTES).unwrap();
    let (app, api) = declare(dead_letters.clone()).unwrap();
    (app.build().unwrap().test_client(api.router()), dead_letters, path)
}

async fn ask(client: &TestClient, method: Method, path: &str, body: &'static str) -> (StatusCode, String) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json").body(body).unwrap();
    let response = client.request(request).await;
    (response.status(), text(response).await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_invoice_that_cannot_be_sent_is_kept_and_sent_when_it_is_replayed() {
    let (client, dead_letters, path) = service("kept").await;
    let post = async |path, body| ask(&client, Method::POST, path, body).await;
    ask(&client, Method::PUT, "/mail/down", "").await;
    let (status, _) = post("/invoices", r#"{"to":"ann","cents":100}"#).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    while dead_letters.letters() == 0 {
        client.advance(Duration::from_millis(100)).await;
    }
    let (_, letters) = ask(&client, Method::GET, "/dead-letters", "").await;
    assert!(letters.contains("the mail server does not answer"), "{letters}");

    let (_, replayed) = post("/dead-letters/replay", "").await;
    assert_eq!(replayed, r#"{"left":1,"sent":0}"#);
    ask(&client, Method::PUT, "/mail/up", "").await;
    let (_, replayed) = post("/dead-letters/replay", "").await;
    assert_eq!(replayed, r#"{"left":0,"sent":1}"#);
    std::fs::remove_file(path).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_no_invoice_is_told_why() {
    let (client, _, path) = service("told").await;
    let (status, problem) = ask(&client, Method::POST, "/invoices", r#"{"to":"ann"}"#).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem.contains("missing field `cents`"), "{problem}");
    std::fs::remove_file(path).unwrap();
}
