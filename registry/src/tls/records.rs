//! What goes between rustls and a connection's memory: records as they come, content, records to send; and the errors
//! that either may be.

use std::io;

use rustls::server::ServerConnectionData;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, ReadTraffic};
use tokio::io::ReadBuf;

use super::queue::Queue;

/// How long the first record is, if all of it is there (RFC 8446 §5.1).
pub(super) fn record_length(records: &[u8]) -> Option<usize> {
    const HEAD: usize = 5;
    let length = u16::from_be_bytes(*records.get(3..HEAD)?.as_array()?);
    Some(HEAD + usize::from(length)).filter(|length| *length <= records.len())
}

/// Moves what was in opened records to where there is room. Gives how many bytes of records are done with by that.
pub(super) fn take_content(
    mut traffic: ReadTraffic<'_, '_, ServerConnectionData>,
    target: &mut ReadBuf<'_>,
    opened: &mut Queue,
) -> io::Result<usize> {
    let mut discard = 0;
    while let Some(record) = traffic.next_record() {
        let record = record.map_err(broken)?;
        let (now, later) = record
            .payload
            .split_at(record.payload.len().min(target.remaining()));
        target.put_slice(now);
        opened.push(later);
        discard += record.discard;
    }
    Ok(discard)
}

pub(super) fn encode(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    outgoing: &mut Queue,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        match data.encode(&mut bytes) {
            Ok(length) => {
                outgoing.push(&bytes[..length]);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(needed)) => bytes.resize(needed.required_size, 0),
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

pub(super) fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What rustls lets pass.
pub(super) fn not_allowed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Early data, which no configuration here allows, or what a later rustls may have.
pub(super) fn unexpected(state: &ConnectionState<'_, '_, ServerConnectionData>) -> io::Error {
    io::Error::other(format!("a TLS connection in an unexpected state: {state:?}"))
}
