//! The few figures that many short rounds are boiled down to.

/// The middle value; of an even number of values, the lower middle. Zero values give `None`.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The least value.
pub fn least(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

/// The greatest value.
pub fn greatest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}

/// The value below which `share` of the values lie.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    sorted.iter().enumerate().find(|(place, _)| *place as f64 + 1.0 > share * last as f64).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_odd_number_of_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn nothing_of_nothing() {
        assert_eq!(median(&[]), None);
        assert_eq!(least(&[]), None);
    }

    #[test]
    fn the_ends_of_the_range() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 1.0), Some(5.0));
        assert_eq!(greatest(&values), Some(5.0));
    }
}
