//! Messages of the PostgreSQL protocol: frontend messages from values, backend messages to text.
//! Must stay independent of the product's own codec.

use std::fmt::Write as _;

/// One message of the server: its tag and its body without the length.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The type byte.
    pub tag: u8,
    /// The bytes after the length.
    pub body: Vec<u8>,
}

/// A parameter value of Bind.
#[derive(Clone, Debug)]
pub enum Value {
    /// SQL null.
    Null,
    /// In text format.
    Text(Vec<u8>),
    /// In binary format.
    Binary(Vec<u8>),
}

/// A length or count as the protocol writes it.
#[must_use]
pub fn int32(value: usize) -> [u8; 4] {
    u32::try_from(value).expect("a length fits 32 bits").to_be_bytes()
}

fn int16(value: usize) -> [u8; 2] {
    u16::try_from(value).expect("a count fits 16 bits").to_be_bytes()
}

/// A tagged message around `body`.
#[must_use]
pub fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 5);
    out.push(tag);
    out.extend_from_slice(&int32(body.len() + 4));
    out.extend_from_slice(body);
    out
}

/// An untagged message, as sent before the session starts.
#[must_use]
pub fn untagged(body: &[u8]) -> Vec<u8> {
    let mut out = int32(body.len() + 4).to_vec();
    out.extend_from_slice(body);
    out
}

fn cstr(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.push(0);
}

/// StartupMessage of protocol `major.minor`.
#[must_use]
pub fn startup(version: (u16, u16), parameters: &[(String, String)]) -> Vec<u8> {
    let mut body = version.0.to_be_bytes().to_vec();
    body.extend_from_slice(&version.1.to_be_bytes());
    for (name, value) in parameters {
        cstr(&mut body, name.as_bytes());
        cstr(&mut body, value.as_bytes());
    }
    body.push(0);
    untagged(&body)
}

/// SSLRequest.
#[must_use]
pub fn ssl_request() -> Vec<u8> {
    untagged(&80_877_103_u32.to_be_bytes())
}

/// GSSENCRequest.
#[must_use]
pub fn gssenc_request() -> Vec<u8> {
    untagged(&80_877_104_u32.to_be_bytes())
}

/// CancelRequest for a backend process and its key.
#[must_use]
pub fn cancel_request(pid: u32, key: &[u8]) -> Vec<u8> {
    let mut body = 80_877_102_u32.to_be_bytes().to_vec();
    body.extend_from_slice(&pid.to_be_bytes());
    body.extend_from_slice(key);
    untagged(&body)
}

/// Query.
#[must_use]
pub fn query(sql: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(sql.len() + 1);
    cstr(&mut body, sql);
    framed(b'Q', &body)
}

/// Parse.
#[must_use]
pub fn parse(name: &[u8], sql: &[u8], types: &[u32]) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, name);
    cstr(&mut body, sql);
    body.extend_from_slice(&int16(types.len()));
    for oid in types {
        body.extend_from_slice(&oid.to_be_bytes());
    }
    framed(b'P', &body)
}

/// Bind; `binary_results` asks for every result column in binary.
#[must_use]
pub fn bind(portal: &[u8], statement: &[u8], values: &[Value], binary_results: bool) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, portal);
    cstr(&mut body, statement);
    body.extend_from_slice(&int16(values.len()));
    for value in values {
        body.extend_from_slice(&int16(usize::from(matches!(value, Value::Binary(_)))));
    }
    body.extend_from_slice(&int16(values.len()));
    for value in values {
        match value {
            Value::Null => body.extend_from_slice(&(-1_i32).to_be_bytes()),
            Value::Text(bytes) | Value::Binary(bytes) => {
                body.extend_from_slice(&int32(bytes.len()));
                body.extend_from_slice(bytes);
            }
        }
    }
    body.extend_from_slice(&int16(1));
    body.extend_from_slice(&int16(usize::from(binary_results)));
    framed(b'B', &body)
}

/// Describe (`D`) or Close (`C`) of a statement (`S`) or portal (`P`).
#[must_use]
pub fn named(tag: u8, kind: u8, name: &[u8]) -> Vec<u8> {
    let mut body = vec![kind];
    cstr(&mut body, name);
    framed(tag, &body)
}

/// Execute with a row limit, 0 for none.
#[must_use]
pub fn execute(portal: &[u8], rows_max: u32) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, portal);
    body.extend_from_slice(&rows_max.to_be_bytes());
    framed(b'E', &body)
}

/// FunctionCall with text arguments and a text result.
#[must_use]
pub fn function_call(oid: u32, arguments: &[&[u8]]) -> Vec<u8> {
    let mut body = oid.to_be_bytes().to_vec();
    body.extend_from_slice(&int16(0));
    body.extend_from_slice(&int16(arguments.len()));
    for argument in arguments {
        body.extend_from_slice(&int32(argument.len()));
        body.extend_from_slice(argument);
    }
    body.extend_from_slice(&int16(0));
    framed(b'F', &body)
}

/// CopyFail, or the password message: one C string.
#[must_use]
pub fn text_message(tag: u8, text: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    cstr(&mut body, text);
    framed(tag, &body)
}

