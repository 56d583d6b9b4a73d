//! The keyboard of a terminal.

use std::io::{self, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The keyboard while single keys are read: what is typed is neither shown, nor kept until the end of the line, nor a
/// signal. Given back, with the cursor, however the reading ends.
pub(super) struct Keys(Termios);

impl Keys {
    pub(super) fn take() -> io::Result<Self> {
        Self::take_with(|_| ())
    }

    /// The same for [`key`].
    pub(super) fn take_at_intervals() -> io::Result<Self> {
        Self::take_with(|during| {
            during.special_codes[SpecialCodeIndex::VMIN] = 0;
            // In tenths of a second.
            during.special_codes[SpecialCodeIndex::VTIME] = 2;
        })
    }

    fn take_with(settings: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut during = before.clone();
        during.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        settings(&mut during);
        tcsetattr(io::stdin(), OptionalActions::Drain, &during)?;
        Ok(Self(before))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
        let _ = io::stderr().write_all(b"\x1b[?25h");
    }
}

/// The key that is pressed within a fifth of a second, while the keyboard is taken at intervals.
pub(super) fn key() -> io::Result<Option<u8>> {
    let mut key = [0];
    match rustix::io::read(io::stdin(), &mut key) {
        Ok(read) => Ok((read > 0).then_some(key[0])),
        Err(rustix::io::Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Asks for a line.
pub(super) fn line(prompt: &str) -> io::Result<String> {
    write!(io::stderr(), "{prompt}: ")?;
    let mut line = String::new();
    match io::stdin().read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim().to_owned()),
    }
}

/// Asks for a line that is not shown. The keyboard is quiet before the question is asked, so that nothing of a quick
/// answer is shown either.
pub(super) fn secret(prompt: &str) -> io::Result<Zeroizing<String>> {
    const LONGEST: usize = 4096;
    let quiet = Keys::take()?;
    write!(io::stderr(), "{prompt} (not shown): ")?;
    // Room for the longest: a buffer that grows would leave copies behind.
    let mut typed = Zeroizing::new(Vec::with_capacity(LONGEST));
    let ended: io::Result<()> = loop {
        let mut key = [0];
        if rustix::io::read(io::stdin(), &mut key)? == 0 {
            break Err(io::ErrorKind::UnexpectedEof.into());
        }
        match key[0] {
            b'\n' | b'\r' => break Ok(()),
            // Ctrl-C and Ctrl-D.
            3 | 4 => break Err(io::ErrorKind::Interrupted.into()),
            // Ctrl-U takes all of it back, and backspace one.
            21 => typed.clear(),
            8 | 127 => drop(typed.pop()),
            other if typed.len() < LONGEST => typed.push(other),
            _ => break Err(io::ErrorKind::InvalidInput.into()),
        }
    };
    drop(quiet);
    writeln!(io::stderr())?;
    ended?;
    let text = std::str::from_utf8(&typed).map_err(|_| io::ErrorKind::InvalidInput)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}
