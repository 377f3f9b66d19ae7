//! Completions for bash, zsh and fish, derived from the tables.
//!
//! All three offer a flag only where it means something: behind `check` what
//! `check` takes. Behind `--` they complete the command that is served.

use crate::cli::commands::{SUB_COMMANDS, Verb, words};
use crate::cli::flags::{FLAGS, Flag, Hint, Takes};

/// The script for bash.
pub fn bash() -> String {
    let mut values = String::new();
    for flag in FLAGS {
        let Takes::Value { hint, .. } = &flag.takes else {
            continue;
        };
        let action = match hint {
            Hint::File => {
                "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\")".to_owned()
            }
            Hint::OneOf(choices) => reply(&choices.join(" ")),
            Hint::Free => ":".to_owned(),
        };
        let names = dashed(flag).join("|");
        values.push_str(&format!("        {names}) {action}; return ;;\n"));
    }
    let mut flags = String::new();
    for row in SUB_COMMANDS.iter().filter(|row| row.verb != Verb::ServeOne) {
        let mut offered: Vec<String> = flags_of(row.verb).flat_map(dashed).collect();
        if row.word.is_none() {
            offered.extend(words().map(str::to_owned));
        }
        let action = reply(&offered.join(" "));
        let word = row.word.unwrap_or("''");
        flags.push_str(&format!("        {word}) {action} ;;\n"));
    }
    BASH.replace("@VALUES@", &values)
        .replace("@FLAGS@", &flags)
        .replace("@WORDS@", &words().collect::<Vec<_>>().join("|"))
        .replace("@TAKERS@", &value_takers().join("|"))
}

/// The script for zsh.
pub fn zsh() -> String {
    let mut flags = String::new();
    for flag in FLAGS {
        let spec = zsh_flag(flag);
        let words = SUB_COMMANDS
            .iter()
            .filter(|row| row.verb != Verb::ServeOne && flag.applies.contains(&row.verb))
            .map(|row| row.word.unwrap_or("''"));
        let words = words.collect::<Vec<&str>>().join("|");
        flags.push_str(&format!(
            "  case $command in {words}) flags+=({spec}) ;; esac\n"
        ));
    }
    let mut commands = String::new();
    for row in SUB_COMMANDS {
        if let Some(word) = row.word {
            let described = format!("{word}:{}", row.short_doc);
            commands.push_str(&format!("    {}\n", quote(&described)));
        }
    }
    ZSH.replace("@FLAGS@", &flags)
        .replace("@COMMANDS@", &commands)
        .replace("@WORDS@", &words().collect::<Vec<_>>().join("|"))
        .replace("@TAKERS@", &value_takers().join("|"))
}

/// The script for fish.
pub fn fish() -> String {
    let mut out = String::from(
        "# Completions of mcproxy for fish, written by \"mcproxy --generate fish\".\n\
         complete -c mcproxy -f\n\
         complete -c mcproxy -n 'contains -- -- (commandline -opc)' -F\n",
    );
    for row in SUB_COMMANDS {
        if let Some(word) = row.word {
            let doc = quote(row.short_doc);
            out.push_str(&format!(
                "complete -c mcproxy -n __fish_use_subcommand -a {word} -d {doc}\n"
            ));
        }
    }
    for flag in FLAGS {
        out.push_str("complete -c mcproxy");
        if let Some(condition) = fish_condition(flag) {
            out.push_str(&format!(" -n {}", quote(&condition)));
        }
        if let Some(letter) = flag.short {
            out.push_str(&format!(" -s {letter}"));
        }
        out.push_str(&format!(" -l {}", flag.long));
        match &flag.takes {
            Takes::Nothing(_) => {}
            Takes::Value { hint, .. } => out.push_str(&match hint {
                Hint::File => " -r -F".to_owned(),
                Hint::OneOf(choices) => format!(" -x -a {}", quote(&choices.join(" "))),
                Hint::Free => " -x".to_owned(),
            }),
        }
        out.push_str(&format!(" -d {}\n", quote(flag.short_doc)));
    }
    out
}