/// Reads through a body from left to right.
pub struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// The next 16-bit number.
    pub fn short(&mut self) -> u16 {
        let (head, rest) = self.0.split_at(2);
        self.0 = rest;
        u16::from_be_bytes(head.try_into().unwrap())
    }

    /// The next 32-bit number.
    pub fn long(&mut self) -> u32 {
        let (head, rest) = self.0.split_at(4);
        self.0 = rest;
        u32::from_be_bytes(head.try_into().unwrap())
    }

    /// The next string up to its zero byte.
    pub fn cstr(&mut self) -> String {
        let end = self.0.iter().position(|b| *b == 0).expect("a terminated string");
        let text = String::from_utf8_lossy(&self.0[..end]).into_owned();
        self.0 = &self.0[end + 1..];
        text
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(i32::from_be_bytes(self.long().to_be_bytes())).ok()?;
        let (head, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(head.to_vec())
    }
}

fn printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for b in bytes {
        match *b {
            b' '..=b'~' => out.push(char::from(*b)),
            b'\n' => out.push_str("\\n"),
            other => write!(out, "\\x{other:02x}").unwrap(),
        }
    }
    out
}

impl Message {
    /// The fields of an ErrorResponse or NoticeResponse, by their letter.
    #[must_use]
    pub fn field(&self, letter: char) -> Option<String> {
        let mut reader = Reader(&self.body);
        while let Some((&code, rest)) = reader.0.split_first() {
            if code == 0 {
                return None;
            }
            reader.0 = rest;
            let text = reader.cstr();
            if char::from(code) == letter {
                return Some(text);
            }
        }
        None
    }

    /// The values of a DataRow as text.
    #[must_use]
    pub fn values(&self) -> Vec<Option<String>> {
        let mut reader = Reader(&self.body);
        let count = reader.short();
        (0..count).map(|_| reader.value().map(|v| printable(&v))).collect()
    }

    fn report(&self, kind: &str) -> String {
        let part = |letter| self.field(letter).unwrap_or_default();
        let mut out = format!("{kind} {} {} {}", part('S'), part('C'), part('M'));
        for (letter, name) in [('D', "DETAIL"), ('H', "HINT"), ('P', "POSITION"), ('W', "WHERE")] {
            if let Some(text) = self.field(letter) {
                write!(out, " {name}: {text}").unwrap();
            }
        }
        out
    }

    fn columns(&self) -> String {
        let mut reader = Reader(&self.body);
        let mut out = String::from("RowDescription");
        for _ in 0..reader.short() {
            let name = reader.cstr();
            let (_table, _attribute) = (reader.long(), reader.short());
            let kind = reader.long();
            let (_size, _modifier, format) = (reader.short(), reader.long(), reader.short());
            write!(out, " {name}:{kind}{}", if format == 1 { ":binary" } else { "" }).unwrap();
        }
        out
    }

    /// The message as one line of text, the form that scripts match against.
    #[must_use]
    pub fn render(&self) -> String {
        let text = || printable(self.body.strip_suffix(&[0]).unwrap_or(&self.body));
        match self.tag {
            b'R' => format!("Authentication {}", Reader(&self.body).long()),
            b'K' => "BackendKeyData".into(),
            b'S' => {
                let mut reader = Reader(&self.body);
                format!("ParameterStatus {}={}", reader.cstr(), reader.cstr())
            }
            b'Z' => format!("ReadyForQuery {}", text()),
            b'T' => self.columns(),
            b't' => {
                let mut reader = Reader(&self.body);
                let count = reader.short();
                let types: Vec<_> = (0..count).map(|_| reader.long().to_string()).collect();
                format!("ParameterDescription {}", types.join(" ")).trim_end().into()
            }
            b'D' => {
                let values = self.values().into_iter().map(|v| v.unwrap_or_else(|| "NULL".into()));
                format!("DataRow {}", values.collect::<Vec<_>>().join("|"))
            }
            b'C' => format!("CommandComplete {}", text()),
            b'E' => self.report("ErrorResponse"),
            b'N' => self.report("NoticeResponse"),
            b'A' => {
                let mut reader = Reader(&self.body[4..]);
                format!("NotificationResponse {} {}", reader.cstr(), reader.cstr())
            }
            b'v' => {
                let mut reader = Reader(&self.body);
                let minor = reader.long();
                let names: Vec<_> = (0..reader.long()).map(|_| reader.cstr()).collect();
                format!("NegotiateProtocolVersion {minor} {}", names.join(" ")).trim_end().into()
            }
            b'd' => format!("CopyData {}", printable(&self.body)),
            tag => match plain_name(tag) {
                Some(name) => name.into(),
                None => format!("Unknown {tag:#04x} {}", printable(&self.body)),
            },
        }
    }
}

fn plain_name(tag: u8) -> Option<&'static str> {
    Some(match tag {
        b'1' => "ParseComplete",
        b'2' => "BindComplete",
        b'3' => "CloseComplete",
        b'n' => "NoData",
        b'I' => "EmptyQueryResponse",
        b's' => "PortalSuspended",
        b'c' => "CopyDone",
        b'G' => "CopyInResponse",
        b'H' => "CopyOutResponse",
        b'W' => "CopyBothResponse",
        b'V' => "FunctionCallResponse",
        _ => return None,
    })
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.render();
        let short: String = text.chars().take(400).collect();
        f.write_str(&short)
    }
}
