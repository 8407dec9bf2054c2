//! One trie and how many leaves change in it at once.
//!
//! The changed leaves, sorted, walk down from the root together and part where their keys do, so
//! that each node above them is read once, written once and hashed once. What stands at a place
//! afterwards is told to the place above, because only there it is known whether an edge ends here
//! or runs on: where a deletion leaves a binary node with one side, that side joins the edge.

use pathfinder_crypto::Felt;

use super::{
    TrieReader, Writes,
    node::{Edge, Node, Trie, damaged, split_felt},
    path::{Path, Place},
};
use crate::Error;

/// With fewer changes the two subtrees of a node are not worth two threads: a change costs some
/// ten hashes of about 10 µs.
const PARALLEL_CHANGES_MIN: usize = 16;

/// One trie of the tip.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a> {
    reader: &'a dyn TrieReader,
    trie: Trie,
}

/// A new value for a leaf; zero deletes it.
///
/// Sorts by path, and equal paths by value, so that not even keys beyond the height of the trie
/// make the order of the input matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    pub(super) path: Path,
    pub(super) value: Felt,
}

/// What stands at a place.
#[derive(Clone, Copy)]
enum Subtree {
    /// No leaf.
    Empty,
    /// A leaf or a binary node with this hash; nothing above can change it any more.
    Whole(Felt),
    /// Any node with this hash, as it is stored.
    Unread(Felt),
    /// An edge that is not written yet: it may turn out to start further up.
    Edge {
        edge: Edge,
        /// Whether an older node is stored at this place, to be replaced or deleted.
        stored: bool,
    },
}

/// A place, and whether an older node is stored there, to be replaced or deleted.
#[derive(Clone, Copy)]
struct Spot {
    place: Place,
    stored: bool,
}

impl<'a> Tree<'a> {
    pub(super) fn new(reader: &'a dyn TrieReader, trie: Trie) -> Self {
        Self { reader, trie }
    }

    /// The hash of the whole trie, zero if it is empty. Reads one node, computes nothing.
    pub(super) fn root(&self) -> Result<Felt, Error> {
        Ok(self.read_root()?.map_or(Felt::ZERO, |(hash, _)| hash))
    }

    /// Applies changes in any order. Returns the new root, and `None` if no leaf changed.
    pub(super) fn update(
        &self,
        mut changes: Vec<Change>,
        writes: &mut Writes,
    ) -> Result<Option<Felt>, Error> {
        changes.sort_unstable();
        changes.dedup_by_key(|change| change.path);

        let spot = Spot { place: Place::ROOT, stored: true };
        let root = match self.read_root()? {
            None => self.revise(Place::ROOT, Subtree::Empty, &changes, writes)?,
            _ if changes.is_empty() => None,
            Some((_, node)) => self.revise_node(spot, node, &changes, writes)?,
        };
        Ok(root.map(|root| self.settle(Place::ROOT, root, writes)))
    }

    /// Applies changes below a place where `old` stands. `None` if that changed nothing.
    fn revise(
        &self,
        place: Place,
        old: Subtree,
        changes: &[Change],
        writes: &mut Writes,
    ) -> Result<Option<Subtree>, Error> {
        let Some(change) = changes.first() else {
            return Ok(None);
        };
        match old {
            Subtree::Empty => self.grow(place, changes, writes),
            Subtree::Edge { edge, stored } => {
                self.revise_edge(Spot { place, stored }, edge, changes, writes)
            }
            Subtree::Whole(value) | Subtree::Unread(value) if place.is_leaf() => {
                Ok((value != change.value).then(|| Subtree::of_leaf(change.value)))
            }
            Subtree::Whole(_) | Subtree::Unread(_) => {
                let node = self.read(place)?;
                self.revise_node(Spot { place, stored: true }, node, changes, writes)
            }
        }
    }

    fn revise_node(
        &self,
        spot: Spot,
        node: Node,
        changes: &[Change],
        writes: &mut Writes,
    ) -> Result<Option<Subtree>, Error> {
        match node {
            Node::Binary { left, right } => {
                let old = [Subtree::Unread(left), Subtree::Unread(right)];
                self.revise_fork(spot, old, changes, writes)
            }
            Node::Edge(edge) => self.revise_edge(spot, edge, changes, writes),
        }
    }

    /// Applies changes on both sides of a place.
    fn revise_fork(
        &self,
        spot: Spot,
        old: [Subtree; 2],
        changes: &[Change],
        writes: &mut Writes,
    ) -> Result<Option<Subtree>, Error> {
        let depth = spot.place.depth;
        let (to_left, to_right) =
            changes.split_at(changes.partition_point(|change| !change.path.is_right(depth)));
        let [left_place, right_place] = spot.place.children();

        let (left, right) =
            if changes.len() < PARALLEL_CHANGES_MIN || to_left.is_empty() || to_right.is_empty() {
                (
                    self.revise(left_place, old[0], to_left, writes)?,
                    self.revise(right_place, old[1], to_right, writes)?,
                )
            } else {
                let mut right_writes = Writes::new();
                let (left, right) = rayon::join(
                    || self.revise(left_place, old[0], to_left, writes),
                    || self.revise(right_place, old[1], to_right, &mut right_writes),
                );
                writes.append(&mut right_writes);
                (left?, right?)
            };
        if left.is_none() && right.is_none() {
            return Ok(None);
        }
        let new = [left.unwrap_or(old[0]), right.unwrap_or(old[1])];
        self.join(spot, new, writes).map(Some)
    }

