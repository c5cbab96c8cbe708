/// Returns whether nothing is left at one moment, though it is looked for in several places one after another.
///
/// `entered` counts all who ever came, each after he can be seen and before he can go. Who came into a place that was
/// looked at already, before the last one elsewhere went, is seen by the second look; or he has gone meanwhile, and counts.
pub(super) fn is_idle(entered: impl Fn() -> u64, is_empty: impl Fn() -> bool) -> bool {
    let before = entered();
    is_empty() && is_empty() && before == entered()
}
