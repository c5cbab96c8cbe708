use std::time::Duration;

use crate::base::criticality::Criticality;
use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of a [`LoadShed`](super::LoadShed).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadShedConfig {
    /// From which pressure on a class is refused, from 0.01 to 1, the class that matters least first. Each may be no
    /// less than the one before. Default 0.7, 0.8, 0.9 and 1.
    pub refuse_from: [f64; 4],
    /// How long calls wait for the inner service when the pressure of its queue is 1, from 1 ms to 60 s; zero if the
    /// queue is no signal. Default 30 ms.
    pub queue_delay: Duration,
}

impl LoadShedConfig {
    /// Returns from which pressure on a class is refused.
    pub fn refuses_from(&self, class: Criticality) -> f64 {
        self.refuse_from[class as usize]
    }
}

impl Default for LoadShedConfig {
    fn default() -> Self {
        Self {
            refuse_from: [0.7, 0.8, 0.9, 1.0],
            queue_delay: Duration::from_millis(30),
        }
    }
}

const LEAST: f64 = 0.01;

impl Validate for LoadShedConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let mut wrong = Vec::new();
        let mut before = LEAST;
        for class in Criticality::ALL {
            let from = self.refuses_from(class);
            if (before..=1.0).contains(&from) {
                before = from;
            } else {
                let key = format!("load_shed.{name}.refuse_from ({class})");
                wrong.push(InvalidSetting::new(
                    key,
                    format!("{from}"),
                    format!("from {before} to 1"),
                ));
            }
        }
        let allowed = Duration::from_millis(1)..=Duration::from_secs(60);
        if !self.queue_delay.is_zero() && !allowed.contains(&self.queue_delay) {
            let key = format!("load_shed.{name}.queue_delay");
            let range = format!("0 or from {:?} to {:?}", allowed.start(), allowed.end());
            wrong.push(InvalidSetting::new(key, format!("{:?}", self.queue_delay), range));
        }
        wrong
    }
}
