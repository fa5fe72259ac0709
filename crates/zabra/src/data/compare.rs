//! `zabra data compare`: what is different in two snapshots. Mirrors `SnapshotComparer`.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::Path;
use std::time::{Duration, Instant};

use zabra_tree::Tree;

use super::arguments::CompareArguments;
use super::open::open;
use crate::exit::{Code, Failure};
use crate::stdio::Page;

/// Compares them, level by level or as asked.
pub(super) fn run(arguments: &CompareArguments) -> Result<(), Failure> {
    let mut page = Page::new();
    page.line(format_args!("Successfully parsed options!"))?;
    let left = Measured::load(&arguments.left, &mut page)?;
    let right = Measured::load(&arguments.right, &mut page)?;
    for tree in [&left, &right] {
        tree.describe(&mut page)?;
    }
    let mut comparison = Comparison { left: &left, right: &right, arguments, page };
    if arguments.interactive {
        comparison.ask()?;
    } else {
        comparison.all()?;
    }
    comparison.page.line(format_args!("All layers compared."))?;
    comparison.page.finish()
}

/// A node and how much is below it.
#[derive(Debug)]
struct Subtree {
    /// The path; empty for the root.
    path: String,
    parent: Option<usize>,
    children: Vec<usize>,
    /// Bytes of data in it and below it.
    bytes: i64,
    /// Nodes below it.
    nodes: i64,
}

/// A snapshot, measured.
#[derive(Debug)]
struct Measured {
    subtrees: Vec<Subtree>,
    levels: Vec<Vec<usize>>,
    by_path: BTreeMap<String, usize>,
}

impl Measured {
    fn load(file: &Path, page: &mut Page) -> Result<Self, Failure> {
        let begin = Instant::now();
        let (tree, _) = open(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        page.line(format_args!("Deserialized snapshot in {name} in {} seconds", seconds(begin.elapsed())))?;
        let begin = Instant::now();
        let measured = Self::of(&tree);
        page.line(format_args!("Processed data tree in {} seconds", seconds(begin.elapsed())))?;
        Ok(measured)
    }

    fn of(tree: &Tree) -> Self {
        let mut subtrees: Vec<Subtree> = Vec::new();
        let mut levels: Vec<Vec<usize>> = Vec::new();
        let mut to_visit = vec![(String::new(), 0, None)];
        while let Some((path, depth, parent)) = to_visit.pop() {
            let Some(node) = tree.get(if path.is_empty() { "/" } else { &path }) else { continue };
            let at = subtrees.len();
            to_visit.extend(node.children().map(|name| (format!("{path}/{name}"), depth + 1, Some(at))));
            if let Some(parent) = parent.and_then(|parent: usize| subtrees.get_mut(parent)) {
                parent.children.push(at);
            }
            let bytes = node.data().map_or(0, |data| data.len() as i64);
            subtrees.push(Subtree { path, parent, children: Vec::new(), bytes, nodes: 0 });
            if levels.len() <= depth {
                levels.resize_with(depth + 1, Vec::new);
            }
            levels[depth].push(at);
        }
        // Children come after their parents, so going backwards each is complete when it is added.
        for at in (0..subtrees.len()).rev() {
            let Subtree { parent, nodes, bytes, .. } = subtrees[at];
            if let Some(parent) = parent {
                subtrees[parent].nodes += nodes + 1;
                subtrees[parent].bytes += bytes;
            }
        }
        let by_path = subtrees.iter().enumerate().map(|(at, subtree)| (subtree.path.clone(), at)).collect();
        Self { subtrees, levels, by_path }
    }

    fn describe(&self, page: &mut Page) -> Result<(), Failure> {
        page.line(format_args!("Node count: {}", self.subtrees.len()))?;
        page.line(format_args!("Total size: {}", self.subtrees.first().map_or(0, |root| root.bytes)))?;
        page.line(format_args!("Max depth: {}", self.levels.len()))?;
        for (depth, level) in self.levels.iter().enumerate() {
            page.line(format_args!("Count of nodes at depth {depth}: {}", level.len()))?;
        }
        page.line(format_args!(""))
    }

    /// The nodes of a level, sorted.
    fn level(&self, depth: usize) -> Vec<&Subtree> {
        self.sorted(self.levels.get(depth).map_or(&[], Vec::as_slice))
    }

    /// The children of a node, sorted; `None` when there is no such node.
    fn children(&self, path: &str) -> Option<Vec<&Subtree>> {
        self.by_path.get(path).map(|&at| self.sorted(&self.subtrees[at].children))
    }

    fn sorted(&self, places: &[usize]) -> Vec<&Subtree> {
        let mut subtrees: Vec<_> = places.iter().map(|&at| &self.subtrees[at]).collect();
        subtrees.sort_by(|a, b| java_cmp(&a.path, &b.path));
        subtrees
    }
}

/// As Java compares texts.
fn java_cmp(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

fn seconds(took: Duration) -> String {
    format!("{:.6}", took.as_secs_f64())
}

struct Comparison<'a> {
    left: &'a Measured,
    right: &'a Measured,
    arguments: &'a CompareArguments,
    page: Page,
}

impl Comparison<'_> {
    fn depth(&self) -> usize {
        self.left.levels.len().max(self.right.levels.len())
    }

