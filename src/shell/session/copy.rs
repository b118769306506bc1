//! COPY FROM STDIN where it does not go straight on: what it makes of the messages that come beside its data.

use std::future::poll_fn;
use std::task::Poll;

use bytes::BufMut;

use super::pump::Stop;
use super::{Ended, Session};
use crate::shell::backstage::End;

impl Session {
    /// The next message has no place in a copy. Its type is all that the server looks at there: it ends the session,
    /// or has failed before, and takes it for the start of a message that is no longer part of the copy.
    pub(super) async fn out_of_place(&mut self, tag: u8) -> Result<(), Ended> {
        self.server.out.put_u8(tag);
        self.relay.provoked();
        self.answered().await?;
        self.clear_copy(Some(tag)).await
    }

    /// Finds out whether Syncs of the client's were swallowed by a copy that has failed since.
    pub(super) async fn clear_copy(&mut self, begun: Option<u8>) -> Result<(), Ended> {
        let readies = self.backstage(End::Sync, async |stage| stage.after_copy(begun).await).await?;
        let synced = !readies.is_empty();
        readies.iter().for_each(|ready| self.client.out.extend_from_slice(ready));
        self.relay.copy_cleared(synced);
        Ok(())
    }

    /// Lets what was forwarded come to its end, copy data included, and even when the client has left: what
    /// became of it must be known.
    pub(super) async fn see_through(&mut self) -> Result<(), Ended> {
        while !self.relay.quiet() {
            let copying = self.relay.ledger.copying();
            let done = if copying { self.copy().await } else { self.settle().await };
            match done {
                // Without a client there is no end of the data: the server gives the copy up.
                Err(Ended::Client) if !copying => self.client.gone = true,
                other => other?,
            }
        }
        Ok(())
    }

    /// The plain path until the copy data has ended.
    async fn copy(&mut self) -> Result<(), Ended> {
        self.forget_wakers();
        let stop = poll_fn(|cx| match self.poll_pump(cx) {
            Poll::Ready(stop) => Poll::Ready(Some(stop)),
            Poll::Pending if !self.relay.ledger.copying() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        match stop {
            // What was altered is told when the plain path comes to it again.
            None | Some(Stop::Quiet | Stop::Altered) => Ok(()),
            Some(Stop::Ask { .. }) => {
                self.offer_held = true;
                Ok(())
            }
            Some(stop) => self.after(Some(stop)).await,
        }
    }
}
