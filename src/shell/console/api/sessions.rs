//! Sessions at the admin door: who is connected, who was, what each did, and the end of one.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::doors::{Doors, asked, gives, takes};
use super::{Answer, ApiState, Asked, Identity, Name, Problem, Shared};
use crate::kernel::review::Power;
use crate::shell::audit::event::{Line, SessionTerminated};
use crate::shell::audit::past::{self, SessionSeen};
use crate::shell::audit::sessions::SessionsError;
use crate::shell::audit::{Event, timestamp};
use crate::shell::cancel::Connected;
use crate::shell::console::view::{SessionFull, SessionPage};

/// Sessions of a page, unless fewer are asked for.
const LIMIT: usize = 100;
/// Lines of one session; of more, the newest.
const LINES_MAX: usize = 2_000;

/// Of a longer record only the newest so many bytes are searched for sessions.
const RECORD_BYTES: u64 = 256 << 20;

pub(super) fn doors(doors: Doors) -> Doors {
    doors
        .get("/v1/sessions", Power::Audit, asked::<ListQuery>(gives::<SessionPage>("Sessions, newest first")), list)
        .get("/v1/sessions/{session}", Power::Audit, gives::<SessionFull>("What one session did, in order"), show)
        .post(
            "/v1/sessions/{session}/terminate",
            Power::Operate,
            takes::<EndBody, SessionSeen>("End a session: what it runs is cancelled first"),
            terminate,
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SessionQuery")]
struct ListQuery {
    /// True: only those that are connected.
    live: Option<bool>,
    /// Only those of this login.
    user: Option<String>,
    /// At most 100, the newest.
    limit: Option<usize>,
}

/// The end of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::shell::console) struct EndBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) reason: Option<String>,
}

async fn list(State(api): Shared, who: Identity, query: Asked<ListQuery>) -> Answer<SessionPage> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(LIMIT).clamp(1, LIMIT);
    let live = query.live.unwrap_or(false);
    let mut recorded = read(&api, move |directory| past::list(&directory, (0, RECORD_BYTES), live)).await?;
    let mut sessions: Vec<SessionSeen> = api.sessions.connected().into_iter().map(seen).collect();
    for session in &mut sessions {
        // Who it is, the gateway knows; what it has done so far, the record.
        if let Some(at) = recorded.iter().position(|one| one.id == session.id) {
            let SessionSeen { statements, changes, held, refused, errors, .. } = recorded.swap_remove(at);
            *session = SessionSeen { statements, changes, held, refused, errors, ..session.clone() };
        }
    }
    recorded.retain(|session| !session.live);
    sessions.extend(recorded);
    sessions.sort_unstable_by(|a, b| (b.live, &b.started, &b.id).cmp(&(a.live, &a.started, &a.id)));
    let fits = |session: &SessionSeen| {
        who.sees(&session.info.target) && query.user.as_ref().is_none_or(|user| session.info.user == *user)
    };
    sessions.retain(fits);
    sessions.truncate(limit);
    Ok(Json(SessionPage { sessions }))
}

async fn show(State(api): Shared, who: Identity, id: Name) -> Answer<SessionFull> {
    let Path(id) = id?;
    let lines = read(&api, move |directory| {
        let (mut lines, mut left_out) = (VecDeque::new(), 0);
        past::lines(&directory, &id, |text| {
            // A line that cannot be read is for `verify` to complain about.
            lines.extend(serde_json::from_slice::<Line>(text).ok());
            if lines.len() > LINES_MAX {
                // The first says who it is.
                lines.remove(1);
                left_out += 1;
            }
            Ok(())
        })?;
        Ok((Vec::from(lines), left_out))
    });
    let (lines, left_out) = lines.await?;
    let started = lines.iter().find_map(|line| match &line.event {
        Event::SessionStarted(started) => Some((format!("{}-{}", line.boot, started.session.0), started.info.clone())),
        _ => None,
    });
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "the beginning of that session is not in the record any more");
    let (id, info) = started.ok_or_else(unknown)?;
    who.needs(Power::Audit, &info.target, unknown())?;
    let live = api.sessions.connected().iter().any(|session| session.id.to_string() == id);
    Ok(Json(SessionFull { id, info, live, left_out, lines }))
}

async fn terminate(
    State(api): Shared,
    who: Identity,
    id: Name,
    body: Result<Json<EndBody>, JsonRejection>,
) -> Answer<SessionSeen> {
    let (Path(id), EndBody { by, reason }) = (id?, body?.0);
    let by = who.person(by)?;
    let gone = || Problem::new(StatusCode::NOT_FOUND, "no session of that name is connected");
    let found = api.sessions.connected().into_iter().find(|session| session.id.to_string() == id).ok_or_else(gone)?;
    who.needs(Power::Operate, &found.info.target, gone())?;
    let terminated = Event::SessionTerminated(SessionTerminated { session: found.id.number, by: by.clone(), reason });
    api.audit.event_durable(terminated).await.map_err(|error| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            &format!("it is not ended, because that cannot be recorded: {error}"),
        )
    })?;
    if !api.sessions.terminate(&found.id, by) {
        return Err(gone());
    }
    Ok(Json(seen(found)))
}

fn seen(session: Connected) -> SessionSeen {
    let Connected { id, info, since } = session;
    SessionSeen { id: id.to_string(), info, started: timestamp(since), live: true, ..SessionSeen::default() }
}

/// Files are read aside, one call at a time: a long record is not read by ten at once.
pub(super) async fn read<T: Send + 'static>(
    api: &Arc<ApiState>,
    work: impl FnOnce(PathBuf) -> Result<T, SessionsError> + Send + 'static,
) -> Result<T, Problem> {
    let directory = api.audit.directory().to_owned();
    let broken = |why: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &why);
    let _one = api.reading.acquire().await.map_err(|error| broken(error.to_string()))?;
    let done = tokio::task::spawn_blocking(move || work(directory)).await.map_err(|error| broken(error.to_string()))?;
    done.map_err(|error| match error {
        SessionsError::Unknown(_) => Problem::new(StatusCode::NOT_FOUND, &error.to_string()),
        error => broken(error.to_string()),
    })
}
