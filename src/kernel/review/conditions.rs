//! What a policy asks before a change may run: how many people, of which groups, and in which hours.
//!
//! One person is one vote and fills one place, however many groups they are in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Instant;

/// Asked of those who approve. Several policies' entries join to the strictest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Distinct people, at least.
    pub people: u32,
    /// Among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
    /// Groups whose members may let it through alone; empty: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub break_glass: Vec<String>,
    /// It may run while one window of each set is open; none: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Vec<Window>>,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { people: 1, needs: Vec::new(), break_glass: Vec::new(), windows: Vec::new() }
    }
}

/// One place that somebody of any of these groups has to fill.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    pub groups: Vec<String>,
}

/// Somebody's approval, with the groups they were in when they gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vote {
    pub by: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    pub at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Hours of the week, in UTC. One that ends before it begins goes on past midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// One bit for each day on which it begins; Monday is the lowest.
    pub days: u8,
    /// Minutes after midnight; it is open from the first and no longer in the second.
    pub from: u16,
    pub to: u16,
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u16 = 1_440;
const MINUTE_US: i64 = 60_000_000;

impl Conditions {
    /// Both have to be met.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.people = self.people.max(other.people);
        for need in other.needs {
            if !self.needs.contains(&need) {
                self.needs.push(need);
            }
        }
        self.needs.sort();
        self.break_glass.retain(|group| other.break_glass.contains(group));
        for windows in other.windows {
            if !self.windows.contains(&windows) {
                self.windows.push(windows);
            }
        }
        self
    }

    /// What is missing, in words; nothing: it may run.
    #[must_use]
    pub fn missing(&self, votes: &[Vote]) -> Vec<String> {
        let filled = self.filled(votes);
        let mut missing: Vec<String> = Vec::new();
        for (need, _) in filled.iter().enumerate().filter(|(_, vote)| vote.is_none()) {
            missing.push(format!("one of {}", self.welcome(need, votes, &filled).join(" or ")));
        }
        let places = filled.iter().filter(|vote| vote.is_none()).count();
        let more = (self.people as usize).saturating_sub(votes.len()).saturating_sub(places);
        match more {
            0 => {}
            1 => missing.push("one more person".to_owned()),
            more => missing.push(format!("{more} more people")),
        }
        missing
    }

    /// Whether one more vote, of a member of these groups, would bring it nearer.
    #[must_use]
    pub fn is_helped_by(&self, votes: &[Vote], groups: &[String]) -> bool {
        let mut more = votes.to_vec();
        more.push(Vote { by: String::new(), groups: groups.to_vec(), at: Instant(0), note: None });
        self.places_open(&more) < self.places_open(votes)
    }

    /// How many more have to vote at least.
    fn places_open(&self, votes: &[Vote]) -> usize {
        let open = self.filled(votes).iter().filter(|vote| vote.is_none()).count();
        open.max((self.people as usize).saturating_sub(votes.len()))
    }

    /// Which vote fills which need: as many needs as can be filled, no vote twice.
    fn filled(&self, votes: &[Vote]) -> Vec<Option<usize>> {
        let mut of_need: Vec<Option<usize>> = vec![None; self.needs.len()];
        for at in 0..self.needs.len() {
            let mut tried = vec![false; votes.len()];
            self.place(at, votes, &mut of_need, &mut tried);
        }
        of_need
    }

    /// Groups of which one more person fills this need: also those of needs whose vote could fill it as well, since
    /// who has voted stands where nobody else fits.
    fn welcome(&self, need: usize, votes: &[Vote], of_need: &[Option<usize>]) -> Vec<&str> {
        let mut open = vec![need];
        let mut at = 0;
        while let Some(wanted) = open.get(at).and_then(|need| self.needs.get(*need)) {
            at += 1;
            let fits = |vote: &usize| votes.get(*vote).is_some_and(|vote| wanted.takes(vote));
            let movable = of_need.iter().enumerate().filter(|(_, vote)| vote.as_ref().is_some_and(fits));
            let movable: Vec<usize> = movable.map(|(other, _)| other).filter(|other| !open.contains(other)).collect();
            open.extend(movable);
        }
        let mut groups: Vec<&str> = Vec::new();
        for group in open.iter().filter_map(|need| self.needs.get(*need)).flat_map(|need| &need.groups) {
            if !groups.contains(&group.as_str()) {
                groups.push(group);
            }
        }
        groups
    }

    /// Finds a vote for a need, moving others to where they fit as well.
    fn place(&self, need: usize, votes: &[Vote], of_need: &mut Vec<Option<usize>>, tried: &mut [bool]) -> bool {
        let Some(wanted) = self.needs.get(need) else { return false };
        for (n, vote) in votes.iter().enumerate() {
            let Some(seen) = tried.get_mut(n).filter(|seen| wanted.takes(vote) && !**seen) else { continue };
            *seen = true;
            let holder = of_need.iter().position(|held| *held == Some(n));
            if holder.is_none_or(|holder| self.place(holder, votes, of_need, tried)) {
                if let Some(slot) = of_need.get_mut(need) {
                    *slot = Some(n);
                }
                return true;
            }
        }
        false
    }

    /// Whether it may run at this time.
    #[must_use]
    pub fn is_open(&self, at: Instant) -> bool {
        self.windows.iter().all(|windows| windows.iter().any(|window| window.is_open(at)))
    }

    /// The first time at or after `at` at which it may run; `None`: never.
    #[must_use]
    pub fn opens(&self, at: Instant) -> Option<Instant> {
        if self.is_open(at) {
            return Some(at);
        }
        let minute = at.0.div_euclid(MINUTE_US);
        // Windows begin at whole minutes and come again every week.
        let ahead = (1..=i64::from(DAY) * 8).map(|ahead| Instant((minute + ahead).saturating_mul(MINUTE_US)));
        ahead.into_iter().find(|at| self.is_open(*at))
    }
}

