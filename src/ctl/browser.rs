//! Opening a page in a browser.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::failure::Failure;
use crate::edges::peer::{Connection, Observer};
use crate::edges::random;

/// A browser that has not come by then will not.
const PATIENCE: Duration = Duration::from_mins(1);
/// The programs that open a URL, in this order.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// Opens a URL in a browser without its being on any command line, where every user could read it: what is there is an
/// address of this process, which is good once, for this user, and gone with it.
pub(super) fn open(url: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let once = format!("/{:032x}", u128::from_ne_bytes(random::bytes()));
    let address = format!("http://{}{once}", listener.local_addr()?);
    let observer = Arc::new(Observer::new().map_err(|why| Failure::refused(why.to_string()))?);
    let (done, told) = mpsc::channel();
    let redirect = Arc::new(zeroize::Zeroizing::new(format!(
        "HTTP/1.1 302 Found\r\nLocation: {url}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    )));
    std::thread::spawn(move || {
        // A browser may open connections ahead that it says nothing on, so that each has a thread.
        for stream in listener.incoming().flatten() {
            let (observer, once, redirect, done) =
                (observer.clone(), once.clone(), redirect.clone(), done.clone());
            std::thread::spawn(move || {
                if matches!(answer(&stream, &observer, &once, &redirect), Ok(true)) {
                    let _ = done.send(());
                }
            });
        }
    });
    let opened = OPENERS.into_iter().any(|opener| {
        let quiet = || Stdio::null();
        Command::new(opener).arg(&address).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().is_ok()
    });
    if !opened {
        return Err(Failure::refused("there is no program to open a browser with"));
    }
    told.recv_timeout(PATIENCE).map_err(|_| Failure::refused("no browser came for the URL"))
}

/// Answers one connection; whether that was the right one.
fn answer(mut stream: &TcpStream, observer: &Observer, once: &str, redirect: &str) -> io::Result<bool> {
    let connection = Connection::new(stream.peer_addr()?, stream.local_addr()?);
    if observer.socket(connection, stream).is_err() {
        return Ok(false);
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n") && head.len() < 4096 && stream.read(&mut byte)? > 0 {
        head.push(byte[0]);
    }
    let is_right = head.starts_with(format!("GET {once} HTTP/1.").as_bytes());
    let other = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(if is_right { redirect } else { other }.as_bytes())?;
    // What was not read would reset the connection before the answer has come to the browser.
    stream.shutdown(std::net::Shutdown::Write)?;
    let _ = stream.take(64 * 1024).read_to_end(&mut head);
    Ok(is_right)
}
