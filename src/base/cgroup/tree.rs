use std::fs;
use std::path::{Path, PathBuf};

/// A folder of files, which goes when the test ends.
pub(crate) struct Tree(PathBuf);

impl Tree {
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let tree = Self(std::env::temp_dir().join(format!("seaworthy-{name}-{}", std::process::id())));
        for (path, content) in files {
            tree.write(path, content);
        }
        tree
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.0.join(path);
        let folder = path.parent().expect("it is in the tree");
        fs::create_dir_all(folder).expect("it can be made");
        fs::write(path, content).expect("it can be written");
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
