//! [`Repository`](crate::repo): init, open, discover.
