//! Waiting for many descriptors at once: epoll, with what it reports told as whose descriptor it is.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::error::{Error, Result};

/// Events that are taken at once, at most; the rest come with the next wait.
const EVENTS: usize = 256;

/// Whose descriptor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Which session's, by its place in the fleet.
    pub session: usize,
    /// Which of that session's descriptors, by a number below 4 that the session gives.
    pub part: u8,
}

impl Token {
    fn pack(self) -> u64 {
        (self.session as u64) << 2 | u64::from(self.part)
    }

    fn unpack(word: u64) -> Token {
        let session = usize::try_from(word >> 2).expect("it was a usize");
        let part = (word & 3) as u8;
        Token { session, part }
    }
}

/// The descriptors that are waited for.
#[derive(Debug)]
pub struct Poller {
    epoll: Epoll,
}

/// Room for what a wait reports.
#[derive(Debug)]
pub struct Reports {
    events: [EpollEvent; EVENTS],
    count: usize,
}

impl Default for Reports {
    fn default() -> Reports {
        Reports {
            events: [EpollEvent::empty(); EVENTS],
            count: 0,
        }
    }
}

impl Reports {
    /// Who can go on: there is something to read, room to write, or an end.
    pub fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        let events = self.events[..self.count].iter();
        events.map(|event| Token::unpack(event.data()))
    }
}

impl Poller {
    /// One that waits for nothing yet.
    ///
    /// # Errors
    /// Where the system has no more descriptors.
    pub fn new() -> Result<Poller> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(Error::system("epoll"))?;
        Ok(Poller { epoll })
    }

    /// Waits from now on for this descriptor too, until it is closed: for input.
    ///
    /// # Errors
    /// What the system answers.
    pub fn add(&self, fd: impl AsFd, token: Token) -> Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, token.pack());
        self.epoll.add(fd, event).map_err(Error::system("epoll"))
    }

    /// Waits from now on for this descriptor too, which only takes output.
    ///
    /// # Errors
    /// What the system answers.
    pub fn add_for_output(&self, fd: impl AsFd, token: Token) -> Result<()> {
        let event = EpollEvent::new(EpollFlags::EPOLLOUT, token.pack());
        self.epoll.add(fd, event).map_err(Error::system("epoll"))
    }

    /// Waits no longer for this descriptor.
    ///
    /// # Errors
    /// What the system answers.
    pub fn remove(&self, fd: impl AsFd) -> Result<()> {
        self.epoll.delete(fd).map_err(Error::system("epoll"))
    }

    /// Waits for this socket's input, and for room to write where `output` says so.
    ///
    /// # Errors
    /// What the system answers.
    pub fn change(&self, fd: impl AsFd, token: Token, output: bool) -> Result<()> {
        let mut flags = EpollFlags::EPOLLIN;
        flags.set(EpollFlags::EPOLLOUT, output);
        let mut event = EpollEvent::new(flags, token.pack());
        let changed = self.epoll.modify(fd, &mut event);
        changed.map_err(Error::system("epoll"))
    }

    /// Waits until something can go on, or for so many milliseconds.
    ///
    /// # Errors
    /// What the system answers, other than an interruption.
    pub fn wait(&self, reports: &mut Reports, millis: u16) -> Result<()> {
        reports.count = 0;
        match self
            .epoll
            .wait(&mut reports.events, EpollTimeout::from(millis))
        {
            Ok(count) => reports.count = count,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(Error::System("epoll".to_owned(), error.into())),
        }
        Ok(())
    }
}
