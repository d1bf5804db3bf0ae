//! What can be lost, in all combinations: WAN, call database and hosted PBX make a cube, and a run or a drill walks along
//! its edges.

use std::fmt;

use crate::Situation;

/// One of the three that can be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The line to everything outside.
    Wan,
    /// The call database.
    Database,
    /// The hosted PBX itself.
    Hosted,
}

/// Whether a part is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// It works.
    Up,
    /// It does not.
    Down,
}

/// A corner of the cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corner {
    conditions: [Condition; PARTS.len()],
}

/// A way from one corner to the next: one part is lost or comes back while the other two stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    from: Corner,
    part: Part,
}

const PARTS: [Part; 3] = [Part::Wan, Part::Database, Part::Hosted];
const SITUATIONS: [Situation; 5] = [
    Situation::Ringing,
    Situation::EarlyMedia,
    Situation::Up,
    Situation::Held,
    Situation::Transferring,
];
const CORNERS: usize = 1 << PARTS.len();
const EDGES: usize = CORNERS * PARTS.len();

impl Corner {
    /// Everything works.
    pub const WHOLE: Corner = Corner {
        conditions: [Condition::Up; PARTS.len()],
    };

    /// How a part is.
    pub fn condition(self, part: Part) -> Condition {
        self.conditions[part as usize]
    }

    /// The way on which this part changes.
    pub fn edge(self, part: Part) -> Edge {
        Edge { from: self, part }
    }

    fn index(self) -> usize {
        let bits = self.conditions.iter().enumerate();
        bits.map(|(at, condition)| (*condition as usize) << at).sum()
    }

    fn all() -> impl Iterator<Item = Corner> {
        let condition = |bits: usize, at: usize| {
            if bits >> at & 1 == 0 {
                Condition::Up
            } else {
                Condition::Down
            }
        };
        (0..CORNERS).map(move |bits| Corner {
            conditions: std::array::from_fn(|at| condition(bits, at)),
        })
    }
}

impl Edge {
    /// Where it begins.
    pub fn from(self) -> Corner {
        self.from
    }

    /// Where it leads.
    pub fn to(self) -> Corner {
        let mut to = self.from;
        to.conditions[self.part as usize] = match self.from.condition(self.part) {
            Condition::Up => Condition::Down,
            Condition::Down => Condition::Up,
        };
        to
    }

    /// Along every edge once, each from where the one before it led; from and to where everything works (Hierholzer).
    pub fn tour() -> Vec<Edge> {
        let mut walked = [0; CORNERS];
        let mut way = vec![(Corner::WHOLE, None)];
        let mut tour = Vec::new();
        while let Some((corner, came)) = way.last().copied() {
            let next = &mut walked[corner.index()];
            if let Some(part) = PARTS.get(*next) {
                *next += 1;
                let edge = corner.edge(*part);
                way.push((edge.to(), Some(edge)));
            } else {
                way.pop();
                tour.extend(came);
            }
        }
        tour.reverse();
        tour
    }

    /// The part that changes.
    pub fn part(self) -> Part {
        self.part
    }

    fn index(self) -> usize {
        self.from.index() * PARTS.len() + self.part as usize
    }

    fn all() -> impl Iterator<Item = Edge> {
        Corner::all().flat_map(|from| PARTS.into_iter().map(move |part| from.edge(part)))
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in PARTS {
            let word = match (self.from.condition(part), part == self.part) {
                (Condition::Up, true) => "lost",
                (Condition::Down, true) => "back",
                (Condition::Up, false) => "up",
                (Condition::Down, false) => "down",
            };
            write!(f, "{word:<10}")?;
        }
        Ok(())
    }
}

/// How often each edge was walked, and how often with a call in each situation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    walks: [u64; EDGES],
    calls: [[u64; SITUATIONS.len()]; EDGES],
}

impl Coverage {
    /// An edge was walked while calls were in these situations.
    pub fn walked(&mut self, edge: Edge, situations: &[Situation]) {
        self.walks[edge.index()] += 1;
        for (situation, count) in SITUATIONS.iter().zip(&mut self.calls[edge.index()]) {
            *count += u64::from(situations.contains(situation));
        }
    }

    /// Adds what another run walked.
    pub fn add(&mut self, other: &Coverage) {
        for edge in 0..EDGES {
            self.walks[edge] += other.walks[edge];
            for (own, more) in self.calls[edge].iter_mut().zip(other.calls[edge]) {
                *own += more;
            }
        }
    }

    /// Edges that were never walked with a call in some situation.
    pub fn missing(&self) -> Vec<(Edge, Situation)> {
        let cells = Edge::all().flat_map(|edge| {
            SITUATIONS
                .into_iter()
                .zip(self.calls[edge.index()])
                .map(move |it| (edge, it))
        });
        let never = cells.filter(|(_, (_, count))| *count == 0);
        never.map(|(edge, (situation, _))| (edge, situation)).collect()
    }
}

/// A line for each edge.
impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10}{:<10}{:<10}{:>7}  of these with a call",
            "WAN", "database", "hosted", "walks"
        )?;
        writeln!(
            f,
            "{:37}{:>9}{:>7}{:>7}{:>7}{:>14}",
            "", "ringing", "early", "up", "held", "transferring"
        )?;
        for edge in Edge::all() {
            let [ringing, early, up, held, transferring] = self.calls[edge.index()];
            let walks = self.walks[edge.index()];
            writeln!(
                f,
                "{edge}{walks:>7}{ringing:>9}{early:>7}{up:>7}{held:>7}{transferring:>14}"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_has_a_place_of_its_own_and_a_way_back() {
        let mut places: Vec<usize> = Edge::all().map(Edge::index).collect();
        places.sort_unstable();
        assert_eq!(places, (0..24).collect::<Vec<_>>());
        for edge in Edge::all() {
            assert_eq!(edge.to().edge(edge.part()).to(), edge.from, "{edge}");
        }
    }

    #[test]
    fn the_tour_walks_every_edge_once_and_never_jumps() {
        let tour = Edge::tour();
        let mut at = Corner::WHOLE;
        for edge in &tour {
            assert_eq!(edge.from, at, "{edge}");
            at = edge.to();
        }
        assert_eq!(at, Corner::WHOLE);
        let mut places: Vec<usize> = tour.into_iter().map(Edge::index).collect();
        places.sort_unstable();
        assert_eq!(places, (0..24).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_never_visited_is_missing() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.missing().len(), 120);
        let edge = Corner::WHOLE.edge(Part::Wan);
        coverage.walked(edge, &[Situation::Up, Situation::Up, Situation::Held]);
        let mut sum = Coverage::default();
        sum.add(&coverage);
        assert_eq!(sum.missing().len(), 118);
        assert!(sum.missing().contains(&(edge, Situation::Ringing)));
        assert!(!sum.missing().contains(&(edge, Situation::Held)));
        assert!(
            sum.to_string()
                .contains("lost      up        up              1        0      0      1      1")
        );
    }
}
