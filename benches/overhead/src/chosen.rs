//! What is asked for.

use seaworthy_harness::comparison::Comparison;

use crate::rows;

/// Returns the comparisons in whose titles one of `wanted` stands, or all; what they are measured in must have been entered.
pub(crate) fn chosen(wanted: &[&str]) -> Result<Vec<Comparison>, String> {
    let mut comparisons = rows::all();
    let titles: Vec<String> = comparisons.iter().map(|comparison| comparison.title.clone()).collect();
    let unknown = |name: &&&str| !titles.iter().any(|title| title.contains(**name));
    if let Some(unknown) = wanted.iter().find(unknown) {
        return Err(format!(
            "no comparison is called `{unknown}`; there are: {}",
            titles.join(" | ")
        ));
    }
    let is_wanted = |title: &str| wanted.is_empty() || wanted.iter().any(|wanted| title.contains(wanted));
    comparisons.retain(|comparison| is_wanted(&comparison.title));
    Ok(comparisons)
}

#[cfg(test)]
mod tests {
    use seaworthy_harness::surroundings::Surroundings;

    use super::chosen;
    use crate::rows;

    fn titles(wanted: &[&str]) -> Result<Vec<String>, String> {
        let surroundings = Surroundings::new().expect("the runtime starts");
        let _entered = surroundings.enter();
        Ok(chosen(wanted)?.into_iter().map(|comparison| comparison.title).collect())
    }

    #[test]
    fn a_part_of_its_title_chooses_a_comparison() {
        assert_eq!(titles(&["route"]), Ok(vec!["a route of axum".to_owned()]));
        assert_eq!(
            titles(&["refused"]).map(|titles| titles.len()),
            Ok(2),
            "plain and over HTTP"
        );
    }

    #[test]
    fn without_a_title_all_are_chosen() {
        let surroundings = Surroundings::new().expect("the runtime starts");
        let _entered = surroundings.enter();
        assert_eq!(chosen(&[]).map(|all| all.len()), Ok(rows::all().len()));
    }

    #[test]
    fn an_unknown_title_is_refused_with_those_that_there_are() {
        let refusal = titles(&["route", "valve"]).expect_err("there is no valve");
        assert!(
            refusal.contains("`valve`") && refusal.contains("a route of axum"),
            "{refusal}"
        );
    }
}
