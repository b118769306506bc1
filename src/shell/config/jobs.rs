//! Plans that outlive their clients: as whom the gateway logs in to run them.

use super::Secret;
use super::convert::warn_if_open;
use super::section::Section;
use super::settings::{ClientGone, JobLogin, Jobs, UpstreamLogin};

pub(super) const ON_CLIENT_GONE: [(&str, ClientGone); 2] =
    [("continue", ClientGone::Continue), ("pause", ClientGone::Pause)];

/// The `jobs` section of a target.
pub(super) fn read(section: Section<'_>) -> Jobs {
    let default = Jobs::default();
    let jobs = Jobs {
        enabled: section.flag("enabled", default.enabled),
        on_client_gone: section.choice("on_client_gone", &ON_CLIENT_GONE).unwrap_or(default.on_client_gone),
        logins: section.sections("logins").into_iter().map(login).collect(),
    };
    section.finish();
    jobs
}

fn login(section: Section<'_>) -> JobLogin {
    let roles = section.texts("roles").unwrap_or_default();
    if roles.is_empty() {
        section.mistake(
            "roles",
            "The login is for nobody.",
            "Write `roles = [\"migrator\"]`: who may have plans run by the gateway, each under their own name.",
        );
    }
    let login = UpstreamLogin {
        // Always the requester's own name: with any other, what a plan runs could do more than its requester.
        user: None,
        password: password(&section, "password"),
        allow_cleartext: section.flag("allow_cleartext", false),
    };
    section.finish();
    JobLogin { roles, login }
}

/// The password for the server, from a file or a variable: never from the configuration itself, which
/// is read, copied and shown.
pub(super) fn password(section: &Section<'_>, name: &str) -> Option<Secret> {
    let (file_key, variable_key) = (format!("{name}_file"), format!("{name}_env"));
    let file = section.path(&file_key);
    let variable = section.text(&variable_key);
    let found = match (file, variable) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            section.mistake(&variable_key, "There are two sources of the password.", "Keep the file or the variable.");
            return None;
        }
        (Some(file), None) => match std::fs::read(&file) {
            Ok(bytes) => {
                warn_if_open(section, &file_key, &file);
                (file_key, bytes)
            }
            Err(error) => {
                section.mistake(
                    &file_key,
                    format!("{} cannot be read: {error}.", file.display()),
                    "Check the path and the permissions.",
                );
                return None;
            }
        },
        (None, Some(variable)) => match section.environment(&variable) {
            Some(value) => (variable_key, value.as_bytes().to_vec()),
            None => {
                section.mistake(
                    &variable_key,
                    format!("The variable {variable} is not set."),
                    "Set it for the gateway's process.",
                );
                return None;
            }
        },
    };
    let (key, mut bytes) = found;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.is_empty() || bytes.contains(&0) {
        section.mistake(&key, "There is no password in it.", "Write the password as one line of text.");
        return None;
    }
    Some(Secret::new(bytes))
}
