//! Where figures are left.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns a folder in that which cargo builds in, and makes it if it is not there.
pub fn folder() -> io::Result<PathBuf> {
    let binary = env::current_exe()?;
    let target = target(&binary).ok_or_else(|| io::Error::other("the binary is in no target folder"))?;
    let folder = target.join("overhead");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Returns what is above the folder of the profile; cargo puts benches one folder deeper than programs.
fn target(binary: &Path) -> Option<&Path> {
    let folder = binary.parent()?;
    let profile = if folder.ends_with("deps") {
        folder.parent()?
    } else {
        folder
    };
    profile.parent()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::target;

    #[test]
    fn programs_and_benches_have_the_same_folder() {
        for binary in ["/code/target/release/overhead", "/code/target/release/deps/server-1f"] {
            assert_eq!(target(Path::new(binary)), Some(Path::new("/code/target")));
        }
    }

    #[test]
    fn a_binary_that_is_nowhere_has_none() {
        assert_eq!(target(Path::new("/server")), None);
    }
}
