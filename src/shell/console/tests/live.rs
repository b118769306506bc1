//! Pages hear of what happens as it happens: server-sent events, read as a browser reads them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::http::{CAROL, Gateway, TOKEN, gateway_for_test};
use super::notifications::notice;
use super::web::{ask, signed_in};
use super::{act, opened};
use crate::kernel::review::Command;
use crate::shell::clock::now;
use crate::shell::store::{NewDelivery, NewRun, RunOf};

/// A stream that has been answered.
struct Stream(BufReader<TcpStream>);

impl Stream {
    async fn open(gateway: &Gateway, cookie: &str, path: &str) -> Self {
        let (address, cookie, path) = (gateway.address, cookie.to_owned(), path.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).expect("connects");
            let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("sends");
            let mut stream = Self(BufReader::new(stream));
            let head = stream.until("\r\n");
            assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
            stream
        })
        .await
        .expect("runs")
    }

    /// Up to a line; an end of the stream counts as one.
    fn until(&mut self, last: &str) -> String {
        let mut text = String::new();
        loop {
            let from = text.len();
            if self.0.read_line(&mut text).expect("reads") == 0 || &text[from..] == last {
                return text;
            }
        }
    }

    /// The next event; nothing when the stream has ended.
    async fn next(mut self) -> (Self, Option<String>) {
        tokio::task::spawn_blocking(move || {
            let text = self.until("data: now\n");
            (self, text.lines().find_map(|line| line.strip_prefix("event: ").map(str::to_owned)))
        })
        .await
        .expect("runs")
    }
}

#[tokio::test]
async fn a_ticket_tells_of_what_is_done() {
    let gateway = gateway_for_test().await;
    let id = opened(&gateway.tickets).await;
    let cookie = signed_in(&gateway, CAROL, "").await;
    let ticket = Stream::open(&gateway, &cookie, "/live/tickets/1?version=1").await;
    let comment = Command::Comment { by: "dave".into(), text: "look".into() };
    // Whoever reads waits: the event comes by what is done, not by a clock.
    let (seen, ()) = tokio::join!(ticket.next(), act(&gateway.tickets, id, comment));
    assert_eq!(seen.1.as_deref(), Some("changed"));
}

#[tokio::test]
async fn a_change_that_nobody_follows_any_more_says_so_once() {
    let gateway = gateway_for_test().await;
    let plan = crate::kernel::review::tests::request_for_test().plan;
    let of = RunOf { target: "main".into(), database: "shop".into(), ..RunOf::default() };
    let run = NewRun { run: "x:1".into(), ticket: None, job: None, session: "b-1".into(), plan, of: Some(of) };
    gateway.tickets.store.journal_begin(run, now()).await.expect("begins");
    let cookie = signed_in(&gateway, CAROL, "").await;
    let stream = Stream::open(&gateway, &cookie, "/live/changes/1").await;
    let (stream, first) = stream.next().await;
    assert_eq!(first.as_deref(), Some("changed"));
    assert_eq!(stream.next().await.1, None, "it ends");
}

#[tokio::test]
async fn notifications_tell_of_what_becomes_of_them() {
    let gateway = gateway_for_test().await;
    let cookie = signed_in(&gateway, TOKEN, "dave").await;
    let page = ask(&gateway, &cookie, "/notifications?state=waiting&route=hook", None).await;
    let live = "/live/notifications?state=waiting&amp;route=hook";
    assert!(page.body.contains(&format!("data-live=\"{live}\"")), "{}", page.body);
    let stream = Stream::open(&gateway, &cookie, &live.replace("&amp;", "&")).await;
    let (stream, first) = stream.next().await;
    assert_eq!(first.as_deref(), Some("changed"));
    let new = NewDelivery { route: "hook".into(), recipient: String::new(), notice: notice(1) };
    gateway.tickets.store.notify(vec![new], [0; 3], now()).await.expect("takes in");
    let (_, second) = stream.next().await;
    assert_eq!(second.as_deref(), Some("changed"));
}
