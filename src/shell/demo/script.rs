//! The whole story without a person: the same changes without and with the gateway, a dangerous one that
//! waits for a second person, and the record of it all.

use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::Client;

use super::gateway::Gateway;
use super::session::{Login, Notice, Session, connect, told};
use super::summary::{Measurement, Summary, milliseconds, seconds};
use super::table;
use super::traffic::{Measured, Traffic};
use super::{DemoError, Screen, Stage};

/// How long the traffic runs by itself before the changes.
const BASELINE: Duration = Duration::from_secs(4);
/// A change that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(600);
/// Who approves; ann, who asks, may not.
const REVIEWER: &str = "bob";

fn changes(table: &str) -> [String; 3] {
    [
        format!("CREATE INDEX ON {table} (status, placed_at)"),
        format!("ALTER TABLE {table} ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()"),
        format!("ALTER TABLE {table} ALTER COLUMN note SET NOT NULL"),
    ]
}

/// Plays it; fails unless everything was as promised.
pub(super) async fn play(stage: &mut Stage, screen: &mut Screen<'_>) -> Result<(), DemoError> {
    let Stage { args, directory, cluster: Some(cluster), gateway } = stage else {
        return Err(DemoError::Child("there is no server".into()));
    };
    let shop =
        connect(&cluster.developer(cluster.address())).await.map_err(DemoError::database("ann cannot connect"))?;
    table::create(&shop.client, "orders_naive", args.rows).await?;
    table::create(&shop.client, table::UNTOUCHED, args.rows / 10).await?;
    let mut summary = Summary::default();

    screen.say("\n1. Without the gateway: directly on PostgreSQL, on a twin of the table")?;
    let direct = Scene {
        application: cluster.application(cluster.address()),
        developer: cluster.developer(cluster.address()),
        table: "orders_naive",
        rows: args.rows,
    };
    summary.naive = direct.play(screen, None).await?.0;

    let gateway = gateway.insert(Gateway::start(cluster.address(), directory).await?);
    screen.say("\n2. With the gateway: the same changes on orders")?;
    let untouched = Traffic::start(&direct.application, table::UNTOUCHED, args.rows / 10).await?;
    let address = gateway.address();
    let through = Scene {
        application: cluster.application(address),
        developer: cluster.developer(address),
        table: "orders",
        rows: args.rows,
    };
    let (measurement, traffic) = through.play(screen, Some(&untouched)).await?;
    untouched.stop().await;
    summary.gateway = measurement;

    screen.say("\n3. A dangerous change waits for a second person")?;
    summary.ticket = Some(drop_with_approval(screen, gateway, &through.developer).await?);
    summary.dropped = is_gone(&shop.client, "orders_naive").await?;

    screen.say("\n4. The record")?;
    let done = traffic.stop().await;
    summary.traffic = done;
    gateway.stop().await;
    record(screen, gateway, &mut summary).await?;
    screen.say(&format!("\n{}", summary.table()))?;
    summary.judge()
}

/// The same story on one table, by one way.
struct Scene {
    application: Login,
    developer: Login,
    table: &'static str,
    rows: u64,
}

impl Scene {
    async fn play(
        &self,
        screen: &mut Screen<'_>,
        untouched: Option<&Traffic>,
    ) -> Result<(Measurement, Traffic), DemoError> {
        let traffic = Traffic::start(&self.application, self.table, self.rows).await?;
        // Connections, caches and the first statements are not what is measured.
        tokio::time::sleep(Duration::from_secs(1)).await;
        traffic.begin();
        tokio::time::sleep(BASELINE).await;
        let baseline = traffic.measured().worst;
        screen.say(&format!("   {:<86} longest stall {:>6} ms", "(traffic alone)", milliseconds(baseline)))?;
        let mut measurement = Measurement { baseline, ..Measurement::default() };
        let mut ann = connect(&self.developer).await.map_err(DemoError::database("ann cannot connect"))?;
        if let Some(untouched) = untouched {
            untouched.begin();
        }
        for sql in changes(self.table) {
            let stall = self.change(screen, &mut ann, &sql, &traffic).await?;
            measurement.worst = measurement.worst.max(stall);
            measurement.changes += 1;
        }
        measurement.meanwhile = untouched.map(|traffic| traffic.measured().worst).unwrap_or_default();
        Ok((measurement, traffic))
    }

    async fn change(
        &self,
        screen: &mut Screen<'_>,
        ann: &mut Session,
        sql: &str,
        traffic: &Traffic,
    ) -> Result<Duration, DemoError> {
        traffic.begin();
        let begun = Instant::now();
        patiently(sql, ann.client.batch_execute(sql)).await?.map_err(DemoError::database(sql))?;
        let took = begun.elapsed();
        // Those who waited for it notice only now.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let stall = traffic.measured().worst;
        screen.say(&format!("   {sql:<78} {:>5} s, longest stall {:>6} ms", seconds(took), milliseconds(stall)))?;
        while let Ok(notice) = ann.notices.try_recv() {
            screen.say(&format!("      {}: {}", notice.severity, notice.message))?;
        }
        Ok(stall)
    }
}

