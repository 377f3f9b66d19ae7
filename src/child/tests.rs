//! The room with real processes. What needs a process of its own, because it
//! adopts orphans or changes signals, is in `adopting` and `sweeping`.

mod adopting;
mod hygiene;
mod sweeping;
mod talking;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use crate::budget::Budget;
use crate::child::reaper::{Orphans, Reaper};
use crate::child::{Handle, Inbox, Recipe, Unsent, start};
use crate::event::{Event, FromChild, Life, Signal};
use crate::procfs;
use crate::wire::envelope::Message;
use crate::wire::outgoing::Outgoing;

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// A recipe for a shell script. The name is kept short: threads are found by it.
fn sh(name: &str, script: &str) -> Recipe {
    Recipe {
        name: name.to_owned(),
        program: PathBuf::from("sh"),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: vec![("PATH".to_owned(), std::env::var("PATH").unwrap())],
        cwd: None,
        line_max: 1024 * 1024,
        message_timeout: DEADLINE,
        queue_slots: 1000,
        taken_messages: crate::limits::TAKEN_MESSAGES,
    }
}

/// What the messages of one child may count.
const BUDGET_BYTES: usize = 1024 * 1024;

/// The one reaper of this test process, which leaves other tests' children alone.
fn shared_reaper() -> &'static Reaper {
    static REAPER: OnceLock<Reaper> = OnceLock::new();
    REAPER.get_or_init(|| Reaper::start(Orphans::Ignore, None).unwrap())
}

/// A life under test.
struct Subject {
    handle: Handle,
    words: Receiver<FromChild>,
}

/// All that a life said, sorted.
#[derive(Debug, Default)]
struct Story {
    pid: Option<u32>,
    how: Option<String>,
    last_words: Option<String>,
    /// In order, `OutputEnded` included, without the words about the process.
    output: Vec<FromChild>,
}

impl Subject {
    fn start(recipe: Recipe) -> Subject {
        Subject::start_with(recipe, shared_reaper())
    }

    fn start_with(recipe: Recipe, reaper: &Reaper) -> Subject {
        static LIVES: AtomicU64 = AtomicU64::new(7);
        let own = Life(LIVES.fetch_add(1, Ordering::Relaxed));
        let (inbox, words) = bounded(1000);
        let inbox: Inbox = Arc::new(move |event| match event {
            Event::Child { life, word } => {
                assert_eq!(life, own);
                // A test that has ended listens no more.
                let _ = inbox.send(word);
            }
            other => panic!("not a child's event: {other:?}"),
        });
        let budget = Budget::new(BUDGET_BYTES);
        let handle = start(own, recipe, (inbox, budget), reaper).unwrap();
        Subject { handle, words }
    }

    /// Sends a message as the dispatcher does that has no other to send.
    fn send(&mut self, message: Outgoing) -> Result<(), Unsent> {
        self.handle.send(message)?;
        self.handle.flush();
        Ok(())
    }

    /// The next word that is not about what was written.
    fn next_but_taken(&self) -> FromChild {
        loop {
            match self.next() {
                FromChild::Taken(_) => {}
                word => return word,
            }
        }
    }

    fn next(&self) -> FromChild {
        self.words.recv_timeout(DEADLINE).expect("a word in time")
    }

    fn spawned(&self) -> u32 {
        match self.next() {
            FromChild::Spawned { pid } => pid,
            other => panic!("Spawned must come first: {other:?}"),
        }
    }

    /// Listens until both ends of the life were told.
    fn story(&self) -> Story {
        let mut story = Story {
            pid: Some(self.spawned()),
            ..Story::default()
        };
        let mut ended = false;
        while story.how.is_none() || !ended {
            match self.next() {
                FromChild::Exited { how, last_words } => {
                    assert_eq!(story.how, None, "one exit");
                    story.how = Some(how);
                    story.last_words = last_words;
                }
                word => {
                    assert!(!ended, "nothing follows OutputEnded: {word:?}");
                    ended = matches!(word, FromChild::OutputEnded);
                    story.output.push(word);
                }
            }
        }
        story
    }
}

/// So that a test that fails leaves no process behind.
impl Drop for Subject {
    fn drop(&mut self) {
        self.handle.signal(Signal::Kill);
    }
}

impl Story {
    fn how(&self) -> &str {
        self.how.as_deref().unwrap()
    }

    fn messages(&self) -> Vec<&Message> {
        let mut messages = Vec::new();
        for word in &self.output {
            if let FromChild::Message { message, .. } = word {
                messages.push(&**message);
            }
        }
        messages
    }
}

fn message(json: &str) -> Outgoing {
    Outgoing::plain(Arc::new(Message::parse(json.as_bytes().to_vec()).unwrap()))
}

/// Waits for what has no event to wait for.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never came true: {what}");
}

/// Waits until no thread of that server is left.
fn threads_end(server: &str) {
    let alive = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .any(|comm| comm.trim_end().ends_with(&format!(":{server}")))
    };
    eventually(&format!("no thread of {server} is left"), || !alive());
}

