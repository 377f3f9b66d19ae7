//! Who is whose child, read from `/proc`.

use std::fs;
use std::io;

/// A process as `/proc/PID/stat` tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kin {
    /// Its process id.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Whether it has exited and waits to be reaped.
    pub zombie: bool,
}

/// Every child of this process, adopted ones included.
///
/// All of `/proc` is read: `/proc/self/task/*/children` is shorter, but absent
/// from some kernels and allowed to miss entries while processes come and go.
///
/// # Errors
/// `/proc` cannot be listed.
pub fn own_children() -> io::Result<Vec<Kin>> {
    let own = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let numbered = path
            .file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !numbered {
            continue;
        }
        // One that has gone in the meantime is no child any more.
        let Ok(stat) = fs::read(path.join("stat")) else {
            continue;
        };
        children.extend(read_stat(&stat).filter(|kin| kin.parent == own));
    }
    Ok(children)
}

/// Reads `PID (NAME) STATE PARENT …`. The name is the process's own choice and
/// may hold spaces, brackets and bytes that are no UTF-8: it ends at the last bracket.
fn read_stat(stat: &[u8]) -> Option<Kin> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(&stat[..open]).ok()?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Kin {
        pid: pid.trim().parse().ok()?,
        parent: fields.next()?.parse().ok()?,
        zombie: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pass_for_the_fields_behind_it() {
        let kin = read_stat(b"17 (evil) S 1 (x\xff) Z 12 17 17 0 -1").unwrap();
        assert_eq!(
            kin,
            Kin {
                pid: 17,
                parent: 12,
                zombie: true
            }
        );
        assert!(!read_stat(b"5 (sh) S 4 5 5").unwrap().zombie);
    }

    #[test]
    fn what_is_no_stat_line_is_nobody() {
        for line in [
            "",
            "12",
            "12 (sh",
            "x (sh) S 1",
            "12 (sh)",
            ")(",
            "12 (sh) S",
        ] {
            assert_eq!(read_stat(line.as_bytes()), None, "{line:?}");
        }
    }
}