    /// Applies changes to an edge that starts at `spot`: all of them pass it, or it breaks where
    /// the first one leaves it.
    fn revise_edge(
        &self,
        spot: Spot,
        edge: Edge,
        changes: &[Change],
        writes: &mut Writes,
    ) -> Result<Option<Subtree>, Error> {
        // Whatever lies between two paths shares with the edge what both share with it.
        let kept = [changes.first(), changes.last()]
            .into_iter()
            .flatten()
            .fold(edge.end, |kept, change| kept.min(change.path.shared(edge.path)));
        let place = Place::on(edge.path, kept);

        let new = if kept == edge.end {
            self.revise(place, Subtree::Whole(edge.child), changes, writes)?
        } else {
            let rest = if kept + 1 == edge.end {
                Subtree::Whole(edge.child)
            } else {
                Subtree::Edge { edge, stored: false }
            };
            let old = if edge.path.is_right(kept) {
                [Subtree::Empty, rest]
            } else {
                [rest, Subtree::Empty]
            };
            let fork = Spot { place, stored: spot.stored && place == spot.place };
            self.revise_fork(fork, old, changes, writes)?
        };
        match new {
            Some(new) if place != spot.place => self.lift(spot, place, new, writes).map(Some),
            unlifted => Ok(unlifted),
        }
    }

    /// Makes a subtree of changes where nothing was. `None` if they are all deletions.
    fn grow(
        &self,
        place: Place,
        changes: &[Change],
        writes: &mut Writes,
    ) -> Result<Option<Subtree>, Error> {
        let is_leaf = |change: &Change| !change.value.is_zero();
        let (Some(start), Some(end)) =
            (changes.iter().position(is_leaf), changes.iter().rposition(is_leaf))
        else {
            return Ok(None);
        };
        let (first, last) = (changes[start], changes[end]);
        let fork = Place::on(first.path, first.path.shared(last.path));
        let new = if fork.is_leaf() {
            Some(Subtree::Whole(first.value))
        } else {
            let spot = Spot { place: fork, stored: false };
            self.revise_fork(spot, [Subtree::Empty; 2], &changes[start..=end], writes)?
        };
        match new {
            Some(new) if fork != place => {
                self.lift(Spot { place, stored: false }, fork, new, writes).map(Some)
            }
            unlifted => Ok(unlifted),
        }
    }

    /// What stands at a place with these two sides below it.
    fn join(&self, spot: Spot, sides: [Subtree; 2], writes: &mut Writes) -> Result<Subtree, Error> {
        let [left_place, right_place] = spot.place.children();
        match sides {
            [Subtree::Empty, only] => self.lift(spot, right_place, only, writes),
            [only, Subtree::Empty] => self.lift(spot, left_place, only, writes),
            [left, right] => {
                let left = self.settle(left_place, left, writes);
                let right = self.settle(right_place, right, writes);
                let hash = self.trie.hash(left, right);
                self.write(spot.place, hash, Node::Binary { left, right }, writes);
                Ok(Subtree::Whole(hash))
            }
        }
    }

    /// What stands at `spot` if the only way down from it leads to what stands at `below`.
    fn lift(
        &self,
        spot: Spot,
        below: Place,
        only: Subtree,
        writes: &mut Writes,
    ) -> Result<Subtree, Error> {
        let to_here = |child| Edge { path: below.path, end: below.depth, child };
        let edge = match only {
            Subtree::Empty => {
                if spot.stored {
                    self.delete(spot.place, writes);
                }
                return Ok(Subtree::Empty);
            }
            Subtree::Whole(hash) => to_here(hash),
            Subtree::Unread(hash) if below.is_leaf() => to_here(hash),
            Subtree::Unread(hash) => match self.read(below)? {
                Node::Binary { .. } => to_here(hash),
                Node::Edge(edge) => {
                    self.delete(below, writes);
                    edge
                }
            },
            Subtree::Edge { edge, stored } => {
                if stored {
                    self.delete(below, writes);
                }
                edge
            }
        };
        Ok(Subtree::Edge { edge, stored: spot.stored })
    }

    /// The hash of what stands at a place, for good; an edge starts here and is written.
    fn settle(&self, place: Place, subtree: Subtree, writes: &mut Writes) -> Felt {
        match subtree {
            Subtree::Empty => Felt::ZERO,
            Subtree::Whole(hash) | Subtree::Unread(hash) => hash,
            Subtree::Edge { edge, .. } => {
                let hash = self.trie.hash_edge(place.depth, &edge);
                self.write(place, hash, Node::Edge(edge), writes);
                hash
            }
        }
    }

    fn write(&self, place: Place, hash: Felt, node: Node, writes: &mut Writes) {
        let mut value = node.encode(place.depth);
        if place == Place::ROOT {
            // Nobody above holds the hash of the root, and it is asked for often.
            value.splice(..0, *hash.as_be_bytes());
        }
        writes.push((self.trie.key(place), Some(value)));
    }

    fn delete(&self, place: Place, writes: &mut Writes) {
        writes.push((self.trie.key(place), None));
    }

    /// The node at a place below the root, where there must be one.
    pub(super) fn read(&self, place: Place) -> Result<Node, Error> {
        let key = self.trie.key(place);
        let value = self.reader.node(&key)?;
        value.and_then(|value| Node::decode(&value, place)).ok_or_else(|| damaged(&key))
    }

    /// The hash of the root and its node, `None` if the trie is empty.
    pub(super) fn read_root(&self) -> Result<Option<(Felt, Node)>, Error> {
        let key = self.trie.key(Place::ROOT);
        let Some(value) = self.reader.node(&key)? else {
            return Ok(None);
        };
        split_felt(&value)
            .and_then(|(hash, node)| Some((hash, Node::decode(node, Place::ROOT)?)))
            .map(Some)
            .ok_or_else(|| damaged(&key))
    }
}

impl Subtree {
    fn of_leaf(value: Felt) -> Self {
        if value.is_zero() { Self::Empty } else { Self::Whole(value) }
    }
}
