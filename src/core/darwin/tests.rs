//! Bytes laid out as the kernel of macOS does it.

use super::*;

/// A socket: its kind, its flags of families, both ends as 16 bytes and their ports, and its state.
fn socket(kind: u32, family: u8, ends: [([u8; 16], u16); 2], state: u32) -> [u8; SOCKET] {
    let mut bytes = [0xa5; SOCKET];
    let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
    put(place::NUMBER, &0x1122_3344_5566_7788_u64.to_le_bytes());
    put(place::KIND, &kind.to_le_bytes());
    put(place::FAMILY, &[family]);
    put(place::STATE, &state.to_le_bytes());
    let places = [(place::LOCAL, place::LOCAL_PORT), (place::FOREIGN, place::FOREIGN_PORT)];
    for ((at, port_at), (octets, port)) in places.into_iter().zip(ends) {
        put(at, &octets);
        // The port as the network orders it, in the first half of an integer.
        put(port_at, &[port.to_be_bytes(), [0, 0]].concat());
    }
    bytes
}

fn v4(last: [u8; 4]) -> [u8; 16] {
    let mut octets = [0; 16];
    octets[12..].copy_from_slice(&last);
    octets
}

const TCP: u32 = 2;
const ESTABLISHED: u32 = 4;

#[test]
fn the_ends_of_a_connection_are_read() {
    let bytes = socket(TCP, 1, [(v4([127, 0, 0, 1]), 51_234), (v4([169, 254, 169, 254]), 80)], ESTABLISHED);
    let found = tcp_socket(&bytes).unwrap();
    assert_eq!(found.number, 0x1122_3344_5566_7788);
    assert_eq!(found.local, "127.0.0.1:51234".parse().unwrap());
    assert_eq!(found.foreign, Some("169.254.169.254:80".parse().unwrap()));
}

#[test]
fn ipv6_is_ipv6_and_what_it_maps_is_ipv4() {
    let mut loopback = [0; 16];
    loopback[15] = 1;
    let bytes = socket(TCP, 2, [(loopback, 5000), (loopback, 9254)], ESTABLISHED);
    let found = tcp_socket(&bytes).unwrap();
    assert_eq!((found.local, found.foreign), ("[::1]:5000".parse().unwrap(), "[::1]:9254".parse().ok()));
    let mut mapped = v4([127, 0, 0, 1]);
    mapped[10..12].fill(0xff);
    let bytes = socket(TCP, 2, [(mapped, 5000), (mapped, 9254)], ESTABLISHED);
    assert_eq!(tcp_socket(&bytes).unwrap().local, "127.0.0.1:5000".parse().unwrap());
    // Both flags: one that listens on all addresses of both.
    let bytes = socket(TCP, 3, [([0; 16], 9254), ([0; 16], 0)], 1);
    assert_eq!(tcp_socket(&bytes).unwrap().local, "[::]:9254".parse().unwrap());
}

#[test]
fn one_that_listens_has_no_other_end_and_another_kind_is_none() {
    let ends = [(v4([127, 0, 0, 1]), 9254), ([0; 16], 0)];
    assert_eq!(tcp_socket(&socket(TCP, 1, ends, 1)).unwrap().foreign, None);
    for kind in [0, 1, 3, 6] {
        assert_eq!(tcp_socket(&socket(kind, 1, ends, 1)), None, "{kind}");
    }
}

fn directories(path: &[u8], links: u16) -> [u8; DIRECTORIES] {
    let mut bytes = [0; DIRECTORIES];
    bytes[place::DEVICE..][..4].copy_from_slice(&0x0100_0004_u32.to_le_bytes());
    bytes[place::LINKS..][..2].copy_from_slice(&links.to_le_bytes());
    bytes[place::INODE..][..8].copy_from_slice(&77_u64.to_le_bytes());
    bytes[place::PATH..][..path.len()].copy_from_slice(path);
    // The root of the process, which is none of ours.
    bytes[DIRECTORIES / 2 + place::PATH] = b'/';
    bytes
}

#[test]
fn a_directory_has_its_path_and_its_number() {
    let found = directory(&directories(b"/Users/ada/shop", 12)).unwrap();
    assert_eq!(found.path, PathBuf::from("/Users/ada/shop"));
    assert_eq!(found.id, DirectoryId { device: 0x0100_0004, inode: 77 });
    assert!(!found.is_deleted);
    assert!(directory(&directories(b"/Users/ada/shop", 0)).unwrap().is_deleted);
    assert!(directory(&directories(b"", 2)).unwrap().is_deleted);
    let longest = vec![b'x'; place::LONGEST_PATH];
    assert_eq!(directory(&directories(&longest, 2)).unwrap().path.as_os_str().len(), longest.len());
}

/// `KERN_PROCARGS2`, with the executable's path filled up to a multiple of eight.
fn procargs(count: u32, texts: &[u8]) -> Vec<u8> {
    [&count.to_le_bytes()[..], b"/usr/bin/python3\0\0\0\0\0\0\0\0", texts].concat()
}

#[test]
fn arguments_and_environment_are_told_apart_by_their_count() {
    let found =
        started(&procargs(3, b"python3\0\0A=b\0STAGE=dev\0X=1=2\0STAGE=prod\0\0executable_path=/x\0"))
            .unwrap();
    assert_eq!(found.arguments, ["python3", "", "A=b"]);
    let environment = found.environment.unwrap();
    assert_eq!(environment.len(), 2, "what follows the environment is none of it");
    assert_eq!((environment["STAGE"].as_str(), environment["X"].as_str()), ("dev", "1=2"));
}

#[test]
fn an_environment_that_is_kept_back_is_not_an_empty_one() {
    for texts in [&b"ls\0"[..], b"ls\0\0", b"ls\0\0executable_path=/bin/ls\0"] {
        let found = started(&procargs(1, texts)).unwrap();
        assert_eq!((found.arguments.as_slice(), found.environment), (&["ls".to_owned()][..], None));
    }
}

#[test]
fn what_is_cut_off_is_nothing() {
    let whole = procargs(2, b"sh\0-c\0A=b\0\0");
    for length in 0..whole.len() - b"A=b\0\0".len() {
        assert!(started(&whole[..length]).is_none(), "{length}");
    }
    assert!(started(&procargs(u32::MAX, b"sh\0")).is_none());
    assert!(started(&[]).is_none());
}

#[test]
fn a_terminal_is_named_by_its_number() {
    assert_eq!(terminal_name(0x1000_0003).as_deref(), Some("ttys003"));
    assert_eq!(terminal_name(0x1000_0100).as_deref(), Some("ttys256"));
    assert_eq!(terminal_name(0x0200_0000), None);
}
