//! A load of one operation with its targets, on a single server or an ensemble.

use crate::Failure;
use crate::table::{Case, Effort, Round, Target};
use zabra_load::{Drive, Op, Row, Shape, micros, micros_exact, op_name};

/// A load and its targets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// The number of its row.
    pub(super) row: u8,
    /// What is asked.
    pub(super) op: Op,
    /// Bytes of data in a node.
    pub(super) data_len: usize,
    /// Operations of a multi.
    pub(super) batch: usize,
    /// Connections, and requests in flight on each.
    pub(super) connections: usize,
    pub(super) depth: usize,
    /// Operations a second.
    pub(super) throughput: Target,
    /// Times less processor time for an operation.
    pub(super) cpu: Option<f64>,
    /// Times sooner that 99 in a hundred reads are answered.
    pub(super) read_p99: Option<f64>,
}

impl Load {
    /// A load that is to be so many times faster.
    pub(super) const fn new(row: u8, op: Op, data_len: usize, load: (usize, usize), times: f64) -> Self {
        let (connections, depth) = load;
        let throughput = Target::Times(times);
        Self { row, op, data_len, batch: 10, connections, depth, throughput, cpu: None, read_p99: None }
    }

    /// What has to be prepared.
    pub(super) fn shape(&self) -> Shape {
        Shape { data_len: self.data_len, batch: self.batch, ..Shape::of(self.op) }
    }

    /// How it is driven.
    pub(super) fn drive(&self, effort: &Effort) -> Drive {
        Drive {
            shape: self.shape(),
            connections: self.connections,
            depth: self.depth,
            warm_up: effort.settle,
            measure: effort.measure,
        }
    }

    /// What it is called, with `through` what.
    fn name(&self, through: Option<&str>) -> String {
        let what = match self.op {
            Op::Churn => "ephemeral create, delete".to_owned(),
            Op::Mix => format!("9:1 get:set {}", bytes(self.data_len)),
            Op::Multi => format!("multi of {}", self.batch),
            op => format!("{} {}", op_name(op), bytes(self.data_len)),
        };
        let through = through.map_or_else(String::new, |through| format!(" {through}"));
        format!("{what} {}x{}{through}", self.connections, self.depth)
    }

    /// Its cases.
    pub(super) fn cases(&self, through: Option<&str>) -> Vec<Case> {
        let name = self.name(through);
        let mut cases = vec![Case::more(self.row, &name, "op/s", self.throughput)];
        if let Some(times) = self.cpu {
            cases.push(Case::less(self.row, format!("{name} CPU"), "us/op", Target::Times(times)));
        }
        if let Some(times) = self.read_p99 {
            cases.push(Case::less(self.row, format!("{name} read p99"), "us", Target::Times(times)));
        }
        cases
    }

    /// Figures for the cases, in their order.
    pub(super) fn round(&self, row: &Row) -> Result<Round, Failure> {
        let mut values = vec![row.throughput];
        if self.cpu.is_some() {
            values.push(row.cpu_per_op.map_or(f64::NAN, micros_exact));
        }
        if self.read_p99.is_some() {
            values.push(micros(row.reads.p99));
        }
        round(row, values)
    }
}

/// A round of an ordinary measurement with these figures for the cases.
///
/// # Errors
/// The server answered with errors, so that its figures are not those of the operation.
pub(super) fn round(row: &Row, values: Vec<f64>) -> Result<Round, Failure> {
    if row.errors > 0 {
        return Err(format!("{} answers were errors", row.errors).into());
    }
    Ok(Round {
        values,
        cpu_us_per_op: row.cpu_per_op.map(micros_exact),
        foreign_cpus: Some(row.foreign_cpus),
        details: row.json(),
    })
}

fn bytes(len: usize) -> String {
    if len >= 1024 && len.is_multiple_of(1024) { format!("{} KiB", len / 1024) } else { format!("{len} B") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_done() {
        let names = [
            Load::new(1, Op::Get, 1024, (16, 32), 10.0),
            Load::new(3, Op::Mix, 100, (64, 4), 7.0),
            Load { batch: 30, ..Load::new(5, Op::Multi, 100, (16, 4), 6.0) },
        ]
        .map(|load| load.name(None));
        assert_eq!(names, ["get 1 KiB 16x32", "9:1 get:set 100 B 64x4", "multi of 30 16x4"]);
        let churn = Load::new(4, Op::Churn, 100, (64, 1), 6.0);
        assert_eq!(churn.name(Some("follower")), "ephemeral create, delete 64x1 follower");
    }
}
