//! Several writes under one zxid, all or none.

use super::{Draft, EpochUsedUp, Prepared, Preparer, Submitter, Surroundings};
use zabra_proto::{
    DecodeError, DecodeReason, MultiOp, Put, Reader, Txn, TxnType, put_sub_txn, put_txn_header, read_multi,
};
use zabra_types::KeeperError;

/// The genuine server takes no zxid for a null list, though it does for everything else it cannot read.
const NULL_ACL: DecodeError = DecodeError { field: "acl", reason: DecodeReason::Null };

impl Preparer {
    pub(super) fn multi(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        reader: &mut Reader<'_>,
    ) -> Result<Prepared, EpochUsedUp> {
        let body_len = reader.rest().len();
        let ops = match read_multi(reader) {
            Err(NULL_ACL) => return Ok(Prepared::Refused(KeeperError::MarshallingError)),
            ops => ops.ok().filter(|ops| ops.iter().all(has_path)),
        };
        let mut draft = self.draft(from, at.time, TxnType::Multi)?;
        let result = match ops {
            Some(ops) => {
                // About what comes in goes out.
                draft.payload.reserve(128 + body_len);
                self.all_or_none(at, from, &mut draft, &ops)
            }
            None => Err(KeeperError::MarshallingError),
        };
        Ok(Prepared::Proposal(self.finish(at, draft, result)))
    }

    /// Prepares each operation upon the effects of those before it. The first that fails undoes them all and is written
    /// down as an error, as is every one after it; those before it stay written and are not applied.
    ///
    /// # Errors
    /// `MarshallingError` alone, where the genuine server stumbles and refuses the whole request. It then leaves what it
    /// had prepared outstanding until the refusal is applied, so that the next request can miss a sequence number; here
    /// nothing is left.
    fn all_or_none(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        draft: &mut Draft,
        ops: &[MultiOp<'_>],
    ) -> Result<(), KeeperError> {
        put_txn_header(&mut draft.payload, &draft.header);
        draft.payload.put_count(ops.len());
        draft.in_multi = true;
        self.outstanding.begin_multi();
        let digest_before = self.digest;
        for (done, op) in ops.iter().enumerate() {
            let Err(error) = self.one_of_many(at, from, draft, op) else { continue };
            self.outstanding.undo_multi();
            self.digest = digest_before;
            if error == KeeperError::MarshallingError {
                return Err(error);
            }
            put_error(draft, error);
            for _ in &ops[done + 1..] {
                put_error(draft, KeeperError::RuntimeInconsistency);
            }
            return Ok(());
        }
        self.outstanding.keep_multi();
        Ok(())
    }

    fn one_of_many(
        &mut self,
        at: &Surroundings<'_>,
        from: &Submitter<'_>,
        draft: &mut Draft,
        op: &MultiOp<'_>,
    ) -> Result<(), KeeperError> {
        match op {
            MultiOp::Create(create) => self.create(at, from, draft, create),
            MultiOp::Delete(delete) => self.delete(at, from, draft, delete),
            MultiOp::SetData(set) => self.set_data(at, from, draft, set),
            MultiOp::Check(check) => self.check(at, from, draft, check),
        }
    }
}

/// A null path anywhere in a multi refuses the whole, before anything is tried.
pub(super) const fn has_path(op: &MultiOp<'_>) -> bool {
    match op {
        MultiOp::Create(create) => create.path.is_some(),
        MultiOp::Delete(delete) => delete.path.is_some(),
        MultiOp::SetData(set) => set.path.is_some(),
        MultiOp::Check(check) => check.path.is_some(),
    }
}

fn put_error(draft: &mut Draft, error: KeeperError) {
    put_sub_txn(&mut draft.payload, TxnType::Error.code(), &Txn::Error { code: error.code() });
}