/// Whether a process is there and no zombie.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Kills a process that a test let go on purpose.
fn kill_stranger(pid: &str) {
    let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

/// Whether a child of this process still waits to be reaped.
fn is_zombie(pid: u32) -> bool {
    procfs::own_children()
        .unwrap()
        .iter()
        .any(|kin| kin.pid.cast_unsigned() == pid && kin.zombie)
}

#[test]
fn an_exit_code_is_told_and_the_threads_end() {
    let subject = Subject::start(sh("code", "exit 3"));
    let story = subject.story();
    assert_eq!(story.how(), "exited with code 3");
    assert_eq!(story.last_words, None);
    assert!(!is_zombie(story.pid.unwrap()));
    drop(subject);
    threads_end("code");
}

#[test]
fn a_signal_is_told() {
    let story = Subject::start(sh("sig", "kill -9 $$")).story();
    assert_eq!(story.how(), "was killed by signal 9 (SIGKILL)");
}

#[test]
fn a_real_time_signal_which_has_no_name_is_told() {
    let story = Subject::start(sh("rtsig", "kill -40 $$")).story();
    assert_eq!(story.how(), "was killed by signal 40");
}

#[test]
fn what_cannot_be_run_is_named() {
    let failed = |recipe: Recipe| {
        let subject = Subject::start(recipe);
        let FromChild::SpawnFailed { why } = subject.next() else {
            panic!("it cannot have been spawned");
        };
        // The channel closes with the last thread: no other word followed.
        assert!(subject.words.recv_timeout(DEADLINE).is_err());
        why
    };
    let mut missing = sh("miss", "");
    missing.program = PathBuf::from("no-such-program");
    let why = failed(missing);
    assert!(
        why.starts_with("cannot run \"no-such-program\": No such file"),
        "{why}"
    );

    let mut nowhere = sh("nowhere", "");
    nowhere.cwd = Some(PathBuf::from("/no/such/place"));
    assert_eq!(
        failed(nowhere),
        "cannot run \"sh\": its working directory \"/no/such/place\" is no directory"
    );

    let mut zero = sh("zero", "");
    zero.args.push("a\0b".to_owned());
    assert!(failed(zero).contains("nul byte"));
    threads_end("miss");
    threads_end("nowhere");
}

#[test]
fn a_missing_interpreter_is_told_from_a_missing_program() {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::temp_dir().join(format!("mcproxy-shebang-{}", std::process::id()));
    std::fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut recipe = sh("shebang", "");
    recipe.program.clone_from(&path);
    let subject = Subject::start(recipe);
    let word = subject.next();
    std::fs::remove_file(&path).unwrap();
    let FromChild::SpawnFailed { why } = word else {
        panic!("it cannot have been spawned: {word:?}");
    };
    assert!(
        why.contains("the interpreter that its first line names"),
        "{why}"
    );
}

#[test]
fn a_grandchild_in_the_group_dies_with_its_parent() {
    // It holds all three pipes open, and would for a quarter of an hour.
    let story = Subject::start(sh("group", "sleep 900 & echo $! >&2; exit 1")).story();
    assert_eq!(story.how(), "exited with code 1");
    let grandchild: u32 = story.last_words.unwrap().parse().unwrap();
    eventually("the grandchild is dead", || !lives(grandchild));
}

#[test]
fn a_grandchild_out_of_reach_does_not_hold_the_life() {
    let script = r#"setsid sleep 900 & echo $! >&2; echo '{"jsonrpc":"2.0","method":"bye"}'"#;
    let story = Subject::start(sh("setsid", script)).story();
    assert_eq!(story.how(), "exited with code 0");
    assert_eq!(story.messages().len(), 1);
    threads_end("setsid");
    kill_stranger(&story.last_words.unwrap());
}

#[test]
fn terminate_reaches_the_whole_group() {
    let subject = Subject::start(sh("term", "sleep 900 & echo $! >&2; wait"));
    subject.handle.signal(Signal::Terminate);
    let story = subject.story();
    assert_eq!(story.how(), "was killed by signal 15 (SIGTERM)");
    if let Some(grandchild) = story.last_words {
        let grandchild = grandchild.parse().unwrap();
        eventually("the grandchild is dead", || !lives(grandchild));
    }
}

#[test]
fn closing_the_input_is_a_polite_request_to_end() {
    let mut subject = Subject::start(sh("polite", "exec cat"));
    subject
        .handle
        .send(message(r#"{"jsonrpc":"2.0","method":"last"}"#))
        .unwrap();
    subject.handle.close_input();
    let story = subject.story();
    assert_eq!(story.how(), "exited with code 0");
    assert_eq!(story.messages().len(), 1, "what waited was written first");
    let refused = subject
        .handle
        .send(message(r#"{"jsonrpc":"2.0","method":"late"}"#));
    assert_eq!(refused, Err(crate::child::Unsent::Closed));
}

#[test]
fn a_child_that_closes_its_output_lives_on_until_it_exits() {
    let mut subject = Subject::start(sh("mute", "exec >&- 2>&-; read line; exit 4"));
    subject.spawned();
    assert!(matches!(subject.next(), FromChild::OutputEnded));
    subject.handle.close_input();
    assert!(matches!(subject.next(), FromChild::Exited { how, .. } if how == "exited with code 4"));
    threads_end("mute");
}

#[test]
fn a_hundred_at_once_each_tell_their_own_story() {
    let script =
        |number| format!(r#"echo '{{"jsonrpc":"2.0","method":"m{number}"}}'; exit {number}"#);
    let subjects: Vec<Subject> = (0..100)
        .map(|number| Subject::start(sh("hundred", &script(number))))
        .collect();
    for (number, subject) in subjects.iter().enumerate() {
        let story = subject.story();
        assert_eq!(story.how(), format!("exited with code {number}"));
        assert_eq!(story.messages().len(), 1);
        assert!(!is_zombie(story.pid.unwrap()));
    }
    drop(subjects);
    threads_end("hundred");
}
