//! Cores of their own for threads that are measured side by side.
//!
//! On a busy machine a scheduler may keep two threads that wait for each other on one core, where neither gains anything
//! from the other.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "elsewhere.rs")]
mod system;

pub use system::{bind, cpu_time};

/// Returns two cores that this thread may use, if there are two.
pub fn two() -> Option<[usize; 2]> {
    far_apart(&system::allowed())
}

/// Returns all cores that this thread may use.
pub fn all() -> Vec<usize> {
    system::allowed()
}

/// Takes the first and the last: neighbours may be two threads of one core, and so may the first and that in the middle.
fn far_apart(allowed: &[usize]) -> Option<[usize; 2]> {
    match allowed {
        [first, .., last] => Some([*first, *last]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{bind, far_apart, two};

    #[test]
    fn two_cores_are_those_farthest_apart() {
        assert_eq!(far_apart(&[2, 3, 5, 7]), Some([2, 7]));
    }

    #[test]
    fn one_core_is_not_two() {
        assert_eq!(far_apart(&[3]), None);
    }

    #[test]
    fn a_thread_has_its_cores_back_after_it_was_bound_to_one() {
        let before = two();
        if let Some([first, _]) = before {
            drop(bind(first));
        }
        assert_eq!(two(), before);
    }
}