const BASH: &str = r#"# Completions of mcproxy for bash, written by "mcproxy --generate bash".
_mcproxy() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local command='' i
    COMPREPLY=()
    # Bash splits --flag=value at the equals sign.
    if [[ $word == = ]]; then
        word=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --)
            if ((i + 1 == COMP_CWORD)); then
                mapfile -t COMPREPLY < <(compgen -c -- "$word")
            else
                compopt -o filenames
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
            fi
            return ;;
        @TAKERS@) [[ ${COMP_WORDS[i+1]} == = ]] && ((i++)); ((i++)) ;;
        @WORDS@) [[ $command ]] || command=${COMP_WORDS[i]} ;;
        esac
    done
    case $before in
@VALUES@    esac
    case $command in
@FLAGS@    esac
}
complete -F _mcproxy mcproxy
"#;

const ZSH: &str = r#"#compdef mcproxy
# Completions of mcproxy for zsh, written by "mcproxy --generate zsh".
_mcproxy() {
  local -a flags subcommands
  local command='' i
  for ((i = 2; i < CURRENT; i++)); do
    case ${words[i]} in
    --) shift $i words; ((CURRENT -= i)); _normal; return ;;
    @TAKERS@) ((i++)) ;;
    @WORDS@) [[ -n $command ]] || command=${words[i]} ;;
    esac
  done
  subcommands=(
@COMMANDS@  )
@FLAGS@  _arguments -s -S $flags '1: :{_describe "sub-command" subcommands}' '*: :_default'
}
if [[ $funcstack[1] == _mcproxy ]]; then
  _mcproxy "$@"
else
  compdef _mcproxy mcproxy
fi
"#;

fn flags_of(verb: Verb) -> impl Iterator<Item = &'static Flag> {
    FLAGS
        .iter()
        .filter(move |flag| flag.applies.contains(&verb))
}

/// The names as they are typed, the short one first.
fn dashed(flag: &'static Flag) -> Vec<String> {
    let short = flag.short.map(|letter| format!("-{letter}"));
    short
        .into_iter()
        .chain([format!("--{}", flag.long)])
        .collect()
}

/// The names of all flags whose value is the next word.
fn value_takers() -> Vec<String> {
    let takers = FLAGS
        .iter()
        .filter(|flag| matches!(flag.takes, Takes::Value { .. }));
    takers.flat_map(dashed).collect()
}

/// Bash that offers those of `choices` that fit.
fn reply(choices: &str) -> String {
    format!("mapfile -t COMPREPLY < <(compgen -W '{choices}' -- \"$word\")")
}

/// A flag as `_arguments` wants it.
fn zsh_flag(flag: &'static Flag) -> String {
    let doc = escape_colons(flag.short_doc);
    let (assign, action) = match &flag.takes {
        Takes::Nothing(_) => ("", String::new()),
        Takes::Value { name, hint, .. } => (
            "=",
            match hint {
                Hint::File => format!(":{name}:_files"),
                Hint::OneOf(choices) => format!(":{name}:({})", choices.join(" ")),
                Hint::Free => format!(":{name}: "),
            },
        ),
    };
    let tail = format!("{assign}[{doc}]{action}");
    match flag.short {
        None => quote(&format!("--{}{tail}", flag.long)),
        Some(letter) => {
            let short_assign = if assign.is_empty() { "" } else { "+" };
            let rest = format!("[{doc}]{action}");
            format!(
                "{0}{1} {0}{2}",
                quote(&format!("(-{letter} --{})", flag.long)),
                quote(&format!("-{letter}{short_assign}{rest}")),
                quote(&format!("--{}{tail}", flag.long)),
            )
        }
    }
}

/// In an `_arguments` description brackets and colons are syntax.
fn escape_colons(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, ':' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// When fish is to offer a flag; `None` means always.
fn fish_condition(flag: &Flag) -> Option<String> {
    let applying = |wanted: bool| {
        let rows = SUB_COMMANDS
            .iter()
            .filter(move |row| row.word.is_some() && flag.applies.contains(&row.verb) == wanted);
        rows.filter_map(|row| row.word)
            .collect::<Vec<&str>>()
            .join(" ")
    };
    if !flag.applies.contains(&Verb::Serve) {
        return Some(format!("__fish_seen_subcommand_from {}", applying(true)));
    }
    let others = applying(false);
    (!others.is_empty()).then(|| format!("not __fish_seen_subcommand_from {others}"))
}

/// In single quotes, for any of the shells. The texts are ours: a test holds
/// that none has a quote in it.
fn quote(text: &str) -> String {
    format!("'{text}'")
}

#[cfg(test)]
mod tests;
