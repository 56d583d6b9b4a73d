//! Linux: the kernel says whose socket it is (`sock_diag`), and `/proc` which process of our own user holds it.

pub(super) mod descriptors;
pub(super) mod directory;
pub(super) mod process;
pub(super) mod sockets;
