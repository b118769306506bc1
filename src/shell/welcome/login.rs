//! Where the gateway authenticates clients itself: SCRAM towards the client, a secret of its own towards the server.

use super::{Greeting, Side, Startup, Turned, Reply, sqlstate};
use super::super::config::{UpstreamLogin, Users};
use super::super::tls::ServerSide;

/// Authenticates the client against the users file.
pub(super) async fn client(_c: &mut Side, _s: &Startup, _u: &Users, _t: Option<&ServerSide>) -> Result<&'static str, Turned> {
    Err(Turned::Away(Reply::fatal(sqlstate::FEATURE_NOT_SUPPORTED, "not yet")))
}
/// Logs in to the server.
pub(super) async fn server(_s: &mut Side, _c: &mut Side, _a: &UpstreamLogin, _u: &str) -> Result<Greeting, Turned> {
    Err(Turned::Away(Reply::fatal(sqlstate::FEATURE_NOT_SUPPORTED, "not yet")))
}
