//! The demo by hand: what to try, and how the traffic is doing meanwhile.

use std::time::Duration;

use super::cluster::Cluster;
use super::gateway::Gateway;
use super::summary::{milliseconds, thousands};
use super::traffic::Traffic;
use super::{DemoError, Screen};

/// What may be dropped without ending the traffic.
pub(super) const OLD_TABLE: &str = "orders_2019";

pub(super) fn invite(screen: &mut Screen<'_>, cluster: &Cluster, gateway: &Gateway) -> Result<(), DemoError> {
    let url = cluster.developer(gateway.address()).url();
    let call = |arguments| gateway.command_line(arguments);
    screen.say(&format!(
        "
Lockkeeper is in front of it. An application reads and writes the table orders through it.

1. In a second terminal, connect as ann:

     psql '{url}'

2. There, change the table under its traffic, and watch the worst latency below:

     CREATE INDEX ON orders (status, placed_at);
     ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();
     ALTER TABLE orders ALTER COLUMN note SET NOT NULL;

3. Do something dangerous. It waits for a second person:

     DROP TABLE {OLD_TABLE};

   In a third terminal, somebody else looks at it and decides:

     {}
     {}
     {}
     {}

   (--as ann is refused: it is her own change.)

4. See what was recorded:

     {}
     {}
     {}

Ctrl-C ends the demo and removes everything.
",
        call("tickets"),
        call("tickets show 1"),
        call("approve 1 --as bob"),
        call("reject 1 --as bob --reason 'not today'"),
        call("sessions"),
        call("sessions show 7"),
        call("sessions verify"),
    ))
}

/// One line that is always up to date; where it cannot be refreshed, a new one now and then.
/// `untouched` is the traffic of a table that nobody changes.
pub(super) async fn watch(screen: &mut Screen<'_>, traffic: &Traffic, untouched: &Traffic) -> Result<(), DemoError> {
    let mut before = 0;
    let mut worst = Duration::ZERO;
    let every = Duration::from_secs(if screen.is_terminal { 1 } else { 10 });
    let mut tick = tokio::time::interval(every);
    tick.tick().await;
    loop {
        traffic.begin();
        untouched.begin();
        tick.tick().await;
        let now = traffic.measured();
        worst = worst.max(now.worst);
        let mut line = format!(
            "traffic {}/s · worst latency {} ms (untouched table {} ms) · so far {} ms",
            thousands((now.done - before) / every.as_secs()),
            milliseconds(now.worst),
            milliseconds(untouched.measured().worst),
            milliseconds(worst)
        );
        if now.errors > 0 {
            line += &format!(" · {} errors, last: {}", now.errors, traffic.last_error());
        }
        before = now.done;
        if screen.is_terminal { screen.refresh(&line)? } else { screen.say(&line)? }
    }
}
