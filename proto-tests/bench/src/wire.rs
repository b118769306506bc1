//! A small protocol client: start-up without a password, simple queries, COPY in.
//!
//! It counts what comes over the wire and keeps nothing of rows, so that the
//! client's own cost stays small beside the proxy's. It is no driver: it knows the
//! few messages the benchmarks meet.

use crate::{Fault, Outcome};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const BUFFER_BYTES: usize = 64 * 1024;
/// Rows above this size are passed over unread.
const KEPT_BYTES_MAX: usize = 64;
const COPY_FRAME_BYTES: usize = 8 * 1024;

/// One open session.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// What a statement left behind.
#[derive(Debug, Default)]
pub struct Answer {
    /// Bytes the server sent, with ReadyForQuery.
    pub bytes: u64,
    /// The last command tag.
    pub tag: String,
    /// The first column of the last row, as text.
    pub value: String,
    /// Severity, code and message of every notice.
    pub notices: Vec<String>,
    /// Code and message of the error, if there was one.
    pub error: Option<String>,
}

impl Answer {
    /// Turns an error of the server into a fault.
    pub fn must(self) -> Outcome<Answer> {
        match self.error {
            Some(error) => Err(error.into()),
            None => Ok(self),
        }
    }
}

impl Wire {
    /// Opens a session as `postgres`, with nothing but trust.
    pub fn connect(port: u16, database: &str) -> Outcome<Wire> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        let mut wire = Wire { stream, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 };
        let parameters = format!("user\0postgres\0database\0{database}\0application_name\0bench\0\0");
        let mut message = Vec::new();
        message.extend_from_slice(&length(parameters.len() + 8)?);
        message.extend_from_slice(&196_608_i32.to_be_bytes());
        message.extend_from_slice(parameters.as_bytes());
        wire.stream.write_all(&message)?;
        wire.until_ready()?.must()?;
        Ok(wire)
    }

    /// How long to wait for an answer before giving up.
    pub fn limit(&self, wait: Duration) -> Outcome<()> {
        Ok(self.stream.set_read_timeout(Some(wait))?)
    }

    /// Runs one statement by the simple protocol. An error of the server is in the answer.
    pub fn query(&mut self, sql: &str) -> Outcome<Answer> {
        let mut message = vec![b'Q'];
        message.extend_from_slice(&length(sql.len() + 5)?);
        message.extend_from_slice(sql.as_bytes());
        message.push(0);
        self.stream.write_all(&message)?;
        self.until_ready()
    }

    /// Runs `COPY … FROM STDIN` and sends `chunk` `times` times. Counts the bytes sent.
    pub fn copy_in(&mut self, sql: &str, chunk: &[u8], times: usize) -> Outcome<u64> {
        let mut message = vec![b'Q'];
        message.extend_from_slice(&length(sql.len() + 5)?);
        message.extend_from_slice(sql.as_bytes());
        message.push(0);
        self.stream.write_all(&message)?;
        let mut framed = Vec::new();
        for piece in chunk.chunks(COPY_FRAME_BYTES) {
            framed.push(b'd');
            framed.extend_from_slice(&length(piece.len() + 4)?);
            framed.extend_from_slice(piece);
        }
        let mut sent = 0;
        for _ in 0..times {
            self.stream.write_all(&framed)?;
            sent += framed.len() as u64;
        }
        self.stream.write_all(b"c\0\0\0\x04")?;
        self.until_ready()?.must()?;
        Ok(sent)
    }

    /// Says good-bye.
    pub fn close(mut self) -> Outcome<()> {
        Ok(self.stream.write_all(b"X\0\0\0\x04")?)
    }

    fn until_ready(&mut self) -> Outcome<Answer> {
        let mut answer = Answer::default();
        loop {
            let (tag, size) = self.header()?;
            answer.bytes += size as u64 + 5;
            match tag {
                b'Z' => {
                    self.skip(size)?;
                    return Ok(answer);
                }
                b'C' => answer.tag = text(&self.body(size)?),
                b'D' if size <= KEPT_BYTES_MAX => {
                    answer.value = first_column(&self.body(size)?);
                }
                b'N' => answer.notices.push(report(&self.body(size)?)),
                b'E' => answer.error = Some(report(&self.body(size)?)),
                b'R' => self.authenticated(size)?,
                _ => self.skip(size)?,
            }
            // After a fatal error the server hangs up without ReadyForQuery.
            if let Some(error) = &answer.error
                && error.starts_with("FATAL")
            {
                return Err(error.clone().into());
            }
        }
    }

    fn authenticated(&mut self, size: usize) -> Outcome<()> {
        let body = self.body(size)?;
        match body.get(..4) {
            Some([0, 0, 0, 0]) => Ok(()),
            _ => Err("the server wants a password; the benchmarks use trust".into()),
        }
    }

    fn header(&mut self) -> Outcome<(u8, usize)> {
        while self.end - self.start < 5 {
            self.fill()?;
        }
        let head = &self.buffer[self.start..self.start + 5];
        let claimed = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let tag = head[0];
        self.start += 5;
        let size = usize::try_from(claimed)?.checked_sub(4);
        Ok((tag, size.ok_or("a message shorter than its header")?))
    }

    fn body(&mut self, size: usize) -> Outcome<Vec<u8>> {
        let mut body = Vec::new();
        let mut left = size;
        while left > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let take = left.min(self.end - self.start);
            body.extend_from_slice(&self.buffer[self.start..self.start + take]);
            self.start += take;
            left -= take;
        }
        Ok(body)
    }

    fn skip(&mut self, size: usize) -> Outcome<()> {
        let mut left = size;
        while left > 0 {
            if self.start == self.end {
                self.fill()?;
            }
            let take = left.min(self.end - self.start);
            self.start += take;
            left -= take;
        }
        Ok(())
    }

    fn fill(&mut self) -> Outcome<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err("the server closed the connection".into()),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }
}

fn length(size: usize) -> Outcome<[u8; 4]> {
    let size = i32::try_from(size).map_err(|_| Fault::from("a message of more than 2 GiB"))?;
    Ok(size.to_be_bytes())
}

fn text(body: &[u8]) -> String {
    let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
    String::from_utf8_lossy(&body[..end]).into_owned()
}

fn first_column(body: &[u8]) -> String {
    let Some(size) = body.get(2..6) else {
        return String::new();
    };
    let size = u32::from_be_bytes([size[0], size[1], size[2], size[3]]);
    let size = usize::try_from(size).unwrap_or(0);
    String::from_utf8_lossy(body.get(6..6 + size).unwrap_or_default()).into_owned()
}

/// "SEVERITY CODE message" of an error or a notice.
fn report(body: &[u8]) -> String {
    let mut parts = ["", "", ""].map(String::from);
    for field in body.split(|byte| *byte == 0) {
        let Some((kind, value)) = field.split_first() else {
            continue;
        };
        let place = match kind {
            b'S' => 0,
            b'C' => 1,
            b'M' => 2,
            _ => continue,
        };
        parts[place] = String::from_utf8_lossy(value).into_owned();
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_one_line() {
        let body = b"SERROR\0VERROR\0CLK001\0Mheld\0\0";
        assert_eq!(report(body), "ERROR LK001 held");
    }

    #[test]
    fn the_first_column_of_a_row() {
        let body = b"\0\x02\0\0\0\x02ab\0\0\0\x01c";
        assert_eq!(first_column(body), "ab");
    }

    #[test]
    fn a_null_column_is_empty() {
        assert_eq!(first_column(b"\0\x01\xff\xff\xff\xff"), "");
    }
}
