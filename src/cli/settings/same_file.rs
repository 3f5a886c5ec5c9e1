//! Whether two paths of the configuration are the same file, however each is written.
use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// How many symbolic links are followed to a file that does not exist.
const LINKS: usize = 40;

/// What two paths have in common if they are the same file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// A file that exists, by its number: hard links share it.
    Number(u64, u64),
    /// The one path of a file that does not exist yet.
    Path(PathBuf),
}

impl Identity {
    /// Looks at the path, and opens and creates nothing.
    pub(super) fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        match fs::metadata(path) {
            Ok(file) => Self::Number(file.dev(), file.ino()),
            Err(_) => Self::Path(target(path)),
        }
    }
}

/// Where a file would be created that is opened at `path`.
fn target(path: &Path) -> PathBuf {
    let mut path = real(path);
    for _ in 0..LINKS {
        let Ok(link) = fs::read_link(&path) else {
            break;
        };
        path = real(&path.parent().unwrap_or(Path::new("")).join(link));
    }
    path
}

/// The path without links, `.` and `..` in the folders that exist.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut real = PathBuf::new();
    let mut steps = absolute.components().peekable();
    while let Some(step) = steps.next() {
        match step {
            Component::ParentDir => drop(real.pop()),
            Component::CurDir => {}
            step => {
                real.push(step);
                // The last one is the file itself.
                if steps.peek().is_some()
                    && let Ok(folder) = real.canonicalize()
                {
                    real = folder;
                }
            }
        }
    }
    real
}
