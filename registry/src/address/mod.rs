//! Where a server listens: `:5000`, `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`.

mod listen;

pub use self::listen::Listen;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A host, empty for every address of the machine, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let complaint = || format!("\"{text}\" is not an address; write one like :5000 or 127.0.0.1:5000");
        let (host, port) = text.rsplit_once(':').ok_or_else(complaint)?;
        let port = port.parse().map_err(|_| complaint())?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => bracketed.strip_suffix(']').ok_or_else(complaint)?,
            None if host.contains(':') => return Err(complaint()),
            None => host,
        };
        Ok(Address {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in [":5000", "127.0.0.1:5000", "[::1]:5000", "localhost:0"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "5000",
            "localhost",
            ":http",
            "::1:5000",
            "[::1:5000",
            ":70000",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
