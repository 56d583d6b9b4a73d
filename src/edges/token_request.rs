//! A request for a token, sent to the endpoint as an SDK does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// SDKs give up after a second.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longer than any answer with a token.
const LONGEST: u64 = 16 * 1024;

/// Why no token came.
#[derive(Debug, thiserror::Error)]
pub enum TokenRequestError {
    /// The connection failed, or was too slow.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Another answer came.
    #[error("the answer is {0:?}, and not a token")]
    Other(String),
}

/// Asks for a token that lasts a minute, and forgets it.
pub fn send(address: SocketAddr) -> Result<(), TokenRequestError> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!(
        "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let first: String = answer.lines().next().unwrap_or_default().chars().take(80).collect();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let has_lifetime = head.to_ascii_lowercase().contains("\r\nx-aws-ec2-metadata-token-ttl-seconds: ");
    if first.starts_with("HTTP/1.1 200") && has_lifetime && !body.trim().is_empty() {
        return Ok(());
    }
    Err(TokenRequestError::Other(first))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answered(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let outcome = send(address).map_err(|error| error.to_string());
        assert!(server.join().unwrap().starts_with("PUT /latest/api/token HTTP/1.1\r\nHost: 127.0.0.1:"));
        outcome
    }

    #[test]
    fn only_a_token_with_its_lifetime_is_one() {
        assert_eq!(
            answered("HTTP/1.1 200 OK\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 60\r\n\r\ntoken"),
            Ok(())
        );
        let other = answered("HTTP/1.1 200 OK\r\n\r\n<html>").unwrap_err();
        assert_eq!(other, "the answer is \"HTTP/1.1 200 OK\", and not a token");
        assert!(answered("SSH-2.0-x\r\n").unwrap_err().contains("SSH-2.0-x"));
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(send(closed), Err(TokenRequestError::Io(_))));
    }
}
