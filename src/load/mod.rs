//! Layer 2: load. Native threads that drive connections and measure them.

mod closed_loop;
mod driver;
mod histogram;

pub use closed_loop::{ClosedLoop, Limit};
pub use driver::Report;
pub use histogram::Histogram;
