//! Real sockets and real processes of this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use super::*;

/// A connection within this process, and the socket of its client.
fn connected(observer: &Observer, address: &str) -> (TcpStream, TcpStream, Socket) {
    let listener = TcpListener::bind(address).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    let socket = observer.socket(Connection::new(peer, server.local_addr().unwrap()), &server).unwrap();
    (client, server, socket)
}

fn myself() -> ProcessId {
    let pid = std::process::id();
    ProcessId { pid, start: process::start(pid).unwrap() }
}

#[test]
fn the_holder_of_a_socket_is_found_over_both_families() {
    let observer = Observer::new().unwrap();
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (_client, _server, socket) = connected(&observer, address);
        let holding = observer.search(socket, &[]).unwrap();
        assert_eq!(holding.process, myself(), "{address}");
        assert_eq!(observer.check(socket, holding.process, holding.descriptor), Some(holding));
        assert_eq!(
            observer.check(socket, holding.process, 9999),
            Some(holding),
            "at another descriptor than before"
        );
    }
}

#[test]
fn an_ipv4_client_of_an_ipv6_socket_is_found() {
    let observer = Observer::new().unwrap();
    let listener = TcpListener::bind("[::]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for target in [format!("127.0.0.1:{port}"), format!("[::ffff:127.0.0.1]:{port}")] {
        let _client = TcpStream::connect(&target).unwrap();
        let (server, peer) = listener.accept().unwrap();
        let connection = Connection::new(peer, server.local_addr().unwrap());
        assert!(connection.client.is_ipv4(), "{connection:?}");
        let socket = observer.socket(connection, &server).unwrap();
        assert_eq!(observer.search(socket, &[]).unwrap().process, myself(), "{target}");
    }
}

#[test]
fn a_token_of_another_process_or_an_earlier_one_with_the_same_pid_is_no_claim() {
    let observer = Observer::new().unwrap();
    let (_client, _server, socket) = connected(&observer, "127.0.0.1:0");
    let holding = observer.search(socket, &[]).unwrap();
    let earlier = ProcessId { start: myself().start - 1, ..myself() };
    assert_eq!(observer.check(socket, earlier, holding.descriptor), None);
    let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let other = observer.process(child.id()).unwrap();
    assert_eq!(observer.check(socket, other, holding.descriptor), None);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(observer.process(child.id()), None, "a process that ended");
}

#[test]
fn a_closed_connection_is_gone() {
    let observer = Observer::new().unwrap();
    let (client, server, socket) = connected(&observer, "127.0.0.1:0");
    drop(client);
    drop(server);
    assert_eq!(observer.search(socket, &[]), Err(Unidentified::Gone));
    let never = Connection::new("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
    let unconnected = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(observer.socket(never, &unconnected), Err(Unidentified::Gone));
}

/// A child that holds a connection of its own and says so.
const HOLDER: &str = r#"exec 3<>"/dev/tcp/127.0.0.1/$0" && echo ready >&2 && read -r line <&3"#;

#[test]
fn another_process_is_found_and_described_with_its_ancestors() {
    let observer = Observer::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = std::fs::canonicalize(tempfile::tempdir().unwrap().keep()).unwrap();
    let mut child = Command::new("bash")
        .args(["-c", HOLDER, &listener.local_addr().unwrap().port().to_string()])
        .current_dir(&place)
        .env("BROKERD_STAGE", "prod")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut server, peer) = listener.accept().unwrap();
    let mut ready = [0; 6];
    child.stderr.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let socket = observer.socket(Connection::new(peer, server.local_addr().unwrap()), &server).unwrap();
    let holding = observer.search(socket, &[myself()]).unwrap();
    assert_eq!(holding.process.pid, child.id());

    let caller = observer.describe(holding.process).unwrap();
    assert_eq!(caller.directory, place);
    assert_eq!(caller.process.name(), "bash");
    assert_eq!(caller.process.arguments.as_deref().unwrap()[0], "bash");
    assert_eq!(observer.environment(holding.process).unwrap()["BROKERD_STAGE"], "prod");
    assert_eq!(caller.ancestors.first().map(|parent| parent.process.id), Some(myself()));
    assert_eq!(observer.parent(holding.process), Some(myself()));
    verify_parents(&caller, place.parent().unwrap()).unwrap();
    assert_eq!(verify_parents(&caller, std::path::Path::new("/nowhere")), Err(Unidentified::Changed));

    std::fs::remove_dir(&place).unwrap();
    assert!(matches!(observer.describe(holding.process), Err(Unidentified::NoDirectory { .. })));
    server.write_all(b"end\n").unwrap();
    child.wait().unwrap();
}

