//! The sub-commands of `bench-load`: what each is asked, and how it is put together of the parts.

pub mod calls;
pub mod idle;
pub mod list;
pub mod options;
pub mod start;