    fn all(&mut self) -> Result<(), Failure> {
        self.thresholds()?;
        for depth in 0..self.depth() {
            self.level(depth)?;
        }
        Ok(())
    }

    fn ask(&mut self) -> Result<(), Failure> {
        let mut lines = io::stdin().lock().lines();
        let mut current = 0;
        while current < self.depth() {
            self.page.line(format_args!("Current depth is {current}"))?;
            self.page.line(format_args!(
                "- Press enter to move to print current depth layer;\n\
                 - Type a number to jump to and print all nodes at a given depth;\n\
                 - Enter an ABSOLUTE path to print the immediate subtree of a node. Path must start with '/'."
            ))?;
            self.page.flush()?;
            let Some(input) = lines.next() else { return Ok(()) };
            let input = input.map_err(|error| {
                Failure::new(Code::Unexpected, format!("cannot read the answer: {error}"))
            })?;
            self.thresholds()?;
            let last = self.depth() - 1;
            if input.is_empty() {
                self.level(current)?;
                current += 1;
            } else if input.starts_with('/') {
                self.page.line(format_args!("Analysis for node {input}"))?;
                self.below(&input)?;
            } else {
                match input.parse::<i32>() {
                    Ok(depth) => match usize::try_from(depth).ok().filter(|depth| *depth <= last) {
                        Some(depth) => {
                            current = depth;
                            self.level(depth)?;
                        }
                        None => {
                            self.page.line(format_args!("Depth must be in range [0, {last}]"))?;
                            continue;
                        }
                    },
                    Err(_) => self.page.line(format_args!(
                        "Input {input} is not valid. Depth must be in range [0, {last}]. Path must be an absolute path \
                         which starts with '/'."
                    ))?,
                }
            }
            self.page.line(format_args!(""))?;
        }
        Ok(())
    }

    fn thresholds(&mut self) -> Result<(), Failure> {
        let CompareArguments { bytes, nodes, .. } = self.arguments;
        self.page.line(format_args!(
            "Printing analysis for nodes difference larger than {bytes} bytes or node count difference larger than {nodes}."
        ))
    }

    fn level(&mut self, depth: usize) -> Result<(), Failure> {
        self.page.line(format_args!("Analysis for depth {depth}"))?;
        let (left, right) = (self.left.level(depth), self.right.level(depth));
        self.nodes(&left, &right)
    }

    fn below(&mut self, path: &str) -> Result<(), Failure> {
        match (self.left.children(path), self.right.children(path)) {
            (None, None) => {
                self.page.line(format_args!("Path {path} is neither found in left tree nor right tree."))
            }
            (left, right) => self.nodes(&left.unwrap_or_default(), &right.unwrap_or_default()),
        }
    }

    fn nodes(&mut self, left: &[&Subtree], right: &[&Subtree]) -> Result<(), Failure> {
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(l), Some(r)) => {
                    let order = java_cmp(&l.path, &r.path);
                    if self.arguments.debug {
                        self.page.line(format_args!("Comparing {} to {}", l.path, r.path))?;
                        let found = match order {
                            Ordering::Less => "left is less",
                            Ordering::Greater => "right is less",
                            Ordering::Equal => "same",
                        };
                        self.page.line(format_args!("{found}"))?;
                    }
                    order
                }
            };
            let left = if order.is_le() { left.next() } else { None };
            let right = if order.is_ge() { right.next() } else { None };
            match (left, right) {
                (Some(left), Some(right)) => self.both(left, right)?,
                (Some(node), None) => self.only(node, "left")?,
                (None, Some(node)) => self.only(node, "right")?,
                (None, None) => {}
            }
        }
    }

    fn is_shown(&self, bytes: i64, nodes: i64) -> bool {
        bytes > self.arguments.bytes || nodes > self.arguments.nodes
    }

    fn is_told_anyway(&self) -> bool {
        self.arguments.debug || self.arguments.interactive
    }

    fn both(&mut self, left: &Subtree, right: &Subtree) -> Result<(), Failure> {
        let (bytes, nodes) = (right.bytes - left.bytes, right.nodes - left.nodes);
        if self.is_shown(bytes.abs(), nodes.abs()) {
            self.page.line(format_args!(
                "Node {} found in both trees. Delta: {bytes} bytes, {nodes} descendants",
                left.path
            ))?;
        } else if self.is_told_anyway() {
            self.page.line(format_args!(
                "Filtered node {} of left size {}, right size {}",
                left.path, left.bytes, right.bytes
            ))?;
        }
        Ok(())
    }

    fn only(&mut self, node: &Subtree, side: &str) -> Result<(), Failure> {
        if self.is_shown(node.bytes, node.nodes) {
            self.page.line(format_args!(
                "Node {} found only in {side} tree. Descendant size: {}. Descendant count: {}",
                node.path, node.bytes, node.nodes
            ))?;
        } else if self.is_told_anyway() {
            self.page.line(format_args!("Filtered {side} node {} of size {}", node.path, node.bytes))?;
        }
        Ok(())
    }
}
