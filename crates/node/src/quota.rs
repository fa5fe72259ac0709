//! Hard quotas, tested while preparing.
