//! Random bytes of the system.

use ring::rand::{SecureRandom, SystemRandom};

/// `N` random bytes, good for keys and nonces.
///
/// # Panics
/// If the system has none to give, which on Linux happens only before it has booted.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[allow(
        clippy::expect_used,
        reason = "without randomness no token can be sealed: going on would be worse"
    )]
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
