//! As much of a browser as signing in needs: cookies by origin, redirects one at a time, forms without scripts.

use std::collections::BTreeMap;

/// One browser with its cookies. Nothing follows a redirect by itself.
pub struct Browser {
    agent: ureq::Agent,
    cookies: BTreeMap<(String, String), String>,
}

/// What it was shown.
#[derive(Debug)]
pub struct Page {
    pub url: String,
    pub status: u16,
    /// Where it is led: of a redirect, or of a page that goes on by itself.
    pub to: Option<String>,
    /// What it was told to keep, as it was said.
    pub set_cookies: Vec<String>,
    pub body: String,
}

impl Default for Browser {
    fn default() -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        Self { agent: config.max_redirects_will_error(false).build().into(), cookies: BTreeMap::new() }
    }
}

impl Browser {
    /// Shows an address, or sends a form to it.
    pub fn ask(&mut self, url: &str, form: Option<&[(String, String)]>) -> Page {
        let origin = origin(url);
        let all = self.cookies.iter().filter(|((of, _), _)| *of == origin);
        let cookie = all.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let answer = match form {
            None => self.agent.get(url).header("Cookie", &cookie).call(),
            Some(form) => self.agent.post(url).header("Cookie", &cookie).send_form(form.iter().cloned()),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let refresh = header("refresh").and_then(|text| Some(text.split_once("url=")?.1.to_owned()));
        let to = header("location").or(refresh).map(|to| absolute(&origin, &to));
        let set_cookies: Vec<String> = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok().map(str::to_owned))
            .collect();
        for set in &set_cookies {
            let (name, value) = set.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            let key = (origin.clone(), name.to_owned());
            if value.is_empty() {
                drop(self.cookies.remove(&key))
            } else {
                drop(self.cookies.insert(key, value.into()))
            }
        }
        let body = answer.body_mut().read_to_string().unwrap_or_default();
        Page { url: url.to_owned(), status: answer.status().as_u16(), to, set_cookies, body }
    }

    /// Goes where it is led until it is not, or until it comes to an address that starts like this.
    pub fn follow(&mut self, url: &str, until: &str) -> Page {
        let mut page = self.ask(url, None);
        for _ in 0..20 {
            match page.to.clone() {
                Some(to) if !to.starts_with(until) => page = self.ask(&to, None),
                Some(_) | None => return page,
            }
        }
        panic!("led around: {page:?}")
    }

    /// Sends the first form of a page with what it holds, and with these.
    pub fn send(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let form = page.body.split_once("<form").unwrap_or_else(|| panic!("no form: {page:?}")).1;
        let form = form.split("</form>").next().expect("its end");
        let action = attribute(form, "action").map_or_else(|| page.url.clone(), |to| absolute(&origin(&page.url), &to));
        let mut sent: Vec<(String, String)> = Vec::new();
        for input in form.split("<input").skip(1) {
            let input = input.split('>').next().unwrap_or_default();
            if let (Some(name), Some(value)) = (attribute(input, "name"), attribute(input, "value")) {
                sent.push((name, value));
            }
        }
        for (name, value) in fields {
            sent.retain(|(other, _)| other != name);
            sent.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.ask(&action, Some(&sent))
    }

    /// Forgets what an origin had it keep.
    pub fn forget(&mut self, url: &str) {
        let origin = origin(url);
        self.cookies.retain(|(of, _), _| *of != origin);
    }
}

/// A parameter of an address, decoded.
#[must_use]
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let hex = [*high, *low];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?);
                rest = tail;
            }
            (byte, _) => {
                bytes.push(if *byte == b'+' { b' ' } else { *byte });
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

fn origin(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn absolute(origin: &str, to: &str) -> String {
    if to.starts_with('/') { format!("{origin}{to}") } else { to.to_owned() }
}
