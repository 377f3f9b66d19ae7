//! The room against lines as the system writes them, and against real processes.

use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};

use super::*;

/// A process that is killed when the test is over.
struct Helper(Child);

impl Helper {
    /// A shell that runs this script and says a line once it is there.
    fn start(script: &str) -> Helper {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .env("MARKED", "with=this")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert_eq!(line, "there\n");
        Helper(child)
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Its stdin closes, which ends those below it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_name_cannot_pass_for_the_fields_behind_it() {
    let line = b"17 (evil) S 1 (x\xff) Z 12 16 17 0 -1 4194564 0 0 0 0 0 0 0 0 20 0 1 0 5051 0";
    let kin = Kin {
        pid: 17,
        began: 5051,
        parent: 12,
        group: 16,
        dying: true,
        zombie: true,
    };
    assert_eq!(read_stat(line), Some(kin));
    let line = b"5 (sh) S 4 5 5 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 77 0 0";
    let kin = read_stat(line).unwrap();
    assert!(!kin.zombie && !kin.dying);
}

#[test]
fn what_is_no_stat_line_is_nobody() {
    for line in [
        "",
        "12",
        "12 (sh",
        "12 (sh)",
        ")(",
        "12 (sh) S",
        "12 (sh) S 1 12 12 0 -1 0",
        "x (sh) S 1 5 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 77 0",
    ] {
        assert_eq!(read_stat(line.as_bytes()), None, "{line:?}");
    }
}

#[test]
fn a_circle_of_parents_has_an_end() {
    let kin = |pid, parent| Kin {
        pid,
        began: 0,
        parent,
        group: 1,
        dying: false,
        zombie: false,
    };
    let children = by_parent(&[kin(1, 3), kin(2, 1), kin(3, 2), kin(4, 3), kin(9, 8)]);
    let mut found: Vec<i32> = below(&children, 1).iter().map(|kin| kin.pid).collect();
    found.sort_unstable();
    assert_eq!(found, [2, 3, 4]);
}

#[test]
fn children_and_theirs_are_found() {
    let helper = Helper::start("exec 3<&0; sh -c 'cat <&3; :' & echo there; cat; :");
    let own = own_children().unwrap();
    let found = own.iter().find(|kin| kin.pid == helper.pid()).unwrap();
    assert!(!found.zombie && !found.dying && found.began > 0);
    // The shell's children, and the `cat` of the first; it may not be there yet.
    let mut count = 0;
    for _ in 0..2000 {
        count = descendants(helper.pid()).unwrap().len();
        if count == 3 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(count, 3);
    assert!(
        !own_children()
            .unwrap()
            .iter()
            .any(|kin| kin.parent == helper.pid())
    );
}

#[test]
fn a_variable_is_found_by_its_whole_name() {
    let helper = Helper::start("echo there; read line");
    let found = |name| variable(helper.pid(), name).unwrap();
    assert_eq!(found("MARKED").as_deref(), Some(&b"with=this"[..]));
    assert_eq!(found("MARK"), None);
    assert!(variable(-1, "MARKED").is_err());
}

#[test]
fn memory_is_that_of_the_whole_tree() {
    let one = Helper::start("echo there; read line");
    // Ten MB in a variable of a shell below a shell.
    let script = "sh -c 'x=$(head -c 10000000 /dev/zero | tr \"\\0\" x); echo there; read line; \
                  echo $x; :'; :";
    let two = Helper::start(script);
    let pid = |helper: &Helper| helper.0.id();
    let told = memory_of_trees(&[pid(&one), u32::MAX, pid(&two)]);
    let [Some(small), None, Some(large)] = told[..] else {
        panic!("{told:?}");
    };
    assert!((10_000..5_000_000).contains(&small), "{small}");
    assert!((10_000_000..100_000_000).contains(&large), "{large}");
    // A zombie is there and holds nothing.
    let mut gone = Command::new("true").spawn().unwrap();
    for _ in 0..2000 {
        if super::one(gone.id().cast_signed()).is_some_and(|kin| kin.zombie) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(memory_of_tree(gone.id()), Some(0));
    gone.wait().unwrap();
    assert_eq!(memory_of_tree(0), None);
}

#[test]
fn kilobytes_are_read_and_nothing_else() {
    let text = b"Rss:  7 kB\nPss:                 123 kB\nPss_Dirty: 5 kB\n";
    assert_eq!(kibibytes(text, "Pss:"), Some(123));
    assert_eq!(kibibytes(b"Pss: many kB", "Pss:"), None);
    assert_eq!(kibibytes(b"Pss: 12 MB", "Pss:"), None);
    assert_eq!(kibibytes(b"", "Pss:"), None);
}

#[test]
fn what_a_program_inherits_is_told_from_what_it_opened() {
    let opened = File::open("/dev/null").unwrap();
    // Without the mark, as a shell hands it over.
    let handed = nix::unistd::dup(&opened).unwrap();
    let inherited = inherited_descriptors();
    assert!(inherited.contains(&handed.as_raw_fd()), "{inherited:?}");
    assert!(!inherited.contains(&opened.as_raw_fd()), "{inherited:?}");
}
