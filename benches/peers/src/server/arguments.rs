//! What is asked for.

use std::num::NonZeroUsize;

use super::variants::{self, Variant};

/// Enough for medians to stand still, and little enough for all to take less than six minutes.
const ROUNDS: NonZeroUsize = NonZeroUsize::new(10).expect("it is not zero");

pub(super) enum Wanted {
    /// One variant, in this process.
    Serve(&'static Variant),
    /// These variants, the bare one first.
    Load {
        rounds: NonZeroUsize,
        variants: Vec<&'static Variant>,
    },
    /// Others.
    Nothing,
}

impl Wanted {
    /// Understands `--serve whole`; and `server`, after which may come a number of rounds and names of variants.
    pub(super) fn of(arguments: &[String]) -> Result<Self, String> {
        if let [option, names @ ..] = arguments
            && option == "--serve"
        {
            let name = names.first().map_or("", String::as_str);
            return Variant::named(name).map(Self::Serve);
        }
        // cargo adds `--bench`, and gives every target the names that are asked of one of them.
        let mut wanted = arguments.iter().filter(|argument| !argument.starts_with("--"));
        match wanted.next() {
            None => {}
            Some(bench) if bench == "server" => {}
            Some(_) => return Ok(Self::Nothing),
        }
        let mut rounds = ROUNDS;
        let mut named = vec![&variants::ALL[0]];
        for argument in wanted {
            if argument.starts_with(|first: char| first.is_ascii_digit()) {
                rounds = argument
                    .parse()
                    .map_err(|_| format!("`{argument}` is no number of rounds; it is one or more"))?;
            } else {
                named.push(Variant::named(argument)?);
            }
        }
        if named.len() == 1 {
            named = variants::ALL.iter().collect();
        }
        Ok(Self::Load {
            rounds,
            variants: named,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ROUNDS, Wanted};
    use crate::server::variants::ALL;

    fn load(arguments: &[&str]) -> Result<(usize, Vec<&'static str>), String> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        match Wanted::of(&arguments)? {
            Wanted::Load { rounds, variants } => {
                let names = variants.iter().map(|variant| variant.name);
                Ok((rounds.get(), names.collect()))
            }
            _ => Err("it is no load".to_owned()),
        }
    }

    #[test]
    fn without_more_all_variants_are_measured() {
        let all: Vec<&str> = ALL.iter().map(|variant| variant.name).collect();
        for arguments in [vec![], vec!["--bench"], vec!["server", "--bench"]] {
            assert_eq!(load(&arguments), Ok((ROUNDS.get(), all.clone())));
        }
        assert_eq!(load(&["server", "3"]), Ok((3, all)));
    }

    #[test]
    fn the_bare_server_is_beside_whatever_is_chosen() {
        let chosen = load(&["server", "2", "whole", "five", "--bench"]);
        assert_eq!(chosen, Ok((2, vec!["bare", "whole", "five"])));
    }

    #[test]
    fn no_rounds_are_refused() {
        for number in ["0", "-1", "2.5", "1e3", "99999999999999999999999"] {
            load(&["server", number]).expect_err(number);
        }
    }

    #[test]
    fn whoever_is_to_serve_needs_a_name() {
        load(&["--serve"]).expect_err("it has none");
    }
}