impl Need {
    fn takes(&self, vote: &Vote) -> bool {
        vote.groups.iter().any(|group| self.groups.contains(group))
    }
}

impl Window {
    /// Reads `Mon-Fri 22:00-04:00`, `Sat,Sun 08:00-18:00` or `09:00-17:00` (every day).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (days, hours) = text.trim().rsplit_once(' ').unwrap_or(("Mon-Sun", text.trim()));
        let (from, to) = hours.split_once('-')?;
        let window = Self { days: days_of(days)?, from: minute_of(from)?, to: minute_of(to)? };
        (window.from != window.to && window.from < DAY).then_some(window)
    }

    fn is_open(self, at: Instant) -> bool {
        let minutes = at.0.div_euclid(MINUTE_US);
        let minute = u16::try_from(minutes.rem_euclid(i64::from(DAY))).unwrap_or_default();
        // The epoch was a Thursday.
        let day = (minutes.div_euclid(i64::from(DAY)) + 3).rem_euclid(7);
        let begins_on = |day: i64| self.days & (1 << day.rem_euclid(7)) != 0;
        if self.from < self.to {
            return begins_on(day) && (self.from..self.to).contains(&minute);
        }
        (begins_on(day) && minute >= self.from) || (begins_on(day - 1) && minute < self.to)
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days = DAYS.iter().enumerate().filter(|(n, _)| self.days & (1 << n) != 0).map(|(_, day)| *day);
        let days = days.collect::<Vec<_>>().join(",");
        let (from, to) = (self.from, self.to);
        write!(f, "{days} {:02}:{:02}-{:02}:{:02} UTC", from / 60, from % 60, to / 60, to % 60)
    }
}

fn days_of(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name.trim()));
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let mut at = first;
        loop {
            days |= 1 << at;
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Some(days)
}

