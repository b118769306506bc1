//! More sessions for a job, logged in as the job itself is: to fill a column, and to see who keeps it waiting.

use futures_util::future::BoxFuture;

use super::super::config::{Target, UpstreamLogin};
use super::super::database::{DatabaseError, Row};
use super::super::executor::{Crew, Hand, Session, Wrote};
use super::connect::{self, Connection, NotConnected};
use crate::kernel::job::Job;

/// How a job comes by them.
pub(super) struct Colleagues<'a> {
    pub(super) target: &'a Target,
    pub(super) login: &'a UpstreamLogin,
    pub(super) job: &'a Job,
}

impl Crew for Colleagues<'_> {
    fn join(&self) -> BoxFuture<'_, Result<Box<dyn Hand>, String>> {
        Box::pin(async {
            let joined = async {
                let mut connection = Connection::of_job((self.target, self.login), self.job).await?;
                connect::assume(&mut connection.stage(), &self.job.order).await?;
                Ok(connection)
            };
            match joined.await {
                Ok(connection) => Ok(Box::new(connection) as Box<dyn Hand>),
                Err(NotConnected::Later(why) | NotConnected::Refused { message: why, .. }) => Err(why),
            }
        })
    }
}

impl Hand for Connection {
    fn run<'a>(&'a mut self, settings: &'a str, batch: &'a str) -> BoxFuture<'a, Result<Wrote, DatabaseError>> {
        Box::pin(async move { Session(&mut self.stage()).run(settings, batch).await })
    }

    fn rows<'a>(
        &'a mut self,
        sql: &'a str,
        values: &'a [Option<&'a str>],
    ) -> BoxFuture<'a, Result<Vec<Row>, DatabaseError>> {
        Box::pin(async move { Session(&mut self.stage()).rows(sql, values).await })
    }
}
