//! The mark that every process of a life carries in its environment, and that
//! those it starts inherit: by it the ones are found that left the life's
//! process group and outlived it. It is a name tag and no secret.
//!
//! A gateway may itself be a server of another one. Then its children carry the
//! outer gateway's mark as well, in front of its own, for they are also
//! descendants of a life of the outer one: `OUTER/INNER`. Each gateway finds
//! its own part by a number that it has drawn at its start.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::event::Life;
use crate::limits;
use crate::procfs;

/// The variable that holds the mark.
pub const VARIABLE: &str = "MCPROXY_LIFE";

/// What stands between the mark of an outer gateway and that of an inner one.
const WITHIN: char = '/';

/// How one gateway marks its lives.
#[derive(Clone, Debug)]
pub struct Marker {
    /// The mark that the gateway itself carries, if it is a life of another.
    outer: String,
    /// What all its marks begin with.
    own: String,
}

impl Marker {
    /// That of this gateway. `outer` is what it finds in its own [`VARIABLE`].
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(outer: Option<&OsStr>) -> io::Result<Marker> {
        let mut drawn = [0; 8];
        getrandom::fill(&mut drawn).map_err(|error| io::Error::other(error.to_string()))?;
        let drawn = u64::from_ne_bytes(drawn);
        // What is no mark of a gateway's is not handed on.
        let is_mark = |text: &&str| {
            text.len() <= limits::MARK_BYTES_MAX
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte))
        };
        let outer = outer.and_then(OsStr::to_str).filter(is_mark);
        Ok(Marker {
            outer: outer.map_or(String::new(), |outer| format!("{outer}{WITHIN}")),
            own: format!("{}-{drawn:016x}-", std::process::id()),
        })
    }

    /// The mark of a life.
    pub fn of(&self, life: Life) -> String {
        format!("{}{}{}", self.outer, self.own, life.0)
    }

    /// Which life of this gateway a process is marked with: its own, or that of
    /// an inner gateway which started it.
    pub fn read(&self, mark: &[u8]) -> Option<Life> {
        let mark = OsStr::from_bytes(mark).to_str()?;
        let mut parts = mark.split(WITHIN);
        let life = parts.find_map(|part| part.strip_prefix(&self.own))?;
        life.parse().ok().map(Life)
    }

    /// The same of a process, if it is there and shows its environment.
    pub fn on(&self, pid: i32) -> Option<Life> {
        self.read(&procfs::variable(pid, VARIABLE).ok()??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gateway_reads_its_own_part() {
        let outer = Marker::new(None).unwrap();
        let inner = Marker::new(Some(OsStr::new(&outer.of(Life(3))))).unwrap();
        let other = Marker::new(None).unwrap();
        let mark = inner.of(Life(12));
        assert_eq!(inner.read(mark.as_bytes()), Some(Life(12)));
        assert_eq!(outer.read(mark.as_bytes()), Some(Life(3)));
        assert_eq!(other.read(mark.as_bytes()), None);
        assert_eq!(inner.read(outer.of(Life(12)).as_bytes()), None);
        assert_eq!(outer.read(outer.of(Life(12)).as_bytes()), Some(Life(12)));
    }

    #[test]
    fn what_is_no_mark_is_not_read_and_not_handed_on() {
        let marker = Marker::new(None).unwrap();
        let mark = marker.of(Life(1));
        for foreign in [
            "",
            "/",
            "1",
            &mark[..mark.len() - 1],
            &format!("{mark}x"),
            &format!("x{mark}"),
        ] {
            assert_eq!(marker.read(foreign.as_bytes()), None, "{foreign}");
        }
        assert_eq!(marker.read(b"\xff"), None);
        for odd in ["a b", "a\nb", &"a".repeat(1000)] {
            let marker = Marker::new(Some(OsStr::new(odd))).unwrap();
            assert!(!marker.of(Life(1)).contains(WITHIN), "{odd}");
        }
    }
}
