//! What the gateway guards and how: targets, settings in words, and what would become of a statement.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;

use super::doors::{Doors, gives, takes};
use super::{Answer, Identity, Problem, Shared};
use crate::kernel::review::Power;
use crate::shell::console::view::{SettingsSeen, TargetPage};
use crate::shell::jobs::{ExplainError, Explained, Question};

pub(super) fn doors(doors: Doors) -> Doors {
    doors
        .get(
            "/v1/targets",
            Power::Read,
            gives::<TargetPage>("The servers behind the gateway, and whether they answer"),
            targets,
        )
        .get("/v1/settings", Power::Read, gives::<SettingsSeen>("What the configuration means, in words"), settings)
        .post(
            "/v1/explain",
            Power::Read,
            takes::<Question, Explained>("What would become of a statement, without running it"),
            explain,
        )
}

async fn targets(State(api): Shared, who: Identity) -> Answer<TargetPage> {
    let mut targets = api.jobs.targets().await;
    targets.retain(|target| who.sees(&target.name));
    Ok(Json(TargetPage { targets }))
}

/// They tell of every target, so whoever sees only some does not see them.
async fn settings(State(api): Shared, who: Identity) -> Answer<SettingsSeen> {
    if !api.jobs.target_names().iter().all(|name| who.sees(name)) {
        return Err(Problem::forbidden("the settings tell of all targets, and you see only some of them"));
    }
    Ok(Json(SettingsSeen { lines: api.jobs.in_words() }))
}

async fn explain(State(api): Shared, who: Identity, body: Result<Json<Question>, JsonRejection>) -> Answer<Explained> {
    let question = body?.0;
    let target = api.jobs.target_of(&question.database)?;
    who.needs(Power::Read, &target, ExplainError::NoTarget(question.database.clone()))?;
    Ok(Json(api.jobs.explain(question).await?))
}

impl From<ExplainError> for Problem {
    fn from(error: ExplainError) -> Self {
        let status = match error {
            ExplainError::NoTarget(_) => StatusCode::NOT_FOUND,
            ExplainError::Prepared => StatusCode::UNPROCESSABLE_ENTITY,
            ExplainError::Server { .. } => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, &error.to_string())
    }
}