async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> Result<T, DemoError> {
    let late = |_| DemoError::Promise(format!("{what}: no answer after {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, work).await.map_err(late)
}

/// Ann drops a table, may not approve that herself, bob does, and her statement goes through.
async fn drop_with_approval(screen: &mut Screen<'_>, gateway: &Gateway, ann: &Login) -> Result<u64, DemoError> {
    let sql = "DROP TABLE orders_naive";
    let mut session = connect(ann).await.map_err(DemoError::database("ann cannot connect"))?;
    screen.say(&format!("   ann: {sql};"))?;
    let client = session.client;
    let mut running = tokio::spawn(async move { (client.batch_execute(sql).await, client) });
    let ticket = tokio::select! {
        ticket = ticket(screen, &mut session.notices) => ticket?,
        ended = &mut running => return without_waiting(screen, gateway, ended).await,
        () = tokio::time::sleep(Duration::from_secs(30)) => return Err(DemoError::Promise("DROP TABLE: nothing happened within 30 s".into())),
    };
    approve(screen, gateway, ticket).await?;
    let (result, _client) = patiently(sql, &mut running).await?.map_err(lost)?;
    result.map_err(DemoError::database(sql))?;
    screen.say("   ann: DROP TABLE")?;
    Ok(ticket)
}

/// Answered at once with an error that names the ticket: the same statement runs after the approval.
async fn without_waiting(
    screen: &mut Screen<'_>,
    gateway: &Gateway,
    ended: Result<(Result<(), tokio_postgres::Error>, Client), tokio::task::JoinError>,
) -> Result<u64, DemoError> {
    let sql = "DROP TABLE orders_naive";
    let (result, client) = ended.map_err(lost)?;
    let Err(error) = result else { return Err(DemoError::Promise("DROP TABLE ran without approval".into())) };
    screen.say(&format!("   ERROR: {}", told(&error)))?;
    let text = error
        .as_db_error()
        .map(|db| format!("{} {}", db.message(), db.detail().unwrap_or_default()))
        .unwrap_or_default();
    let Some(ticket) = ticket_in(&text) else { return Err(DemoError::Database { what: sql.into(), source: error }) };
    approve(screen, gateway, ticket).await?;
    patiently(sql, client.batch_execute(sql)).await?.map_err(DemoError::database(sql))?;
    screen.say("   ann: DROP TABLE")?;
    Ok(ticket)
}

fn lost(error: tokio::task::JoinError) -> DemoError {
    DemoError::Child(format!("ann's session failed: {error}"))
}

/// The ticket a notice tells of.
async fn ticket(screen: &mut Screen<'_>, notices: &mut UnboundedReceiver<Notice>) -> Result<u64, DemoError> {
    while let Some(notice) = notices.recv().await {
        screen.say(&format!("      {}: {}", notice.severity, notice.message))?;
        if let Some(ticket) = ticket_in(&notice.message).or_else(|| ticket_in(&notice.detail)) {
            return Ok(ticket);
        }
    }
    // The session is over; its result says why.
    std::future::pending().await
}

/// The number after the word, as in `ticket 12` or `ticket #12`.
fn ticket_in(text: &str) -> Option<u64> {
    let lower = text.to_lowercase();
    lower.split("ticket").skip(1).find_map(|rest| {
        let digits: String =
            rest.trim_start_matches([' ', '#', ':']).chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    })
}

async fn approve(screen: &mut Screen<'_>, gateway: &Gateway, ticket: u64) -> Result<(), DemoError> {
    let id = ticket.to_string();
    quote(screen, &gateway.cli(&["tickets"]).await?)?;
    match gateway.cli(&["approve", &id, "--as", "ann"]).await {
        Err(DemoError::Child(why)) => {
            screen.say(&format!("   ann: lockkeeper approve {id} --as ann"))?;
            quote(screen, why.lines().skip(1).collect::<Vec<_>>().join("\n").as_str())?;
        }
        Ok(_) => return Err(DemoError::Promise("ann could approve her own change".into())),
        Err(other) => return Err(other),
    }
    screen.say(&format!("   {REVIEWER}: lockkeeper approve {id} --as {REVIEWER}"))?;
    let said = gateway.cli(&["approve", &id, "--as", REVIEWER]).await?;
    quote(screen, &said)
}

fn quote(screen: &mut Screen<'_>, text: &str) -> Result<(), DemoError> {
    text.trim_end().lines().try_for_each(|line| screen.say(&format!("      {line}")))
}

async fn is_gone(client: &Client, table: &str) -> Result<bool, DemoError> {
    let row = client.query_one("SELECT to_regclass($1) IS NULL", &[&table]).await;
    Ok(row.map_err(DemoError::database("the catalog cannot be read"))?.get(0))
}

/// What the demo looks at in a line of `lockkeeper sessions --json`.
#[derive(Deserialize)]
struct Listed {
    id: String,
    user: String,
    statements: u64,
}

async fn record(screen: &mut Screen<'_>, gateway: &Gateway, summary: &mut Summary) -> Result<(), DemoError> {
    quote(screen, &gateway.cli(&["sessions"]).await?)?;
    let listed: Vec<Listed> = gateway
        .cli(&["sessions", "--json", "--limit", "0"])
        .await?
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    summary.recorded = listed.iter().filter(|session| session.user == "app").map(|session| session.statements).sum();
    if let Some(first) = listed.iter().find(|session| session.user == "ann") {
        screen.say(&format!("\n   lockkeeper sessions show {}", first.id))?;
        quote(screen, &gateway.cli(&["sessions", "show", &first.id]).await?)?;
    }
    screen.say("\n   lockkeeper sessions verify")?;
    let verified = gateway.cli(&["sessions", "verify"]).await;
    summary.verified = verified.is_ok();
    let said = verified.unwrap_or_else(|error| error.to_string());
    quote(screen, &said)
}

/// Only what is compared with the record.
impl Measured {
    pub(super) fn is_recorded_in(self, statements: u64) -> bool {
        statements >= self.done && self.done > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_found_in_what_people_are_told() {
        for (text, expected) in [
            ("held: ticket 12 waits for approval", Some(12)),
            ("Ticket #7", Some(7)),
            ("see the ticket: 3", Some(3)),
            ("a ticket was opened; ticket 4.", Some(4)),
            ("no ticket here", None),
            ("", None),
        ] {
            assert_eq!(ticket_in(text), expected, "{text}");
        }
    }
}
