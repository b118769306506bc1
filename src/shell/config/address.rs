//! Addresses as written: `HOST:PORT`, or a Unix socket's folder or path.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::settings::{LISTEN_PORT, ListenAddress, UPSTREAM_PORT, UpstreamAddress};

/// What is wrong with an address, and what to write instead.
pub(super) type AddressMistake = (String, &'static str);

/// `sun_path` of Linux, with its final zero byte; macOS has 104.
const SOCKET_PATH_MAX: usize = 103;

const REMEDY_LISTEN: &str = "Write an IP address and port (\"127.0.0.1:6433\", \"[::1]:6433\", \"*:6433\") or a socket's folder (\"/run/lockkeeper\").";
const REMEDY_UPSTREAM: &str = "Write host and port (\"db.internal:5432\", \"[::1]:5432\") or a socket's folder (\"/var/run/postgresql\").";

/// Where to listen.
pub(super) fn listen(text: &str) -> Result<ListenAddress, AddressMistake> {
    if text.starts_with('/') {
        return socket(text, LISTEN_PORT).map(ListenAddress::Unix);
    }
    tcp(text, LISTEN_PORT).map(ListenAddress::Tcp)
}

/// Where the admin door listens: TCP only.
pub(super) fn admin(text: &str, port: u16) -> Result<SocketAddr, AddressMistake> {
    if text.starts_with('/') {
        return Err((
            "The admin address cannot be a socket path.".to_owned(),
            "Write \"127.0.0.1:6434\".",
        ));
    }
    tcp(text, port)
}

/// Where the server is.
pub(super) fn upstream(text: &str) -> Result<UpstreamAddress, AddressMistake> {
    if text.starts_with('/') {
        return socket(text, UPSTREAM_PORT).map(UpstreamAddress::Unix);
    }
    let (host, port) =
        split(text, UPSTREAM_PORT).ok_or_else(|| no_address(text, REMEDY_UPSTREAM))?;
    if port == 0 {
        return Err(no_address(text, REMEDY_UPSTREAM));
    }
    let is_name = host
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if !is_name && host.parse::<Ipv6Addr>().is_err() {
        return Err(no_address(text, REMEDY_UPSTREAM));
    }
    Ok(UpstreamAddress::Tcp { host, port })
}

fn tcp(text: &str, default_port: u16) -> Result<SocketAddr, AddressMistake> {
    let (host, port) = split(text, default_port).ok_or_else(|| no_address(text, REMEDY_LISTEN))?;
    let ip = match host.as_str() {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        other => other.parse().map_err(|_| no_address(text, REMEDY_LISTEN))?,
    };
    Ok(SocketAddr::new(ip, port))
}

fn no_address(text: &str, remedy: &'static str) -> AddressMistake {
    (format!("\"{text}\" is not an address."), remedy)
}

/// Host and port; an IPv6 address stands in brackets.
fn split(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (
                host,
                if after.is_empty() {
                    None
                } else {
                    Some(after.strip_prefix(':')?)
                },
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None => default_port,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// `/folder`, `/folder:PORT` or `/folder/.s.PGSQL.PORT`.
fn socket(text: &str, default_port: u16) -> Result<PathBuf, AddressMistake> {
    let path = match text.rsplit_once(':') {
        Some((folder, port)) => match port.parse::<u16>() {
            Ok(port) => socket_in(Path::new(folder), port),
            Err(_) => PathBuf::from(text),
        },
        None if text
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with(".s.PGSQL.")) =>
        {
            PathBuf::from(text)
        }
        None => socket_in(Path::new(text), default_port),
    };
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        return Err((
            format!(
                "The socket's path {} is longer than a Unix socket's can be.",
                path.display()
            ),
            "Use a folder with a shorter path.",
        ));
    }
    Ok(path)
}

fn socket_in(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn listen_addresses() {
        for (text, expected) in [
            ("127.0.0.1:6433", "127.0.0.1:6433"),
            ("127.0.0.1", "127.0.0.1:6433"),
            ("localhost:0", "127.0.0.1:0"),
            ("*:6433", "0.0.0.0:6433"),
            ("[::1]:7", "[::1]:7"),
            ("[::]", "[::]:6433"),
            ("/run/lk", "/run/lk/.s.PGSQL.6433"),
            ("/run/lk:5432", "/run/lk/.s.PGSQL.5432"),
            ("/run/lk/.s.PGSQL.1", "/run/lk/.s.PGSQL.1"),
        ] {
            assert_eq!(super::listen(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            ":6433",
            "db.internal:6433",
            "::1",
            "1.2.3.4:",
            "1.2.3.4:+5",
            "1.2.3.4:65536",
            "[::1",
            "[::1]x",
        ] {
            assert!(super::listen(text).is_err(), "{text}");
        }
        assert!(super::listen(&format!("/{}", "x".repeat(120))).is_err());
        assert!(super::admin("/run/lk", 1).is_err());
    }

    #[test]
    fn upstream_addresses() {
        for (text, expected) in [
            ("db.internal", "db.internal:5432"),
            ("db_1:6000", "db_1:6000"),
            ("[fe80::1]:5433", "[fe80::1]:5433"),
            ("/var/run/postgresql", "/var/run/postgresql/.s.PGSQL.5432"),
            (
                "/var/run/postgresql:5433",
                "/var/run/postgresql/.s.PGSQL.5433",
            ),
        ] {
            assert_eq!(
                super::upstream(text).unwrap().to_string(),
                expected,
                "{text}"
            );
        }
        for text in [
            "",
            "postgres://db/x",
            "db:0",
            "db:x",
            "a b",
            "::1:5432",
            "user@db:5432",
        ] {
            assert!(super::upstream(text).is_err(), "{text}");
        }
    }
}
