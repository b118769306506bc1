//! What a provider says of somebody, once it has been checked.

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::CoreGenderClaim;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, ClaimsVerificationError, IdTokenClaims, Nonce, OAuth2TokenResponse,
    SignatureVerificationError, TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{METADATA_AGE, METADATA_PAUSE, Metadata, OidcError, Provider, Tokens, whole};
use crate::kernel::review::Vouched;

/// Groups of one person that are listened to, at most.
const GROUPS_MAX: usize = 1_000;

/// Claims that the standard does not name, such as those of groups.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Claims {
    #[serde(flatten)]
    others: Map<String, Value>,
}
impl AdditionalClaims for Claims {}

type Checked = IdTokenClaims<Claims, CoreGenderClaim>;

impl Provider {
    /// Who the tokens vouch for.
    pub(super) async fn vouched(&self, tokens: &Tokens, nonce: Option<&Nonce>) -> Result<Vouched, OidcError> {
        let claims = match self.checked(&self.metadata(METADATA_AGE).await?, tokens, nonce) {
            // Signed with a key we do not know: perhaps it is new.
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_),
            )) => self.checked(&self.metadata(METADATA_PAUSE).await?, tokens, nonce),
            checked => checked,
        }
        .map_err(|error| OidcError::Invalid(whole(&error)))?;
        let invalid = |error: serde_json::Error| OidcError::Invalid(error.to_string());
        let said = serde_json::to_value(&claims).map_err(invalid)?;
        let settings = self.settings();
        let is_told = |claim: &String| said.get(claim).is_some();
        if is_told(&settings.person_claim) && is_told(&settings.groups_claim) {
            return self.somebody(&said, &said);
        }
        // Providers may keep what was asked for out of the token, and tell it to who holds the other one.
        let more = self.userinfo(&claims, tokens).await?;
        self.somebody(&said, &more.map(serde_json::to_value).transpose().map_err(invalid)?.unwrap_or_default())
    }

    fn checked(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        nonce: Option<&Nonce>,
    ) -> Result<Checked, ClaimsVerificationError> {
        let other = |why: &str| ClaimsVerificationError::Other(why.to_owned());
        let client = self.client(metadata).map_err(|error| other(&error.to_string()))?;
        let skew = TimeDelta::from_std(self.settings().clock_skew).unwrap_or_default();
        // Signed by a key that the provider publishes; what a shared secret signs, its other holders can sign too.
        let algorithms = metadata.id_token_signing_alg_values_supported().iter();
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(algorithms.filter(|name| !is_shared(name)).cloned())
            .set_time_fn(move || Utc::now() - skew)
            .set_issue_time_verifier_fn(move |issued: DateTime<Utc>| {
                if issued > Utc::now() + skew {
                    Err(format!("it was issued at {issued}, which is still to come"))
                } else {
                    Ok(())
                }
            });
        let token = tokens.id_token().ok_or_else(|| other("there is no ID token"))?;
        let claims = match nonce {
            Some(nonce) => token.claims(&verifier, nonce)?,
            // A device code comes by no browser: there is nothing that a nonce would bind.
            None => token.claims(&verifier, |_: Option<&Nonce>| Ok(()))?,
        };
        let client_id = &self.settings().client_id;
        let party = claims.authorized_party();
        if party.is_some_and(|party| party.as_str() != client_id) || (party.is_none() && claims.audiences().len() > 1) {
            return Err(ClaimsVerificationError::InvalidAudience("it was issued to another client".to_owned()));
        }
        if let Some(expected) = claims.access_token_hash() {
            let key = token.signing_key(&verifier).map_err(ClaimsVerificationError::SignatureVerification)?;
            let algorithm = token.signing_alg().map_err(ClaimsVerificationError::SignatureVerification)?;
            let found = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if found.map_err(|error| other(&error.to_string()))? != *expected {
                return Err(other("the access token is not the one it was issued with"));
            }
        }
        Ok(claims.clone())
    }

    async fn userinfo(
        &self,
        claims: &Checked,
        tokens: &Tokens,
    ) -> Result<Option<UserInfoClaims<Claims, CoreGenderClaim>>, OidcError> {
        let client = self.client(&self.metadata(METADATA_AGE).await?)?;
        let subject = Some(claims.subject().clone());
        let Ok(request) = client.user_info(tokens.access_token().clone(), subject) else { return Ok(None) };
        let said = request.request_async(&self.0.http).await;
        said.map(Some).map_err(|error| OidcError::Invalid(whole(&error)))
    }

    /// `said` by the token, `more` by the provider itself.
    fn somebody(&self, said: &Value, more: &Value) -> Result<Vouched, OidcError> {
        let settings = self.settings();
        let claim = |name: &str| said.get(name).or_else(|| more.get(name));
        let text = |name: &str| claim(name).and_then(Value::as_str).map(str::to_owned);
        let wanted = &settings.person_claim;
        let name = text(wanted).filter(|name| !name.trim().is_empty()).ok_or_else(|| {
            OidcError::Invalid(format!(
                "it does not say `{wanted}`, which is to name the person: see `scopes` and `person_claim`"
            ))
        })?;
        if wanted == "email" && claim("email_verified").and_then(Value::as_bool) != Some(true) {
            return Err(OidcError::Invalid(format!("it does not say that {name} was verified to be theirs")));
        }
        let others = ["sub", "email", "preferred_username", "name", "nickname"];
        let mut also: Vec<String> =
            others.iter().filter(|other| *other != wanted).filter_map(|name| text(name)).collect();
        also.extend(text("email").and_then(|email| email.split_once('@').map(|(local, _)| local.to_owned())));
        let groups = match claim(&settings.groups_claim) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(group)) => vec![group.as_str()],
            Some(_) | None => Vec::new(),
        };
        let mut groups: Vec<String> =
            groups.into_iter().take(GROUPS_MAX).filter_map(|name| settings.group(name)).collect();
        groups.sort_unstable();
        groups.dedup();
        Ok(Vouched { name, also, groups })
    }
}

fn is_shared(algorithm: &openidconnect::core::CoreJwsSigningAlgorithm) -> bool {
    use openidconnect::core::CoreJwsSigningAlgorithm as Algorithm;
    matches!(algorithm, Algorithm::HmacSha256 | Algorithm::HmacSha384 | Algorithm::HmacSha512 | Algorithm::None)
}
