//! An access line in Apache's combined format, to the letter as registry:2 writes it: what fail2ban and the like read.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// What a line says of a request.
pub struct Request<'a> {
    /// The client's address; `@` for one of a unix socket, as Go calls it.
    pub host: &'a str,
    pub began: Timestamp,
    pub method: &'a str,
    pub target: &'a str,
    /// As in `HTTP/1.1`.
    pub protocol: &'a str,
    pub status: u16,
    pub written: u64,
    pub referer: &'a [u8],
    pub user_agent: &'a [u8],
}

impl Request<'_> {
    /// The line, with its end. registry:2 never has a user's name in it.
    pub fn line(&self) -> String {
        let began = self.began.to_zoned(TimeZone::UTC);
        let mut line = String::with_capacity(256);
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "{} - - [{}] \"{} ",
            self.host,
            began.strftime("%d/%b/%Y:%H:%M:%S %z"),
            self.method
        );
        quote(&mut line, self.target.as_bytes());
        let _ = write!(line, " {}\" {} {} \"", self.protocol, self.status, self.written);
        quote(&mut line, self.referer);
        line.push_str("\" \"");
        quote(&mut line, self.user_agent);
        line.push_str("\"\n");
        line
    }
}

/// Go's quoting: no line can be broken by what a client sends, nor a terminal steered.
fn quote(line: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            let _ = match c {
                '"' | '\\' => write!(line, "\\{c}"),
                '\u{7}' => write!(line, "\\a"),
                '\u{8}' => write!(line, "\\b"),
                '\u{c}' => write!(line, "\\f"),
                '\n' => write!(line, "\\n"),
                '\r' => write!(line, "\\r"),
                '\t' => write!(line, "\\t"),
                '\u{b}' => write!(line, "\\v"),
                c if c < ' ' => write!(line, "\\x{:02x}", u32::from(c)),
                c if is_printed(c) => write!(line, "{c}"),
                c if u32::from(c) < 0x10000 => write!(line, "\\u{:04x}", u32::from(c)),
                c => write!(line, "\\U{:08x}", u32::from(c)),
            };
        }
        for byte in chunk.invalid() {
            let _ = write!(line, "\\x{byte:02x}");
        }
    }
}

/// Nearly what Go prints: of what is not seen, all that steers, and no space but the plain one.
fn is_printed(c: char) -> bool {
    let is_hidden = matches!(
        u32::from(c),
        0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xe000..=0xf8ff | 0xfeff | 0xfff0..=0xfffb
            | 0xe0000..=0x10_ffff
    );
    c == ' ' || !(c.is_control() || c.is_whitespace() || is_hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_registry_2_writes_it() {
        let request = Request {
            host: "192.168.1.7",
            began: "2026-11-28T09:05:07.9Z".parse().unwrap(),
            method: "GET",
            target: "/v2/",
            protocol: "HTTP/1.1",
            status: 401,
            written: 87,
            referer: b"",
            user_agent: b"docker/20.10.5 \"x\" \\ \xff\n\x1b \xc3\xa9 \xe2\x80\xae",
        };
        assert_eq!(
            request.line(),
            "192.168.1.7 - - [28/Nov/2026:09:05:07 +0000] \"GET /v2/ HTTP/1.1\" 401 87 \"\" \
             \"docker/20.10.5 \\\"x\\\" \\\\ \\xff\\n\\x1b é \\u202e\"\n"
        );
    }
}