#[test]
fn a_process_that_becomes_another_program_is_noticed() {
    let observer = Observer::new().unwrap();
    let mut child = Command::new("bash")
        .args(["-c", "read -r line && exec cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let id = observer.process(child.id()).unwrap();
    let mut standard_input = child.stdin.take().unwrap();
    let before = loop {
        // Between fork and exec it is not bash yet.
        match observer.describe(id) {
            Ok(caller) if caller.process.name() == "bash" => break caller,
            _ => std::thread::yield_now(),
        }
    };
    assert!(is_unchanged(id, before.directory_id, before.image));
    standard_input.write_all(b"go\necho\n").unwrap();
    let mut echo = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut echo).unwrap();
    assert!(is_alive(id) && !is_unchanged(id, before.directory_id, before.image));
    assert_eq!(observer.describe(id).unwrap().process.name(), "cat");
    drop(standard_input);
    child.wait().unwrap();
}

#[test]
fn a_socket_that_listens_on_the_clients_port_is_not_taken_for_the_client() {
    let observer = Observer::new().unwrap();
    let other = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let client = format!("127.0.0.1:{port}").parse().unwrap();
    let connection = Connection::new(client, "127.0.0.1:9".parse().unwrap());
    assert_eq!(observer.socket(connection, &other), Err(Unidentified::Gone));
}

/// A process that holds a connection, whose grandchild was cut off from it and holds it too.
const TWICE_FORKED: &str = r#"
import os, socket, sys, time
held = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
os.set_inheritable(held.fileno(), True)
if os.fork() == 0:
    if os.fork() == 0:
        os.chdir("/")
        print("ready", file=sys.stderr, flush=True)
        held.recv(1)
    os._exit(0)
os.wait()
held.recv(1)
"#;

#[test]
fn a_daemon_that_kept_a_copy_of_the_socket_does_not_pass_for_the_caller() {
    let observer = Observer::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let Ok(mut child) =
        Command::new("/usr/bin/python3").args(["-c", TWICE_FORKED, &port]).stderr(Stdio::piped()).spawn()
    else {
        return; // without Python nothing here can fork twice; the suite with real clients has it
    };
    let (server, peer) = listener.accept().unwrap();
    let mut ready = [0; 6];
    child.stderr.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let socket = observer.socket(Connection::new(peer, server.local_addr().unwrap()), &server).unwrap();
    let found = observer.search(socket, &[]);
    assert!(matches!(found, Err(Unidentified::Shared { .. })), "{found:?}");
    drop(server);
    child.wait().unwrap();
}

#[test]
fn a_process_has_the_sessions_of_its_line() {
    let observer = Observer::new().unwrap();
    // What runs these tests may have left the session of a process that has ended.
    if let Some(own) = session(myself()) {
        assert_eq!(observer.sessions(myself()).first(), Some(&own));
    }
    let mut child =
        Command::new("setsid").arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // What comes back was written after the new session was begun.
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let id = observer.process(child.id()).unwrap();
    assert_eq!(observer.sessions(id), [vec![id], observer.sessions(myself())].concat());
    assert_eq!(terminal(id), None, "a new session has no terminal");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!((observer.sessions(id), terminal(id)), (Vec::new(), None), "a process that ended");
}

#[test]
fn a_terminal_is_named_by_its_number() {
    for (device, name) in [
        (0x8803, Some("pts/3")),
        (0x8900, Some("pts/256")),
        (0x10_8803, Some("pts/259")),
        (0x0401, Some("tty1")),
        (0x0440, Some("ttyS0")),
        (0x0502, None),
    ] {
        assert_eq!(process::terminal_name(device).as_deref(), name, "{device:x}");
    }
}
