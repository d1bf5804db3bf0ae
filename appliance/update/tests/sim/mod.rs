//! A file system in memory that loses what was not synchronised when the power is cut.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;

use branchline_update::Disk;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

#[derive(Clone, Debug, PartialEq)]
enum Node {
    File(usize),
    Link(String),
    Directory,
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, Node),
    Rename(String, String),
    Remove(String),
}

type Tree = BTreeMap<String, Node>;

/// What a power cut leaves is in `durable`, `files[n].1` and a part of `changes`.
#[derive(Debug)]
pub(crate) struct SimDisk {
    tree: Tree,
    durable: Tree,
    /// Names changed since, in order.
    changes: Vec<Change>,
    /// Contents now, and those that are durable.
    files: Vec<(Vec<u8>, Vec<u8>)>,
    /// Operations until the power goes.
    left: Cell<Option<u32>>,
    rng: ChaCha12Rng,
}

impl SimDisk {
    pub(crate) fn new(seed: u64) -> SimDisk {
        SimDisk {
            tree: Tree::new(),
            durable: Tree::new(),
            changes: Vec::new(),
            files: Vec::new(),
            left: Cell::new(None),
            rng: ChaCha12Rng::seed_from_u64(seed),
        }
    }

    /// The power goes at the operation after so many; `None` never.
    pub(crate) fn cut_after(&mut self, operations: Option<u32>) {
        self.left.set(operations);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.left.get() == Some(0)
    }

    /// The power comes back: some of what was not synchronised is there, in the order it was done.
    pub(crate) fn power_up(&mut self) {
        let kept = self.rng.next_u64() as usize % (self.changes.len() + 1);
        for change in self.changes.drain(..).take(kept) {
            apply(&mut self.durable, &change);
        }
        self.tree = self.durable.clone();
        for (now, durable) in &mut self.files {
            if now != durable && self.rng.next_u64().is_multiple_of(2) {
                let part = self.rng.next_u64() as usize % (now.len() + 1);
                durable.clear();
                durable.extend(&now[..part]);
            }
            now.clone_from(durable);
        }
        self.left.set(None);
    }

    pub(crate) fn any(&mut self, below: u32) -> u32 {
        self.rng.next_u32() % below
    }

    fn operation(&self) -> io::Result<()> {
        match self.left.get() {
            Some(0) => return Err(io::Error::other("the power is cut")),
            Some(left) => self.left.set(Some(left - 1)),
            None => {}
        }
        Ok(())
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.tree, &change);
        self.changes.push(change);
    }
}

impl Disk for SimDisk {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(match self.tree.get(path) {
            Some(Node::File(file)) => Some(self.files[*file].0.clone()),
            Some(Node::Link(_) | Node::Directory) | None => None,
        })
    }

    fn target(&self, path: &str) -> io::Result<Option<String>> {
        Ok(match self.tree.get(path) {
            Some(Node::Link(target)) => Some(target.clone()),
            Some(Node::File(_) | Node::Directory) | None => None,
        })
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let inside = self
            .tree
            .keys()
            .filter_map(|name| name.strip_prefix(path)?.strip_prefix('/'));
        Ok(inside.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }

    fn is_file(&self, path: &str) -> bool {
        matches!(self.tree.get(path), Some(Node::File(_)))
    }

    fn write(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        self.operation()?;
        if let Some(Node::File(file)) = self.tree.get(path) {
            self.files[*file].0 = contents.to_vec();
            return Ok(());
        }
        self.files.push((contents.to_vec(), Vec::new()));
        self.change(Change::Set(path.to_owned(), Node::File(self.files.len() - 1)));
        Ok(())
    }

    fn make_directory(&mut self, path: &str) -> io::Result<()> {
        self.operation()?;
        if !self.tree.contains_key(path) {
            self.change(Change::Set(path.to_owned(), Node::Directory));
        }
        Ok(())
    }

    fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.operation()?;
        assert!(!self.tree.contains_key(path), "{path} is there");
        self.change(Change::Set(path.to_owned(), Node::Link(target.to_owned())));
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.operation()?;
        assert!(self.tree.contains_key(from), "{from} is not there");
        assert!(self.tree.get(to) != Some(&Node::Directory), "{to} is in the way");
        self.change(Change::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        self.operation()?;
        if self.tree.contains_key(path) {
            self.change(Change::Remove(path.to_owned()));
        }
        Ok(())
    }

    fn sync_file(&mut self, path: &str) -> io::Result<()> {
        self.operation()?;
        let Some(Node::File(file)) = self.tree.get(path) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let (now, durable) = &mut self.files[*file];
        durable.clone_from(now);
        Ok(())
    }

    fn sync_directory(&mut self, path: &str) -> io::Result<()> {
        self.operation()?;
        // As on a file system with a journal: what was done before is durable as well.
        let is_in = |name: &String| name.rsplit_once('/').map_or("", |(directory, _)| directory) == path;
        let last = self.changes.iter().rposition(|change| match change {
            Change::Set(name, _) | Change::Remove(name) => is_in(name),
            Change::Rename(from, to) => is_in(from) || is_in(to),
        });
        for change in self.changes.drain(..last.map_or(0, |last| last + 1)) {
            apply(&mut self.durable, &change);
        }
        Ok(())
    }
}

fn apply(tree: &mut Tree, change: &Change) {
    match change {
        Change::Set(name, node) => {
            tree.insert(name.clone(), node.clone());
        }
        Change::Remove(name) => drop(take(tree, name)),
        Change::Rename(from, to) => {
            drop(take(tree, to));
            for (rest, node) in take(tree, from) {
                tree.insert(format!("{to}{rest}"), node);
            }
        }
    }
}

/// Takes a name and everything below it out, as what follows the name.
fn take(tree: &mut Tree, name: &str) -> Vec<(String, Node)> {
    let below = format!("{name}/");
    let names: Vec<String> = tree
        .keys()
        .filter(|it| *it == name || it.starts_with(&below))
        .cloned()
        .collect();
    let found = names
        .into_iter()
        .filter_map(|it| Some((it[name.len()..].to_owned(), tree.remove(&it)?)));
    found.collect()
}
