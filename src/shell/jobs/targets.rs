//! The targets as people see them: how they are guarded, and whether they can be reached now.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::config::{Settings, Target, in_words, target_in_words};
use super::super::upstream::Upstream;
use super::Jobs;

/// A server that has not answered by then counts as not reachable.
const PATIENCE: Duration = Duration::from_secs(3);

/// One target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetSeen {
    pub name: String,
    pub policy: String,
    /// Judges and records, changes nothing.
    pub observes: bool,
    /// What it is and does: what about it, and in words.
    pub about: Vec<(String, String)>,
    /// Milliseconds until it took a connection, encryption included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_ms: Option<u64>,
    /// Why it took none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
}

impl Jobs {
    /// All targets, each asked now whether it takes a connection.
    pub async fn targets(&self) -> Vec<TargetSeen> {
        let settings = self.settings();
        let asked: Vec<_> = settings
            .targets
            .iter()
            .map(|target| {
                let (settings, target) = (settings.clone(), target.clone());
                tokio::spawn(async move { seen(&settings, &target).await })
            })
            .collect();
        let mut targets = Vec::with_capacity(asked.len());
        for one in asked {
            // A task that did not come to its end: the gateway is stopping.
            targets.extend(one.await.ok());
        }
        targets
    }

    #[must_use]
    pub fn target_names(&self) -> Vec<String> {
        self.settings().targets.iter().map(|target| target.name.clone()).collect()
    }

    /// What the configuration means, line by line, as `lockkeeper check` says it.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        in_words(&self.settings())
    }
}

async fn seen(settings: &Settings, target: &Target) -> TargetSeen {
    let began = Instant::now();
    let knocked = tokio::time::timeout(PATIENCE, knock(target)).await;
    let unreachable = match knocked {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    TargetSeen {
        name: target.name.clone(),
        policy: target.policy.clone(),
        observes: settings.judging(target).observe,
        about: target_in_words(settings, target).into_iter().map(|(what, text)| (what.to_owned(), text)).collect(),
        answers_ms: unreachable.is_none().then_some(ms),
        unreachable,
    }
}

async fn knock(target: &Target) -> Result<(), String> {
    let upstream = Upstream::new(target).map_err(|error| error.to_string())?;
    upstream.connect().await.map(drop).map_err(|error| error.to_string())
}