fn minute_of(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then(|| hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vote(by: &str, groups: &[&str]) -> Vote {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Vote { by: by.into(), groups, at: Instant(0), note: None }
    }

    fn need(groups: &str) -> Need {
        Need { groups: groups.split('|').map(str::to_owned).collect() }
    }

    #[test]
    fn one_person_fills_one_place() {
        let conditions = Conditions { needs: vec![need("dba"), need("billing|shop")], ..Conditions::default() };
        let both = vote("ann", &["dba", "billing"]);
        for (votes, missing) in [
            (vec![], "one of dba, one of billing or shop"),
            // Whoever comes next, Ann stands for the others.
            (vec![both.clone()], "one of billing or shop or dba"),
            (vec![vote("bob", &["dba"])], "one of billing or shop"),
            (vec![vote("bob", &["dba"]), vote("cy", &["dba"])], "one of billing or shop"),
            // Ann came first and stood for the DBAs; with Bob she stands for the owners.
            (vec![both.clone(), vote("bob", &["dba"])], ""),
            (vec![both.clone(), vote("dan", &["shop"])], ""),
            (vec![vote("eve", &[]), vote("fay", &[])], "one of dba, one of billing or shop"),
        ] {
            assert_eq!(conditions.missing(&votes).join(", "), missing, "{votes:?}");
        }
        let open = [vote("bob", &["dba"])];
        for (groups, helps) in [(["shop"], true), (["billing"], true), (["dba"], false), (["other"], false)] {
            assert_eq!(conditions.is_helped_by(&open, &groups.map(str::to_owned)), helps, "{groups:?}");
        }
        let three = Conditions { people: 3, ..conditions };
        assert!(three.is_helped_by(&open, &[]), "anybody may be the third");
        assert_eq!(three.missing(&[]).join(", "), "one of dba, one of billing or shop, one more person");
        assert_eq!(three.missing(&[both, vote("bob", &["dba"])]).join(", "), "one more person");
    }

    #[test]
    fn windows_open_and_close() {
        // 1970-01-01 was a Thursday.
        let at = |day: i64, hour: i64, minute: i64| Instant((day * 1_440 + hour * 60 + minute) * MINUTE_US);
        for (text, when, open) in [
            ("Thu 09:00-17:00", at(0, 9, 0), true),
            ("Thu 09:00-17:00", at(0, 17, 0), false),
            ("Mon-Wed 09:00-17:00", at(0, 12, 0), false),
            ("Fri-Mon 09:00-17:00", at(4, 12, 0), true),
            ("22:00-04:00", at(0, 23, 0), true),
            ("Thu 22:00-04:00", at(1, 3, 59), true),
            ("Thu 22:00-04:00", at(1, 4, 0), false),
            ("Thu 22:00-04:00", at(0, 3, 0), false),
            ("Thu 00:00-24:00", at(0, 23, 59), true),
        ] {
            let window = Window::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(window.is_open(when), open, "{text} at {when:?}");
        }
        for text in ["", "Mon", "Mon 9-17", "Mon 09:00-09:00", "Foo 09:00-10:00", "Mon 09:00-25:00", "Mon 24:00-01:00"]
        {
            assert_eq!(Window::parse(text), None, "{text}");
        }
        let window = |text| Window::parse(text).map(|window| vec![window]).unwrap_or_default();
        let both = Conditions {
            windows: vec![window("Thu-Fri 08:00-12:00"), window("Fri 10:00-18:00")],
            ..Conditions::default()
        };
        assert_eq!(both.opens(at(0, 9, 0)), Some(at(1, 10, 0)));
        assert_eq!(both.opens(at(1, 11, 0)), Some(at(1, 11, 0)));
        let never =
            Conditions { windows: vec![window("Thu 08:00-12:00"), window("Fri 10:00-18:00")], ..Conditions::default() };
        assert_eq!(never.opens(at(0, 0, 0)), None);
    }
}
